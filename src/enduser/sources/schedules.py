"""When sources run by themselves."""

from __future__ import annotations

import zoneinfo
from datetime import UTC, datetime, timedelta

from cronsim import CronSim, CronSimError

from enduser import limits
from enduser.errors import InvalidSource
from enduser.stores.source_configs import Schedule

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_FIELDS = 5
_HINT = "write minute, hour, day of the month, month and day of the week, such as 30 3 * * 1-5"


def check_schedule(schedule: Schedule) -> None:
    """Check that a schedule is one, and comes about at all.

    Raises:
        InvalidSource: it is none.
    """
    try:
        zoneinfo.ZoneInfo(schedule.time_zone)
    except (ValueError, OSError, zoneinfo.ZoneInfoNotFoundError):
        raise InvalidSource(
            f"there is no time zone {schedule.time_zone[:100]!r}",
            hint="write an IANA name such as Europe/Oslo",
            field="time_zone",
        ) from None
    if len(schedule.cron) > limits.CRON_CHARACTERS_MAX or len(schedule.cron.split()) != _FIELDS:
        raise InvalidSource(
            f"{schedule.cron[: limits.CRON_CHARACTERS_MAX]!r} is no schedule", hint=_HINT, field="cron"
        )
    try:
        next_at(schedule, 0)
    except (CronSimError, StopIteration):
        raise InvalidSource(f"{schedule.cron!r} is no schedule", hint=_HINT, field="cron") from None


def next_at(schedule: Schedule, after_us: int) -> int:
    """Return the first time after a time at which a schedule is due, in µs.

    Where clocks are put forward, what was due in the hour that is left out is due right after it; where they
    are put back, what is due in the hour that comes twice is due once.
    """
    after = (_EPOCH + timedelta(microseconds=after_us)).astimezone(zoneinfo.ZoneInfo(schedule.time_zone))
    due = next(CronSim(schedule.cron, after))
    return int((due - _EPOCH) / timedelta(microseconds=1))
