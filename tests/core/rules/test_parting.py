"""What is counted by when it was is counted within windows, and comes to the same."""

from __future__ import annotations

import random
from zoneinfo import ZoneInfo

import pytest
from naive_rules import NaivePerson, holds
from random_rules import SPANS
from rule_cases import TYPES, instant
from rule_persons import times_of, vocabulary
from tiers import tries

from enduser.core.rules.parting import depends_on_now, parts_of
from enduser.core.rules.programs import Person, Program
from enduser.core.rules.reading import read_rule
from enduser.core.rules.tree import Counted

DAY = 86_400_000_000
AT = instant("2026-03-15T12:00:00Z")
UTC = ZoneInfo("UTC")
WEEK = {"n": 7, "unit": "day"}
MONTH = {"n": 30, "unit": "day"}
BEGAN = {"field": "started_at", "operator": "in_last", "value": WEEK}
LONG = {"field": "duration_s", "operator": "gt", "value": 60}


def counted(rule: object) -> Counted:
    (node,) = read_rule(rule, vocabulary(TYPES)).root.parts
    assert isinstance(node, Counted)
    return node


def sessions(*rules: object, **more: object) -> dict[str, object]:
    return {"kind": "session", "rules": [*rules], **more}


def group(combinator: str, *rules: object, **more: object) -> dict[str, object]:
    return {"combinator": combinator, "rules": [*rules], **more}


@pytest.mark.parametrize(
    ("rule", "parts"),
    [
        (sessions(), 1),
        (sessions(LONG), 1),
        (sessions(BEGAN), 1),
        (sessions(BEGAN, LONG), 1),
        (sessions(BEGAN, BEGAN), 1),
        (sessions(BEGAN, **{"not": True}), 2),  # before it, and behind it
        (sessions(BEGAN, LONG, combinator="or"), 3),
        (sessions(BEGAN, group("or", LONG, BEGAN, **{"not": True})), 0),  # in the week, and not
        (sessions(group("and", BEGAN, **{"not": True}), BEGAN, combinator="or"), 3),
    ],
)
def test_a_condition_on_when_a_session_began_parts_it_where_others_differ(rule: object, parts: int) -> None:
    found = parts_of(counted(rule))
    assert len(found) == parts
    assert not any(depends_on_now(part.what) for part in found)


@pytest.mark.parametrize(
    "name",
    ["ended_at", "started_at"],
)
def test_only_the_time_by_which_a_session_lies_in_a_window_can_part_it(name: str) -> None:
    rule = sessions({**BEGAN, "field": name})
    assert [depends_on_now(part.what) for part in parts_of(counted(rule))] == [name == "ended_at"]


def test_a_property_that_is_compared_with_now_is_left_to_the_truth() -> None:
    due = {"field": "properties.due", "operator": "in_next", "value": WEEK}
    (part,) = parts_of(counted({"kind": "event", "rules": [due]}))
    assert depends_on_now(part.what)
    assert Program([read_rule({"kind": "event", "rules": [due]}, vocabulary(TYPES))]).needs_truth


def test_of_many_conditions_on_when_something_was_the_last_are_left_to_the_truth() -> None:
    each = [{**BEGAN, "value": {"n": n, "unit": "day"}} for n in (1, 2, 3)]
    assert not any(depends_on_now(part.what) for part in parts_of(counted(sessions(*each[:2]))))
    assert any(depends_on_now(part.what) for part in parts_of(counted(sessions(*each))))


def test_what_is_no_more_of_sessions_than_a_time_counts_all_sessions() -> None:
    (part,) = parts_of(counted(sessions(BEGAN)))
    assert part.what == counted(sessions()).what


@pytest.mark.parametrize("seed", range(tries(300, 3_000)))
def test_parts_count_what_the_whole_counts_whenever_it_is_asked(seed: int) -> None:
    rng = random.Random(f"parts/{seed}")

    def condition() -> object:
        operator = rng.choice(["in_last", "more_than_ago", "in_next"])
        own = {"field": "started_at", "operator": operator, "value": rng.choice(SPANS[:3])}
        return rng.choice([own, own, LONG])

    def some(depth: int) -> dict[str, object]:
        rules = [some(depth - 1) if depth and rng.random() < 0.3 else condition() for _ in range(2)]
        return group(rng.choice(["and", "or"]), *rules, **{"not": rng.random() < 0.3})

    rule = {
        "kind": "session",
        **some(2),
        "count": {"operator": "eq", "value": rng.randrange(4)},
        **rng.choice([{}, {"window": {"from": MONTH}}, {"window": {"from": MONTH, "to": WEEK}}]),
    }
    times = [AT + rng.choice([-30, -7, -1, 0, 1, 7]) * DAY + rng.choice([-1, 0, 1]) for _ in range(5)]
    seen = [{"started_at": at, "duration_s": rng.choice([1.0, 100.0])} for at in times]
    person = NaivePerson({"total_sessions": 5.0}, sessions=seen)
    program = Program([read_rule(rule, vocabulary(TYPES))])
    if program.needs_truth:
        return
    known = Person(person.values, {what: times_of(what, person, 0, UTC) for what in program.happenings})
    for now in (AT + days * DAY + near for days in (-30, -1, 0, 1, 7, 30) for near in (-1, 0, 1)):
        told = program.answers(known, program.edges(now, UTC))[0]
        assert told is holds(rule, person, now=now, time_zone="UTC", types=TYPES), (rule, seen, now)
