"""Rules as one function: what the tables say."""

from __future__ import annotations

from zoneinfo import ZoneInfo

import pytest
from rule_cases import ATTRIBUTE_TABLES, PERSON_TABLES, TYPES, RuleCase, cases_of
from rule_persons import LISTS, answer, vocabulary

from enduser.core.rules.programs import Person, Program
from enduser.core.rules.reading import read_rule


def test_rules_of_lists_hold_ids_that_were_not_seen_beside_rules_that_ask_for_more() -> None:
    staff = {"kind": "list", "id": "staff"}
    lately = {"kind": "session", "window": {"from": {"n": 7, "unit": "day"}}}
    program = Program(
        [read_rule(rule, vocabulary(TYPES)) for rule in (staff, lately, {"rules": [staff, lately]})]
    )
    edges = program.edges(0, ZoneInfo("UTC"))
    assert program.answers(Person(None, {}, ["staff"]), edges) == [True, False, False]
    assert program.answers(Person(None, {}, ["testers"]), edges) == [False, False, False]


CASES = [
    (f"{table}: {case.name}", case)
    for table in (*ATTRIBUTE_TABLES, *PERSON_TABLES)
    for case in cases_of(table)
]


@pytest.mark.parametrize("case", [case for _, case in CASES], ids=[name for name, _ in CASES])
def test_a_program_says_what_the_tables_say(case: RuleCase) -> None:
    words = vocabulary(TYPES, lists=(*LISTS, "Staff"), time_zone=case.time_zone, segments=case.segments)
    rule = read_rule(case.rule, words)
    assert answer(rule, case.person, case.now, ZoneInfo(case.time_zone)) is case.holds
