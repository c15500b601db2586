"""Saved filters: what people ask for of users again and again."""

from __future__ import annotations

import secrets
from dataclasses import replace
from typing import Annotated

import msgspec
from msgspec import UNSET, Meta, UnsetType

from enduser import limits
from enduser.api.management.asked_users import HINT, NEWEST
from enduser.api.management.calls import Call, Route, given
from enduser.api.management.parameters import FILTER_ID, SPACE
from enduser.api.management.rules import RULE_ERRORS, RULE_EXAMPLE, rule_of_body
from enduser.core.filters import SavedFilter, UserFilter
from enduser.errors import FilterExists, FilterNotFound, InvalidFilter, LimitExceeded
from enduser.service.filter_json import Columns, FilterJson, Search, Sort, filter_json
from enduser.service.segment_json import Rule
from enduser.stores.contract import OwnedStore

_ID_BYTES = 6
Name = Annotated[
    str,
    Meta(
        description="what people call it",
        extra_json_schema={"maxLength": limits.FILTER_NAME_CHARACTERS_MAX},
    ),
]


class FiltersPage(msgspec.Struct, frozen=True):
    """All filters of a space, by id, and how many there may be."""

    items: list[FilterJson]
    limit: int
    next_cursor: str | None = None


class NewFilter(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A filter to be; without an id it gets one."""

    name: Name
    id: str | UnsetType = UNSET
    rule: Rule | None = None
    search: Search = ""
    columns: Columns = None
    sort: Sort = NEWEST


class FilterChange(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is to be another of a filter; what is not named stays."""

    name: Name | UnsetType = UNSET
    rule: Rule | UnsetType | None = UNSET
    search: Search | UnsetType = UNSET
    columns: Columns | UnsetType = UNSET
    sort: Sort | UnsetType = UNSET


class FilterDeleted(msgspec.Struct, frozen=True):
    """A filter is there no more."""

    deleted: bool


async def list_filters(call: Call) -> FiltersPage:
    """Return all filters of a space."""
    found = await call.read(lambda reader: reader.filters(call.space))
    return FiltersPage([filter_json(one) for one in found], limits.FILTERS_MAX)


async def show_filter(call: Call) -> FilterJson:
    """Return one filter."""
    filter_id = call.values["filter_id"]
    return filter_json(await call.read(lambda reader: reader.find_filter(call.space, filter_id)))


async def create_filter(call: Call) -> FilterJson:
    """Make a filter."""
    told = call.told(NewFilter, HINT)
    asked = UserFilter(
        id=secrets.token_hex(_ID_BYTES) if told.id is UNSET else told.id,
        name=told.name,
        rule=told.rule,
        search=told.search,
        columns=None if told.columns is None else tuple(told.columns),
        sort=told.sort,
    )
    saving = call.saving(is_new=True)
    with rule_of_body():
        return filter_json(await call.change(lambda store: store.save_filter(call.space, asked, saving)))


async def change_filter(call: Call) -> FilterJson:
    """Change a filter."""
    told, filter_id = call.told(FilterChange, HINT), call.values["filter_id"]
    changes = given(told)
    if changes.get("columns") is not None:
        changes["columns"] = tuple(changes["columns"])
    saving = call.saving(is_new=False)

    def change(store: OwnedStore) -> SavedFilter:
        found = store.find_filter(call.space, filter_id)
        return store.save_filter(call.space, replace(found.filter, **changes), saving)

    with rule_of_body():
        return filter_json(await call.change(change))


async def delete_filter(call: Call) -> FilterDeleted:
    """Take a filter away."""
    filter_id = call.values["filter_id"]
    await call.change(lambda store: store.delete_filter(call.space, filter_id))
    return FilterDeleted(deleted=True)


_FILTER = FilterJson(
    id="in-oslo",
    name="In Oslo",
    rule=RULE_EXAMPLE,
    search="oslo",
    columns=["last_seen", "city"],
    sort=NEWEST,
    created_at="2026-03-01T10:00:00.000000Z",
    changed_at="2026-03-01T10:00:00.000000Z",
    changed_by="reports",
)
_PATH = "/api/v1/filters"

ROUTES = (
    Route(
        "GET",
        _PATH,
        list_filters,
        "List the saved filters",
        FiltersPage,
        FiltersPage([_FILTER], limits.FILTERS_MAX),
        (SPACE,),
    ),
    Route(
        "POST",
        _PATH,
        create_filter,
        "Save a filter",
        FilterJson,
        _FILTER,
        (SPACE,),
        (*RULE_ERRORS, InvalidFilter, FilterExists, LimitExceeded),
        body=NewFilter,
        body_example={
            "name": "In Oslo",
            "rule": RULE_EXAMPLE,
            "search": "oslo",
            "columns": ["last_seen", "city"],
        },
        body_limit="RULE_BODY_BYTES_MAX",
    ),
    Route(
        "GET",
        f"{_PATH}/{{filter_id}}",
        show_filter,
        "Show a saved filter",
        FilterJson,
        _FILTER,
        (FILTER_ID, SPACE),
        (FilterNotFound,),
    ),
    Route(
        "PATCH",
        f"{_PATH}/{{filter_id}}",
        change_filter,
        "Change a saved filter",
        FilterJson,
        _FILTER,
        (FILTER_ID, SPACE),
        (*RULE_ERRORS, FilterNotFound, InvalidFilter, LimitExceeded),
        body=FilterChange,
        body_example={"columns": ["last_seen", "city", "country"]},
        body_limit="RULE_BODY_BYTES_MAX",
    ),
    Route(
        "DELETE",
        f"{_PATH}/{{filter_id}}",
        delete_filter,
        "Delete a saved filter",
        FilterDeleted,
        FilterDeleted(deleted=True),
        (FILTER_ID, SPACE),
        (FilterNotFound,),
    ),
)
