"""What is looked up in other tables is counted, and a rule looks no more often than the limit."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from rule_cases import TYPES
from rule_persons import vocabulary

from enduser import limits
from enduser.core.rules.lookups import FEW_VALUES
from enduser.core.rules.reading import read_rule
from enduser.errors import RuleTooLarge

CITIES = [{"field": "city", "operator": "contains", "value": f"c{number}"} for number in range(1_000)]
STAFF = {"kind": "list", "id": "staff"}
WORDS = vocabulary(TYPES, segments={"there": {"combinator": "or", "rules": CITIES[:3]}})
THERE = {"kind": "segment", "id": "there"}


def lookups(*nodes: object, combinator: str = "or") -> int:
    return read_rule({"combinator": combinator, "rules": list(nodes)}, WORDS).lookups


def one_of(field: str, values: int, operator: str = "in") -> dict[str, Any]:
    """Return a condition with so many values."""
    texts = [f"v{number}" for number in range(values)]
    return {"field": field, "operator": operator, "value": texts}


@pytest.mark.parametrize("field", ["country", "region", "city", "browser_name", "browser_version", "user_id"])
def test_places_browsers_and_ids_are_looked_up(field: str) -> None:
    assert lookups({"field": field, "operator": "known"}) == 1
    assert lookups(one_of(field, FEW_VALUES), {"field": field, "operator": "matches", "value": "a"}) == 2
    assert lookups(one_of(field, FEW_VALUES + 1)) == 2
    if field != "user_id":
        assert lookups({"kind": "session", "rules": [{"field": field, "operator": "known"}]}) == 1


@pytest.mark.parametrize(
    ("node", "expected"),
    [
        (one_of("plan", FEW_VALUES), 0),
        (one_of("plan", FEW_VALUES + 1), 1),
        (one_of("plan", FEW_VALUES + 1, "not_in"), 1),
        (one_of("products", FEW_VALUES + 1, "has_any"), 0),
        ({"field": "plan", "operator": "contains", "value": "v"}, 0),
        (STAFF, 1),
        (THERE, 3),
        ({"kind": "session"}, 0),
        ({"kind": "changed", "field": "plan", "to": "v"}, 0),
        ({"kind": "event", "count": {"operator": "in", "value": list(range(FEW_VALUES))}}, 0),
        ({"kind": "event", "count": {"operator": "in", "value": list(range(FEW_VALUES + 1))}}, 1),
        ({"kind": "changed", "field": "plan"}, 0),
        ({"kind": "event", "rules": [one_of("name", FEW_VALUES + 1)]}, 1),
        ({"kind": "event", "rules": [one_of("properties.city", FEW_VALUES)]}, 0),
        ({"kind": "session", "rules": [{"rules": [one_of("city", FEW_VALUES + 1)]}]}, 2),
    ],
)
def test_a_node_looks_as_often_as_what_is_in_it(node: Mapping[str, Any], expected: int) -> None:
    assert lookups(node) == expected
    assert lookups(node, {"rules": [node], "not": True}) == 2 * expected


def test_the_same_values_are_one_look() -> None:
    most = limits.RULE_CONDITIONS_MAX
    assert (
        lookups(*[{"field": "plan", "operator": "is", "value": str(number)} for number in range(most)]) == 1
    )
    cities = [{"field": "city", "operator": "is_not", "value": str(number)} for number in range(FEW_VALUES)]
    assert lookups(*cities, combinator="and") == 1
    assert lookups(*cities) == FEW_VALUES


def test_a_rule_looks_as_often_as_the_limit_and_its_segments_each_time() -> None:
    most = limits.RULE_LOOKUPS_MAX
    for count in (most - 1, most):
        assert lookups(*CITIES[:count]) == count
    assert lookups(THERE, THERE, *CITIES[: most - 6]) == most
    for nodes in (CITIES[: most + 1], [THERE, THERE, *CITIES[: most - 5]]):
        with pytest.raises(RuleTooLarge) as refused:
            lookups(*nodes)
        assert (refused.value.field, refused.value.limit) == ("", most)
        assert refused.value.message == (
            f"the rule has {most + 1} conditions on places, browsers, ids, static lists, or with more than "
            f"{FEW_VALUES} values, segments within it included"
        )
        assert refused.value.hint == (
            f"the limit is {most} (RULE_LOOKUPS_MAX); of many values of one field make one with in"
        )
