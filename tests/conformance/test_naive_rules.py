"""The naive evaluator of rules gives the answers that stand in the tables."""

from __future__ import annotations

import re
from collections import Counter
from typing import Any

import pytest
from naive_rules import holds
from rule_cases import ATTRIBUTE_TABLES, FOLDER, PERSON_TABLES, TYPES, RuleCase, cases_of, rows_of

CASES = [
    (f"{table}: {case.name}", case)
    for table in (*ATTRIBUTE_TABLES, *PERSON_TABLES)
    for case in cases_of(table)
]


@pytest.mark.parametrize("case", [case for _, case in CASES], ids=[name for name, _ in CASES])
def test_a_rule_holds_where_the_table_says_so(case: RuleCase) -> None:
    found = holds(
        case.rule, case.person, now=case.now, time_zone=case.time_zone, types=TYPES, segments=case.segments
    )
    assert found is case.holds


def test_every_table_is_used() -> None:
    assert {path.stem for path in FOLDER.glob("*.json")} == {*ATTRIBUTE_TABLES, *PERSON_TABLES, "refused"}


@pytest.mark.parametrize("table", [*ATTRIBUTE_TABLES, *PERSON_TABLES, "refused"])
def test_every_case_has_a_name_of_its_own(table: str) -> None:
    counts = Counter(row["case"] for row in rows_of(table))
    assert [name for name, count in counts.items() if count > 1] == []


def node_at(rule: object, path: str) -> object:
    """Return what a path such as `rules[0].value` leads to; None where a key is missing."""
    for step in re.findall(r"[^.\[\]]+", path):
        rule = rule[int(step)] if isinstance(rule, list) else rule.get(step)  # type: ignore[attr-defined]
    return rule


@pytest.mark.parametrize("row", rows_of("refused"), ids=lambda row: row["case"])
def test_what_is_refused_names_a_node_of_its_rule(row: dict[str, Any]) -> None:
    parent, _, key = row["node"].rpartition(".")
    node = node_at(row["rule"], row["node"])
    assert node is not None or not key or isinstance(node_at(row["rule"], parent), dict)
    assert row["code"] in ("invalid_rule", "rule_too_large")
