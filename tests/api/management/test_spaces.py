"""Spaces, settings and status over HTTP."""

from __future__ import annotations

import re

import pytest
from managing import Api

from enduser import limits
from enduser.core.events import hashed_id
from enduser.core.settings import SpaceSettings

DEFAULT = "default/production"
SETTINGS = "/api/v1/settings"


def test_the_spaces_of_a_key_are_listed(own_api: Api) -> None:
    own_api.store.create_space("acme/test", 1)
    own_api.store.create_space("acme/production", 2)
    listed = {
        keys: [item["space"] for item in own_api.with_key(*keys).get("/api/v1/spaces").json()["items"]]
        for keys in [(), ("acme/test",), ("acme/test", "gone/gone")]
    }
    assert listed == {
        (): ["acme/test", "acme/production", DEFAULT],
        ("acme/test",): ["acme/test"],
        ("acme/test", "gone/gone"): ["acme/test"],
    }


def test_a_space_is_listed_with_the_guid_that_it_always_has(own_api: Api) -> None:
    own_api.store.create_space("acme/test", 1)
    listed = [own_api.client.get("/api/v1/spaces").json()["items"] for _ in range(2)]
    guids = [item["guid"] for item in listed[0]]
    assert all(re.fullmatch(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", guid) for guid in guids)
    assert (len(set(guids)), listed[1]) == (2, listed[0])


def test_settings_are_shown_in_their_types(api: Api) -> None:
    shown = api.client.get(SETTINGS).json()
    assert shown["inactivity_window_s"] == 1_800
    assert shown["exclude"] == ["crawlers"]
    assert shown["hash_ids"] is False
    assert {name.removesuffix("_is_set") for name in shown} == set(SpaceSettings.__dataclass_fields__)


def test_settings_are_changed_on_the_owners_thread_and_recompute(own_api: Api) -> None:
    change = {"inactivity_window_s": 20, "store_ip": True, "exclude": ["host:x.example", "ip:10.0.0.0/8"]}
    response = own_api.client.patch(SETTINGS, json=change)
    assert response.status_code == 200, response.text
    assert {name: response.json()[name] for name in change} == change
    assert response.json() == own_api.client.get(SETTINGS).json()
    assert len(own_api.changed) == 1
    assert own_api.client.get("/api/v1/users/adam").json()["total_sessions"] == 3
    assert own_api.client.patch(SETTINGS, json={"exclude": []}).json()["exclude"] == []


def test_a_secret_is_never_shown_only_whether_it_is_set(own_api: Api) -> None:
    own_api.store.create_space("acme/test", 1)
    client = own_api.with_key("acme/test")
    assert client.get(SETTINGS).json()["hash_salt_is_set"] is False
    response = client.patch(SETTINGS, json={"hash_salt": "geheim", "hash_ids": True})
    assert response.json()["hash_salt_is_set"] is True
    assert "geheim" not in response.text
    assert own_api.store.settings("acme/test").hash_salt == "geheim"


@pytest.mark.parametrize(
    ("change", "code", "field"),
    [
        (
            {"inactivity_window_s": limits.INACTIVITY_WINDOW_S_MAX + 1},
            "invalid_setting",
            "inactivity_window_s",
        ),
        ({"session_cap_s": 5, "time_zone": "Mars/Base"}, "invalid_setting", "time_zone"),
        ({"session_cap_s": 5, "plan": "vip"}, "invalid_setting", "plan"),
        ({"session_cap_s": "5"}, "malformed_request", None),
        ({"session_cap_s": True}, "malformed_request", None),
        ({"session_cap_s": None}, "malformed_request", None),
        ({"exclude": "crawlers"}, "malformed_request", None),
        ({"hash_salt": "geheim" * 50}, "invalid_setting", "hash_salt"),
        ([], "malformed_request", None),
        ("x", "malformed_request", None),
    ],
)
def test_a_change_that_cannot_be_changes_nothing(
    api: Api, change: object, code: str, field: str | None
) -> None:
    before = api.client.get(SETTINGS).json()
    response = api.client.patch(SETTINGS, json=change)
    assert response.status_code == 400
    assert (response.json()["error"]["code"], response.json()["error"].get("field")) == (code, field)
    assert "geheim" not in response.text
    assert api.client.get(SETTINGS).json() == before


def test_ids_are_hashed_only_when_that_is_confirmed(own_api: Api) -> None:
    change = {"session_cap_s": 5, "hash_salt": "pepper", "hash_ids": True}
    before = own_api.client.get(SETTINGS).json()
    users = own_api.client.get("/api/v1/users").json()
    refused = own_api.client.patch(SETTINGS, json=change)
    assert refused.status_code == 409
    error = refused.json()["error"]
    assert (error["code"], error["field"]) == ("unconfirmed", "hash_ids")
    assert "6 user ids will be replaced by a hash" in error["message"]
    assert "pepper" not in refused.text
    assert own_api.client.get(SETTINGS).json() == before
    assert own_api.client.get("/api/v1/users").json() == users
    done = own_api.client.patch(SETTINGS, json=change, params={"confirmed": "true"})
    assert (done.status_code, done.json()["hash_ids"]) == (200, True)
    assert own_api.client.get("/api/v1/users/adam").json()["user_id"] == hashed_id("pepper", "adam")
    assert own_api.client.patch(SETTINGS, json={"hash_ids": True}).status_code == 200


@pytest.mark.parametrize(
    "change", [{"hash_ids": False}, {"hash_salt": "x"}, {"store_ip": True, "hash_salt": "x"}]
)
def test_once_ids_are_hashed_a_confirmation_changes_nothing_either(
    own_api: Api, change: dict[str, object]
) -> None:
    confirmed = {"confirmed": "true"}
    assert own_api.client.patch(SETTINGS, json={"hash_ids": True}, params=confirmed).status_code == 200
    before = own_api.client.get(SETTINGS).json()
    response = own_api.client.patch(SETTINGS, json=change, params=confirmed)
    assert (response.status_code, response.json()["error"]["code"]) == (400, "invalid_setting")
    assert own_api.client.get(SETTINGS).json() == before


def test_a_space_without_users_hashes_without_a_question(own_api: Api) -> None:
    own_api.store.create_space("acme/test", 1)
    response = own_api.client.patch(SETTINGS, json={"hash_ids": True}, params={"space": "acme/test"})
    assert response.status_code == 200


def test_the_status_of_a_space_is_shown(api: Api) -> None:
    found = api.client.get("/api/v1/status").json()
    assert found["space"] == DEFAULT
    assert (found["clock_at"], found["live_since"]) == ("2026-01-03T10:00:00.000000Z", None)
    assert (found["events"], found["users"], found["sessions"], found["open_sessions"]) == (9, 6, 7, 1)
    assert found["outcomes"]["stored"] == 9
