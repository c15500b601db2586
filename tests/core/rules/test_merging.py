"""Many values of a field that are asked for one by one are asked for at once."""

from __future__ import annotations

from typing import Any

import pytest
from rule_cases import TYPES
from rule_persons import vocabulary

from enduser.core.rules.merging import merged_parts
from enduser.core.rules.reading import read_rule
from enduser.core.rules.tree import Condition, Equals

WORDS = vocabulary(TYPES)


def plan(operator: str, value: Any, **more: Any) -> dict[str, Any]:
    return {"field": "plan", "operator": operator, "value": value, **more}


def merged(combinator: str, *parts: Any) -> list[Any]:
    """Return the values that the parts of a group ask for after it was merged; of other parts None."""
    group = read_rule({"combinator": combinator, "rules": list(parts)}, WORDS).root
    return [
        part.test.values if isinstance(part, Condition) and isinstance(part.test, Equals) else None
        for part in merged_parts(group)
    ]


def test_where_one_must_hold_values_are_joined() -> None:
    other = plan("starts_with", "t")
    assert merged("or", plan("is", "a"), other, plan("in", ["b", "a"]), plan("is", "c")) == [
        ("a", "b", "c"),
        None,
    ]


def test_where_all_must_hold_what_is_not_asked_for_is_joined() -> None:
    assert merged("and", plan("is_not", "a"), plan("not_in", ["b", "c"])) == [("a", "b", "c")]


@pytest.mark.parametrize(
    ("combinator", "parts"),
    [
        ("and", [plan("is", "a"), plan("is", "b")]),
        ("or", [plan("is_not", "a"), plan("is_not", "b")]),
        ("or", [plan("is", "a"), plan("is", "a", ignore_case=True)]),
        ("or", [plan("is", "a"), {"field": "role", "operator": "is", "value": "a"}]),
    ],
)
def test_what_is_another_question_stays_apart(combinator: str, parts: list[Any]) -> None:
    assert len(merged(combinator, *parts)) == len(parts)
