"""What one user sees is decided by rules alone, for whatever is known of him."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from rule_cases import CUSTOM_TYPES, instant

from enduser.core.attributes import AttributeType
from enduser.core.contents import Content, Decision
from enduser.core.deciding import Decider, Deciding
from enduser.core.rules.programs import Person
from enduser.core.rules.tree import InList

DAY = 86_400_000_000
AT = instant("2026-03-15T12:00:00Z")
NEW = {"field": "first_seen", "operator": "in_last", "value": {"n": 7, "unit": "day"}}
NORWEGIAN = {"field": "country", "operator": "is", "value": "NO"}


def known(**changes: Any) -> Deciding:
    told: dict[str, Any] = {
        "space": "acme/production",
        "contents": [
            Content(id="everyone", name="Everyone"),
            Content(id="hello", name="Hello", segment="new"),
            Content(id="velkommen", name="Velkommen", segment="hidden"),
        ],
        "segments": ["new"],
        "rules": {"new": NEW, "hidden": {"combinator": "and", "rules": [NORWEGIAN]}},
        "attributes": {name: AttributeType(kind) for name, kind in CUSTOM_TYPES.items()},
        "lists": ["staff"],
        "unread": [],
    }
    return Deciding(**{**told, **changes})


def decide(deciding: Deciding, person: Person) -> Decision:
    return Decider(deciding, "UTC").decide(person, AT)


def shown(decision: Decision) -> list[str]:
    return [content.id for content in decision.contents]


def test_who_is_in_a_segment_sees_its_content_and_what_everyone_sees() -> None:
    decision = decide(known(), Person({"first_seen": AT - DAY, "country": "NO"}))
    assert shown(decision) == ["everyone", "hello", "velkommen"]
    assert decision.decided_at == AT
    assert decision.turns_at == AT + 6 * DAY + 1


def test_a_segment_that_is_not_to_be_told_decides_and_is_not_told() -> None:
    assert decide(known(), Person({"first_seen": 0, "country": "NO"})).segments == []
    told = decide(known(segments=["hidden", "new"]), Person({"first_seen": AT, "country": "NO"}))
    assert told.segments == ["hidden", "new"]


def test_somebody_of_whom_nothing_is_known_sees_what_everyone_sees() -> None:
    decision = decide(known(), Person(None))
    assert (shown(decision), decision.segments, decision.turns_at) == (["everyone"], [], None)


def test_content_of_a_segment_whose_rule_is_not_there_is_shown_to_nobody() -> None:
    decision = decide(known(segments=[], rules={}), Person({"first_seen": AT, "country": "NO"}))
    assert shown(decision) == ["everyone"]


def test_an_id_that_was_not_seen_can_be_in_a_list() -> None:
    deciding = known(rules={"new": {"kind": "list", "id": "staff"}, "hidden": NORWEGIAN})
    assert Decider(deciding, "UTC").demands[0].what == InList("staff")
    assert decide(deciding, Person(None, {}, {"staff"})).segments == ["new"]
    assert decide(deciding, Person(None)).segments == []


def test_a_segment_names_others_that_are_not_told() -> None:
    deciding = known(rules={"new": {"kind": "segment", "id": "hidden"}, "hidden": NORWEGIAN})
    assert decide(deciding, Person({"country": "NO"})).segments == ["new"]


@pytest.mark.parametrize(("zone", "sees"), [("UTC", []), ("Pacific/Auckland", ["new"])])
def test_days_are_those_of_the_spaces_zone(zone: str, sees: list[str]) -> None:
    """At noon in Greenwich the 16th has come in New Zealand."""
    soon = {"field": "renews_on", "operator": "in_next", "value": {"n": 1, "unit": "day"}}
    decider = Decider(known(rules={"new": soon, "hidden": NORWEGIAN}), zone)
    assert decider.decide(Person({"renews_on": "2026-03-17"}), AT).segments == sees


def test_days_that_a_rule_names_are_those_of_the_spaces_zone_too() -> None:
    on_that_day = {"field": "first_seen", "operator": "on", "value": "2026-03-16"}
    deciding = known(rules={"new": on_that_day, "hidden": NORWEGIAN})
    for zone, segments in (("UTC", []), ("Pacific/Auckland", ["new"])):
        assert Decider(deciding, zone).decide(Person({"first_seen": AT}), AT).segments == segments


def test_what_must_be_at_hand_is_known_by_the_names_of_its_demands() -> None:
    visited = {"kind": "session", "window": {"from": {"n": 1, "unit": "month"}}}
    decider = Decider(known(rules={"new": visited, "hidden": NORWEGIAN}), "Europe/Oslo")
    (demand,) = decider.demands
    assert demand.months_of == "Europe/Oslo"
    assert decider.keys == {demand.key}


def test_of_the_custom_attributes_it_is_known_which_are_instants() -> None:
    assert Decider(known(), "UTC").datetimes == {"signed_at"}


def test_what_is_to_be_known_survives_its_file() -> None:
    told = known(contents=[Content(id="a", name="A", payload={"n": [1, None, {"é": 2.5}]}, is_public=False)])
    assert msgspec.json.decode(msgspec.json.encode(told), type=Deciding) == told
