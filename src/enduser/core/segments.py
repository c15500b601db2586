"""Segments: rules that are saved under a name (docs/segments.md)."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from enduser import limits
from enduser.core.rules.explaining import Verdict
from enduser.core.rules.rule_json import RuleJson
from enduser.errors import InvalidSegment, SegmentNotFound

_ID = re.compile(rf"[A-Za-z0-9][A-Za-z0-9_-]{{0,{limits.SEGMENT_ID_CHARACTERS_MAX - 1}}}", re.ASCII)
_CONTROLS = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
"""Characters that no text for people has; but for a tab and a line end nobody could see them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Segment:
    """What people say of a segment."""

    id: str
    name: str
    rule: RuleJson
    description: str = ""
    tags: tuple[str, ...] = ()
    is_public: bool = False
    """Whether browsers may learn who is in it."""
    is_followed: bool = False
    """Whether the feed tells who enters and leaves it."""
    is_archived: bool = False
    """Whether it is out of use: no rule can name it any more."""


@dataclass(frozen=True, slots=True)
class Saving:
    """How a segment, a filter or a content item is saved."""

    at: int
    """Server time in µs."""
    by: str
    is_new: bool
    version: int | None = None
    """Which version it must have before; None: any."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SavedSegment:
    """A segment as it was saved. Times are µs."""

    segment: Segment
    version: int
    """How often it was saved, from 1."""
    saved_at: int
    saved_by: str
    """Who saved it: an API key by its name, or a command."""
    created_at: int
    """When its first version was saved."""


@dataclass(frozen=True, slots=True)
class Counts:
    """How many a rule means."""

    users: int
    """Users with an End User Object."""
    not_yet_seen: int = 0
    """Ids without one, which only rules of static lists hold."""


@dataclass(frozen=True, slots=True)
class RuleCounts:
    """How many each of some rules means, all at one moment."""

    counts: Sequence[Counts]
    all_users: int
    clock_at: int | None
    """What the space's clock showed, in µs."""


@dataclass(frozen=True, slots=True)
class FacetValue:
    """A value of an attribute, and how many users have it."""

    value: Any
    users: int


@dataclass(frozen=True, slots=True)
class Facet:
    """How users are parted by an attribute."""

    values: Sequence[FacetValue] = field(default_factory=tuple)
    """The most frequent ones, the first first."""
    others: int = 0
    """Users who have another value."""
    unknown: int = 0


@dataclass(frozen=True, slots=True)
class SegmentVerdict:
    """Whether a segment holds for a person, and why."""

    saved: SavedSegment
    verdict: Verdict


@dataclass(frozen=True, slots=True)
class Explained:
    """Whether segments hold for a person, and why."""

    is_seen: bool
    """Whether there is an End User Object; without one only segments of static lists can hold."""
    clock_at: int | None
    """What the space's clock showed, in µs."""
    verdicts: Sequence[SegmentVerdict]
    """Of each segment, by id."""


def require_in_use(saved: SavedSegment) -> None:
    """Check that a segment may be asked.

    Raises:
        SegmentNotFound: it is archived.
    """
    if saved.segment.is_archived:
        raise SegmentNotFound(
            f"the segment {saved.segment.id!r} is archived, so nobody is in it",
            hint=f"take it into use again (enduser segments restore {saved.segment.id}), or ask by its rule",
            field="segment_id",
        )


def check_segment(segment: Segment) -> None:
    """Check what people say of a segment, but for its rule.

    Raises:
        InvalidSegment: the id, the name, the description or a tag cannot be.
    """
    if not _ID.fullmatch(segment.id):
        raise InvalidSegment(
            f"no segment can have the id {segment.id[: limits.SEGMENT_ID_CHARACTERS_MAX + 1]!r}",
            hint="an id has letters, digits, _ and -, begins with a letter or a digit, and has at most "
            f"{limits.SEGMENT_ID_CHARACTERS_MAX} characters (SEGMENT_ID_CHARACTERS_MAX)",
            field="id",
        )
    if not segment.name.strip():
        raise InvalidSegment("a segment must have a name", hint="say whom it means", field="name")
    _check_text("name", segment.name, "SEGMENT_NAME_CHARACTERS_MAX")
    _check_text("description", segment.description, "DESCRIPTION_CHARACTERS_MAX")
    if len(segment.tags) > limits.SEGMENT_TAGS_MAX:
        raise InvalidSegment(
            f"a segment cannot have {len(segment.tags):,} tags",
            hint=f"the limit is {limits.SEGMENT_TAGS_MAX} (SEGMENT_TAGS_MAX)",
            field="tags",
            limit=limits.SEGMENT_TAGS_MAX,
        )
    for tag in segment.tags:
        if not tag.strip():
            raise InvalidSegment("a tag cannot be empty", hint="write a word, or leave it out", field="tags")
        _check_text("tags", tag, "SEGMENT_TAG_CHARACTERS_MAX")


def _check_text(name: str, text: str, limit: str) -> None:
    most: int = getattr(limits, limit)
    if len(text) > most or _CONTROLS.search(text):
        raise InvalidSegment(
            f"no segment can have {text[:most]!r} as {name}",
            hint=f"write at most {most:,} characters ({limit}), without control characters",
            field=name,
            limit=most,
        )
