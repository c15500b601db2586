"""The schema of rules takes every rule that can be, and refuses what can be known to be none."""

from __future__ import annotations

import random
import re
from collections.abc import Mapping
from typing import Any

import jsonschema_rs
import pytest
from random_rules import pools_of, random_list_rule, random_rule, random_segments
from rule_cases import (
    ATTRIBUTE_TABLES,
    CUSTOM_TYPES,
    NOW,
    PERSON_TABLES,
    RuleCase,
    cases_of,
    instant,
    rows_of,
)

from enduser import limits
from enduser.core.attributes import AttributeType
from enduser.core.rules.schema import definitions, rule_schema

CUSTOM = {name: AttributeType(kind) for name, kind in CUSTOM_TYPES.items()}
KNOWN = jsonschema_rs.validator_for(rule_schema(CUSTOM))
"""Where the custom attributes are known."""
ANY = jsonschema_rs.validator_for({"$ref": "#/$defs/Rule", "$defs": definitions("#/$defs/{name}")})
"""Where they are not."""
CASES = [case for table in (*ATTRIBUTE_TABLES, *PERSON_TABLES) for case in cases_of(table)]
REFUSED = rows_of("refused")
BEYOND_A_SCHEMA = re.compile(
    "a pattern |between (the|an instant)|a property between the|that there is not|leap|thirteenth|the year 0"
    "|an instant with the name|an instant before the first|a window from younger|groups within each other"
    "|conditions on events|half a character"
)
"""What no schema can know: expressions of RE2, days of calendars, which is the lesser, how large all is; and
what is no text."""


def test_it_is_a_schema_of_the_newest_dialect() -> None:
    assert jsonschema_rs.meta.is_valid(rule_schema(CUSTOM))
    assert rule_schema({})["$schema"] == "https://json-schema.org/draft/2020-12/schema"


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_rule_that_can_be_is_taken(case: RuleCase) -> None:
    KNOWN.validate(case.rule)
    ANY.validate(case.rule)


@pytest.mark.parametrize("case", REFUSED, ids=[case["case"] for case in REFUSED])
def test_a_rule_that_cannot_be_is_refused_if_a_schema_can_know(case: Mapping[str, Any]) -> None:
    assert not KNOWN.is_valid(case["rule"]) or BEYOND_A_SCHEMA.search(case["case"])


def test_random_rules_are_taken() -> None:
    rng = random.Random(7)
    pools = random_segments(rng, pools_of(instant(NOW), "UTC", ["staff"]), 3)
    for _ in range(300):
        for rule in (random_rule(rng, pools), random_list_rule(rng, pools)):
            KNOWN.validate(rule)
            ANY.validate(rule)


@pytest.mark.parametrize(
    ("operator", "value", "names"),
    [
        ("contains", "x", {"country"}),
        ("gt", 1, {"total_sessions"}),
        ("is_true", None, {"is_anonymous"}),
        ("after", "2026-03-01", {"first_seen"}),
        ("has_any", ["x"], set()),
    ],
)
def test_without_known_attributes_a_name_of_every_object_keeps_its_type(
    operator: str, value: object, names: set[str]
) -> None:
    """Any other name may be a custom attribute of any type."""
    for name in ("country", "total_sessions", "is_anonymous", "first_seen", "anything"):
        taken = ANY.is_valid({"field": name, "operator": operator, "value": value})
        assert taken is (name in {*names, "anything"})


def test_without_custom_attributes_nothing_changes() -> None:
    plain = jsonschema_rs.validator_for(rule_schema({}))
    assert not plain.is_valid({"kind": "changed", "field": "plan"})
    assert KNOWN.is_valid({"kind": "changed", "field": "plan"})
    assert not plain.is_valid({"field": "products", "operator": "has_any", "value": ["x"]})


@pytest.mark.parametrize(
    ("unit", "most"), [("minute", 1_440 * 36_525), ("hour", 24 * 36_525), ("day", 36_525), ("month", 1_178)]
)
def test_a_span_is_as_long_as_the_limit(unit: str, most: int) -> None:
    assert limits.RULE_SPAN_DAYS_MAX == 36_525
    for n, is_taken in ((most - 1, True), (most, True), (most + 1, False)):
        rule = {"field": "first_seen", "operator": "in_last", "value": {"n": n, "unit": unit}}
        assert KNOWN.is_valid(rule) is is_taken


def test_what_editors_add_is_taken_anywhere() -> None:
    added = {"id": "r-1", "path": [0]}
    condition = {"field": "plan", "operator": "known", **added}
    counted = {"kind": "session", "window": {"from": {"n": 1, "unit": "day"}}, **added}
    assert KNOWN.is_valid({"combinator": "and", "rules": [condition, counted], **added})
    assert not KNOWN.is_valid({"combinator": "and", "rules": [{**condition, "key": 1}]})
