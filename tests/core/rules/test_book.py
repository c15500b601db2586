"""Segments are read as rules name them, once, and none leads back to itself."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from enduser import limits
from enduser.core.attributes import AttributeType
from enduser.core.rules.book import RuleBook
from enduser.core.rules.reading import Vocabulary
from enduser.core.rules.tree import InSegment
from enduser.errors import EnduserError, InvalidRule, RuleTooLarge

WORDS = Vocabulary({"plan": AttributeType.STRING})
VIPS = {"field": "plan", "operator": "is", "value": "vip"}


def within(name: str) -> dict[str, Any]:
    return {"kind": "segment", "id": name}


def book(rules: Mapping[str, Any]) -> RuleBook:
    return RuleBook(WORDS, rules.get)


def test_a_rule_has_the_rules_of_the_segments_in_it() -> None:
    known = book({"vips": VIPS, "more": within("vips")})
    (part,) = known.read(within("more")).root.parts
    assert part == InSegment("more", known.require("more"))
    assert known.require("more").root.parts == (InSegment("vips", known.require("vips")),)


def test_a_segment_is_looked_up_once() -> None:
    asked: list[str] = []

    def find(name: str) -> Any:
        asked.append(name)
        return VIPS

    known = RuleBook(WORDS, find)
    assert known.require("vips") is known.segment("vips")
    assert asked == ["vips"]


def test_a_segment_that_is_not_there_has_no_rule() -> None:
    assert book({}).segment("gone") is None
    with pytest.raises(InvalidRule, match="there is no segment 'gone'"):
        book({}).read(within("gone"))


@pytest.mark.parametrize("rules", [{"a": within("a")}, {"a": within("b"), "b": within("a")}])
def test_a_segment_that_leads_back_to_itself_is_refused(rules: Mapping[str, Any]) -> None:
    with pytest.raises(InvalidRule) as caught:
        book(rules).require("a")
    path = "id: in the segment 'b', id:" if "b" in rules else "id:"
    assert caught.value.message == f"{path} the segment 'a' leads back to itself"
    assert caught.value.hint == "take it out of the rule, or out of the segment that the rule names"
    assert caught.value.field == "id"


LONG = "p" * (limits.VALUE_CHARACTERS_MAX + 1)


@pytest.mark.parametrize(
    ("condition", "error", "most"),
    [
        ({**VIPS, "value": LONG}, InvalidRule, limits.VALUE_CHARACTERS_MAX),
        ({**VIPS, "operator": "in", "value": ["a", "b", "c"]}, RuleTooLarge, 2),
    ],
)
def test_what_is_wrong_within_a_segment_is_named_by_what_names_that(
    condition: Mapping[str, Any], error: type[EnduserError], most: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "RULE_VALUES_MAX", 2)
    known = book({"inner": condition, "outer": {"rules": [VIPS, within("inner")]}})
    with pytest.raises(error) as inner:
        known.require("inner")
    assert (inner.value.field, inner.value.limit) == ("value", most)
    with pytest.raises(error) as caught:
        known.read({"rules": [within("outer")]})
    assert caught.value.message == (
        f"rules[0].id: in the segment 'outer', rules[1].id: in the segment 'inner', {inner.value.message}"
    )
    assert (caught.value.field, caught.value.limit) == ("rules[0].id", most)
    assert caught.value.hint == inner.value.hint


def test_a_segment_that_could_not_be_read_is_read_again() -> None:
    rules: dict[str, Any] = {"a": {"field": "gone", "operator": "known"}}
    known = book(rules)
    for _ in range(2):
        with pytest.raises(InvalidRule, match="no attribute 'gone'"):
            known.segment("a")
    rules["a"] = VIPS
    assert known.require("a").conditions == 1


def test_segments_without_conditions_make_no_rule_of_any_size() -> None:
    tens = {f"s{number + 1}": {"rules": [within(f"s{number}")] * 10} for number in range(4)}
    known = book({"s0": {"rules": []}, **tens})
    assert [known.require(name).conditions for name in ("s0", "s1", "s2", "s3")] == [0, 10, 110, 1_110]
    with pytest.raises(RuleTooLarge):
        known.require("s4")
