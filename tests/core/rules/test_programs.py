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


def test_nothing_lies_within_a_window_that_a_short_month_turns_round() -> None:
    """On 15 March a month ago is 15 February, and thirty days ago is the day before the one before."""
    window = {"from": {"n": 1, "unit": "month"}, "to": {"n": 30, "unit": "day"}}
    count = {"operator": "eq", "value": 0}
    rule = read_rule({"kind": "session", "window": window, "count": count}, vocabulary(TYPES))
    program, zone = Program([rule]), ZoneInfo("UTC")
    (what,) = program.happenings
    now, between = 1_773_532_800_000_000, 1_771_027_200_000_000  # 15 March and 14 February 2026
    assert program.answers(Person({}, {what: [between]}), program.edges(now, zone)) == [True]
