"""What must be at hand of a person, besides attributes, so that rules can be answered without the truth."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from zoneinfo import ZoneInfo

from enduser.core.rules.programs import Program
from enduser.core.rules.spans import Moment, Unit
from enduser.core.rules.tree import Happening, InList


@dataclass(frozen=True, slots=True)
class Demand:
    """That it is known when something happened to a person, or whether he is in a static list."""

    what: Happening | InList
    since: tuple[Moment, ...] | None = None
    """What happened before all of these is not asked for; None: all is."""
    months_of: str | None = None
    """The time zone by which months of `since` are counted; None: there are none."""
    key: str = field(init=False, compare=False)
    """What names it, the same in all processes, as long as it asks for no more than it did."""

    def __post_init__(self) -> None:
        """Name it."""
        told = repr((self.what, self.since, self.months_of))
        object.__setattr__(self, "key", hashlib.sha256(told.encode()).hexdigest()[:32])

    def begins(self, now: int, zone: ZoneInfo) -> int | None:
        """Return from when on it is to be known, in µs; None: from the beginning."""
        if self.since is None:
            return None
        return min(moment.at(now, zone) for moment in self.since)


def demands_of(program: Program, zone: ZoneInfo) -> Sequence[Demand]:
    """Return what a program asks for where days are those of a zone: first its happenings, then its lists."""
    happened = [_demand(what, set(since), zone) for what, since in program.since.items()]
    return [*happened, *(Demand(InList(name)) for name in program.lists)]


def _demand(what: Happening, since: set[Moment | None], zone: ZoneInfo) -> Demand:
    known = [moment for moment in since if moment is not None]
    if len(known) < len(since):
        return Demand(what)
    has_months = any(moment.unit is Unit.MONTH for moment in known)
    return Demand(what, tuple(sorted(known, key=repr)), zone.key if has_months else None)
