"""How large the values of conditions can be."""

from __future__ import annotations

from typing import Any

import pytest

from enduser import limits
from enduser.core.attributes import AttributeType
from enduser.core.rules.reading import Vocabulary, read_rule
from enduser.errors import InvalidRule, RuleTooLarge

WORDS = Vocabulary({"plan": AttributeType.STRING, "seats": AttributeType.NUMBER, "on": AttributeType.DATE})


def read(field: str, operator: str, value: object) -> None:
    read_rule({"combinator": "and", "rules": [{"field": field, "operator": operator, "value": value}]}, WORDS)


def refused(field: str, operator: str, value: object) -> tuple[str | None, int | None]:
    """Return for which node a value is refused, and the limit."""
    with pytest.raises((InvalidRule, RuleTooLarge)) as caught:
        read(field, operator, value)
    return caught.value.field, caught.value.limit


def test_a_condition_has_as_many_values_as_the_limit() -> None:
    most = limits.RULE_VALUES_MAX
    for count in (most - 1, most):
        read("seats", "in", list(range(count)))
    assert refused("seats", "in", list(range(most + 1))) == ("rules[0].value", most)
    assert refused("plan", "not_in", ["x"] * (most + 1)) == ("rules[0].value", most)


@pytest.mark.parametrize("operator", ["is", "contains", "matches"])
def test_a_text_is_as_long_as_values_are(operator: str) -> None:
    most = limits.VALUE_CHARACTERS_MAX
    for length in (most - 1, most):
        read("plan", operator, "é" * length)
    assert refused("plan", operator, "é" * (most + 1)) == ("rules[0].value", most)


def test_a_number_is_as_large_as_values_are() -> None:
    most = limits.NUMBER_MAX
    for number in (most - 1, most, -most):
        read("seats", "eq", number)
    for number in (most + 1, -most - 1):
        assert refused("seats", "eq", number) == ("rules[0].value", most)


@pytest.mark.parametrize(
    ("unit", "most"),
    [
        ("minute", 1_440 * limits.RULE_SPAN_DAYS_MAX),
        ("hour", 24 * limits.RULE_SPAN_DAYS_MAX),
        ("day", limits.RULE_SPAN_DAYS_MAX),
        ("week", limits.RULE_SPAN_DAYS_MAX // 7),
        ("month", limits.RULE_SPAN_DAYS_MAX // 31),
    ],
)
def test_a_span_is_as_long_as_the_limit(unit: str, most: int) -> None:
    def span(n: int) -> dict[str, Any]:
        return {"n": n, "unit": unit}

    for n in (most - 1, most):
        read("first_seen", "in_last", span(n))
    found = refused("first_seen", "more_than_ago", span(most + 1))
    assert found == ("rules[0].value.n", limits.RULE_SPAN_DAYS_MAX)
