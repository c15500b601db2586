"""Relative times reach what lies ahead of them at the first microsecond, and not before."""

from __future__ import annotations

import random
from datetime import date
from zoneinfo import ZoneInfo

import pytest
from rule_cases import instant
from tiers import tries

from enduser import limits
from enduser.core.rules.spans import DAY_US, MINUTE_US, Moment, Unit, local_day, midnight, utc_time
from enduser.core.rules.spans import instant as instant_of

ZONES = [
    *("UTC", "Europe/Oslo", "America/New_York", "America/Sao_Paulo", "Pacific/Apia", "Asia/Kolkata"),
    *("Africa/Cairo", "Australia/Lord_Howe"),
]
UTC = ZoneInfo("UTC")
YEARS = (instant("2010-01-01T00:00:00Z"), instant("2030-01-01T00:00:00Z"))
"""Between them each of the zones sets its clocks now and then."""


def random_now(rng: random.Random, zone: ZoneInfo) -> int:
    now = rng.randrange(*YEARS) + rng.choice([0, 1, 999_999])
    near = midnight(local_day(now, zone), zone) + rng.choice([-1, 0, 1, 3_600_000_000])
    return rng.choice([now, near])


def random_moment(rng: random.Random) -> Moment:
    return Moment(rng.choice([-24, -12, -7, -2, -1, 0, 1, 2, 6, 13]), rng.choice([*Unit, *[Unit.MONTH] * 5]))


@pytest.mark.parametrize("zone", [ZoneInfo(name) for name in ZONES], ids=ZONES)
def test_an_instant_is_reached_at_the_first_time_at_which_it_is(zone: ZoneInfo) -> None:
    rng = random.Random(f"instants/{zone}")
    for _ in range(tries(500, 20_000)):
        moment, now = random_moment(rng), random_now(rng, zone)
        ahead = moment.at(now, zone) + rng.choice([1, rng.randrange(3 * DAY_US), rng.randrange(100 * DAY_US)])
        begins_at = midnight(local_day(ahead, zone), zone)
        wanted = rng.choice([ahead, begins_at, begins_at - 1, begins_at + 1])
        reached = moment.reaches(wanted, now, zone)
        if reached is None:
            assert moment.at(now, zone) >= wanted, (moment, now, wanted)
        else:
            assert moment.at(reached - 1, zone) < wanted <= moment.at(reached, zone), (moment, now, wanted)
            assert reached > now


@pytest.mark.parametrize("zone", [ZoneInfo(name) for name in ZONES], ids=ZONES)
def test_a_day_is_reached_at_the_first_time_at_which_it_is(zone: ZoneInfo) -> None:
    rng = random.Random(f"days/{zone}")
    for _ in range(tries(500, 20_000)):
        moment = Moment(rng.randrange(-13, 14), rng.choice([Unit.DAY, Unit.WEEK, Unit.MONTH]))
        now = random_now(rng, zone)
        wanted = date.fromordinal(moment.day(now, zone).toordinal() + rng.randrange(100))
        reached = moment.reaches_day(wanted, now, zone)
        if reached is None:
            assert moment.day(now, zone) >= wanted
        else:
            assert moment.day(reached - 1, zone) < wanted <= moment.day(reached, zone), (moment, now, wanted)
            assert reached > now


@pytest.mark.parametrize("unit", Unit)
def test_what_lies_behind_the_end_of_time_is_not_reached(unit: Unit) -> None:
    utc, now = ZoneInfo("UTC"), YEARS[0]
    assert Moment(-12, unit).reaches(limits.OCCURRED_AT_MAX_US, now, utc) is None
    assert Moment(12, unit).reaches(limits.OCCURRED_AT_MAX_US + 1, now, utc) is None


FIRST, LAST = limits.OCCURRED_AT_MIN_US, limits.OCCURRED_AT_MAX_US


@pytest.mark.parametrize("unit", [Unit.DAY, Unit.WEEK, Unit.MONTH])
def test_days_go_from_the_first_to_the_last(unit: Unit) -> None:
    for n, day in ((-1_000_000, date.min), (10_000_000, date.max)):
        assert Moment(n, unit).day(YEARS[0], UTC) == day
        assert Moment(n, Unit.MONTH).at(YEARS[0] + 5, UTC) == midnight(day, UTC)


def test_months_go_back_to_the_first_one() -> None:
    now = midnight(date(1, 2, 15), UTC)
    assert Moment(-1, Unit.MONTH).day(now, UTC) == date(1, 1, 15)
    assert Moment(-2, Unit.MONTH).day(now, UTC) == date.min


def test_the_last_instant_is_reached_and_is_one_to_be_reached() -> None:
    for n in (-1, 1):
        moment = Moment(n, Unit.MINUTE)
        assert moment.reaches(min(LAST, moment.at(LAST, UTC)), YEARS[0], UTC) == min(
            LAST, LAST - n * MINUTE_US
        )


def test_the_second_day_is_reached_and_the_first_one_always_is() -> None:
    """In New York days begin when it is five in the morning in Greenwich, by the sun."""
    new_york = ZoneInfo("America/New_York")
    assert Moment().reaches_day(date.min, FIRST, new_york) is None
    assert Moment().reaches_day(date(1, 1, 2), FIRST, new_york) == midnight(date(1, 1, 2), new_york)


def test_the_last_day_is_reached() -> None:
    last = midnight(date.max, UTC)
    assert Moment(-1, Unit.DAY).reaches_day(date(9999, 12, 30), YEARS[0], UTC) == last
    # November has no 31st: a month before the last day is the first of December
    assert Moment(-1, Unit.MONTH).reaches_day(date(9999, 12, 1), YEARS[0], UTC) == last


def test_what_clocks_show_is_an_instant_to_the_microsecond_also_in_far_years() -> None:
    at = instant("9998-12-31T23:59:59.999999Z")
    assert instant_of(utc_time(at), UTC) == at


def test_of_a_time_that_clocks_show_twice_the_first_is_meant() -> None:
    shown = utc_time(instant("2026-10-25T02:30:00Z"))
    assert instant_of(shown, ZoneInfo("Europe/Oslo")) == instant("2026-10-25T00:30:00Z")


@pytest.mark.parametrize("unit", [Unit.DAY, Unit.WEEK, Unit.MONTH])
def test_the_last_day_is_not_left(unit: Unit) -> None:
    assert Moment(-1, unit).reaches_day(date.max, YEARS[0], ZoneInfo("UTC")) is None
