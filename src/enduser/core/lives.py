"""Lives: the sessions of a person with no gap over the retention time between them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from enduser import limits
from enduser.core.sessions import AnySession

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


def add_months(at_us: int, months: int) -> int:
    """Return the instant `months` calendar months after `at_us`, forward from it, in UTC.

    Where that month lacks the day it is 00:00 of the next month's first day: 31 August + 6 months is
    the end of February. Past the year 9999 it is the last instant of that year.
    """
    at = _EPOCH + timedelta(microseconds=at_us)
    month_index = at.year * 12 + at.month - 1 + months
    year, month = divmod(month_index, 12)
    if year > 9999:  # noqa: PLR2004 - the calendar's end, see limits.OCCURRED_AT_MAX_US
        return limits.OCCURRED_AT_MAX_US
    try:
        shifted = at.replace(year=year, month=month + 1)
    except ValueError:
        year, month = divmod(month_index + 1, 12)
        shifted = datetime(year, month + 1, 1, tzinfo=UTC)
    return (shifted - _EPOCH) // _MICROSECOND


@dataclass(frozen=True, slots=True)
class Life:
    """The sessions of one life, and the time until which an event of no session belongs to it."""

    sessions: tuple[AnySession, ...]
    begins_after: int | None
    """End of the retention of the life before: an event up to then belongs to that one. None: first."""
    ends_at: int | None
    """The last instant that the retention of this life allows. None: it never ends."""

    def holds(self, at_us: int) -> bool:
        """Whether an event of no session at this time belongs to this life."""
        return (self.begins_after is None or at_us > self.begins_after) and (
            self.ends_at is None or at_us <= self.ends_at
        )


def current_life(sessions: Sequence[AnySession], retention_months: int) -> Life | None:
    """Return the last life of a person's sessions (in order of time, open ones too), None without any.

    A life ends when the next visit event is more than `retention_months` after the last one; exactly
    that long is still the same life. 0 months: lives do not end.
    """
    if not sessions:
        return None
    if not retention_months:
        return Life(tuple(sessions), None, None)
    first, begins_after = 0, None
    for index in range(1, len(sessions)):
        ends_at = add_months(sessions[index - 1].ended_at, retention_months)
        if sessions[index].started_at > ends_at:
            first, begins_after = index, ends_at
    ends_at = add_months(sessions[-1].ended_at, retention_months)
    return Life(tuple(sessions[first:]), begins_after, ends_at)
