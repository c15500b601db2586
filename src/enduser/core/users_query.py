"""Which users are asked for, and what of them (docs/users.md)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from enduser import limits
from enduser.core.attributes import AttributeType
from enduser.core.end_user import USER_COLUMNS
from enduser.core.rules.fields import USER_FIELDS
from enduser.core.rules.rule_json import RuleJson
from enduser.errors import InvalidParameter, LimitExceeded

_SURROGATE = re.compile("[\ud800-\udfff]")


@dataclass(frozen=True, slots=True, kw_only=True)
class UsersQuery:
    """Whom somebody asks for, which of their attributes, and in which order."""

    rule: RuleJson | None = None
    """Those whom it means; None: everyone."""
    search: str = ""
    """Those of whom some text has it in it, in any case; empty: everyone."""
    columns: tuple[str, ...] | None = None
    """The attributes that come besides `user_id` and `is_anonymous`; None: all."""
    sort: str = "user_id"
    """The attribute by which they come, with a `-` before it the greatest first."""
    include_open: bool = False
    """Whether they are as if their open sessions were closed."""

    @property
    def sorted_by(self) -> str:
        """The attribute by which they come."""
        return self.sort.removeprefix("-")


ALL_USERS = UsersQuery()


def check_query(asked: UsersQuery, custom: Mapping[str, AttributeType]) -> None:
    """Check what is asked for, but for the rule, where there are these custom attributes.

    Raises:
        InvalidParameter: there is no such attribute, users cannot be sorted by it, what is searched is no
            text, or a rule and `include_open` are asked for together.
        LimitExceeded: the text that is searched is too long.
    """
    if asked.rule is not None and asked.include_open:
        raise InvalidParameter(
            "rules see closed sessions only, so include_open cannot be asked for with a rule",
            hint="leave one of them out",
            field="include_open",
        )
    types = {**USER_FIELDS, **custom}
    _check_sort(asked.sorted_by, types)
    for name in asked.columns or ():
        if name not in types:
            raise _no_attribute(name, types, "columns")
    _check_search(asked.search)


def _check_sort(name: str, types: Mapping[str, AttributeType]) -> None:
    if name not in types:
        raise _no_attribute(name, types, "sort")
    if types[name] is AttributeType.LIST:
        raise InvalidParameter(
            f"users cannot be sorted by {name!r}, whose values are lists",
            hint="sort by an attribute of another type",
            field="sort",
        )


def _check_search(text: str) -> None:
    if len(text) > limits.SEARCH_CHARACTERS_MAX:
        raise LimitExceeded(
            f"a text of {len(text):,} characters cannot be searched",
            hint=f"the limit is {limits.SEARCH_CHARACTERS_MAX} (SEARCH_CHARACTERS_MAX); a part of it will do",
            field="search",
            limit=limits.SEARCH_CHARACTERS_MAX,
        )
    if _SURROGATE.search(text):
        raise InvalidParameter(
            "what is searched is no UTF-8", hint="write characters, not halves of them", field="search"
        )


def _no_attribute(name: str, types: Mapping[str, AttributeType], field: str) -> InvalidParameter:
    custom = [other for other in types if other not in USER_COLUMNS]
    known = sorted(custom, key=lambda other: (other.lower() != name.lower(), other))
    return InvalidParameter(
        f"there is no attribute {name[:100]!r}",
        hint=f"names are case-sensitive; there are: {', '.join([*USER_COLUMNS, *known[:30]])}",
        field=field,
    )
