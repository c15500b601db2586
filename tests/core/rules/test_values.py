"""How large the values of conditions can be."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from enduser import limits
from enduser.core.attributes import AttributeType
from enduser.core.rules.reading import Vocabulary, read_rule
from enduser.core.rules.spans import DAY_US
from enduser.core.rules.tree import Condition, Edge, Field, Within
from enduser.errors import InvalidRule, RuleTooLarge

WORDS = Vocabulary(
    {
        "plan": AttributeType.STRING,
        "seats": AttributeType.NUMBER,
        "at": AttributeType.DATETIME,
        "tags": AttributeType.LIST,
    }
)


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


TEXT_MAX = limits.VALUE_CHARACTERS_MAX
VALUE = "rules[0].value"


@pytest.mark.parametrize(
    ("field", "operator", "value", "message", "hint"),
    [
        (
            "seats",
            "in",
            [0] * (limits.RULE_VALUES_MAX + 1),
            f"{VALUE}: a list cannot have {limits.RULE_VALUES_MAX + 1:,} values",
            f"the limit is {limits.RULE_VALUES_MAX:,} (RULE_VALUES_MAX); make a static list",
        ),
        (
            "tags",
            "has_any",
            ["x"] * (limits.RULE_ITEMS_MAX + 1),
            f"{VALUE}: a list cannot be compared with {limits.RULE_ITEMS_MAX + 1:,} items",
            f"the limit is {limits.RULE_ITEMS_MAX:,} (RULE_ITEMS_MAX)",
        ),
        (
            "plan",
            "is",
            "x" * 2_000,
            f"{VALUE}: a text cannot have 2,000 characters",
            f"the limit is {TEXT_MAX:,} (VALUE_CHARACTERS_MAX), as for values",
        ),
        (
            "seats",
            "eq",
            "x" * 98,
            f"{VALUE}: '{'x' * 98}' is no number",
            "write a number, without quotes",
        ),
        (
            "seats",
            "eq",
            "x" * 99,
            f"{VALUE}: '{'x' * 99}… is no number",
            "write a number, without quotes",
        ),
    ],
)
def test_what_is_large_is_told_with_its_limit_and_not_at_length(
    field: str, operator: str, value: object, message: str, hint: str
) -> None:
    with pytest.raises((InvalidRule, RuleTooLarge)) as caught:
        read(field, operator, value)
    assert (caught.value.message, caught.value.hint) == (message, hint)


def test_what_an_instant_became_is_no_whole_day() -> None:
    with pytest.raises(InvalidRule) as caught:
        read_rule({"kind": "changed", "field": "at", "to": "2026-03-01"}, WORDS)
    assert caught.value.field == "to"
    assert caught.value.message == "to: '2026-03-01' is a whole day"
    assert caught.value.hint == "write an instant, with its time of day"


def test_there_is_one_zero() -> None:
    rule = read_rule({"field": "seats", "operator": "eq", "value": -0.0}, WORDS)
    assert "-" not in repr(rule.root.parts[0])


def test_a_day_of_instants_ends_before_the_next_one() -> None:
    rule = read_rule({"field": "at", "operator": "on", "value": "1970-01-02"}, WORDS)
    day = Within(Edge(DAY_US, is_included=True), Edge(2 * DAY_US, is_included=False))
    assert rule.root.parts == (Condition(Field("at", AttributeType.DATETIME), day),)


_ZONES = ["UTC", "Asia/Tokyo", "America/New_York", "Pacific/Kiritimati", "Etc/GMT+12", "Australia/Lord_Howe"]
_NEAR = st.datetimes(datetime.fromisoformat("2026-03-07"), datetime.fromisoformat("2026-03-09"))
_TIMES = st.one_of(
    _NEAR.map(lambda at: at.date().isoformat()),
    _NEAR.map(datetime.isoformat),
    _NEAR.map(lambda at: f"{at.isoformat()}Z"),
    _NEAR.map(lambda at: f"{at.isoformat()}+09:00"),
)


@given(_TIMES, _TIMES, st.lists(st.sampled_from(_ZONES), min_size=2, unique=True))
def test_what_lies_between_two_times_can_be_asked_in_every_time_zone_or_in_none(
    first: str, last: str, zones: list[str]
) -> None:
    rule = {"combinator": "and", "rules": [{"field": "at", "operator": "between", "value": [first, last]}]}
    answers = set()
    for zone in zones:
        try:
            read_rule(rule, replace(WORDS, zone=ZoneInfo(zone)))
            answers.add("read")
        except InvalidRule:
            answers.add("refused")
    assert len(answers) == 1


@pytest.mark.parametrize(
    ("first", "last", "is_read"),
    [
        ("2026-03-01", "2026-03-01", True),
        ("2026-03-02", "2026-03-01", False),
        ("2026-03-01T20:00:00", "2026-03-01T19:59:59", False),
        ("2026-03-01T20:00:00Z", "2026-03-01T19:59:59Z", False),
        ("2026-03-01T20:00:00Z", "2026-03-01", True),
        ("2026-03-02T20:00:00Z", "2026-03-01", True),
        ("2026-03-03T00:00:01Z", "2026-03-01", False),
    ],
)
def test_times_are_reversed_where_they_are_in_every_time_zone(first: str, last: str, is_read: bool) -> None:
    if is_read:
        read("at", "between", [first, last])
    else:
        assert refused("at", "between", [first, last]) == ("rules[0].value", None)
