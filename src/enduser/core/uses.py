"""What names an attribute, a segment or a list, and so keeps it from being taken away or changed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from enduser import limits
from enduser.errors import InUse

Named = Literal["attributes", "segments", "lists"]
"""What rules can name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Use:
    """What uses a segment, a list or an attribute."""

    kind: str
    """`segment`, `filter`, `content` or `setting`."""
    id: str
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class BrokenUse:
    """A segment, or a filter, that could not be any more after a change."""

    space: str
    kind: str = "segment"
    id: str
    name: str
    reason: str
    """What would be wrong with it, and where."""


def require_unused(used_by: Sequence[tuple[str, Use]], what: str) -> None:
    """Check that nothing uses something; each use comes with its space.

    Raises:
        InUse: it is used; the first `USES_NAMED_MAX` that use it are named.
    """
    if used_by:
        names = [f"{use.kind} {use.id!r} ({use.name}) in {space}" for space, use in used_by]
        raise InUse(f"{what} is used by: {_first(names, ', ')}", hint="change or archive those first")


def require_unbroken(broken: Sequence[BrokenUse], change: str) -> None:
    """Check that no segment and no filter would be broken by a change.

    Raises:
        InUse: some would be; the first `USES_NAMED_MAX` are named, and why.
    """
    if broken:
        raise InUse(f"{change}: {told_broken(broken)}", hint="change or archive those first")


def told_broken(broken: Sequence[BrokenUse]) -> str:
    """Return which segments and filters would be broken, and why, for people."""
    reasons = [f"the {one.kind} {one.id!r} ({one.name}) in {one.space}: {one.reason}" for one in broken]
    return f"rules would not be right any more, of {_first(reasons, '; ')}"


def _first(texts: Sequence[str], between: str) -> str:
    """Return the first of some texts, and how many there are more."""
    rest = len(texts) - limits.USES_NAMED_MAX
    more = f" and {rest:,} more" if rest > 0 else ""
    return between.join(texts[: limits.USES_NAMED_MAX]) + more
