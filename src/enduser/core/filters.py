"""Saved filters: what people ask for of users again and again, under a name (docs/users.md)."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from enduser import limits
from enduser.core.attributes import AttributeType
from enduser.core.rules.naming import Names, names_of, renamed
from enduser.core.rules.reading import with_root, without_additions
from enduser.core.rules.rule_json import RuleJson
from enduser.core.rules.tree import Rule
from enduser.core.users_query import UsersQuery, check_query
from enduser.errors import InvalidFilter

_ID = re.compile(rf"[A-Za-z0-9][A-Za-z0-9_-]{{0,{limits.FILTER_ID_CHARACTERS_MAX - 1}}}", re.ASCII)
_CONTROLS = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
"""Characters that no name has: nobody could see them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class UserFilter:
    """What is asked for of users, under a name."""

    id: str
    name: str
    rule: RuleJson | None = None
    search: str = ""
    columns: tuple[str, ...] | None = None
    sort: str = "-last_seen"

    @property
    def query(self) -> UsersQuery:
        """What is asked for."""
        return UsersQuery(rule=self.rule, search=self.search, columns=self.columns, sort=self.sort)


@dataclass(frozen=True, slots=True, kw_only=True)
class SavedFilter:
    """A filter as it was saved. Times are µs."""

    filter: UserFilter
    saved_at: int
    saved_by: str
    created_at: int


def check_filter(
    asked: UserFilter, custom: Mapping[str, AttributeType], read: Callable[[RuleJson], Rule]
) -> Names:
    """Check a filter where there are these custom attributes; return what it names.

    `read` returns a rule.

    Raises:
        InvalidFilter: its id or its name cannot be.
        InvalidParameter: an attribute is none, or users cannot be sorted by it.
        InvalidRule, RuleTooLarge, UsersNotTracked: its rule cannot be.
        LimitExceeded: the text that is searched is too long.
    """
    if not _ID.fullmatch(asked.id):
        raise InvalidFilter(
            f"no filter can have the id {asked.id[: limits.FILTER_ID_CHARACTERS_MAX + 1]!r}",
            hint="an id has letters, digits, _ and -, begins with a letter or a digit, and has at most "
            f"{limits.FILTER_ID_CHARACTERS_MAX} characters (FILTER_ID_CHARACTERS_MAX)",
            field="id",
        )
    most = limits.FILTER_NAME_CHARACTERS_MAX
    if not asked.name.strip() or len(asked.name) > most or _CONTROLS.search(asked.name):
        raise InvalidFilter(
            f"no filter can be called {asked.name[:most]!r}",
            hint=f"write 1 to {most} characters (FILTER_NAME_CHARACTERS_MAX), without control characters",
            field="name",
            limit=most,
        )
    check_query(asked.query, custom)
    names = Names((), (), ()) if asked.rule is None else names_of(read(asked.rule))
    shown = {*(asked.columns or ()), asked.query.sorted_by}
    return replace(names, attributes=tuple(sorted({*names.attributes, *shown})))


def kept(asked: UserFilter) -> UserFilter:
    """Return a filter that can be, as it is kept: without what editors of rules add, each column once."""
    rule: Any = None if asked.rule is None else without_additions(with_root(asked.rule))
    columns = None if asked.columns is None else tuple(dict.fromkeys(asked.columns))
    return replace(asked, rule=rule, columns=columns)


def with_renamed(asked: UserFilter, name: str, new_name: str) -> UserFilter:
    """Return a filter in which an attribute has another name."""

    def other(one: str) -> str:
        return new_name if one == name else one

    by = other(asked.query.sorted_by)
    return replace(
        asked,
        rule=None if asked.rule is None else renamed(asked.rule, name, new_name),
        columns=None if asked.columns is None else tuple(map(other, asked.columns)),
        sort=f"-{by}" if asked.sort.startswith("-") else by,
    )
