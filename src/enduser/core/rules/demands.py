"""What must be at hand of a person, besides attributes, so that rules can be answered without the truth."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from zoneinfo import ZoneInfo

from enduser.core.rules.programs import Program
from enduser.core.rules.spans import Moment
from enduser.core.rules.tree import Happening, InList


@dataclass(frozen=True, slots=True)
class Demand:
    """That it is known when something happened to a person, or whether he is in a static list."""

    what: Happening | InList
    since: tuple[Moment, ...] | None
    """What happened before all of these is not asked for; None: all is."""

    @property
    def key(self) -> str:
        """What names it, the same in all processes, as long as it asks for no more than it did."""
        return hashlib.sha256(repr(self).encode()).hexdigest()[:32]

    def begins(self, now: int, zone: ZoneInfo) -> int | None:
        """Return from when on it is to be known, in µs; None: from the beginning."""
        if self.since is None:
            return None
        return min(moment.at(now, zone) for moment in self.since)


def demands_of(program: Program) -> Sequence[Demand]:
    """Return what a program asks for, in the order in which it does."""
    asked: list[Demand] = []
    for what, windows in program.windows.items():
        begins = {window.begins for window in windows}
        known = [moment for moment in begins if moment is not None]
        is_bounded = None not in begins
        asked.append(Demand(what, tuple(sorted(known, key=repr)) if is_bounded else None))
    return [*asked, *(Demand(InList(name), None) for name in program.lists)]
