"""Relative times: spans before and after now, by a clock and a time zone (docs/rules.md, "Times")."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum
from functools import lru_cache
from zoneinfo import ZoneInfo

from enduser import limits

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_LOCAL_EPOCH = _EPOCH.replace(tzinfo=None)
_MICROSECOND = timedelta(microseconds=1)
_MONTHS_A_YEAR = 12
_LAST_DAY = date.max.toordinal()
_NEAR_DAYS = 6
"""Within so many days a month after the month before a day is about that day."""
MINUTE_US = 60_000_000
DAY_US = 1_440 * MINUTE_US


class Unit(StrEnum):
    """In what a span is counted."""

    MINUTE = "minute"
    HOUR = "hour"
    DAY = "day"
    WEEK = "week"
    MONTH = "month"


_FIXED_US = {
    Unit.MINUTE: MINUTE_US,
    Unit.HOUR: 60 * MINUTE_US,
    Unit.DAY: DAY_US,
    Unit.WEEK: 7 * DAY_US,
}
_DAYS = {Unit.DAY: 1, Unit.WEEK: 7}
DAY_UNITS = (*_DAYS, Unit.MONTH)
"""The units of spans between days."""


def span_days(n: int, unit: Unit) -> float:
    """Return about how many days a span is, for its bound."""
    return n * 31 if unit is Unit.MONTH else n * _FIXED_US[unit] / DAY_US


@dataclass(frozen=True, slots=True)
class Moment:
    """A time or a day that lies a span after now; before it, if `n` is negative."""

    n: int = 0
    unit: Unit = Unit.DAY

    def at(self, now: int, zone: ZoneInfo) -> int:
        """Return the instant in µs, within the years 1 to 9999. It never goes back while `now` goes on."""
        if self.unit is not Unit.MONTH:
            return _within_years(now + self.n * _FIXED_US[self.unit])
        today = local_day(now, zone)
        day, is_there = _months_after(today, self.n)
        begins_at = midnight(day, zone)
        if not is_there:
            return begins_at
        return min(begins_at + now - midnight(today, zone), midnight_after(day, zone))

    def day(self, now: int, zone: ZoneInfo) -> date:
        """Return the day a span from today; the unit is one of `DAY_UNITS`."""
        today = local_day(now, zone)
        if self.unit is Unit.MONTH:
            return _months_after(today, self.n)[0]
        return date.fromordinal(min(max(today.toordinal() + self.n * _DAYS[self.unit], 1), _LAST_DAY))

    def reaches(self, instant: int, now: int, zone: ZoneInfo) -> int | None:
        """Return the first time after `now` at which this has reached an instant.

        None: it has now, or does not while time can be told.
        """
        if self.unit is Unit.MONTH:
            return self._reaches_by_months(instant, now, zone)
        reached = instant - self.n * _FIXED_US[self.unit]
        return reached if now < reached <= limits.OCCURRED_AT_MAX_US >= instant else None

    def reaches_day(self, day: date, now: int, zone: ZoneInfo) -> int | None:
        """Return the first time after `now` at which this is a day or one after it.

        None: it is so now, or will not be while time can be told.
        """
        if self.unit is Unit.MONTH:
            return self._reaches_day_by_months(day, now, zone)
        ordinal = day.toordinal() - self.n * _DAYS[self.unit]
        if not 1 < ordinal <= _LAST_DAY:
            return None
        reached = midnight(date.fromordinal(ordinal), zone)
        return reached if reached > now else None

    def _reaches_by_months(self, instant: int, now: int, zone: ZoneInfo) -> int | None:
        if self.at(now, zone) >= instant:
            return None
        wanted = local_day(instant, zone)
        for today in self._days_before(wanted, local_day(now, zone)):
            day, is_there = _months_after(today, self.n)
            if day.toordinal() < wanted.toordinal() - 1:
                continue  # its end is no later than the midnight before
            begins_at, ends_at = midnight(today, zone), midnight_after(today, zone)
            if self.at(ends_at - 1, zone) >= instant:
                return begins_at + max(instant - midnight(day, zone), 0) * is_there
        return None

    def _reaches_day_by_months(self, day: date, now: int, zone: ZoneInfo) -> int | None:
        if self.day(now, zone) >= day:
            return None
        for today in self._days_before(day, local_day(now, zone)):
            if _months_after(today, self.n)[0] >= day:
                return midnight(today, zone)
        return None

    def _days_before(self, day: date, first: date) -> Iterator[date]:
        """Yield the days, not before `first`, of which some months after is about a day."""
        near = _months_after(day, -self.n)[0].toordinal()
        begins, ends = max(near - _NEAR_DAYS, first.toordinal()), min(near + _NEAR_DAYS, _LAST_DAY + 1)
        yield from map(date.fromordinal, range(begins, ends))


NOW = Moment()


@lru_cache(maxsize=1_000)
def local_day(at: int, zone: ZoneInfo) -> date:
    """Return the day of an instant in a zone."""
    at = min(max(at, limits.OCCURRED_AT_MIN_US + DAY_US), limits.OCCURRED_AT_MAX_US - DAY_US)
    return (_EPOCH + at * _MICROSECOND).astimezone(zone).date()


@lru_cache(maxsize=10_000)
def midnight(day: date, zone: ZoneInfo) -> int:
    """Return when a day begins in a zone, in µs; without a midnight, with its first instant."""
    local = datetime.combine(day, time())
    late, early = instant(local, zone), instant(local.replace(fold=1), zone)
    if early >= late:  # clocks show it, perhaps twice
        return late
    while late - early > 1:
        middle = (early + late) // 2
        early, late = (early, middle) if local_day(middle, zone) >= day else (middle, late)
    return late


def midnight_after(day: date, zone: ZoneInfo) -> int:
    """Return when a day is over in a zone, in µs."""
    if day == date.max:
        return midnight(day, zone) + DAY_US
    return midnight(day + timedelta(days=1), zone)


def instant(local: datetime, zone: ZoneInfo) -> int:
    """Return the instant in µs at which clocks of a zone show a time; of two the first.

    A time that clocks leave out is as much after the last one before as it says. At the ends of time it may
    lie a little outside the years 1 to 9999.
    """
    offset = zone.utcoffset(local)
    assert offset is not None
    return (local - _LOCAL_EPOCH - offset) // _MICROSECOND


def utc_time(at: int) -> datetime:
    """Return what a clock shows in UTC at an instant, without a zone."""
    return _LOCAL_EPOCH + at * _MICROSECOND


def _within_years(at: int) -> int:
    return min(max(at, limits.OCCURRED_AT_MIN_US), limits.OCCURRED_AT_MAX_US)


def _months_after(day: date, n: int) -> tuple[date, bool]:
    """Return the same day of another month, and whether that has it; else the first day after that month."""
    months = day.year * _MONTHS_A_YEAR + day.month - 1 + n
    year, month = divmod(months, _MONTHS_A_YEAR)
    if year < date.min.year:
        return date.min, False
    if year > date.max.year:
        return date.max, False
    try:
        return date(year, month + 1, day.day), True
    except ValueError:
        return _months_after(day.replace(day=1), n + 1)[0], False
