"""Why a rule holds, and when each part becomes the contrary by itself."""

from __future__ import annotations

import time
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from rule_cases import instant

from enduser import limits
from enduser.core.attributes import AttributeType
from enduser.core.rules.explaining import Explainer, Verdict, judge
from enduser.core.rules.programs import Person, Program
from enduser.core.rules.reading import Vocabulary, read_rule
from enduser.core.rules.spans import DAY_US
from enduser.core.rules.tree import Happening

UTC = ZoneInfo("UTC")
NOW = 1_700_000_000_000_000
VIPS = read_rule(
    {"field": "plan", "operator": "is", "value": "vip"}, Vocabulary({"plan": AttributeType.STRING})
)
WORDS = Vocabulary({"plan": AttributeType.STRING}, lists=["staff"], segment_of=lambda _: VIPS)
LAST_DAY = {"kind": "session", "window": {"from": {"n": 1, "unit": "day"}}}


def all_of(*nodes: object, **more: object) -> dict[str, Any]:
    return {"combinator": "and", "rules": list(nodes), **more}


def explain(
    said: dict[str, Any],
    values: dict[str, object] | None,
    starts: list[int] | None = None,
    lists: tuple[str, ...] = (),
    zone: ZoneInfo = UTC,
) -> Verdict:
    """Return the verdict of a rule for a person whose sessions began at some times (µs)."""
    explainer = Explainer(said, read_rule(said, WORDS))
    times: dict[Happening, list[int]] = dict.fromkeys(explainer.program.happenings, starts or [])
    return explainer.explain(Person(values, times, lists), NOW, zone)


def test_each_node_has_its_own_verdict_and_what_it_said() -> None:
    plan = {"field": "plan", "operator": "is", "value": "vip"}
    city = {"field": "city", "operator": "known"}
    found = explain(
        all_of(all_of(plan, city, **{"not": True}), {"kind": "list", "id": "staff"}), {"plan": "vip"}
    )
    group, staff = found.rules
    assert (found.holds, found.said) == (False, {"combinator": "and"})
    assert (group.holds, group.said) == (True, {"combinator": "and", "not": True})
    assert [(one.holds, one.found, one.said) for one in group.rules] == [
        (True, "vip", plan),
        (False, None, city),
    ]
    assert (staff.holds, staff.found) == (False, None)


def test_what_a_segment_comes_to_is_said_without_its_own_rule() -> None:
    (segment,) = explain(all_of({"kind": "segment", "id": "vips"}), {"plan": "vip"}).rules
    assert (segment.holds, segment.rules, segment.said["id"]) == (True, [], "vips")


def test_counts_say_how_often_and_when_last_within_their_window() -> None:
    starts = [NOW - 3 * DAY_US, NOW - DAY_US // 2, NOW - DAY_US // 4]
    (sessions,) = explain(all_of(LAST_DAY), {}, starts).rules
    assert (sessions.holds, sessions.found, sessions.last_at) == (True, 2, starts[2])
    (sessions,) = explain(all_of(LAST_DAY), {}, starts[:1]).rules
    assert (sessions.holds, sessions.found, sessions.last_at) == (False, 0, None)


def test_of_several_times_the_last_one_within_the_window_is_told() -> None:
    window = {"from": {"n": 4, "unit": "day"}, "to": {"n": 1, "unit": "day"}}
    starts = [NOW - days * DAY_US for days in (5, 4, 3, 2, 1)]
    (sessions,) = explain(all_of({"kind": "session", "window": window}), {}, starts).rules
    assert (sessions.found, sessions.last_at) == (3, starts[3])


def test_months_are_those_of_the_spaces_zone() -> None:
    """It is 23:13 in Oslo, and 22:13 in Greenwich; a month before, 23:13 in Oslo was 21:13 there."""
    month = {"n": 1, "unit": "month"}
    said = all_of(
        {"kind": "session", "window": {"from": month}},
        {"field": "first_seen", "operator": "in_last", "value": month},
    )
    at = instant("2023-10-14T21:30:00Z")
    turns_at = instant("2023-11-14T22:30:00.000001Z")
    for zone, is_within, turn in (("Europe/Oslo", True, turns_at), ("UTC", False, None)):
        found = explain(said, {"first_seen": at}, [at], zone=ZoneInfo(zone))
        assert [one.holds for one in (found, *found.rules)] == [is_within] * 3
        assert (found.rules[0].found, found.rules[0].last_at) == ((1, at) if is_within else (0, None))
        assert found.turns_at == turn


def test_a_part_that_turns_before_the_rule_is_told_and_one_that_turns_later_is_not() -> None:
    seen = {"first_seen": NOW - DAY_US, "last_seen": NOW}
    first = {"field": "first_seen", "operator": "in_last", "value": {"n": 2, "unit": "day"}}
    last = {"field": "last_seen", "operator": "in_last", "value": {"n": 3, "unit": "day"}}
    found = explain({"combinator": "or", "rules": [first, last]}, seen)
    assert [one.turns_at for one in found.rules] == [NOW + DAY_US + 1, NOW + 3 * DAY_US + 1]
    assert found.turns_at == NOW + 3 * DAY_US + 1
    found = explain(all_of(first, last), seen)
    assert [one.turns_at for one in found.rules] == [NOW + DAY_US + 1, None]
    assert found.turns_at == NOW + DAY_US + 1


def test_who_has_no_object_is_held_by_lists_alone() -> None:
    staff = {"kind": "list", "id": "staff"}
    assert explain(all_of(staff), None, lists=("staff",)).holds
    found = explain(all_of(staff, LAST_DAY, {"field": "plan", "operator": "unknown"}), None, lists=("staff",))
    assert [one.holds for one in found.rules] == [False, False, False]
    assert [one.found for one in found.rules] == [None, None, None]


@pytest.mark.parametrize(("sessions", "is_known"), [(2, True), (3, True), (4, False)])
def test_as_many_times_to_come_are_looked_at_as_the_limit(
    monkeypatch: pytest.MonkeyPatch, sessions: int, is_known: bool
) -> None:
    """Each session that leaves the window is a time at which something could turn; the last one does."""
    monkeypatch.setattr(limits, "TURNS_MAX", 3)
    starts = [NOW - DAY_US // 2 + number for number in range(sessions)]
    turn = starts[-1] + DAY_US + 1
    assert explain(all_of(LAST_DAY), {}, starts).turns_at == (turn if is_known else None)


@pytest.mark.parametrize("zone", [UTC, ZoneInfo("Asia/Tokyo")])
def test_a_rule_without_reasons_holds_and_turns_as_with_them(zone: ZoneInfo) -> None:
    last_month = {"kind": "session", "window": {"from": {"n": 1, "unit": "month"}}}
    said = all_of(last_month, {"kind": "list", "id": "staff"})
    rule = read_rule(said, WORDS)
    times = {what: [NOW - DAY_US // 2] for what in Program([rule]).happenings}
    for person in (Person({}, times, ["staff"]), Person({}, times), Person(None, times, ["staff"])):
        whole, reasons = judge(rule, person, NOW, zone), Explainer(said, rule).explain(person, NOW, zone)
        assert (whole.holds, whole.turns_at) == (reasons.holds, reasons.turns_at)
        assert (whole.said, whole.rules) == ({}, ())


def test_what_is_counted_without_a_beginning_is_found_from_the_first() -> None:
    (found,) = explain(all_of({"kind": "session"}), {}, [NOW - 400 * DAY_US, NOW - DAY_US]).rules
    assert (found.holds, found.found, found.last_at) == (True, 2, NOW - DAY_US)


def test_a_rule_as_deep_and_as_long_as_may_be_is_explained_in_proportion_to_its_length() -> None:
    plans = [{"field": "plan", "operator": "is", "value": f"p{number}"} for number in range(5_000)]
    said = all_of(*plans, combinator="or")
    for _ in range(limits.RULE_DEPTH_MAX - 2):
        said = all_of(said)
    began = time.process_time()
    found = explain(said, {"plan": "p7"})
    assert time.process_time() - began < 3, "each node was compiled with all that is below it"
    while len(found.rules) == 1:
        assert found.holds
        (found,) = found.rules
    assert [number for number, one in enumerate(found.rules) if one.holds] == [7]
