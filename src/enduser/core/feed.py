"""The feed: what became another of users, told once and in order (docs/feed.md)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

ENTERED, LEFT, CHANGED = "entered", "left", "changed"
FEED_KINDS = (ENTERED, LEFT, CHANGED)
"""Somebody entered or left a segment; an attribute of somebody is another."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedRow:
    """One thing that became another."""

    number: int
    """Its place in the feed of the space, from 1; later is greater."""
    noticed_at: int
    """What the clock of the space showed, in µs."""
    kind: str
    """One of `FEED_KINDS`."""
    subject: str
    """The id of the segment, or the name of the attribute."""
    before: Any
    """Of an attribute; None: unknown. A datetime is µs."""
    after: Any
    user_id: str
    is_anonymous: bool


@dataclass(frozen=True, slots=True)
class FeedPage:
    """Some rows of the feed, in order, and where it ends."""

    rows: Sequence[FeedRow]
    last_number: int
    """The number of the last row that was ever written; 0: there was none."""
