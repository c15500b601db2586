"""Rules made of others mean what they say, also where one means everyone or nobody."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from enduser.core.rules.composing import both, contrary
from enduser.core.rules.programs import Person, Program
from enduser.core.rules.reading import Vocabulary, read_rule

EVERYONE = {"combinator": "and", "rules": []}
NOBODY = {"combinator": "or", "not": True, "rules": []}
NORWAY = {"field": "country", "operator": "is", "value": "NO"}
ADMINS = {"combinator": "and", "rules": [{"field": "role", "operator": "is", "value": "admin"}]}
OTHERS = {**ADMINS, "not": True}
RULES = [EVERYONE, NOBODY, NORWAY, ADMINS, OTHERS]
PEOPLE = [{"country": country, "role": role} for country in ("NO", "DE") for role in ("admin", "guest")]


def holds(rule: Mapping[str, Any], values: Mapping[str, object]) -> bool:
    program = Program([read_rule(rule, Vocabulary())])
    return program.answers(Person(values), program.edges(0, ZoneInfo("UTC")))[0]


@pytest.mark.parametrize(("one", "other"), list(itertools.product(RULES, RULES)))
def test_both_is_who_is_meant_by_each_of_two_rules(one: dict[str, Any], other: dict[str, Any]) -> None:
    for person in PEOPLE:
        assert holds(both(one, other), person) is (holds(one, person) and holds(other, person))


@pytest.mark.parametrize("rule", RULES)
def test_the_contrary_is_who_is_not_meant(rule: dict[str, Any]) -> None:
    for person in PEOPLE:
        assert holds(contrary(rule), person) is not holds(rule, person)


def test_a_condition_on_sessions_without_rules_of_its_own_is_no_empty_group() -> None:
    visits = {"kind": "session", "rules": []}
    assert both(visits, NORWAY) == {"combinator": "and", "rules": [visits, NORWAY]}
    assert contrary(visits) == {"combinator": "and", "rules": [visits], "not": True}
