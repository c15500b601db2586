"""When an answer can change by itself: as the clock goes on, values leave and enter relative times."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator
from datetime import date, timedelta
from zoneinfo import ZoneInfo

from enduser.core.rules.programs import Person, Program


def next_turn(program: Program, person: Person, now: int, zone: ZoneInfo) -> int | None:
    """Return the next time (µs) at which a part of some rule turns for a person, if nothing else happens.

    Until then all answers stay; then some may be others. None: they stay for ever.
    """
    if person.values is None:
        return None
    turns = [*_of_fields(program, person, now, zone), *_of_times(program, person, now, zone)]
    return min((turn for turn in turns if turn is not None), default=None)


def _of_fields(program: Program, person: Person, now: int, zone: ZoneInfo) -> Iterator[int | None]:
    """Yield by relative time when it comes to the next of the values that are compared with it."""
    assert person.values is not None
    for (moment, is_day), fields in program.compared_fields.items():
        known = [(person.values.get(name), is_behind) for name, is_behind in fields]
        values = [(value, is_behind) for value, is_behind in known if value is not None]
        if is_day:
            today = moment.day(now, zone)
            days = [day for one in values if (day := _day(*one)) is not None and day > today]
            if days:
                yield moment.reaches_day(min(days), now, zone)
        else:
            at = moment.at(now, zone)
            instants = [ahead for value, is_behind in values if (ahead := int(str(value)) + is_behind) > at]
            if instants:
                yield moment.reaches(min(instants), now, zone)


def _day(value: object, is_behind: bool) -> date | None:
    """Return a day, or the one behind it; None: time ends before."""
    day = date.fromisoformat(str(value))
    if not is_behind:
        return day
    return None if day == date.max else day + timedelta(days=1)


def _of_times(program: Program, person: Person, now: int, zone: ZoneInfo) -> Iterator[int | None]:
    """Yield by relative time when it passes the next of the times that are counted before or behind it."""
    all_times = [person.times[what] for what in program.happenings]
    for moment, places in program.compared_times.items():
        at = moment.at(now, zone)
        known = [times for place in places if (times := all_times[place]) and times[-1] >= at]
        if known:
            yield moment.reaches(min(times[bisect_left(times, at)] for times in known) + 1, now, zone)
