"""When an answer can change by itself: as the clock goes on, values leave and enter relative times."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator
from datetime import date, timedelta
from zoneinfo import ZoneInfo

from enduser.core.rules.programs import Person, Program
from enduser.core.rules.spans import Moment


def next_turn(program: Program, person: Person, now: int, zone: ZoneInfo) -> int | None:
    """Return the next time (µs) at which a part of some rule can turn for a person, if nothing else happens.

    Until then all answers stay; then some may be others. None: they stay for ever.
    """
    turns = (turn for turn in _turns(program, person, now, zone) if turn is not None)
    return min(turns, default=None)


def _turns(program: Program, person: Person, now: int, zone: ZoneInfo) -> Iterator[int | None]:
    if person.values is None:
        return
    for name, moment, is_day in program.relative_fields:
        value = person.values.get(name)
        if value is not None:
            yield from _passes(moment, value, is_day=is_day, now=now, zone=zone)
    for what, moment in program.relative_windows:
        times = person.times[what]
        ahead = bisect_left(times, moment.at(now, zone))
        if ahead < len(times):
            yield moment.reaches(times[ahead] + 1, now, zone)


def _passes(moment: Moment, value: object, *, is_day: bool, now: int, zone: ZoneInfo) -> Iterator[int | None]:
    """Yield when a relative time reaches a value, and when it has passed it, where that is to come."""
    if is_day:
        day = date.fromisoformat(str(value))
        yield moment.reaches_day(day, now, zone)
        if day < date.max:
            yield moment.reaches_day(day + timedelta(days=1), now, zone)
    else:
        assert isinstance(value, int)
        yield moment.reaches(value, now, zone)
        yield moment.reaches(value + 1, now, zone)
