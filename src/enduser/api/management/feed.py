"""The feed: who entered and left segments, and what became another of users."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

from enduser.api.management.calls import Call, Route
from enduser.api.management.parameters import (
    FEED_ATTRIBUTE,
    FEED_CURSOR,
    FEED_KIND,
    FEED_SEGMENT,
    LIMIT,
    SPACE,
)
from enduser.core.feed import FeedFilter
from enduser.errors import AttributeNotFound, FeedExpired, InvalidCursor, SegmentNotFound
from enduser.service.feed import FeedRowJson, cursor_of, read_feed


class FeedPage(msgspec.Struct, frozen=True):
    """Some rows of the feed, in order, and where to go on: also where nothing more has come yet."""

    items: list[FeedRowJson]
    next_cursor: Annotated[str, Meta(description="what to read next from; the feed has no last page")]


async def show_feed(call: Call) -> FeedPage:
    """Return a page of the feed."""
    values = call.values
    which = FeedFilter(kinds=values["kind"], segments=values["segment"], attributes=values["attribute"])
    read = await call.read(
        lambda reader: read_feed(reader, call.space, values["cursor"], values["limit"], which)
    )
    return FeedPage(list(read.items), read.cursor)


ROW_EXAMPLES = [
    FeedRowJson(
        number=122,
        kind="changed",
        attribute="plan",
        user_id="adam.br",
        is_anonymous=False,
        before="free",
        after="vip",
        noticed_at="2026-03-01T10:00:00.000000Z",
    ),
    FeedRowJson(
        number=123,
        kind="entered",
        segment="vips",
        user_id="adam.br",
        is_anonymous=False,
        noticed_at="2026-03-01T10:00:00.000000Z",
    ),
]
ROUTES = (
    Route(
        "GET",
        "/api/v1/feed",
        show_feed,
        "Read who entered and left followed segments, and which followed attributes changed",
        FeedPage,
        FeedPage(ROW_EXAMPLES, cursor_of(123)),
        (SPACE, FEED_CURSOR, LIMIT, FEED_KIND, FEED_SEGMENT, FEED_ATTRIBUTE),
        (InvalidCursor, FeedExpired, SegmentNotFound, AttributeNotFound),
    ),
)
