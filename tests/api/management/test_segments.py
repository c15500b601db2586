"""Segments over HTTP."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from managing import Api, served

from enduser import limits
from enduser.core.attributes import Attribute, AttributeType
from enduser.stores.records import ChangeSettings

SPACE = "default/production"
SEGMENTS = "/api/v1/segments"
NORWAY = {"field": "country", "operator": "is", "value": "NO"}
EVERYONE = {"combinator": "and", "rules": []}


def create(api: Api, segment_id: str | None = "norway", **told: object) -> httpx.Response:
    named = {} if segment_id is None else {"id": segment_id}
    rule = {} if "template" in told else {"rule": NORWAY}
    return api.client.request("POST", SEGMENTS, json={**named, "name": "Norway", **rule, **told})


def change(api: Api, segment_id: str = "norway", etag: str | None = None, **told: object) -> httpx.Response:
    headers = {} if etag is None else {"If-Match": etag}
    return api.client.patch(f"{SEGMENTS}/{segment_id}", json=told, headers=headers)


def get(api: Api, path: str = "", **query: object) -> Any:
    answer = api.client.get(f"{SEGMENTS}/norway{path}", params=query)  # type: ignore[arg-type]
    assert answer.status_code == 200, answer.text
    return answer.json()


def listed(api: Api, **query: object) -> list[str]:
    answer = api.client.get(SEGMENTS, params=query).json()  # type: ignore[arg-type]
    assert (answer["limit"], answer["next_cursor"]) == (limits.SEGMENTS_MAX, None)
    return [one["id"] for one in answer["items"]]


def problem(response: httpx.Response, status: int, code: str) -> dict[str, Any]:
    assert response.status_code == status, response.text
    error: dict[str, Any] = response.json()["error"]
    assert error["code"] == code
    return error


# --- making and changing


def test_a_segment_is_made_on_the_owners_thread_and_shown_with_who_saved_it(own_api: Api) -> None:
    changed = len(own_api.changed)
    made = create(own_api, description="Who is there.", tags=["a"], public=True, followed=True)
    assert made.status_code == 200
    assert len(own_api.changed) == changed + 1
    told = made.json()
    assert told == {
        "id": "norway",
        "name": "Norway",
        "description": "Who is there.",
        "tags": ["a"],
        "public": True,
        "followed": True,
        "archived": False,
        "rule": {"combinator": "and", "rules": [NORWAY]},
        "version": 1,
        "created_at": told["saved_at"],
        "saved_at": told["saved_at"],
        "saved_by": "tests",
    }
    assert get(own_api) == told
    assert own_api.client.get(SEGMENTS).json()["items"] == [told]


def test_without_an_id_a_segment_gets_one_at_random(own_api: Api) -> None:
    ids = {create(own_api, None).json()["id"] for _ in range(3)}
    assert len(ids) == 3
    assert all(re.fullmatch("[0-9a-f]{12}", one) for one in ids)


def test_segments_are_listed_by_tag_and_archived_ones_apart(own_api: Api) -> None:
    create(own_api, "a", tags=["x", "y"])
    create(own_api, "b", tags=["y"])
    change(own_api, "b", archived=True)
    assert (listed(own_api), listed(own_api, archived="true")) == (["a"], ["b"])
    assert (listed(own_api, tag="x"), listed(own_api, tag="z")) == (["a"], [])
    assert listed(own_api, tag="y", archived="true") == ["b"]


def test_what_a_change_does_not_name_stays(own_api: Api) -> None:
    made = create(own_api, tags=["a"], description="d", followed=True).json()
    assert change(own_api, name="Land").json() == {**get(own_api), "name": "Land", "version": 2}
    told = change(own_api, rule=EVERYONE, public=True, tags=[]).json()
    assert (told["version"], told["rule"], told["public"], told["tags"]) == (3, EVERYONE, True, [])
    assert (told["name"], told["description"], told["followed"]) == ("Land", "d", True)
    assert told["created_at"] == made["created_at"]
    assert change(own_api).json()["version"] == 3
    versions = get(own_api, "/versions")
    assert versions["next_cursor"] is None
    assert [(one["version"], one["name"]) for one in versions["items"]] == [
        (3, "Land"),
        (2, "Land"),
        (1, "Norway"),
    ]


def test_a_change_of_what_was_changed_since_is_refused(own_api: Api) -> None:
    etag = create(own_api).headers["ETag"]
    assert own_api.client.get(f"{SEGMENTS}/norway").headers["ETag"] == etag
    changed = change(own_api, etag=etag, name="First")
    assert changed.headers["ETag"] != etag
    error = problem(change(own_api, etag=etag, name="Second"), 412, "precondition_failed")
    assert error["field"] == "If-Match"
    assert get(own_api)["name"] == "First"
    assert change(own_api, etag=f'"x", {changed.headers["ETag"]}', name="Third").status_code == 200
    assert change(own_api, etag="*", name="Fourth").json()["version"] == 4


def test_a_segment_that_was_changed_since_is_not_deleted(own_api: Api) -> None:
    def delete(etag: str) -> httpx.Response:
        return own_api.client.request("DELETE", f"{SEGMENTS}/norway", headers={"If-Match": etag})

    first = create(own_api).headers["ETag"]
    change(own_api, name="First")
    problem(delete(first), 412, "precondition_failed")
    assert delete(own_api.client.get(f"{SEGMENTS}/norway").headers["ETag"]).json() == {"deleted": True}
    create(own_api)
    problem(delete(first), 412, "precondition_failed")  # another one of the same id


def test_a_segment_is_archived_restored_and_deleted(own_api: Api) -> None:
    create(own_api)
    assert change(own_api, archived=True).json()["archived"] is True
    for path in ("/count", "/members", "/facets?field=country"):
        told = problem(own_api.client.get(f"{SEGMENTS}/norway{path}"), 404, "segment_not_found")
        assert "is archived" in told["message"]
    assert change(own_api, archived=False).json()["archived"] is False
    assert own_api.client.request("DELETE", f"{SEGMENTS}/norway").json() == {"deleted": True}
    for path in ("", "/versions", "/count", "/members", "/facets?field=country", "/uses"):
        problem(own_api.client.get(f"{SEGMENTS}/norway{path}"), 404, "segment_not_found")
    problem(change(own_api, name="x"), 404, "segment_not_found")
    problem(own_api.client.request("DELETE", f"{SEGMENTS}/norway"), 404, "segment_not_found")


def test_a_segment_that_others_name_stays(own_api: Api) -> None:
    create(own_api)
    create(own_api, "more", name="More", rule={"kind": "segment", "id": "norway"})
    assert get(own_api, "/uses") == {
        "items": [{"kind": "segment", "id": "more", "name": "More"}],
        "next_cursor": None,
    }
    for refused in (own_api.client.request("DELETE", f"{SEGMENTS}/norway"), change(own_api, archived=True)):
        assert "'more' (More) in default/production" in problem(refused, 409, "in_use")["message"]


def test_a_segment_is_made_of_a_template(own_api: Api) -> None:
    told = create(own_api, template={"id": "quit", "sessions": 10}).json()
    sessions = told["rule"]["rules"][1]
    assert (sessions["kind"], sessions["count"]) == ("session", {"operator": "ge", "value": 10})


# --- what is refused


@pytest.mark.parametrize(
    ("template", "status", "code", "field"),
    [
        ({"id": "gone"}, 404, "template_not_found", "template.id"),
        ({}, 404, "template_not_found", "template.id"),
        ({"id": "quit", "weeks": 1}, 400, "invalid_parameter", "template.weeks"),
        ({"id": "quit", "sessions": "8"}, 400, "invalid_parameter", "template.sessions"),
        ({"id": "upgraded"}, 400, "invalid_rule", "template.rules[1].field"),
    ],
)
def test_a_template_that_cannot_be_is_refused(
    api: Api, template: dict[str, object], status: int, code: str, field: str
) -> None:
    assert problem(create(api, template=template), status, code)["field"] == field
    assert listed(api) == []


def test_a_rule_that_cannot_be_is_refused_for_its_place_in_the_body(own_api: Api) -> None:
    rule = {"combinator": "and", "rules": [NORWAY, {"field": "country", "operator": "gt", "value": 5}]}
    assert problem(create(own_api, rule=rule), 400, "invalid_rule")["field"] == "rule.rules[1].operator"
    assert problem(create(own_api, rule={}), 400, "invalid_rule")["field"].startswith("rule")
    create(own_api)
    assert problem(change(own_api, rule=rule), 400, "invalid_rule")["field"] == "rule.rules[1].operator"
    circle = {"combinator": "and", "rules": [{"kind": "segment", "id": "norway"}]}
    assert "leads back" in problem(change(own_api, rule=circle), 400, "invalid_rule")["message"]


def test_a_rule_that_is_too_large_is_refused(own_api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "RULE_CONDITIONS_MAX", 2)
    create(own_api, "two", rule={"combinator": "and", "rules": [NORWAY] * 2})
    error = problem(create(own_api, rule={"combinator": "and", "rules": [NORWAY] * 3}), 422, "rule_too_large")
    assert error["limit"] == 2
    assert listed(own_api) == ["two"]


def test_a_rule_is_refused_for_the_segment_in_it_that_is_too_large_by_now(
    own_api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    large = {"field": "country", "operator": "in", "value": ["NO", "SE", "DK"]}
    create(own_api, "two", rule={"combinator": "and", "rules": [NORWAY, large]})
    monkeypatch.setattr(limits, "RULE_VALUES_MAX", 2)
    rule = {"combinator": "and", "rules": [NORWAY, {"kind": "segment", "id": "two"}]}
    error = problem(create(own_api, rule=rule), 422, "rule_too_large")
    assert (error["field"], error["limit"]) == ("rule.rules[1].id", 2)
    assert error["message"].startswith("rules[1].id: in the segment 'two', rules[1].value: ")


def test_an_id_that_is_taken_or_cannot_be_is_refused(own_api: Api) -> None:
    create(own_api)
    problem(create(own_api), 409, "segment_exists")
    assert problem(create(own_api, "a b"), 400, "invalid_segment")["field"] == "id"
    assert problem(create(own_api, "x", name=" "), 400, "invalid_segment")["field"] == "name"
    problem(create(own_api, "x", tags=["a"] * (limits.SEGMENT_TAGS_MAX + 1)), 400, "invalid_segment")
    assert listed(own_api) == ["norway"]


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"name": "x"},
        {"name": "x", "rule": NORWAY, "template": {"id": "quit"}},
        {"name": "x", "rule": []},
        {"rule": NORWAY},
        {"name": "x", "rule": NORWAY, "archived": True},
        {"name": "x", "rule": NORWAY, "tags": "a"},
        {"name": "x", "rule": NORWAY, "public": 1},
    ],
)
def test_a_body_of_another_form_is_refused(api: Api, body: dict[str, object]) -> None:
    problem(api.client.request("POST", SEGMENTS, json=body), 400, "malformed_request")
    assert listed(api) == []


def test_a_change_of_another_form_is_refused(own_api: Api) -> None:
    create(own_api)
    for body in ({"id": "x"}, {"rule": None}, {"name": 5}, {"template": {"id": "quit"}}):
        problem(change(own_api, **body), 400, "malformed_request")
    assert get(own_api)["version"] == 1


def test_where_nobody_is_tracked_users_cannot_be_asked_for(own_api: Api) -> None:
    own_api.store.create_space("acme/none", 1)
    own_api.store.apply("acme/none", ChangeSettings({"unique_user": "none"}))
    made = own_api.client.request(
        "POST", SEGMENTS, json={"name": "x", "rule": NORWAY}, params={"space": "acme/none"}
    )
    problem(made, 400, "users_not_tracked")


def test_there_are_as_many_segments_as_the_limit(own_api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "SEGMENTS_MAX", 2)
    create(own_api, "a")
    create(own_api, "b")
    problem(create(own_api, "c"), 400, "limit_exceeded")


def test_a_call_with_a_rule_has_as_many_bytes_as_the_limit(own_api: Api) -> None:
    own_api.store.create_attribute(Attribute("city_code", AttributeType.STRING))
    values = [f"{number:0150}" for number in range(100_000)]
    body = httpx.Request(
        "POST",
        "http://x",
        json={"name": "x", "rule": {"field": "city_code", "operator": "in", "value": values}},
    ).content
    filled = body + b" " * (limits.RULE_BODY_BYTES_MAX - len(body))
    assert len(values) == limits.RULE_VALUES_MAX
    problem(own_api.client.request("POST", SEGMENTS, content=filled + b" "), 413, "body_too_large")
    assert own_api.client.request("POST", SEGMENTS, content=filled).status_code == 200
    too_many = body.replace(b'["', b'["one more","', 1)
    problem(own_api.client.request("POST", SEGMENTS, content=too_many), 422, "rule_too_large")


def test_a_key_of_another_space_sees_no_segment(own_api: Api) -> None:
    create(own_api)
    own_api.store.create_space("acme/test", 1)
    client = own_api.with_key("acme/test")
    assert client.get(SEGMENTS).json()["items"] == []
    problem(client.get(f"{SEGMENTS}/norway"), 404, "segment_not_found")
    problem(client.get(f"{SEGMENTS}/norway", params={"space": SPACE}), 404, "space_not_found")


# --- whom it means


def test_a_segment_is_counted_with_its_share_of_all_users(own_api: Api) -> None:
    create(own_api)
    told = get(own_api, "/count")
    assert told == {
        "count": 1,
        "not_yet_seen": 0,
        "users": 6,
        "share": pytest.approx(1 / 6),
        "clock_at": told["clock_at"],
    }
    assert told["clock_at"].startswith("2026-01-03T10:00:00")


def test_in_an_empty_space_the_share_of_nobody_is_0(own_api: Api) -> None:
    own_api.store.create_space("acme/test", 1)
    client = own_api.with_key("acme/test")
    client.request("POST", SEGMENTS, json={"name": "all", "rule": EVERYONE, "id": "all"})
    told = client.get(f"{SEGMENTS}/all/count").json()
    assert told == {"count": 0, "not_yet_seen": 0, "users": 0, "share": 0.0, "clock_at": None}


def test_ids_of_lists_that_were_not_seen_are_counted_apart(own_api: Api) -> None:
    own_api.client.request("POST", "/api/v1/lists", json={"id": "staff", "user_ids": ["adam", "nobody"]})
    create(own_api, rule={"kind": "list", "id": "staff"})
    told = get(own_api, "/count")
    assert (told["count"], told["not_yet_seen"]) == (1, 1)


def test_members_are_the_objects_of_users_page_by_page(own_api: Api) -> None:
    create(own_api, rule={"field": "is_anonymous", "operator": "is_false"})
    whole = get(own_api, "/members", sort="user_id")["items"]
    assert [one["user_id"] for one in whole] == [".", "a b?&=#%", "a/b", "adam", "é/.."]
    assert whole[3] == own_api.client.get("/api/v1/users/adam").json()
    found, cursor = [], None
    while cursor is not None or not found:
        page = get(own_api, "/members", sort="user_id", limit=2, **({"cursor": cursor} if cursor else {}))
        found += page["items"]
        cursor = page["next_cursor"]
    assert found == whole
    assert get(own_api, "/members")["items"][0]["user_id"] == "adam"
    problem(own_api.client.get(f"{SEGMENTS}/norway/members", params={"cursor": "x"}), 400, "invalid_cursor")


def test_users_of_a_segment_are_parted_by_an_attribute(own_api: Api) -> None:
    create(own_api, rule=EVERYONE)
    told = get(own_api, "/facets", field="country")
    assert told == {
        "field": "country",
        "values": [{"value": "NO", "users": 1}],
        "others": 0,
        "unknown": 5,
    }
    told = get(own_api, "/facets", field="total_sessions", limit=1)
    assert (told["values"], told["others"]) == ([{"value": 1, "users": 5}], 1)


@pytest.fixture(scope="module")
def parted(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    """An API with a segment, which tests share that only ask."""
    with served(tmp_path_factory.mktemp("parted") / "data") as opened:
        create(opened)
        yield opened


@pytest.mark.parametrize(
    ("query", "code", "field"),
    [
        ({}, "invalid_parameter", "field"),
        ({"field": "gone"}, "usage", "field"),
        ({"field": "user_id"}, "usage", "field"),
        ({"field": "country", "limit": "0"}, "invalid_parameter", "limit"),
        ({"field": "country", "limit": str(limits.FACET_VALUES_MAX + 1)}, "invalid_parameter", "limit"),
    ],
)
def test_parting_by_what_cannot_be_is_refused(
    parted: Api, query: dict[str, str], code: str, field: str
) -> None:
    refused = parted.client.get(f"{SEGMENTS}/norway/facets", params=query)
    assert problem(refused, 400, code)["field"] == field
    assert parted.client.get(
        f"{SEGMENTS}/norway/facets", params={"field": "country", "limit": limits.FACET_VALUES_MAX}
    ).is_success
