"""Reading users and their sessions over HTTP."""

from __future__ import annotations

from urllib.parse import quote

import pytest
from histories import Row
from managing import Api, Client
from stored import SPACE, take

from enduser import limits
from enduser.stores.records import ChangeSettings

ADAM = {
    "user_id": "adam",
    "is_anonymous": False,
    "first_seen": "2026-01-01T10:00:00.000000Z",
    "last_seen": "2026-01-02T10:00:00.000000Z",
    "total_sessions": 2,
    "average_session_duration": 15.0,
    "total_session_duration": 30.0,
    "average_time_between_sessions": 86_370.0,
    "country": "NO",
    "region": None,
    "city": "Oslo",
    "browser_name": "Firefox",
    "browser_version": "140.0",
    "name": "Adam",
    "role": "admin",
    "type": None,
    "status": None,
    "info": None,
    "attributes": {},
}


def get(client: Client, path: str, status: int = 200, **query: object) -> dict[str, object]:
    response = client.get(f"/api/v1/{path}", params={name: str(value) for name, value in query.items()})
    assert response.status_code == status, response.text
    return response.json()


def test_a_user_is_shown_flat_with_every_attribute_in_its_form(api: Api) -> None:
    assert get(api.client, "users/adam") == ADAM
    assert list(get(api.client, "users/adam")) == list(ADAM)


@pytest.mark.parametrize("user_id", ["a/b", "a b?&=#%", "é/.."])
def test_an_id_is_percent_encoded_in_the_path(api: Api, user_id: str) -> None:
    path = f"users/{quote(user_id, safe='')}"
    assert get(api.client, path)["user_id"] == user_id
    assert get(api.client, f"{path}/sessions")["items"][0]["user_id"] == user_id


def test_an_id_and_an_anonymous_id_are_told_apart(api: Api) -> None:
    assert get(api.client, "users/adam", id_kind="anonymous")["is_anonymous"] is True
    assert get(api.client, "users/adam", id_kind="plain")["is_anonymous"] is False
    assert get(api.client, "users/adam", 404, id_kind="hashed")["error"]["code"] == "user_not_found"
    assert get(api.client, "users/adam/sessions", id_kind="anonymous")["items"][0]["is_anonymous"] is True


def test_there_is_no_user_before_the_first_session_closes_unless_asked_for(api: Api) -> None:
    error = get(api.client, "users/eve", 404)["error"]
    assert error["code"] == "user_not_found"
    assert "'eve'" in error["message"]
    assert get(api.client, "users/eve", include_open="true")["role"] == "guest"
    assert get(api.client, "users/nobody", 404, include_open="true")["error"]["code"] == "user_not_found"


@pytest.mark.parametrize(
    ("path", "query", "may_be_there_earlier"),
    [
        ("users/nobody", {}, True),
        ("users/nobody", {"include_open": "true"}, False),
        ("users/nobody/sessions", {}, False),
    ],
)
def test_who_finds_no_user_is_told_only_what_can_help(
    api: Api, path: str, query: dict[str, str], may_be_there_earlier: bool
) -> None:
    hint = get(api.client, path, 404, **query)["error"]["hint"]
    assert ("include_open=true" in hint) == may_be_there_earlier
    assert hint.endswith("look for another spelling, or another kind of id: plain, hashed, anonymous")


# --- as of a time


@pytest.mark.parametrize("time", ["2026-01-02T10:29:59.999999Z", "2026-01-01T10:30:30Z", "2026-01-01T22"])
def test_a_user_is_shown_as_of_a_time(api: Api, time: str) -> None:
    time = time if "Z" in time else f"{time}:00:00+02:00"
    found = get(api.client, "users/adam", as_of=time)
    assert found == {
        **ADAM,
        "last_seen": "2026-01-01T10:00:30.000000Z",
        "total_sessions": 1,
        "average_session_duration": 30.0,
        "average_time_between_sessions": None,
    }
    assert list(found) == list(ADAM)


def test_a_user_of_whom_no_session_was_closed_by_a_time_is_not_found(api: Api) -> None:
    for user_id, time in (("adam", "2026-01-01T10:30:29Z"), ("nobody", "2026-01-01T10:30:29Z")):
        error = get(api.client, f"users/{user_id}", 404, as_of=time)["error"]
        assert error["code"] == "user_not_found"
        assert error["hint"].startswith("no session was closed by then; ask for a later time")


def test_open_sessions_and_a_time_cannot_be_asked_for_together(api: Api) -> None:
    query = {"as_of": "2026-01-01T10:30:30Z", "include_open": "true"}
    error = get(api.client, "users/adam", 400, **query)["error"]
    assert (error["code"], error["field"]) == ("invalid_parameter", "include_open")
    assert get(api.client, "users/adam", **{**query, "include_open": "false"})["total_sessions"] == 1


def test_only_a_user_as_he_is_has_an_etag(api: Api) -> None:
    path = "/api/v1/users/adam"
    assert "ETag" in api.client.get(path).headers
    assert "ETag" not in api.client.get(path, params={"as_of": "2026-01-05T00:00:00Z"}).headers


def test_more_sessions_until_a_time_than_the_limit_are_refused(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "PAST_ROWS_MAX", 1)
    assert get(api.client, "users/eve", as_of="2026-01-05T00:00:00Z")["total_sessions"] == 1
    error = get(api.client, "users/adam", 400, as_of="2026-01-05T00:00:00Z")["error"]
    assert (error["code"], error["field"], error["limit"]) == ("limit_exceeded", "as_of", 1)


def test_the_sessions_of_a_user_come_newest_first_open_ones_too(api: Api) -> None:
    found = get(api.client, "users/adam/sessions")
    assert found["next_cursor"] is None
    assert found["items"][1] == {
        "user_id": "adam",
        "is_anonymous": False,
        "started_at": "2026-01-01T10:00:00.000000Z",
        "ended_at": "2026-01-01T10:00:30.000000Z",
        "duration_s": 30.0,
        "events": 2,
        "page_views": 1,
        "interactions": 1,
        "is_empty": False,
        "is_closed": True,
        "country": "NO",
        "region": None,
        "city": "Oslo",
        "browser_name": "Firefox",
        "browser_version": "140.0",
    }
    (session,) = get(api.client, "users/eve/sessions")["items"]
    assert (session["started_at"], session["is_closed"]) == ("2026-01-03T10:00:00.000000Z", False)
    assert get(api.client, "users/nobody/sessions", 404)["error"]["code"] == "user_not_found"


@pytest.mark.parametrize(
    ("path", "query"),
    [
        ("users", {}),
        ("users", {"sort": "country", "include_open": "true"}),
        ("users", {"sort": "-total_sessions"}),
        ("users/adam/sessions", {}),
    ],
)
def test_lists_are_paged_by_cursor(api: Api, path: str, query: dict[str, str]) -> None:
    whole = get(api.client, path, **query)
    assert whole["next_cursor"] is None
    items: list[object] = []
    cursor: dict[str, object] = {}
    for _ in whole["items"]:
        page = get(api.client, path, limit=1, **query, **cursor)
        items += page["items"]
        cursor = {"cursor": page["next_cursor"]}
    assert cursor == {"cursor": None}
    assert items == whole["items"]


def test_users_come_by_their_last_visit_unless_told_otherwise(api: Api) -> None:
    seen = [user["last_seen"] for user in get(api.client, "users")["items"]]
    assert seen == sorted(seen, reverse=True)
    ids = [user["user_id"] for user in get(api.client, "users", sort="user_id")["items"]]
    assert ids == sorted(ids)
    assert "eve" not in ids
    assert "eve" in [user["user_id"] for user in get(api.client, "users", include_open="true")["items"]]


def test_a_cursor_of_another_list_is_refused(api: Api) -> None:
    cursor = get(api.client, "users", limit=1)["next_cursor"]
    for path, query in [("users", {"sort": "user_id"}), ("users/adam/sessions", {})]:
        error = get(api.client, path, 400, cursor=cursor, **query)["error"]
        assert (error["code"], error["field"]) == ("invalid_cursor", "cursor")


def test_user_ids_that_differ_only_by_case_are_listed(own_api: Api) -> None:
    take(own_api.store, own_api.folder, [Row("Adam", None, 1), Row("EVE", None, 2), Row("Eve", None, 3)])
    told = own_api.client.get("/api/v1/look-alikes", params={"limit": 1}).json()
    assert told == {
        "items": [{"ids": ["EVE", "Eve", "eve"], "count": 3, "is_one_person": False}],
        "total_groups": 2,
        "total_ids": 5,
    }


def test_a_user_may_be_called_like_the_list_of_look_alikes(own_api: Api) -> None:
    take(own_api.store, own_api.folder, [Row("look-alikes", None, 1)])
    own_api.store.fold(SPACE)
    assert own_api.client.get("/api/v1/users/look-alikes").json()["user_id"] == "look-alikes"


def test_hashed_ids_are_no_look_alikes_of_each_other(own_api: Api) -> None:
    own_api.store.apply(SPACE, ChangeSettings({"hash_ids": "on"}))
    response = own_api.client.get("/api/v1/look-alikes")
    assert (response.status_code, response.json()["error"]["code"]) == (409, "ids_hashed")
