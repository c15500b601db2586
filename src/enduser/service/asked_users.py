"""Whom somebody asks for: by a rule, a segment, a filter or a text, in words of the API and of commands."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from enduser.core.rules.rule_json import RuleJson
from enduser.core.segments import require_in_use
from enduser.core.users_query import UsersQuery
from enduser.errors import FilterNotFound, InvalidParameter, InvalidRule, RuleTooLarge, SegmentNotFound
from enduser.stores.contract import Reader


@dataclass(frozen=True, slots=True, kw_only=True)
class AskedUsers:
    """What somebody says of the users whom he asks for; None: nothing."""

    rule: RuleJson | None = None
    segment: str | None = None
    """The id of a segment in place of a rule."""
    filter: str | None = None
    """The id of a saved filter, which says what he does not say himself."""
    search: str | None = None
    columns: tuple[str, ...] | None = None
    sort: str | None = None
    include_open: bool = False

    def query(self, reader: Reader, space: str, sort: str) -> UsersQuery:
        """Return what is asked for, in the order `sort` if he and the filter say none.

        Raises:
            InvalidParameter: a rule and a segment are named.
            SegmentNotFound: there is no such segment, or it is archived.
            FilterNotFound: there is no such filter.
        """
        saved = UsersQuery(sort=sort)
        if self.filter is not None:
            saved = reader.find_filter(space, self.filter).filter.query
        rule = self._rule(reader, space)
        return UsersQuery(
            rule=saved.rule if rule is None else rule,
            search=saved.search if self.search is None else self.search,
            columns=saved.columns if self.columns is None else self.columns,
            sort=saved.sort if self.sort is None else self.sort,
            include_open=self.include_open,
        )

    def _rule(self, reader: Reader, space: str) -> RuleJson | None:
        if self.segment is None:
            return self.rule
        if self.rule is not None:
            raise InvalidParameter(
                "a rule and a segment cannot be asked for together",
                hint='leave one of them out, or name the segment in the rule: {"kind": "segment", "id": …}',
                field="segment",
            )
        saved = reader.find_segment(space, self.segment)
        require_in_use(saved)
        return saved.segment.rule  # not a rule that names it, which would be larger than it

    @contextmanager
    def naming(self) -> Iterator[None]:
        """Let an error name what the caller gave, within a block.

        Raises:
            InvalidRule, RuleTooLarge, UsersNotTracked: as the block; `field` is the path from the whole call.
            SegmentNotFound, FilterNotFound: as the block.
        """
        try:
            yield
        except (InvalidRule, RuleTooLarge) as error:
            if self.segment is not None:
                error.field = "segment"
            elif self.rule is None:
                error.field = "filter"
            else:
                error.field = f"rule.{error.field}" if error.field else "rule"
            raise
        except (SegmentNotFound, FilterNotFound) as error:
            error.field = "segment" if isinstance(error, SegmentNotFound) else "filter"
            raise
