"""What must be at hand of a person is asked for once, under a name that all processes know."""

from __future__ import annotations

import re
import subprocess
import sys
from zoneinfo import ZoneInfo

import pytest
from rule_cases import TYPES, instant
from rule_persons import vocabulary

from enduser.core.rules.demands import Demand, demands_of
from enduser.core.rules.programs import Program
from enduser.core.rules.reading import read_rule
from enduser.core.rules.spans import Moment, Unit
from enduser.core.rules.tree import InList, Sessions

UTC, OSLO = ZoneInfo("UTC"), ZoneInfo("Europe/Oslo")
DAY = 86_400_000_000
AT = instant("2026-03-15T12:00:00Z")
VISITED = {"kind": "session"}


def lately(n: int, unit: str = "day", **more: object) -> dict[str, object]:
    return {"kind": "session", "window": {"from": {"n": n, "unit": unit}}, **more}


def demands(*rules: object, zone: ZoneInfo = UTC) -> list[Demand]:
    words = vocabulary(TYPES, segments={"s": lately(7)})
    return list(demands_of(Program([read_rule(rule, words) for rule in rules]), zone))


def test_rules_on_attributes_ask_for_nothing_more() -> None:
    assert demands({"field": "country", "operator": "is", "value": "NO"}) == []


def test_what_happened_is_asked_for_as_far_back_as_some_rule_looks() -> None:
    (demand,) = demands(lately(7), lately(30, count={"operator": "ge", "value": 8}))
    assert isinstance(demand.what, Sessions)
    assert demand.since == (Moment(-30, Unit.DAY), Moment(-7, Unit.DAY))
    assert demand.begins(AT, UTC) == AT - 30 * DAY


def test_months_are_counted_in_the_zone_in_which_it_is_asked() -> None:
    """There is no 30th of February: a month before the 30th of March is the midnight behind it."""
    (demand,) = demands(lately(1, "month"), zone=OSLO)
    now = instant("2026-03-30T12:00:00Z")
    assert demand.begins(now, OSLO) == instant("2026-02-28T23:00:00Z")
    assert demand.begins(now, UTC) == instant("2026-03-01T00:00:00Z")


def test_without_a_window_all_is_asked_for() -> None:
    (demand,) = demands(lately(7), VISITED)
    assert (demand.since, demand.begins(AT, UTC)) == (None, None)


def test_a_window_without_a_begin_asks_for_all() -> None:
    (demand,) = demands({"kind": "session", "window": {"to": {"n": 7, "unit": "day"}}})
    assert demand.begins(AT, UTC) is None


def test_different_things_are_different_demands_and_lists_come_last() -> None:
    long = [{"field": "duration_s", "operator": "gt", "value": 60}]
    found = demands({"kind": "list", "id": "staff"}, VISITED, {**VISITED, "rules": long}, {"kind": "event"})
    assert len({demand.key for demand in found}) == len(found) == 4
    assert found[-1].what == InList("staff")


def test_what_a_segment_within_a_rule_asks_for_is_asked_for_once() -> None:
    assert demands({"kind": "segment", "id": "s"}, lately(7)) == demands(lately(7))


def test_a_demand_keeps_its_name_until_it_asks_for_something_else() -> None:
    (one,), (same,), (longer,) = demands(lately(7)), demands(VISITED | lately(7)), demands(lately(8))
    assert one.key == same.key != longer.key
    assert re.fullmatch("[0-9a-f]{32}", one.key)


@pytest.mark.parametrize(("unit", "is_same"), [("day", True), ("week", True), ("month", False)])
def test_months_of_another_zone_are_another_demand(unit: str, is_same: bool) -> None:
    """Where it is the 28th of February here and the 1st of March there, a month ago is four days apart."""
    (here,), (there,) = (demands(lately(1, unit), zone=zone) for zone in (UTC, OSLO))
    assert (here.key == there.key) is is_same


def test_all_processes_know_a_demand_by_the_same_name() -> None:
    """Whatever numbers they hash by."""
    code = (
        "from enduser.core.rules.demands import Demand; from enduser.core.rules.spans import *;"
        "from enduser.core.rules.tree import *;"
        "rules = Group(Combinator.OR, (Condition(Field('city', AttributeType.STRING), Equals(('a', 'b'))),));"
        "print(Demand(Sessions(rules), (Moment(-1, Unit.MONTH),), 'UTC').key)"
    )
    found = {
        subprocess.run(
            [sys.executable, "-c", code],
            env={"PYTHONHASHSEED": seed, "PYTHONPATH": ":".join(sys.path)},
            capture_output=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    }
    assert len(found) == 1
