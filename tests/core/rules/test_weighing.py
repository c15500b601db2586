"""What takes longer weighs more, and a rule weighs no more than the limit."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from rule_cases import TYPES
from rule_persons import vocabulary

from enduser import limits
from enduser.core.rules.reading import read_rule
from enduser.errors import RuleTooLarge

SEGMENTS = {"vips": {"field": "plan", "operator": "is", "value": "vip"}}
WORDS = vocabulary(TYPES, segments=SEGMENTS)
VIP = {"kind": "segment", "id": "vips"}


def weight(*nodes: object, combinator: str = "or") -> int:
    return read_rule({"combinator": combinator, "rules": list(nodes)}, WORDS).weight


def plan(operator: str, value: object = None, **more: object) -> dict[str, Any]:
    return {"field": "plan", "operator": operator, **({} if value is None else {"value": value}), **more}


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        (plan("known"), 1),
        (plan("is", "a"), 3),
        (plan("is_not", "a"), 3),
        (plan("in", ["a", "b", "c"]), 3),
        (plan("is", "a", ignore_case=True), 11),
        ({"field": "total_sessions", "operator": "eq", "value": 1}, 3),
        ({"field": "total_sessions", "operator": "ge", "value": 1}, 2),
        ({"field": "total_sessions", "operator": "between", "value": [1, 2]}, 4),
        ({"field": "last_seen", "operator": "in_last", "value": {"n": 7, "unit": "day"}}, 4),
        (plan("contains", "a"), 8),
        (plan("not_contains", "a"), 8),
        (plan("starts_with", "a"), 8),
        (plan("ends_with", "a", ignore_case=True), 16),
        (plan("matches", "a"), 40),
        (plan("matches", "a", ignore_case=True), 40),
        ({"field": "products", "operator": "has_any", "value": ["a"]}, 21),
        ({"field": "products", "operator": "has_none", "value": ["a", "b"]}, 22),
        ({"field": "products", "operator": "has_all", "value": ["a", "b", "c"]}, 23),
        (VIP, 3),
        ({"kind": "list", "id": "staff"}, 1),
    ],
)
def test_a_condition_on_a_user_weighs_what_its_operator_takes(
    condition: Mapping[str, Any], expected: int
) -> None:
    assert weight(condition) == expected
    assert weight(condition, {"rules": [condition], "not": True}) == 2 * expected


@pytest.mark.parametrize(
    ("counted", "expected"),
    [
        ({"kind": "session"}, 1),
        ({"kind": "session", "rules": [{"field": "duration_s", "operator": "gt", "value": 1}]}, 1 + 8 * 2),
        ({"kind": "event"}, 1),
        ({"kind": "event", "rules": [{"field": "type", "operator": "is", "value": "page"}]}, 1 + 10 * 3),
        (
            {"kind": "event", "rules": [{"field": "properties.n", "operator": "gt", "value": 1}]},
            1 + 10 * (20 + 2),
        ),
        ({"kind": "changed", "field": "plan", "to": "a"}, 1),
    ],
)
def test_what_is_looked_at_for_each_session_or_event_weighs_more(
    counted: Mapping[str, Any], expected: int
) -> None:
    assert weight(counted) == expected


def test_values_of_one_field_that_are_asked_for_together_weigh_as_one() -> None:
    assert weight(*[plan("is", str(number)) for number in range(1_000)]) == 3
    assert weight(*[plan("is_not", str(number)) for number in range(1_000)], combinator="and") == 3
    assert weight(plan("is", "a"), plan("is", "b"), combinator="and") == 6
    inner = [{"field": "type", "operator": "is", "value": str(number)} for number in range(9)]
    assert weight({"kind": "event", "combinator": "or", "rules": inner}) == 1 + 10 * 3


def test_a_rule_weighs_as_much_as_the_limit_and_its_segments_each_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(limits, "RULE_WEIGHT_MAX", 7)
    known = plan("known")
    assert weight(VIP, VIP) == 6
    assert weight(VIP, VIP, known) == 7
    with pytest.raises(RuleTooLarge) as refused:
        weight(VIP, VIP, known, known)
    assert (refused.value.field, refused.value.limit) == ("", 7)
    assert refused.value.message == "the rule weighs 8: it would take too long to answer"
    assert refused.value.hint == (
        "the limit is 7 (RULE_WEIGHT_MAX); docs/rules.md says what conditions weigh; "
        "of many values make one condition with in"
    )
