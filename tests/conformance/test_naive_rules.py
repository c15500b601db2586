"""The naive evaluator of rules gives the answers that stand in the tables."""

from __future__ import annotations

from collections import Counter

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
