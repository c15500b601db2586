"""Static lists over HTTP."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from managing import Api, served

from enduser import limits
from enduser.core.events import hashed_id
from enduser.core.segments import Saving, Segment
from enduser.stores.records import ChangeSettings

SPACE = "default/production"
LISTS = "/api/v1/lists"


def create(api: Api, *user_ids: str, list_id: str = "staff", **more: object) -> httpx.Response:
    return api.client.request("POST", LISTS, json={"id": list_id, "user_ids": list(user_ids), **more})


def edit(api: Api, list_id: str = "staff", **body: object) -> httpx.Response:
    return api.client.patch(f"{LISTS}/{list_id}", json=body)


def members(api: Api, list_id: str = "staff", **query: object) -> list[Any]:
    """Return all members, read page by page."""
    found, cursor = [], None
    while True:
        params = {**query, **({"cursor": cursor} if cursor else {})}
        page = api.client.get(f"{LISTS}/{list_id}/members", params=params).json()
        found += page["items"]
        cursor = page["next_cursor"]
        if cursor is None:
            return found


def problem(response: httpx.Response, status: int, code: str) -> None:
    assert response.status_code == status, response.text
    assert response.json()["error"]["code"] == code


def test_a_list_is_made_on_the_owners_thread_and_shown_with_its_counts(own_api: Api) -> None:
    changed = len(own_api.changed)
    made = create(own_api, "adam", "nobody", "adam", name="Staff")
    assert made.status_code == 200
    told = made.json()
    assert (told["added"], told["removed"], told["rejected"]) == (2, 0, [])
    assert len(own_api.changed) == changed + 1
    shown = own_api.client.get(f"{LISTS}/staff").json()
    assert shown == told["list"]
    counts = {"members": 2, "seen": 1, "not_yet_seen": 1}
    assert {name: shown[name] for name in ("id", "name", *counts)} == {
        "id": "staff",
        "name": "Staff",
        **counts,
    }
    assert own_api.client.get(LISTS).json() == {
        "items": [shown],
        "limit": limits.LISTS_MAX,
        "next_cursor": None,
    }


def test_members_are_listed_page_by_page_in_byte_order(own_api: Api) -> None:
    create(own_api, "adam", "Zoe", "é")
    edit(own_api, action="add", user_ids=["adam"], id_kind="anonymous")
    whole = members(own_api)
    assert [(row["user_id"], row["is_anonymous"], row["is_seen"]) for row in whole] == [
        ("Zoe", False, False),
        ("adam", False, True),
        ("adam", True, True),
        ("é", False, False),
    ]
    assert members(own_api, limit=1) == whole


def test_members_are_added_removed_and_overridden_and_the_name_changed(own_api: Api) -> None:
    create(own_api, "a", "b")
    assert edit(own_api, action="add", user_ids=["b", "c"]).json()["added"] == 1
    assert edit(own_api, action="remove", user_ids=["a"], name="Others").json()["removed"] == 1
    told = edit(own_api, action="override", user_ids=["c", "d"]).json()
    assert (told["added"], told["removed"], told["list"]["name"]) == (1, 1, "Others")
    assert edit(own_api, name="").json()["list"]["name"] == ""
    assert [row["user_id"] for row in members(own_api)] == ["c", "d"]


def test_ids_that_cannot_be_are_told_and_the_others_are_taken(own_api: Api) -> None:
    bad = ["null", "x" * (limits.ID_BYTES_MAX + 1), "a\tb\x07"]
    told = create(own_api, bad[0], "a", *bad[1:]).json()
    assert [(one["index"], one["code"]) for one in told["rejected"]] == [
        (0, "junk_user_id"),
        (2, "user_id_too_long"),
        (3, "invalid_user_id"),
    ]
    assert all(one["message"] for one in told["rejected"])
    assert [row["user_id"] for row in members(own_api)] == ["a"]


def test_ids_that_all_cannot_be_replace_no_members(own_api: Api) -> None:
    create(own_api, "a")
    refused = edit(own_api, action="override", user_ids=["null", ""])
    problem(refused, 400, "invalid_list")
    assert "junk_user_id" in refused.json()["error"]["message"]
    assert [row["user_id"] for row in members(own_api)] == ["a"]
    assert edit(own_api, action="override", user_ids=[]).json()["removed"] == 1


def test_hashed_ids_are_taken_where_the_space_hashes(own_api: Api) -> None:
    told = create(own_api, "a", id_kind="hashed").json()
    assert [one["code"] for one in told["rejected"]] == ["ids_not_hashed"]
    own_api.store.apply(SPACE, ChangeSettings({"hash_ids": "on"}))
    edit(own_api, action="add", user_ids=[hashed_id("", "a")], id_kind="hashed")
    assert edit(own_api, action="add", user_ids=["a"]).json()["added"] == 0


def test_a_list_is_deleted_and_is_there_no_more(own_api: Api) -> None:
    create(own_api, "a", list_id="a/b ?")
    path = f"{LISTS}/a%2Fb%20%3F"
    assert own_api.client.request("DELETE", path).json() == {"deleted": True}
    problem(own_api.client.get(path), 404, "list_not_found")
    problem(own_api.client.get(f"{path}/members"), 404, "list_not_found")
    problem(own_api.client.patch(path, json={"name": "x"}), 404, "list_not_found")
    problem(own_api.client.request("DELETE", path), 404, "list_not_found")


def test_a_list_that_a_rule_names_is_not_deleted(own_api: Api) -> None:
    create(own_api, "a")
    rule = {"kind": "list", "id": "staff"}
    own_api.store.save_segment(SPACE, Segment(id="s", name="S", rule=rule), Saving(1, "", is_new=True))
    problem(own_api.client.request("DELETE", f"{LISTS}/staff"), 409, "in_use")
    assert [row["user_id"] for row in members(own_api)] == ["a"]


def test_an_id_that_is_taken_or_cannot_be_is_refused(own_api: Api) -> None:
    create(own_api, "a")
    problem(create(own_api, "b"), 409, "list_exists")
    problem(create(own_api, list_id=""), 400, "invalid_list")
    problem(
        create(own_api, list_id="x", name="x" * (limits.LIST_NAME_CHARACTERS_MAX + 1)), 400, "invalid_list"
    )
    assert [row["user_id"] for row in members(own_api)] == ["a"]


@pytest.fixture(scope="module")
def unchanged(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    """An API with a list, which tests share that are refused to change it."""
    with served(tmp_path_factory.mktemp("unchanged") / "data") as opened:
        create(opened, "b")
        yield opened


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"action": "add"},
        {"user_ids": ["a"]},
        {"action": "create", "user_ids": ["a"]},
        {"action": "add", "user_ids": "a"},
        {"action": "add", "user_ids": [7]},
        {"action": "add", "user_ids": ["a"], "id_kind": "x"},
        {"name": None},
        {"name": "x", "more": 1},
    ],
)
def test_an_edit_of_another_form_is_refused_and_changes_nothing(
    unchanged: Api, body: dict[str, object]
) -> None:
    problem(edit(unchanged, **body), 400, "malformed_request")
    assert [row["user_id"] for row in members(unchanged)] == ["b"]


@pytest.mark.parametrize("body", [{}, {"id": 1}, {"id": "x", "user_ids": None}, {"id": "x", "more": 1}])
def test_a_list_of_another_form_is_refused(api: Api, body: dict[str, object]) -> None:
    problem(api.client.request("POST", LISTS, json=body), 400, "malformed_request")


def test_a_call_has_as_many_ids_as_the_limit(own_api: Api) -> None:
    ids = [f"u{number}" for number in range(limits.LIST_IDS_PER_CALL_MAX)]
    assert create(own_api, *ids).json()["added"] == len(ids)
    problem(edit(own_api, action="add", user_ids=[*ids, "one"]), 400, "limit_exceeded")
    problem(create(own_api, *ids, "one", list_id="x"), 400, "limit_exceeded")
    assert edit(own_api, action="override", user_ids=ids[1:]).json()["removed"] == 1


def test_a_call_has_as_many_bytes_as_the_limit(own_api: Api) -> None:
    head = b'{"id": "staff", "user_ids": ["a"]'
    body = head + b" " * (limits.LIST_BODY_BYTES_MAX - len(head) - 1) + b"}"
    problem(own_api.client.request("POST", LISTS, content=body + b" "), 413, "body_too_large")
    assert own_api.client.request("POST", LISTS, content=body).status_code == 200


def test_a_key_of_another_space_sees_no_list(own_api: Api) -> None:
    create(own_api, "a")
    own_api.store.create_space("acme/test", 1)
    client = own_api.with_key("acme/test")
    assert client.get(LISTS).json()["items"] == []
    problem(client.get(f"{LISTS}/staff"), 404, "list_not_found")
    problem(client.get(f"{LISTS}/staff", params={"space": SPACE}), 404, "space_not_found")
