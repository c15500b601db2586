"""Saved filters as programs outside get them."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

from enduser.core.filters import SavedFilter
from enduser.service.json_form import Time, iso_time
from enduser.service.segment_json import Rule

Search = Annotated[str, Meta(description="a text that some text of a user has in it; empty: any")]
Columns = Annotated[list[str] | None, Meta(description="the attributes that come besides the id; null: all")]
Sort = Annotated[str, Meta(description="the attribute to sort by, with a - before it the greatest first")]


class FilterJson(msgspec.Struct, frozen=True, kw_only=True):
    """A saved filter."""

    id: str
    name: str
    rule: Rule | None
    search: Search
    columns: Columns
    sort: Sort
    created_at: Time
    changed_at: Time
    changed_by: str


def filter_json(saved: SavedFilter) -> FilterJson:
    """Return the JSON form of a filter."""
    asked = saved.filter
    return FilterJson(
        id=asked.id,
        name=asked.name,
        rule=asked.rule,
        search=asked.search,
        columns=None if asked.columns is None else list(asked.columns),
        sort=asked.sort,
        created_at=iso_time(saved.created_at),
        changed_at=iso_time(saved.saved_at),
        changed_by=saved.saved_by,
    )
