"""The questions that every install has at hand."""

from __future__ import annotations

from typing import Any

import pytest

from enduser import limits
from enduser.core.attributes import AttributeType
from enduser.core.rules.reading import Vocabulary, read_rule
from enduser.core.rules.templates import TEMPLATES, find_template
from enduser.errors import InvalidParameter, TemplateNotFound

KNOWN = {"field": "is_anonymous", "operator": "is_false"}


def days(n: int) -> dict[str, object]:
    return {"n": n, "unit": "day"}


RULES = {
    "new-users": [{"field": "first_seen", "operator": "in_last", "value": days(7)}],
    "never-returned": [
        {"field": "total_sessions", "operator": "eq", "value": 1},
        {"field": "first_seen", "operator": "more_than_ago", "value": days(14)},
    ],
    "upgraded": [{"kind": "changed", "field": "plan", "to": "vip", "window": {"from": days(30)}}],
    "quit": [
        {
            "kind": "session",
            "count": {"operator": "ge", "value": 8},
            "window": {"from": days(60), "to": days(30)},
        },
        {"field": "last_seen", "operator": "more_than_ago", "value": days(30)},
    ],
}


def test_these_are_the_templates() -> None:
    assert [template.id for template in TEMPLATES] == list(RULES)
    assert all(template.question.endswith("?") for template in TEMPLATES)


@pytest.mark.parametrize("name", RULES)
def test_without_parameters_a_template_is_the_question_with_its_defaults(name: str) -> None:
    rule = find_template(name).rule({})
    assert rule == {"combinator": "and", "rules": [KNOWN, *RULES[name]]}
    read_rule(rule, Vocabulary({"plan": AttributeType.STRING}))


def test_parameters_are_in_the_rule() -> None:
    changed = find_template("upgraded").rule({"attribute": "tier", "value": 3, "days": 5})["rules"][1]
    assert changed == {"kind": "changed", "field": "tier", "to": 3, "window": {"from": days(5)}}
    sessions, last = find_template("quit").rule({"sessions": 2, "from_days": 9, "to_days": 4})["rules"][1:]
    assert (sessions["count"]["value"], sessions["window"]) == (2, {"from": days(9), "to": days(4)})
    assert last["value"] == days(4)


@pytest.mark.parametrize(
    ("name", "given", "field"),
    [
        ("new-users", {"weeks": 1}, "weeks"),
        ("new-users", {"days": 0}, "days"),
        ("new-users", {"days": "7"}, "days"),
        ("new-users", {"days": True}, "days"),
        ("new-users", {"days": 7.5}, "days"),
        ("new-users", {"days": None}, "days"),
        ("upgraded", {"attribute": 5}, "attribute"),
        ("upgraded", {"attribute": ""}, "attribute"),
        ("upgraded", {"value": ["vip"]}, "value"),
        ("upgraded", {"value": ""}, "value"),
        ("quit", {"from_days": 30}, "from_days"),
        ("quit", {"to_days": 61}, "from_days"),
        ("quit", {"sessions": limits.NUMBER_MAX + 1}, "sessions"),
    ],
)
def test_a_parameter_that_cannot_be_is_refused(name: str, given: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidParameter) as caught:
        find_template(name).rule(given)
    assert caught.value.field == field
    assert "it takes: " in str(caught.value.hint)


@pytest.mark.parametrize(
    ("name", "given", "message", "takes"),
    [
        ("quit", {"weeks": 1}, "the template quit has no parameter 'weeks'", "sessions, from_days, to_days"),
        (
            "quit",
            {"w" * 101: 1},
            f"the template quit has no parameter '{'w' * 100}'",
            "sessions, from_days, to_days",
        ),
        ("new-users", {"days": 0}, "days cannot be 0", "a whole number from 1 to 36,525"),
        (
            "quit",
            {"sessions": "x"},
            "sessions cannot be 'x'",
            "a whole number from 1 to 9,007,199,254,740,992",
        ),
        ("upgraded", {"attribute": 5}, "attribute cannot be 5", "the custom attribute that changed"),
        ("upgraded", {"value": []}, "value cannot be []", "what it became"),
        ("upgraded", {"value": ["v" * 99]}, f"value cannot be ['{'v' * 98}…", "what it became"),
        ("new-users", {"days": "7" * 99}, f"days cannot be '{'7' * 99}…", "a whole number from 1 to 36,525"),
        (
            "quit",
            {"from_days": 30},
            "from_days cannot be 30 with to_days 30",
            "more days than to_days: the time of the sessions begins further back than it ends",
        ),
    ],
)
def test_what_cannot_be_is_told_with_what_can(
    name: str, given: dict[str, Any], message: str, takes: str
) -> None:
    with pytest.raises(InvalidParameter) as caught:
        find_template(name).rule(given)
    assert (caught.value.message, caught.value.hint) == (message, f"it takes: {takes}")


def test_days_go_as_far_as_spans_in_rules() -> None:
    most = limits.RULE_SPAN_DAYS_MAX
    for n in (1, 2, most - 1, most):
        read_rule(find_template("never-returned").rule({"days": n}), Vocabulary())
    with pytest.raises(InvalidParameter) as caught:
        find_template("never-returned").rule({"days": most + 1})
    assert caught.value.limit == most


def test_an_unknown_template_is_told_with_those_that_there_are() -> None:
    with pytest.raises(TemplateNotFound, match="'churned'") as caught:
        find_template("churned")
    assert caught.value.message == "there is no template 'churned'"
    assert caught.value.hint == "there are: new-users, never-returned, upgraded, quit"
    assert caught.value.field == "template_id"
    with pytest.raises(TemplateNotFound, match=f"no template '{'x' * 100}'"):
        find_template("x" * 101)
