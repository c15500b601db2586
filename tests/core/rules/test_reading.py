"""What is no rule is refused, and the node that is wrong is named."""

from __future__ import annotations

import random
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rule_cases import ATTRIBUTE_TABLES, PERSON_TABLES, TYPES, cases_of, rows_of
from rule_persons import vocabulary

from enduser import limits
from enduser.core.attributes import AttributeType
from enduser.core.rules.reading import Vocabulary, read_rule, with_root, without_additions
from enduser.core.rules.spans import Moment, Unit
from enduser.core.rules.tree import Counted, Window
from enduser.errors import InvalidRule, RuleTooLarge, UsersNotTracked

REFUSED = rows_of("refused")
SAID = [
    block.splitlines()
    for block in (Path(__file__).parent / "refusals.txt").read_text(encoding="utf-8").split("\n\n")[1:]
]
"""Of one case of each kind: its name, what is wrong with it, and what to do."""


@pytest.mark.parametrize("case", REFUSED, ids=[case["case"] for case in REFUSED])
def test_what_cannot_be_is_refused_with_its_node(case: Mapping[str, Any]) -> None:
    words = vocabulary(TYPES, segments=case.get("segments"))
    with pytest.raises((InvalidRule, RuleTooLarge)) as refused:
        read_rule(case["rule"], words)
    assert (refused.value.code, refused.value.field) == (case["code"], case["node"])
    assert refused.value.hint


@pytest.mark.parametrize(("name", "message", "hint"), SAID, ids=[name for name, *_ in SAID])
def test_what_is_refused_is_told_with_what_can_be(name: str, message: str, hint: str) -> None:
    (case,) = (case for case in REFUSED if case["case"] == name)
    with pytest.raises((InvalidRule, RuleTooLarge)) as refused:
        read_rule(case["rule"], vocabulary(TYPES, segments=case.get("segments")))
    assert (refused.value.message, refused.value.hint) == (message, hint)


PLAN = {"field": "plan", "operator": "known"}
STAFF = {"kind": "list", "id": "staff"}
CITY = {"field": "city", "operator": "known"}
WORDS = vocabulary(TYPES, segments={"two": {"combinator": "or", "rules": [PLAN, PLAN]}})


def any_of(*nodes: object) -> dict[str, Any]:
    """Return a rule of some nodes."""
    return {"combinator": "or", "rules": list(nodes)}


NOT_TRACKED = replace(vocabulary(TYPES, segments={"vips": PLAN, "staff": STAFF}), tracks_users=False)
SEGMENT = {"kind": "segment", "id": "vips"}


@pytest.mark.parametrize(
    ("rule", "node"),
    [
        (PLAN, ""),
        (SEGMENT, ""),
        (any_of(STAFF, PLAN, PLAN), "rules[1]"),
        (any_of(STAFF, any_of(STAFF, SEGMENT)), "rules[1].rules[1]"),
        (any_of({"kind": "session"}), "rules[0]"),
        (any_of({"kind": "event"}), "rules[0]"),
        (any_of({"kind": "changed", "field": "plan"}), "rules[0]"),
    ],
)
def test_where_users_are_not_tracked_rules_name_lists_only(rule: Mapping[str, Any], node: str) -> None:
    with pytest.raises(UsersNotTracked) as refused:
        read_rule(rule, NOT_TRACKED)
    assert refused.value.field == node
    assert refused.value.message == (
        "the space does not track users (unique_user is none), so rules cannot ask about them"
    )
    assert refused.value.hint == (
        "name static lists only, or let the space track users: enduser config set unique_user …"
    )


@pytest.mark.parametrize(
    "rule", [STAFF, any_of(STAFF), any_of(any_of(STAFF), {"kind": "segment", "id": "staff"})]
)
def test_a_rule_of_lists_alone_can_hold_ids_that_were_not_seen(rule: Mapping[str, Any]) -> None:
    assert read_rule(rule, NOT_TRACKED).is_of_lists


@pytest.mark.parametrize("rule", [any_of(), PLAN, any_of(STAFF, PLAN), any_of(STAFF, {"kind": "session"})])
def test_another_rule_holds_only_who_was_seen(rule: Mapping[str, Any]) -> None:
    assert not read_rule(rule, WORDS).is_of_lists


@pytest.mark.parametrize(
    "condition", [PLAN, STAFF, {"kind": "session", "rules": [{"field": "city", "operator": "known"}]}]
)
def test_a_condition_alone_is_a_group_of_one(condition: Mapping[str, Any]) -> None:
    assert read_rule(condition, WORDS) == read_rule({"combinator": "and", "rules": [condition]}, WORDS)
    assert with_root(condition) == {"combinator": "and", "rules": [condition]}
    assert with_root(any_of(condition)) == any_of(condition)


def test_what_editors_add_is_left_out_but_for_the_ids_of_segments_and_lists() -> None:
    added = {"id": "r-1", "path": [0]}
    parts = [STAFF, SEGMENT, {"kind": "session", "rules": [PLAN]}]
    rule = {
        **added,
        **any_of(
            {**added, **PLAN},
            *[{**part, "path": [1]} for part in parts[:2]],
            {**added, "kind": "session", "rules": [{**added, **PLAN}]},
        ),
    }
    assert without_additions(rule) == any_of(PLAN, *parts)


def test_of_many_attributes_thirty_are_proposed() -> None:
    custom = {f"a{number:02}": AttributeType.STRING for number in range(31)}
    with pytest.raises(InvalidRule) as refused:
        read_rule({"field": "gone", "operator": "known"}, Vocabulary(custom))
    assert str(refused.value.hint).endswith(", a28, a29")


@pytest.mark.parametrize(
    ("condition", "message", "hint"),
    [
        (
            {"kind": "segment", "id": "gone"},
            "there is no segment 'gone' in use",
            "the segments: enduser segments list; one that is archived must be restored first",
        ),
        ({"kind": "list", "id": "gone"}, "there is no static list 'gone'", "the lists: enduser lists list"),
    ],
)
def test_a_segment_or_a_list_that_is_not_there_is_refused(
    condition: Mapping[str, Any], message: str, hint: str
) -> None:
    with pytest.raises(InvalidRule) as refused:
        read_rule(any_of(PLAN, condition), WORDS)
    assert refused.value.field == "rules[1].id"
    assert (refused.value.message, refused.value.hint) == (f"rules[1].id: {message}", hint)


def test_without_custom_attributes_nothing_has_a_history() -> None:
    with pytest.raises(InvalidRule) as refused:
        read_rule({"kind": "changed", "field": "plan"}, Vocabulary())
    assert refused.value.hint == "only those have a history; there are: none"


def test_a_window_may_be_told_in_months() -> None:
    said = {"from": {"n": 1, "unit": "month"}, "to": {"n": 1, "unit": "week"}}
    (sessions,) = read_rule({"kind": "session", "window": said}, WORDS).root.parts
    assert isinstance(sessions, Counted)
    assert sessions.window == Window(Moment(-1, Unit.MONTH), Moment(-1, Unit.WEEK))


# --- sizes


def nested(depth: int) -> dict[str, Any]:
    """Return a rule of so many groups within each other."""
    rule = any_of(PLAN)
    for _ in range(depth - 1):
        rule = any_of(rule)
    return rule


def refused_for(rule: object) -> tuple[str | None, int | None]:
    """Return for which node a rule is too large, and the limit."""
    with pytest.raises(RuleTooLarge) as refused:
        read_rule(rule, WORDS)
    return refused.value.field, refused.value.limit


def test_a_rule_has_as_many_conditions_as_the_limit() -> None:
    most = limits.RULE_CONDITIONS_MAX
    for count in (most - 1, most):
        assert read_rule(any_of(*[PLAN] * count), WORDS).conditions == count
    with pytest.raises(RuleTooLarge) as refused:
        read_rule(any_of(*[PLAN] * (most + 1)), WORDS)
    assert (refused.value.field, refused.value.limit) == ("", most)
    assert refused.value.message == (
        f"the rule is more than {most:,} conditions and groups large, segments within it included"
    )
    assert refused.value.hint == (
        f"the limit is {most:,} (RULE_CONDITIONS_MAX); of many values make one condition with in"
    )


def test_conditions_of_segments_count_each_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "RULE_CONDITIONS_MAX", 7)
    segment = {"kind": "segment", "id": "two"}
    assert read_rule(any_of(segment, segment, PLAN), WORDS).conditions == 7
    assert refused_for(any_of(PLAN, PLAN, segment, segment)) == ("", 7)


def test_groups_count_with_what_is_in_them_but_for_the_root(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "RULE_CONDITIONS_MAX", 4)
    assert read_rule(any_of(any_of(any_of(PLAN)), PLAN), WORDS).conditions == 4
    assert read_rule(any_of(any_of(PLAN), {"kind": "session", "rules": [CITY]}), WORDS).conditions == 4
    assert refused_for(any_of(any_of(any_of(PLAN)), any_of(PLAN))) == ("", 4)


def test_a_rule_is_as_deep_as_the_limit() -> None:
    most = limits.RULE_DEPTH_MAX
    for depth in (most - 1, most):
        assert read_rule(nested(depth), WORDS).depth == depth
    assert refused_for(nested(most + 1))[1] == most


@pytest.mark.parametrize("kind", ["session", "event"])
def test_what_is_asked_of_sessions_and_events_is_a_group(kind: str) -> None:
    assert read_rule(any_of({"kind": kind}), WORDS).depth == 2
    assert read_rule(any_of(any_of({"kind": kind})), WORDS).depth == 3


def test_a_segment_has_the_histories_of_its_rule() -> None:
    words = vocabulary(TYPES, segments={"active": any_of({"kind": "session"}, {"kind": "event"})})
    rule = read_rule(any_of({"kind": "segment", "id": "active"}, STAFF), words)
    assert (rule.histories, rule.conditions) == (2, 4)


def test_a_segment_is_as_deep_as_its_rule(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "RULE_DEPTH_MAX", 3)
    segment = {"kind": "segment", "id": "two"}
    assert read_rule(any_of(any_of(segment)), WORDS).depth == 3
    assert refused_for(any_of(any_of(any_of(segment))))[1] == 3


@pytest.mark.parametrize(
    "kind", [{"kind": "session"}, {"kind": "event"}, {"kind": "changed", "field": "plan"}]
)
def test_a_rule_asks_for_as_many_histories_as_the_limit(kind: Mapping[str, Any]) -> None:
    most = limits.RULE_HISTORIES_MAX
    for count in (most - 1, most):
        rule = read_rule(any_of(*[kind] * count, PLAN), WORDS)
        assert (rule.histories, rule.conditions) == (count, count + 1)
    assert refused_for(any_of(*[kind] * (most + 1))) == ("", most)


def test_a_list_is_compared_with_as_many_items_as_the_limit() -> None:
    most = limits.RULE_ITEMS_MAX
    rule: dict[str, Any] = {"field": "products", "operator": "has_any"}
    for count in (most - 1, most):
        read_rule({**rule, "value": [f"p{number}" for number in range(count)]}, WORDS)
    assert refused_for({**rule, "value": ["p"] * (most + 1)}) == ("value", most)


# --- anything

ODD = [None, True, 0, -1, 2.5, 1e300, "", "x", "plan", "known", "\ud800", "2026-03-01", 10**30]
ODD += [[], [[]], [None], {}, {"n": 7, "unit": "day"}, {"unknown": True}]
KEYS = "combinator not rules field operator value ignore_case kind count window from to name id path n unit x"
RULES = [case.rule for table in (*ATTRIBUTE_TABLES, *PERSON_TABLES) for case in cases_of(table)]


def spoilt(node: Any, rng: random.Random) -> Any:
    """Return a rule with something odd in it here and there."""
    if rng.random() < 0.05:
        return rng.choice(ODD)
    if isinstance(node, list):
        return [spoilt(part, rng) for part in node]
    if not isinstance(node, dict):
        return node
    parts = {name: spoilt(part, rng) for name, part in node.items()}
    if rng.random() < 0.2:
        parts[rng.choice(KEYS.split())] = rng.choice(ODD)
    return parts


@given(st.randoms(use_true_random=False))
def test_whatever_is_said_is_a_rule_or_is_refused(rng: random.Random) -> None:
    rule = spoilt(rng.choice(RULES), rng)
    with suppress(InvalidRule, RuleTooLarge):
        assert read_rule(rule, WORDS).root
