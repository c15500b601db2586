"""The feed as programs outside get it: pages with cursors, and rows as JSON (docs/feed.md)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType

from enduser.core.feed import CHANGED, EVERY_ROW, TELLABLE, FeedFilter, FeedRow
from enduser.errors import AttributeNotFound, SegmentNotFound
from enduser.service.json_form import Time, iso_time
from enduser.stores.contract import Reader
from enduser.stores.paging import cursor_behind, number_behind

END = "end"
"""The cursor of whoever wants to hear only what comes from now on."""
_ORDER = "feed"
Kind = Literal["entered", "left", "changed"]


class FeedRowJson(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that became another: somebody entered or left a segment, or an attribute changed."""

    number: Annotated[int, Meta(description="its place in the feed: later is greater", ge=1)]
    kind: Kind
    segment: Annotated[str, Meta(description="the id of that segment")] | UnsetType = UNSET
    attribute: Annotated[str, Meta(description="the name of that attribute")] | UnsetType = UNSET
    user_id: str
    is_anonymous: bool
    before: Annotated[Any, Meta(description="what the attribute was; null: unknown")] | UnsetType = UNSET
    after: Annotated[Any, Meta(description="what the attribute is; null: unknown")] | UnsetType = UNSET
    noticed_at: Annotated[Time, Meta(description="what the clock of the space showed")]


@dataclass(frozen=True, slots=True)
class FeedRead:
    """Some rows of the feed as they are told, and the cursor of what follows them."""

    items: Sequence[FeedRowJson]
    cursor: str


def read_feed(
    reader: Reader, space: str, cursor: str | None, limit: int, which: FeedFilter = EVERY_ROW
) -> FeedRead:
    """Return rows of the feed behind a cursor; None: from the first that is kept; `END`: none.

    Raises:
        InvalidCursor: the cursor is none of the feed's.
        FeedExpired: not all that follows it is kept any more.
        SegmentNotFound, AttributeNotFound: there is none that `which` names.
    """
    require_named(reader, space, which)
    if cursor == END:
        return FeedRead([], cursor_of(reader.feed_page(space, limit=1).last_number))
    page = reader.feed_page(space, number_behind(cursor, _ORDER), limit=limit, which=which)
    return FeedRead([row_json(row) for row in page.rows], cursor_of(page.reached))


def number_of(reader: Reader, space: str, cursor: str | None) -> int:
    """Return the number behind which a cursor stands, as of `read_feed`.

    Raises:
        InvalidCursor: the cursor is none of the feed's.
        FeedExpired: not all that follows it is kept any more.
    """
    number = None if cursor == END else number_behind(cursor, _ORDER)
    page = reader.feed_page(space, number, limit=1)
    if cursor == END:
        return page.last_number
    return page.first_number - 1 if number is None else number


def cursor_of(number: int) -> str:
    """Return the cursor of the place behind a row."""
    return cursor_behind([number], _ORDER)


def row_json(row: FeedRow) -> FeedRowJson:
    """Return a row as it is told."""
    about: dict[str, Any] = {"segment": row.subject}
    if row.kind == CHANGED:
        about = {"attribute": row.subject, "before": row.before, "after": row.after}
    return FeedRowJson(
        number=row.number,
        kind=msgspec.convert(row.kind, Kind),
        user_id=row.user_id,
        is_anonymous=row.is_anonymous,
        noticed_at=iso_time(row.noticed_at),
        **about,
    )


def require_named(reader: Reader, space: str, which: FeedFilter) -> None:
    """Check that there is what a filter names.

    Raises:
        SegmentNotFound, AttributeNotFound: something is not there.
    """
    for segment_id in which.segments:
        try:
            reader.find_segment(space, segment_id)
        except SegmentNotFound as error:
            error.field = "segment"
            raise
    if which.attributes:
        known = TELLABLE.union(attribute.name for attribute in reader.attributes())
        for name in which.attributes:
            if name not in known:
                raise AttributeNotFound(
                    f"there is no attribute {name!r} of which the feed could tell",
                    hint="names are case-sensitive; the setting feed_attributes says of which it does",
                    field="attribute",
                )
