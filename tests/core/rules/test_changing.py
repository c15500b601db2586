"""Answers stay until their next turn, and turn then."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from naive_rules import NaivePerson, holds
from random_rules import random_rule, random_segments
from rule_cases import TYPES, instant
from rule_persons import times_of, vocabulary
from rule_world import World
from tiers import tries

from enduser import limits
from enduser.core.rules.changing import next_turn
from enduser.core.rules.programs import Person, Program
from enduser.core.rules.reading import read_rule

DAY = 86_400_000_000
AT = instant("2026-03-15T12:00:00Z")
UTC = ZoneInfo("UTC")


def program_of(*rules: object, time_zone: str = "UTC", **more: object) -> Program:
    words = vocabulary(TYPES, time_zone=time_zone, **more)
    return Program([read_rule(rule, words) for rule in rules])


def turn(rule: object, now: int = AT, time_zone: str = "UTC", **values: object) -> int | None:
    return next_turn(program_of(rule, time_zone=time_zone), Person(values), now, ZoneInfo(time_zone))


def span(n: int, unit: str = "day") -> dict[str, object]:
    return {"n": n, "unit": unit}


def field(name: str, operator: str, value: object) -> dict[str, object]:
    return {"field": name, "operator": operator, "value": value}


@pytest.mark.parametrize(
    ("operator", "seen", "turns_at"),
    [
        ("in_last", AT, AT + 7 * DAY + 1),
        ("in_last", AT - 7 * DAY, AT + 1),
        ("in_last", AT - 7 * DAY - 1, None),
        ("in_last", AT + 5, AT + 5),
        ("more_than_ago", AT, AT + 7 * DAY + 1),
        ("more_than_ago", AT - 7 * DAY - 1, None),
        ("in_next", AT, None),
        ("in_next", AT + 1, AT + 1),
        ("in_next", AT + 7 * DAY + 1, AT + 1),
    ],
)
def test_a_time_turns_the_answer_to_the_microsecond(operator: str, seen: int, turns_at: int | None) -> None:
    assert turn(field("first_seen", operator, span(7)), first_seen=seen) == turns_at


@pytest.mark.parametrize(
    ("zone", "turns_at"),
    [
        ("UTC", "2026-03-22T00:00:00Z"),
        ("Europe/Oslo", "2026-03-21T23:00:00Z"),
        ("America/New_York", "2026-03-22T04:00:00Z"),
    ],
)
def test_a_date_turns_the_answer_at_the_midnight_of_the_spaces_zone(zone: str, turns_at: str) -> None:
    """The seven days that end today have the 15th among them until the 21st is over."""
    assert turn(field("renews_on", "in_last", span(7)), time_zone=zone, renews_on="2026-03-15") == instant(
        turns_at
    )


@pytest.mark.parametrize(
    ("seen", "turns_at"),
    [
        ("2026-01-31T10:00:00Z", "2026-03-01T00:00:00.000000Z"),  # a month before February's days is before
        ("2026-02-28T10:00:00Z", "2026-03-28T10:00:00.000001Z"),
        ("2026-02-15T11:00:00Z", None),
    ],
)
def test_months_are_those_of_the_calendar(seen: str, turns_at: str | None) -> None:
    now = instant("2026-02-28T20:00:00Z") if turns_at else AT
    found = turn(field("first_seen", "in_last", span(1, "month")), now, first_seen=instant(seen))
    assert found == (turns_at and instant(turns_at))


def test_on_a_day_that_is_longer_a_month_ends_at_the_same_hour() -> None:
    """The 25th of October has 25 hours in Oslo, and the 25th of September 24."""
    seen = instant("2026-09-25T21:30:00Z")  # 23:30
    found = turn(
        field("first_seen", "in_last", span(1, "month")), AT + 200 * DAY, "Europe/Oslo", first_seen=seen
    )
    assert found == instant("2026-10-25T21:30:00.000001Z")  # 22:30, 23:30 hours after midnight


def test_what_has_turned_does_not_hide_what_will() -> None:
    """A value that a relative time has just reached is not ahead of it any more."""
    week = [field(name, "in_last", span(7)) for name in ("first_seen", "last_seen")]
    person = Person({"first_seen": AT - 7 * DAY - 1, "last_seen": AT - 6 * DAY})
    assert next_turn(program_of(*week), person, AT, UTC) == AT + DAY + 1
    week = [field("renews_on", operator, span(7)) for operator in ("in_last", "more_than_ago")]
    reached = Person({"renews_on": "2026-03-08"})
    assert next_turn(program_of(*week), reached, AT, UTC) == instant("2026-03-16T00:00:00Z")


def test_the_day_of_a_date_is_that_of_the_spaces_zone() -> None:
    """At noon of the 15th the 16th has come in Auckland."""
    rule, zone = field("renews_on", "in_last", span(7)), "Pacific/Auckland"
    assert turn(rule, time_zone=zone, renews_on="2026-03-09") is None
    assert turn(rule, time_zone=zone, renews_on="2026-03-10") == instant("2026-03-16T11:00:00Z")
    both = {"combinator": "or", "rules": [rule, field("renews_on", "more_than_ago", span(7))]}
    assert turn(both, time_zone=zone, renews_on="2026-03-09") == instant("2026-03-16T11:00:00Z")


def test_months_of_a_window_are_those_of_the_spaces_zone() -> None:
    """It is 11:00 in Oslo, and 10:00 in Greenwich; a month before, 11:00 in Oslo was 09:00 there."""
    program = program_of(session_rule(window={"from": span(1, "month")}), time_zone="Europe/Oslo")
    now, zone = instant("2026-10-28T10:00:00Z"), ZoneInfo("Europe/Oslo")
    (what,) = program.happenings
    for at, turns_at in (
        ("2026-09-28T09:00:00Z", "2026-10-28T10:00:00.000001Z"),
        ("2026-09-28T10:30:00Z", "2026-10-28T11:30:00.000001Z"),
    ):
        person = Person({}, {what: [instant(at)]})
        assert next_turn(program, person, now, zone) == instant(turns_at)


@pytest.mark.parametrize("value", [limits.OCCURRED_AT_MAX_US, limits.OCCURRED_AT_MAX_US - DAY])
def test_what_turns_when_time_is_told_no_more_never_turns(value: int) -> None:
    assert turn(field("first_seen", "more_than_ago", span(7)), first_seen=value) is None
    assert turn(field("renews_on", "more_than_ago", span(7)), renews_on="9999-12-31") is None


def test_an_answer_without_relative_times_stays_for_good() -> None:
    assert turn(field("first_seen", "after", "2026-01-01"), first_seen=AT) is None
    assert turn({"combinator": "and", "rules": []}) is None


def test_who_has_no_object_has_no_turns() -> None:
    program = program_of(field("first_seen", "in_last", span(7)))
    assert next_turn(program, Person(None), AT, UTC) is None


def test_the_first_of_several_turns_is_told() -> None:
    rules = [field("first_seen", "in_last", span(n)) for n in (30, 7, 90)]
    program = program_of(*rules, field("last_seen", "in_last", span(40)))
    person = Person({"first_seen": AT - 10 * DAY, "last_seen": AT - 39 * DAY})
    assert next_turn(program, person, AT, UTC) == AT + DAY + 1


def session_rule(**more: object) -> dict[str, object]:
    return {"kind": "session", **more}


def turns_of(rule: object, *times: int, now: int = AT) -> list[int]:
    """Return all turns to come of who had sessions then, and check that the answer stays between them."""
    program = program_of(rule)
    person = Person({"total_sessions": 1.0}, {what: sorted(times) for what in program.happenings})
    found, at = [], next_turn(program, person, now, UTC)
    while at is not None:
        found.append(at)
        at = next_turn(program, person, at, UTC)
    return found


def test_sessions_leave_a_window_one_by_one_as_it_moves_on() -> None:
    rule = session_rule(window={"from": span(60), "to": span(30)})
    assert turns_of(rule, AT - 50 * DAY, AT - 5 * DAY) == [
        AT + 10 * DAY + 1,
        AT + 25 * DAY + 1,
        AT + 55 * DAY + 1,
    ]


WORLDS = tries(8, 40)
RULES = tries(500, 3_000)
"""Of each world, each for one of its persons."""


def asked_at(rng: random.Random, now: int, turns: Sequence[int]) -> Iterator[int]:
    """Yield times at which an answer can be another: at the turns, around them, and between."""
    for before, at in zip([now, *turns], turns, strict=False):
        yield from {max(at - 1, before), at, at + 1, rng.randrange(before, at)}


@pytest.mark.parametrize("seed", range(WORLDS))
def test_random_answers_stay_until_their_next_turn(seed: int) -> None:
    """What is known of a person now tells what a rule says of him at any time to come, word by word."""
    rng = random.Random(f"turns/{seed}")
    world = World(rng, users=60)
    zone, pools = ZoneInfo(world.time_zone), random_segments(rng, world.pools, 3)
    persons = [*world.persons().values()]
    turned = 0
    for _ in range(RULES):
        rule, person = random_rule(rng, pools), rng.choice(persons)
        program = program_of(
            rule, time_zone=world.time_zone, lists=pools.lists, segments=dict(pools.segments)
        )
        known = known_of(program, person, world.now, zone)
        turns = list(_first_turns(program, known, world.now, zone))
        for at in asked_at(rng, world.now, turns):
            told = program.answers(known, program.edges(at, zone))[0]
            meant = holds(
                rule, person, now=at, time_zone=world.time_zone, types=TYPES, segments=pools.segments
            )
            assert told is meant, (rule, person, at)
        turned += check_turns(program, known, [world.now, *turns], zone)
    assert turned > RULES // 50


def known_of(program: Program, person: NaivePerson, now: int, zone: ZoneInfo) -> Person:
    times = {what: times_of(what, person, now, zone) for what in program.happenings}
    return Person(person.values if person.has_object else None, times, person.lists)


def _first_turns(program: Program, person: Person, now: int, zone: ZoneInfo) -> Iterator[int]:
    at = next_turn(program, person, now, zone)
    for _ in range(6):
        if at is None:
            return
        yield at
        at = next_turn(program, person, at, zone)


def check_turns(program: Program, person: Person, turns: Sequence[int], zone: ZoneInfo) -> int:
    """Check that answers stay between turns; return how many of these make another answer."""
    turned = 0
    for begin, end in pairwise(turns):
        before, last, after = (
            program.answers(person, program.edges(at, zone)) for at in (begin, end - 1, end)
        )
        assert before == last, (begin, end)
        turned += after != last
    return turned


@pytest.mark.parametrize("seed", range(tries(30, 300)))
def test_a_condition_on_a_time_turns_whenever_it_is_told_to(seed: int) -> None:
    rng = random.Random(f"exact/{seed}")
    world = World(rng, users=20)
    zone = ZoneInfo(world.time_zone)
    for name, kind in (("first_seen", "instants"), ("renews_on", "days")):
        operator = rng.choice(["in_last", "more_than_ago", "in_next"])
        units = ["day", "week", "month"] + (["minute", "hour"] if kind == "instants" else [])
        rule = field(name, operator, span(rng.randrange(1, 90), rng.choice(units)))
        program = program_of(rule, time_zone=world.time_zone)
        value = rng.choice(world.pools.instants)
        if kind == "days":
            value = world.pools.times.local(value).date().isoformat()
        person, turns = Person({name: value}), []
        at: int | None = world.now
        while (at := next_turn(program, person, at, zone)) is not None:
            turns.append(at)
        assert check_turns(program, person, [world.now, *turns], zone) == len(turns), (rule, value)
