"""When a schedule is due next, in the time of its zone."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from enduser.errors import InvalidSource
from enduser.sources.schedules import check_schedule, next_at
from enduser.stores.source_configs import Schedule


def after(schedule: Schedule, told: str, times: int = 1) -> list[str]:
    """Return when it is due after a time, so many times, in UTC."""
    at, found = int(datetime.fromisoformat(told).timestamp() * 1_000_000), []
    for _ in range(times):
        at = next_at(schedule, at)
        found.append(datetime.fromtimestamp(at / 1_000_000, UTC).strftime("%m-%d %H:%M:%S"))
    return found


@pytest.mark.parametrize(
    ("cron", "zone", "told", "due"),
    [
        ("*/5 * * * *", "UTC", "2026-03-01T10:00:00Z", ["03-01 10:05:00", "03-01 10:10:00"]),
        ("*/5 * * * *", "UTC", "2026-03-01T10:04:59.999999Z", ["03-01 10:05:00"]),
        ("30 3 * * *", "Europe/Oslo", "2026-03-01T00:00:00Z", ["03-01 02:30:00", "03-02 02:30:00"]),
        ("0 9 * * 1-5", "America/New_York", "2026-03-06T20:00:00Z", ["03-09 13:00:00"]),
        ("0 0 31 * *", "UTC", "2026-03-31T00:00:00Z", ["05-31 00:00:00"]),
        ("0 0 1 1 1", "UTC", "2026-01-01T00:00:00Z", ["01-05 00:00:00", "01-12 00:00:00"]),
        ("@daily", "UTC", "2026-01-01T00:00:00Z", None),
    ],
)
def test_a_schedule_is_due_at_the_next_time_that_fits(
    cron: str, zone: str, told: str, due: list[str] | None
) -> None:
    schedule = Schedule(cron, zone)
    if due is None:
        with pytest.raises(InvalidSource):
            check_schedule(schedule)
        return
    check_schedule(schedule)
    assert after(schedule, told, len(due)) == due


def test_what_falls_into_the_hour_that_is_left_out_is_due_right_after_it() -> None:
    night = Schedule("30 2 * * *", "Europe/Oslo")
    assert after(night, "2026-03-28T12:00:00Z", 2) == ["03-29 01:00:00", "03-30 00:30:00"]


def test_what_falls_into_the_hour_that_comes_twice_is_due_once() -> None:
    night = Schedule("30 2 * * *", "Europe/Oslo")
    assert after(night, "2026-10-24T12:00:00Z", 2) == ["10-25 00:30:00", "10-26 01:30:00"]


@pytest.mark.parametrize(
    ("cron", "zone", "field"),
    [
        ("", "UTC", "cron"),
        ("* * * *", "UTC", "cron"),
        ("* * * * * *", "UTC", "cron"),
        ("61 * * * *", "UTC", "cron"),
        ("0 0 30 2 *", "UTC", "cron"),
        ("0 0 * * " + "1," * 50 + "1", "UTC", "cron"),
        ("0 0 * * *", "Mars/Base", "time_zone"),
        ("0 0 * * *", "../../etc/passwd", "time_zone"),
        ("0 0 * * *", "", "time_zone"),
        ("0 0 * * *", "x\0", "time_zone"),
    ],
)
def test_what_is_no_schedule_or_never_comes_is_refused(cron: str, zone: str, field: str) -> None:
    with pytest.raises(InvalidSource) as refused:
        check_schedule(Schedule(cron, zone))
    assert refused.value.field == field
