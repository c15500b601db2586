"""Reading the feed, page by page."""

from __future__ import annotations

from typing import Any

import msgspec

from enduser import limits
from enduser.core.feed import FeedFilter, FeedPage, FeedRow
from enduser.errors import FeedExpired
from enduser.stores.embedded.reading import Look


def page(look: Look, after: int | None, limit: int, which: FeedFilter) -> FeedPage:
    """Return rows of the feed behind a number; see `Reader.feed_page`.

    Raises:
        FeedExpired: rows behind that number are not kept any more, or it was never reached.
    """
    first, last = look.run("feed.ends")[0]
    if after is None:
        after = first - 1
    if not first - 1 <= after <= last:
        raise _expired(after, first, last)
    found = look.run(
        "feed.page",
        after=after,
        rows=limit,
        kinds=list(which.kinds),
        segments=list(which.segments),
        attributes=list(which.attributes),
    )
    rows = [_row(*row) for row in found]
    reached = rows[-1].number if len(rows) == limit else last
    return FeedPage(rows=rows, reached=reached, first_number=first, last_number=last)


def _expired(after: int, first: int, last: int) -> FeedExpired:
    hint = "read the members of your segments anew, and go on from the end: cursor=end"
    if after > last:
        return FeedExpired(
            f"the feed ends with {last:,}, and what follows {after:,} was asked for: "
            "the data folder is an older copy",
            hint=hint,
            field="cursor",
        )
    return FeedExpired(
        f"the feed is kept from {first:,} on, and what follows {after:,} was asked for",
        hint=f"rows are kept for {limits.FEED_DAYS} days (FEED_DAYS), at most {limits.FEED_ROWS_MAX:,} "
        f"(FEED_ROWS_MAX); {hint}",
        field="cursor",
        limit=limits.FEED_DAYS,
    )


def _row(number: int, noticed_at: int, written_at: int, kind: str, subject: str, *more: Any) -> FeedRow:
    before, after, user_id, is_anonymous = more
    return FeedRow(
        number=number,
        noticed_at=noticed_at,
        written_at=written_at,
        kind=kind,
        subject=subject,
        before=None if before is None else msgspec.json.decode(before),
        after=None if after is None else msgspec.json.decode(after),
        user_id=user_id,
        is_anonymous=is_anonymous,
    )
