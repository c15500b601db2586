"""Links over HTTP: made, seen, removed, and what a person is then."""

from __future__ import annotations

import pytest
from managing import Api

from enduser import limits
from enduser.stores.records import ChangeSettings

LINKS = "/api/v1/links"


def post(api: Api, **ids: object):
    return api.client.request("POST", LINKS, json=ids)


def delete(api: Api, **ids: str):
    return api.client.request("DELETE", LINKS, params=ids)


def users(api: Api) -> list[str]:
    return sorted(user["user_id"] for user in api.client.get("/api/v1/users").json()["items"])


def show(api: Api, kind: str):
    return api.client.get("/api/v1/users/adam", params={"id_kind": kind}).json()


def test_two_linked_ids_are_one_person_until_the_link_is_removed(own_api: Api) -> None:
    before = {kind: show(own_api, kind) for kind in ("plain", "anonymous")}
    listed = users(own_api)
    response = post(own_api, one="adam", other="adam", other_kind="anonymous")
    assert response.status_code == 200, response.text
    link = response.json()
    assert (link["one"], link["other"], link["by"]) == ("adam", "adam", "api")
    assert own_api.client.get(LINKS).json() == {"items": [link], "next_cursor": None}
    assert show(own_api, "plain") == show(own_api, "anonymous")
    assert show(own_api, "plain")["is_anonymous"] is False
    assert len(users(own_api)) == len(listed) - 1
    removed = delete(own_api, one="adam", other="adam", one_kind="anonymous")
    assert removed.json() == {"removed": True}
    assert own_api.client.get(LINKS).json() == {"items": [], "next_cursor": None}
    assert {kind: show(own_api, kind) for kind in before} == before


def test_an_anonymous_id_is_linked_by_its_kind(own_api: Api) -> None:
    name = "adam"
    response = post(own_api, one=name, other="device", other_kind="anonymous")
    link = response.json()
    assert (link["other"], link["other_is_anonymous"]) == ("device", True)
    found = own_api.client.get("/api/v1/users/device", params={"id_kind": "anonymous"})
    assert found.json()["user_id"] == name
    assert delete(own_api, one=name, other="device").status_code == 404
    assert delete(own_api, one=name, other="device", other_kind="anonymous").status_code == 200


def test_plain_ids_are_hashed_where_the_space_hashes(own_api: Api) -> None:
    own_api.store.create_space("acme/test", 1)
    own_api.store.apply("acme/test", ChangeSettings({"hash_ids": "on"}))
    response = own_api.client.request(
        "POST", LINKS, params={"space": "acme/test"}, json={"one": "adam.br", "other": "eve"}
    )
    assert "LxhaMQBuA3cjHQqujqUmW/YDuHkWuCFjsT2uXs7lDQY" in response.text
    assert "adam.br" not in response.text


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({}, 400, "malformed_request"),
        ({"one": "a"}, 400, "malformed_request"),
        ({"one": "a", "other": 3}, 400, "malformed_request"),
        ({"one": "a", "other": "b", "other_kind": "x"}, 400, "malformed_request"),
        ({"one": "a", "other": "b", "more": 1}, 400, "malformed_request"),
        ({"one": "a", "other": "a"}, 400, "usage"),
        ({"one": "a", "other": "null"}, 400, "usage"),
        ({"one": "a", "other": "x" * 43, "other_kind": "hashed"}, 400, "usage"),
        ({"one": "a", "other": "x" * 257}, 400, "limit_exceeded"),
    ],
    ids=str,
)
def test_what_cannot_be_linked_is_refused(api: Api, body: dict, status: int, code: str) -> None:
    response = post(api, **body)
    error = response.json()["error"]
    assert (response.status_code, error["code"]) == (status, code)
    assert error.get("limit") == (limits.ID_BYTES_MAX if code == "limit_exceeded" else None)


def test_an_id_that_is_said_to_be_hashed_must_look_like_a_hash(own_api: Api) -> None:
    own_api.store.create_space("acme/test", 1)
    own_api.store.apply("acme/test", ChangeSettings({"hash_ids": "on"}))
    client, ids = own_api.with_key("acme/test"), {"one": "a", "other_kind": "hashed"}
    refused = client.request("POST", LINKS, json={**ids, "other": "b"})
    assert (refused.status_code, refused.json()["error"]["message"]) == (400, "'b' is no hash")
    assert client.request("POST", LINKS, json={**ids, "other": "x" * 43}).status_code == 200


def test_links_are_listed_page_by_page_beside_the_thread_that_changes(own_api: Api) -> None:
    made = [post(own_api, one=f"u{n}", other=f"a{n}", other_kind="anonymous").json() for n in range(5)]
    own_api.changed.clear()
    found, cursor = [], {}
    while cursor is not None:
        page = own_api.client.get(LINKS, params={"limit": 2, **cursor}).json()
        found += page["items"]
        cursor = {"cursor": page["next_cursor"]} if page["next_cursor"] else None
    assert sorted(found, key=lambda link: link["one"]) == made
    assert own_api.changed == []
    for wrong in ({"limit": 0}, {"cursor": "x"}):
        assert own_api.client.get(LINKS, params=wrong).status_code == 400


def test_ids_are_trimmed_whether_they_are_linked_or_parted(own_api: Api) -> None:
    assert post(own_api, one=" u ", other="v\u3000").json()["one"] == "u"
    assert delete(own_api, one=" v", other="u ").status_code == 200


def test_removing_what_is_not_linked_is_not_found(api: Api) -> None:
    response = delete(api, one="a", other="b")
    assert (response.status_code, response.json()["error"]["code"]) == (404, "link_not_found")


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({"one": "a"}, "other"),
        ({"other": "a"}, "one"),
        ({}, "one"),
        ({"one": "a", "other": "b", "other_kind": "x"}, "other_kind"),
    ],
    ids=str,
)
def test_what_is_wrong_with_a_pair_to_part_is_told_by_name(
    api: Api, given: dict[str, str], field: str
) -> None:
    response = delete(api, **given)
    error = response.json()["error"]
    assert (response.status_code, error["code"], error["field"]) == (400, "invalid_parameter", field)


def test_who_gives_a_wrong_kind_is_told_those_that_there_are(api: Api) -> None:
    wrong = {"one": "a", "other": "b", "other_kind": "x"}
    for response in (delete(api, **wrong), post(api, **wrong)):
        assert "plain, hashed, anonymous" in response.json()["error"]["hint"]
