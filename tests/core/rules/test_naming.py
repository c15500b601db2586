"""What rules name, and names that become others."""

from __future__ import annotations

from enduser.core.attributes import AttributeType
from enduser.core.rules.naming import Names, names_of, renamed, segments_named
from enduser.core.rules.reading import Vocabulary, read_rule

PLAN = {"field": "plan", "operator": "is", "value": "plan"}
VISITS = {"kind": "session", "rules": [{"field": "city", "operator": "is", "value": "Oslo"}]}
RULE = {
    "combinator": "or",
    "not": True,
    "rules": [
        PLAN,
        {"combinator": "and", "rules": [{"kind": "list", "id": "staff"}, {"kind": "segment", "id": "vips"}]},
        {"kind": "changed", "field": "seats", "to": 5},
        VISITS,
        {"kind": "event", "rules": [{"field": "name", "operator": "is", "value": "x"}]},
        PLAN,
    ],
}
VIPS = read_rule({"field": "country", "operator": "is", "value": "NO"}, Vocabulary())
WORDS = Vocabulary(
    {"plan": AttributeType.STRING, "seats": AttributeType.NUMBER, "city_2": AttributeType.STRING},
    lists=["staff"],
    segment_of=lambda _: VIPS,
)


def test_a_rule_names_what_it_says_itself_once_and_in_order() -> None:
    assert names_of(read_rule(RULE, WORDS)) == Names(("plan", "seats"), ("vips",), ("staff",))


def test_an_attribute_is_renamed_where_users_are_asked_for_and_not_in_values_sessions_and_events() -> None:
    assert renamed(RULE, "plan", "tier")["rules"][0] == {**PLAN, "field": "tier"}
    assert renamed(RULE, "seats", "places")["rules"][2] == {"kind": "changed", "field": "places", "to": 5}
    assert renamed(RULE, "city", "town") == renamed(RULE, "name", "title") == RULE
    assert renamed(renamed(RULE, "plan", "tier"), "tier", "plan") == RULE


def test_the_segments_that_a_rule_names_are_known_before_it_is_read() -> None:
    assert segments_named(RULE) == {"vips"}
    assert segments_named({"kind": "segment", "id": "a"}) == {"a"}
    assert segments_named(VISITS) == segments_named({"rules": "x"}) == segments_named([]) == set()
