"""In which segments one user is and why, over HTTP."""

from __future__ import annotations

from typing import Any

import pytest
from managing import Api

from enduser.core.attributes import Attribute, AttributeType
from enduser.service.writing_values import write_json_rows
from enduser.sources.json_rows import JsonRow

SPACE = "default/production"
NORWAY = {"field": "country", "operator": "is", "value": "NO"}


def make(api: Api, segment_id: str, rule: object, **more: object) -> None:
    body = {"id": segment_id, "name": segment_id.title(), "rule": rule, **more}
    assert api.client.request("POST", "/api/v1/segments", json=body).is_success


def asked(api: Api, user_id: str = "adam", **query: str) -> Any:
    answer = api.client.get(f"/api/v1/users/{user_id}/segments", params=query)
    assert answer.status_code == 200, answer.text
    return answer.json()


@pytest.fixture
def filled(own_api: Api) -> Api:
    """An API with values of custom attributes, a list, and segments of every kind of condition."""
    for name, kind in (
        ("plan", "string"),
        ("signed_at", "datetime"),
        ("renews_on", "date"),
        ("tags", "list"),
    ):
        own_api.store.create_attribute(Attribute(name, AttributeType(kind)))
    told = {"plan": "vip", "signed_at": "2026-01-01T09:00:00Z", "renews_on": "2026-02-01", "tags": ["a", "b"]}
    rows = [
        JsonRow("adam", {"plan": "free"}, effective_at="2025-12-01T00:00:00Z"),
        JsonRow("adam", told, effective_at="2026-01-01T00:00:00Z"),
    ]
    write_json_rows(own_api.store, SPACE, "crm", rows, 1_767_700_000_000_000)
    own_api.client.request("POST", "/api/v1/lists", json={"id": "staff", "user_ids": ["adam", "nobody"]})
    return own_api


def test_every_segment_in_use_is_told_whether_it_holds_or_not(filled: Api) -> None:
    make(filled, "norway", NORWAY, public=True)
    make(filled, "away", {"combinator": "and", "not": True, "rules": [NORWAY]})
    make(filled, "old", NORWAY)
    filled.client.patch("/api/v1/segments/old", json={"archived": True})
    told = asked(filled)
    assert (told["is_seen"], told["next_cursor"]) == (True, None)
    assert told["clock_at"].startswith("2026-01-03T10:00:00")
    assert told["items"] == [
        {"id": "away", "name": "Away", "public": False, "holds": False, "turns_at": None},
        {"id": "norway", "name": "Norway", "public": True, "holds": True, "turns_at": None},
    ]


def test_one_segment_can_be_asked_for(filled: Api) -> None:
    make(filled, "norway", NORWAY)
    make(filled, "away", {"combinator": "and", "not": True, "rules": [NORWAY]})
    known = asked(filled)["items"][1]
    assert asked(filled, segment=known["id"])["items"] == [known]
    change = filled.client.patch(f"/api/v1/segments/{known['id']}", json={"archived": True})
    assert change.status_code == 200, change.text
    for segment, told in ((known["id"], "is archived"), ("nope", "there is no segment")):
        refused = filled.client.get(f"/api/v1/users/adam/segments?segment={segment}")
        assert (refused.status_code, refused.json()["error"]["code"]) == (404, "segment_not_found")
        assert told in refused.json()["error"]["message"]


def test_an_explanation_is_the_tree_of_the_rule_with_what_was_found(filled: Api) -> None:
    lately = {"n": 5, "unit": "day"}
    inner = {"combinator": "or", "not": True, "rules": [{"field": "role", "operator": "unknown"}]}
    session = {"kind": "session", "rules": [NORWAY], "window": {"from": lately}}
    conditions = [
        {"field": "plan", "operator": "is", "value": "vip"},
        {"field": "last_seen", "operator": "in_last", "value": lately},
        {"field": "signed_at", "operator": "before", "value": "2026-02-01"},
        {"field": "renews_on", "operator": "after", "value": "2026-01-01"},
        {"field": "tags", "operator": "has_any", "value": ["b"]},
        inner,
        session,
        {"kind": "list", "id": "staff"},
        {"field": "city", "operator": "unknown"},
    ]
    make(filled, "all", {"combinator": "and", "rules": conditions})
    (told,) = asked(filled, explain="true")["items"]
    root = told["explanation"]
    assert {name: root[name] for name in ("combinator", "holds")} == {"combinator": "and", "holds": False}
    plan, last, signed, renews, tags, group, visits, staff, city = root["rules"]
    since = {"source": "crm", "effective_at": "2026-01-01T00:00:00.000000Z"}
    assert plan == {**conditions[0], "holds": True, "turns_at": None, "found": "vip", **since}
    assert last == {
        **conditions[1],
        "holds": True,
        "turns_at": "2026-01-07T10:00:00.000001Z",
        "found": "2026-01-02T10:00:00.000000Z",
    }
    assert (signed["found"], renews["found"], tags["found"]) == (
        "2026-01-01T09:00:00.000000Z",
        "2026-02-01",
        ["a", "b"],
    )
    (role,) = group["rules"]
    assert (group["not"], group["holds"], role["holds"], role["found"]) == (True, True, False, "admin")
    assert (visits["rules"], visits["found"]) == ([NORWAY], 1)
    assert (visits["last_at"], visits["turns_at"]) == (
        "2026-01-01T10:00:00.000000Z",
        "2026-01-06T10:00:00.000001Z",
    )
    assert staff == {"kind": "list", "id": "staff", "holds": True, "turns_at": None}
    assert (city["holds"], city["found"]) == (False, "Oslo")
    assert "source" not in city


def test_counts_of_events_and_changes_come_with_the_last_time(filled: Api) -> None:
    filled.client.request("POST", "/api/v1/lists", json={"id": "x", "user_ids": []})
    make(filled, "changed", {"kind": "changed", "field": "plan", "to": "vip"})
    make(filled, "pages", {"kind": "event", "rules": [{"field": "type", "operator": "is", "value": "page"}]})
    changed, pages = (one["explanation"]["rules"][0] for one in asked(filled, explain="true")["items"])
    assert (changed["holds"], changed["found"], changed["last_at"]) == (
        True,
        1,
        "2026-01-01T00:00:00.000000Z",
    )
    assert (pages["found"], pages["last_at"]) == (2, "2026-01-02T10:00:00.000000Z")


def test_everyone_is_explained_by_a_group_without_rules(filled: Api) -> None:
    make(filled, "all", {"combinator": "and", "rules": []})
    (told,) = asked(filled, explain="true")["items"]
    assert told["explanation"] == {"combinator": "and", "rules": [], "holds": True, "turns_at": None}


@pytest.mark.parametrize("user_id", ["eve", "nobody", "unheard-of"])
def test_who_has_no_object_is_in_no_segment_but_of_lists_and_is_said_to_be_unseen(
    filled: Api, user_id: str
) -> None:
    make(filled, "all", {"combinator": "and", "rules": []})
    make(filled, "norway", NORWAY)
    make(filled, "staff", {"kind": "list", "id": "staff"})
    told = asked(filled, user_id, explain="true")
    assert told["is_seen"] is False
    held = [one["id"] for one in told["items"] if one["holds"]]
    assert held == (["staff"] if user_id == "nobody" else [])
    (country,) = told["items"][1]["explanation"]["rules"]
    assert (country["holds"], country["found"]) == (False, None)


def test_an_id_is_looked_for_in_its_namespace(filled: Api) -> None:
    make(filled, "visitors", {"field": "is_anonymous", "operator": "is_true"})
    assert [one["holds"] for one in asked(filled, id_kind="anonymous")["items"]] == [True]
    assert [one["holds"] for one in asked(filled)["items"]] == [False]


def test_a_key_of_another_space_is_told_of_nobody_here(filled: Api) -> None:
    filled.store.create_space("acme/test", 1)
    client = filled.with_key("acme/test")
    told = client.get("/api/v1/users/adam/segments").json()
    assert (told["is_seen"], told["items"], told["clock_at"]) == (False, [], None)
    refused = client.get("/api/v1/users/adam/segments", params={"space": SPACE})
    assert refused.json()["error"]["code"] == "space_not_found"
