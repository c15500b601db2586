"""Relative times reach what lies ahead of them at the first microsecond, and not before."""

from __future__ import annotations

import random
from datetime import date
from zoneinfo import ZoneInfo

import pytest
from rule_cases import instant
from tiers import tries

from enduser import limits
from enduser.core.rules.spans import DAY_US, Moment, Unit, local_day, midnight

ZONES = [
    *("UTC", "Europe/Oslo", "America/New_York", "America/Sao_Paulo", "Pacific/Apia", "Asia/Kolkata"),
    *("Africa/Cairo", "Australia/Lord_Howe"),
]
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


@pytest.mark.parametrize("unit", [Unit.DAY, Unit.WEEK, Unit.MONTH])
def test_the_last_day_is_not_left(unit: Unit) -> None:
    assert Moment(-1, unit).reaches_day(date.max, YEARS[0], ZoneInfo("UTC")) is None
