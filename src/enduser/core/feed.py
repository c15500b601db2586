"""The feed: what became another of users, told once and in order (docs/feed.md)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from enduser.core.rules.fields import USER_FIELDS

ENTERED, LEFT, CHANGED = "entered", "left", "changed"
FEED_KINDS = (ENTERED, LEFT, CHANGED)
"""Somebody entered or left a segment; an attribute of somebody is another."""
TELLABLE = frozenset(USER_FIELDS) - {"user_id", "is_anonymous"}
"""What of every End User Object can be told when it changes; the id comes with each row."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedRow:
    """One thing that became another."""

    number: int
    """Its place in the feed of the space, from 1; later is greater."""
    noticed_at: int
    """What the clock of the space showed, in µs."""
    written_at: int
    """The time of the server then, in µs."""
    kind: str
    """One of `FEED_KINDS`."""
    subject: str
    """The id of the segment, or the name of the attribute."""
    before: Any
    """Of an attribute, as the API tells it; None: unknown. A datetime is a text in ISO 8601."""
    after: Any
    user_id: str
    is_anonymous: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedFilter:
    """Which rows of the feed are asked for: those of all kinds, unless some are named."""

    kinds: tuple[str, ...] = ()
    segments: tuple[str, ...] = ()
    """If segments or attributes are named, only rows of those."""
    attributes: tuple[str, ...] = ()


EVERY_ROW = FeedFilter()


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedPage:
    """Some rows of the feed, in order."""

    rows: Sequence[FeedRow]
    reached: int
    """The number up to which the feed was looked through: what is asked for next lies behind it."""
    first_number: int
    """From which number on all rows are kept."""
    last_number: int
    """The number of the last row that was ever written; 0: there was none."""
