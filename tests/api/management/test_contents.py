"""Content items over HTTP, and what one user sees of them."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import httpx
import pytest
from managing import Api, Client

from enduser import limits
from enduser.api.management.app import ManagementApp
from enduser.api.management.routes import ROUTES
from enduser.service.deciding_state import DecidingStateJson
from enduser.stores.records import ChangeSettings

SPACE = "default/production"
CONTENT = "/api/v1/content"
NORWAY = {"field": "country", "operator": "is", "value": "NO"}
NEW = {"field": "first_seen", "operator": "in_last", "value": {"n": 7, "unit": "day"}}


def create(api: Api, content_id: str = "hello", **told: object) -> httpx.Response:
    return api.client.request("POST", CONTENT, json={"id": content_id, "name": "Hello", **told})


def change(api: Api, content_id: str = "hello", **told: object) -> httpx.Response:
    return api.client.patch(f"{CONTENT}/{content_id}", json=told)


def segment(api: Api, segment_id: str, rule: object, **told: object) -> None:
    body = {"id": segment_id, "name": segment_id, "rule": rule, **told}
    made = api.client.request("POST", "/api/v1/segments", json=body)
    assert made.status_code == 200, made.text


def decision(api: Api, user_id: str = "adam", **query: str) -> Any:
    answer = api.client.get(f"/api/v1/users/{user_id}/decision", params=query)
    assert answer.status_code == 200, answer.text
    return answer.json()


def problem(response: httpx.Response, status: int, code: str) -> dict[str, Any]:
    assert response.status_code == status, response.text
    error: dict[str, Any] = response.json()["error"]
    assert error["code"] == code
    return error


def test_what_was_changed_since_is_neither_changed_nor_deleted(own_api: Api) -> None:
    def edit(method: str, etag: str, **told: object) -> httpx.Response:
        more = {"json": told} if told else {}
        return own_api.client.request(method, f"{CONTENT}/hello", headers={"If-Match": etag}, **more)

    first = create(own_api).headers["ETag"]
    assert own_api.client.get(f"{CONTENT}/hello").headers["ETag"] == first
    second = edit("PATCH", first, name="First").headers["ETag"]
    assert second != first
    for refused in (edit("PATCH", first, name="Second"), edit("DELETE", first)):
        assert problem(refused, 412, "precondition_failed")["field"] == "If-Match"
    assert own_api.client.get(f"{CONTENT}/hello").json()["name"] == "First"
    assert edit("DELETE", second).json() == {"deleted": True}


def test_content_is_made_on_the_owners_thread_and_shown_with_who_saved_it(own_api: Api) -> None:
    changed = len(own_api.changed)
    made = create(own_api, kind="banner", payload={"text": "é", "n": [1, None, 2.5]})
    assert len(own_api.changed) == changed + 1
    told = made.json()
    assert told == {
        "id": "hello",
        "name": "Hello",
        "kind": "banner",
        "payload": {"text": "é", "n": [1, None, 2.5]},
        "segment": None,
        "public": True,
        "created_at": told["created_at"],
        "changed_at": told["created_at"],
        "changed_by": "tests",
    }
    assert own_api.client.get(f"{CONTENT}/hello").json() == told
    listed = own_api.client.get(CONTENT).json()
    assert listed == {
        "items": [told],
        "limit": limits.CONTENTS_MAX,
        "decisions": None,
        "next_cursor": None,
    }


def test_who_decides_is_told_where_there_are_collectors(own_api: Api) -> None:
    deciding = SimpleNamespace(
        of=lambda space, zone: DecidingStateJson(by="owner", conditions=2, ready=1, share=0.5)
    )
    services = replace(own_api.app.services, deciding=deciding)
    client = Client(own_api.portal, ManagementApp(services, ROUTES), own_api.key)
    told = client.get(CONTENT).json()["decisions"]
    assert told == {"by": "owner", "conditions": 2, "ready": 1, "share": 0.5}


def test_what_a_change_does_not_name_stays(own_api: Api) -> None:
    segment(own_api, "norway", NORWAY)
    before = create(own_api, payload={"a": 1}, segment="norway", public=False).json()
    after = change(own_api, name="Hi").json()
    same = ("id", "kind", "payload", "segment", "public", "created_at")
    assert [after[name] for name in same] == [before[name] for name in same]
    assert after["name"] == "Hi"
    assert after["changed_at"] > before["changed_at"]
    freed = change(own_api, payload=None, segment=None, public=True, kind="tour").json()
    assert [freed[name] for name in ("payload", "segment", "public", "kind")] == [None, None, True, "tour"]


def test_content_that_is_deleted_is_gone(own_api: Api) -> None:
    create(own_api)
    assert own_api.client.request("DELETE", f"{CONTENT}/hello").json() == {"deleted": True}
    for method in ("GET", "DELETE"):
        problem(own_api.client.request(method, f"{CONTENT}/hello"), 404, "content_not_found")
    problem(change(own_api, name="Hi"), 404, "content_not_found")


def test_an_id_is_taken_once_in_a_space(own_api: Api) -> None:
    create(own_api, "Hello")
    assert create(own_api, "hello").status_code == 200
    assert problem(create(own_api, "hello"), 409, "content_exists")["field"] == "id"
    own_api.store.create_space("acme/test", 1)
    other = own_api.client.request(
        "POST", CONTENT, params={"space": "acme/test"}, json={"id": "hello", "name": "Hello"}
    )
    assert other.status_code == 200


@pytest.mark.parametrize(
    ("told", "field"),
    [
        ({"content_id": "a b"}, "id"),
        ({"content_id": "x" * (limits.CONTENT_ID_CHARACTERS_MAX + 1)}, "id"),
        ({"name": " "}, "name"),
        ({"name": "x" * (limits.CONTENT_NAME_CHARACTERS_MAX + 1)}, "name"),
        ({"kind": "Banner"}, "kind"),
        ({"kind": "x" * (limits.CONTENT_KIND_CHARACTERS_MAX + 1)}, "kind"),
        ({"payload": {"text": "x" * limits.CONTENT_PAYLOAD_BYTES_MAX}}, "payload"),
        ({"segment": "gone"}, "segment"),
    ],
)
def test_what_content_cannot_be_is_told_with_its_field(api: Api, told: dict[str, Any], field: str) -> None:
    assert problem(create(api, **told), 400, "invalid_content")["field"] == field


def test_content_is_as_large_as_its_limits(own_api: Api) -> None:
    around = len('{"text":""}')
    made = create(
        own_api,
        "x" * limits.CONTENT_ID_CHARACTERS_MAX,
        name="é" * limits.CONTENT_NAME_CHARACTERS_MAX,
        kind="x" * limits.CONTENT_KIND_CHARACTERS_MAX,
        payload={"text": "x" * (limits.CONTENT_PAYLOAD_BYTES_MAX - around)},
    )
    assert made.status_code == 200
    larger = {"text": "x" * (limits.CONTENT_PAYLOAD_BYTES_MAX - around + 1)}
    error = problem(change(own_api, made.json()["id"], payload=larger), 400, "invalid_content")
    assert error["limit"] == limits.CONTENT_PAYLOAD_BYTES_MAX


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"id": "a"},
        {"id": 1, "name": "a"},
        {"id": "a", "name": None},
        {"id": "a", "name": "a", "payload": []},
        {"id": "a", "name": "a", "payload": "text"},
        {"id": "a", "name": "a", "public": "yes"},
        {"id": "a", "name": "a", "color": "red"},
    ],
)
def test_a_body_that_is_no_content_is_refused(api: Api, body: dict[str, Any]) -> None:
    problem(api.client.request("POST", CONTENT, json=body), 400, "malformed_request")


@pytest.mark.parametrize("body", [{"id": "other"}, {"name": None}, {"kind": 5}, {"payload": 5}])
def test_a_change_that_is_none_is_refused(api: Api, body: dict[str, Any]) -> None:
    problem(api.client.patch(f"{CONTENT}/hello", json=body), 400, "malformed_request")


def test_there_are_as_many_content_items_as_the_limit(own_api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "CONTENTS_MAX", 1)
    create(own_api)
    assert problem(create(own_api, "other"), 400, "limit_exceeded")["limit"] == 1


def test_a_segment_that_content_names_can_be_neither_archived_nor_deleted(own_api: Api) -> None:
    segment(own_api, "norway", NORWAY)
    create(own_api, segment="norway")
    told = own_api.client.patch("/api/v1/segments/norway", json={"archived": True})
    assert "content 'hello'" in problem(told, 409, "in_use")["message"]
    problem(own_api.client.request("DELETE", "/api/v1/segments/norway"), 409, "in_use")
    change(own_api, segment=None)
    assert own_api.client.request("DELETE", "/api/v1/segments/norway").status_code == 200


def test_content_of_an_archived_segment_is_refused(own_api: Api) -> None:
    segment(own_api, "norway", NORWAY)
    own_api.client.patch("/api/v1/segments/norway", json={"archived": True})
    assert problem(create(own_api, segment="norway"), 400, "invalid_content")["field"] == "segment"


def test_an_operator_sees_what_is_not_public_too(own_api: Api) -> None:
    segment(own_api, "norway", NORWAY)
    segment(own_api, "new", NEW, public=True)
    create(own_api, "secret", segment="norway", public=False, payload={"a": 1})
    create(own_api, "everyone")
    told = decision(own_api)
    assert [one["id"] for one in told["content"]] == ["everyone", "secret"]
    assert told["segments"] == ["new", "norway"]
    assert told["content"][1] == {"id": "secret", "kind": "content", "payload": {"a": 1}}
    assert told["as_of"] == "2026-01-03T10:00:00.000000Z"
    assert told["valid_until"] == "2026-01-08T10:00:00.000001Z"


def test_a_decision_is_told_of_any_id(own_api: Api) -> None:
    segment(own_api, "norway", NORWAY)
    create(own_api, segment="norway")
    assert decision(own_api)["segments"] == ["norway"]
    assert decision(own_api, id_kind="anonymous")["segments"] == []
    assert decision(own_api, "a%2Fb")["content"] == []
    assert decision(own_api, "nobody")["valid_until"] is None


def test_in_a_space_that_tracks_nobody_everyone_sees_the_same(own_api: Api) -> None:
    segment(own_api, "norway", NORWAY)
    create(own_api, segment="norway")
    create(own_api, "everyone")
    own_api.store.apply(SPACE, ChangeSettings({"unique_user": "none"}))
    told = decision(own_api)
    assert ([one["id"] for one in told["content"]], told["segments"]) == (["everyone"], [])


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", CONTENT),
        ("POST", CONTENT),
        ("GET", f"{CONTENT}/hello"),
        ("PATCH", f"{CONTENT}/hello"),
        ("DELETE", f"{CONTENT}/hello"),
        ("GET", "/api/v1/users/adam/decision"),
    ],
)
def test_without_a_key_nothing_is_told(api: Api, method: str, path: str) -> None:
    problem(api.bare.request(method, path), 401, "unauthorized")
