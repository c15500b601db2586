"""Saved filters of a space."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import duckdb
import msgspec

from enduser import limits
from enduser.core.attributes import AttributeType
from enduser.core.filters import SavedFilter, UserFilter, check_filter, kept, with_renamed
from enduser.core.rules.naming import Names
from enduser.core.rules.rule_json import RuleJson
from enduser.core.rules.tree import Rule
from enduser.core.segments import Saving
from enduser.core.uses import Named
from enduser.errors import FilterExists, FilterNotFound, LimitExceeded
from enduser.stores.embedded.statements import run

Read = Callable[[RuleJson], Rule]
"""Returns a rule; raises InvalidRule, RuleTooLarge or UsersNotTracked."""


def every_filter(connection: duckdb.DuckDBPyConnection, filter_id: str | None = None) -> list[SavedFilter]:
    """Return the filters of a space, by id; see `Reader.filters`."""
    return [_saved(*row) for row in run(connection, "filters.filters", id=filter_id)]


def find_filter(connection: duckdb.DuckDBPyConnection, filter_id: str) -> SavedFilter:
    """Return the filter of an id; see `Reader.find_filter`.

    Raises:
        FilterNotFound: there is none.
    """
    for saved in every_filter(connection, filter_id):
        return saved
    raise FilterNotFound(
        f"there is no filter {filter_id!r}",
        hint="list them by: enduser filters list, or GET /api/v1/filters; ids are case-sensitive",
        field="filter_id",
    )


def uses(connection: duckdb.DuckDBPyConnection, kind: Named, name: str) -> Sequence[tuple[str, str]]:
    """Return the ids and the names of the filters that name something."""
    return run(connection, "filters.uses", kind=kind, name=name)


# --- saving; the caller owns the transaction


def save(
    connection: duckdb.DuckDBPyConnection,
    asked: UserFilter,
    saving: Saving,
    custom: Mapping[str, AttributeType],
    read: Read,
) -> SavedFilter:
    """Make a filter or change it, where there are these custom attributes; see `Store.save_filter`.

    Raises:
        InvalidFilter, InvalidParameter, LimitExceeded, InvalidRule, RuleTooLarge, UsersNotTracked: as
            `enduser.core.filters.check_filter`; or there are as many as there may be.
        FilterExists, FilterNotFound: it is there, or is not.
    """
    names = check_filter(asked, custom, read)
    before = _before(connection, asked.id, is_new=saving.is_new)
    created_at = before.created_at if before else saving.at
    saved = SavedFilter(filter=kept(asked), saved_at=saving.at, saved_by=saving.by, created_at=created_at)
    _store(connection, saved, names)
    return saved


def delete(connection: duckdb.DuckDBPyConnection, filter_id: str) -> None:
    """Take a filter away.

    Raises:
        FilterNotFound: there is none of this id.
    """
    find_filter(connection, filter_id)  # there must be such a filter
    run(connection, "filters.delete", id=filter_id)


def require(
    connection: duckdb.DuckDBPyConnection, filter_id: str, custom: Mapping[str, AttributeType], read: Read
) -> None:
    """Check a filter that is there, where these are the custom attributes.

    Raises:
        InvalidParameter, InvalidRule, RuleTooLarge, UsersNotTracked: it cannot be (any more).
    """
    check_filter(find_filter(connection, filter_id).filter, custom, read)


def rename_attribute(connection: duckdb.DuckDBPyConnection, name: str, new_name: str) -> None:
    """Let all filters name an attribute by its new name."""
    for filter_id, _ in uses(connection, "attributes", name):
        saved = find_filter(connection, filter_id)
        names = Names(*map(tuple, run(connection, "filters.names", id=filter_id)[0]))
        attributes = sorted({new_name if one == name else one for one in names.attributes})
        again = replace(saved, filter=with_renamed(saved.filter, name, new_name))
        _store(connection, again, replace(names, attributes=tuple(attributes)))


def _before(connection: duckdb.DuckDBPyConnection, filter_id: str, *, is_new: bool) -> SavedFilter | None:
    """Return a filter as it is before it is saved, None if it is to be made."""
    if not is_new:
        return find_filter(connection, filter_id)
    if every_filter(connection, filter_id):
        raise FilterExists(
            f"a filter has the id {filter_id!r} already",
            hint="change that, or take another id",
            field="id",
        )
    if run(connection, "filters.count")[0][0] >= limits.FILTERS_MAX:
        raise LimitExceeded(
            f"there are {limits.FILTERS_MAX:,} filters",
            hint=f"the limit is {limits.FILTERS_MAX:,} (FILTERS_MAX); delete those that nobody uses",
            limit=limits.FILTERS_MAX,
        )
    return None


def _store(connection: duckdb.DuckDBPyConnection, saved: SavedFilter, names: Names) -> None:
    asked = saved.filter
    run(
        connection,
        "filters.save",
        id=asked.id,
        name=asked.name,
        rule=None if asked.rule is None else msgspec.json.encode(asked.rule).decode(),
        search=asked.search,
        columns=None if asked.columns is None else list(asked.columns),
        sort=asked.sort,
        saved_at=saved.saved_at,
        saved_by=saved.saved_by,
        created_at=saved.created_at,
        attributes=list(names.attributes),
        segments=list(names.segments),
        lists=list(names.lists),
    )


def _saved(id_: str, name: str, rule: str | None, search: str, *more: Any) -> SavedFilter:
    columns, sort, saved_at, saved_by, created_at = more
    asked = UserFilter(
        id=id_,
        name=name,
        rule=None if rule is None else msgspec.json.decode(rule),
        search=search,
        columns=None if columns is None else tuple(columns),
        sort=sort,
    )
    return SavedFilter(filter=asked, saved_at=saved_at, saved_by=saved_by, created_at=created_at)
