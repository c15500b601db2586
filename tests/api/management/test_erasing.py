"""Erasing one person over HTTP."""

from __future__ import annotations

import re
from typing import Any

import pytest
from managing import Api
from structlog.testing import capture_logs

from enduser.core.events import UserId
from enduser.stores.records import AddLink, ChangeSettings

USERS = "/api/v1/users"
SPACE = "default/production"


def erase(api: Api, user_id: str, headers: dict[str, str] | None = None, **parameters: str):
    parameters = {"confirmed": "true", **parameters}
    return api.client.request("DELETE", f"{USERS}/{user_id}", params=parameters, headers=headers or {})


def problem(response, status: int, code: str) -> dict[str, Any]:
    assert response.status_code == status, response.text
    assert response.json()["error"]["code"] == code
    return response.json()["error"]


def shown(api: Api, user_id: str, **parameters: str):
    return api.client.get(f"{USERS}/{user_id}", params={"include_open": "true", **parameters})


def test_a_person_goes_with_all_ids_and_the_answer_says_how_much_but_not_who(own_api: Api) -> None:
    own_api.store.apply(SPACE, AddLink(UserId("adam", False), UserId("adam", True), 0))
    with capture_logs() as logs:
        response = erase(own_api, "adam", id_kind="anonymous")
    told = response.json()
    assert told["erased"] == told["receipt"]["erased"] == {"ids": 2, "events": 4, "sessions": 2, "values": 0}
    assert (told["uploads_deleted"], told["inbox"], told["still_named_by"]) == (0, [], [])
    assert "adam" not in response.text + str(logs)
    assert own_api.client.get("/api/v1/erasures").json()["items"] == [told["receipt"]]
    (logged,) = logs
    assert (logged["event"], logged["id_hash"]) == ("person is erased", told["receipt"]["id_hash"])
    for kind in ("plain", "anonymous"):
        problem(shown(own_api, "adam", id_kind=kind), 404, "user_not_found")
        problem(own_api.client.get(f"{USERS}/adam/sessions", params={"id_kind": kind}), 404, "user_not_found")
        problem(erase(own_api, "adam", id_kind=kind), 404, "user_not_found")
    assert "adam" not in {user["user_id"] for user in own_api.client.get(USERS).json()["items"]}


def test_without_a_confirmation_it_is_said_what_would_go(own_api: Api) -> None:
    told = problem(erase(own_api, "adam", confirmed="false"), 409, "unconfirmed")
    assert told["message"].endswith("for good: ids 1, events 3, sessions 2, values 0")
    assert told["field"] == "confirmed"
    assert shown(own_api, "adam").status_code == 200
    problem(erase(own_api, "nobody", confirmed="false"), 404, "user_not_found")


def test_a_user_who_was_never_seen_but_of_whom_something_is_said_can_be_erased(own_api: Api) -> None:
    own_api.client.request("POST", "/api/v1/attributes", json={"name": "plan", "type": "string"})
    own_api.client.patch(f"{USERS}/new", json={"attributes": {"plan": "vip"}})
    problem(erase(own_api, "new", {"If-Match": "*"}), 412, "precondition_failed")
    assert erase(own_api, "new").json()["erased"] == {"ids": 1, "events": 0, "sessions": 0, "values": 1}
    assert own_api.client.get(f"{USERS}/new/attributes").json()["attributes"] == {}


def test_if_match_lets_nobody_be_erased_who_is_another_since(own_api: Api) -> None:
    own_api.client.request("POST", "/api/v1/attributes", json={"name": "plan", "type": "string"})
    etag = own_api.client.get(f"{USERS}/adam").headers["ETag"]
    own_api.client.patch(f"{USERS}/adam", json={"attributes": {"plan": "vip"}})
    problem(erase(own_api, "adam", {"If-Match": etag}), 412, "precondition_failed")
    etag = own_api.client.get(f"{USERS}/adam").headers["ETag"]
    assert erase(own_api, "adam", {"If-Match": etag}).status_code == 200


@pytest.mark.parametrize("kind", ["plain", "hashed"])
def test_where_ids_are_hashed_both_forms_of_an_id_can_be_erased(own_api: Api, kind: str) -> None:
    problem(erase(own_api, "adam", id_kind="hashed"), 404, "user_not_found")
    own_api.store.apply(SPACE, ChangeSettings({"hash_ids": "on"}))
    stored = own_api.client.get(f"{USERS}/adam").json()["user_id"]
    text = stored.replace("/", "%2F").replace("+", "%2B") if kind == "hashed" else "adam"
    assert erase(own_api, text, id_kind=kind).status_code == 200
    problem(shown(own_api, "adam"), 404, "user_not_found")


def test_it_is_done_where_the_store_is_changed(own_api: Api) -> None:
    erase(own_api, "adam")
    assert len(own_api.changed) == 1


def test_receipts_name_a_person_by_a_keyed_hash_alone_and_are_listed_the_newest_first(own_api: Api) -> None:
    first = erase(own_api, "adam").json()["receipt"]
    assert re.fullmatch("[0-9a-f]{32}", first["id_hash"])
    assert (first["erasure"], first["suppressed"], first["gone_at"]) == (1, False, None)
    again = erase(own_api, "adam", suppress="true").json()["receipt"]
    assert (again["erasure"], again["suppressed"], again["id_hash"]) == (2, True, first["id_hash"])
    page = own_api.client.get("/api/v1/erasures", params={"limit": "1"}).json()
    assert [one["erasure"] for one in page["items"]] == [2]
    rest = own_api.client.get("/api/v1/erasures", params={"cursor": page["next_cursor"]}).json()
    assert ([one["erasure"] for one in rest["items"]], rest["next_cursor"]) == ([1], None)


def test_files_that_wait_and_name_him_are_deleted_and_what_people_wrote_is_told(own_api: Api) -> None:
    sent = own_api.client.request("POST", "/api/v1/uploads", params={"name": "crm.csv"}, content="id\nadam\n")
    kept = own_api.client.request(
        "POST", "/api/v1/uploads", params={"name": "b.csv"}, content="id\nadamant\n"
    )
    assert (sent.status_code, kept.status_code) == (200, 200)
    rule = {"combinator": "and", "rules": [{"field": "user_id", "operator": "is", "value": "adam"}]}
    segment = {"id": "friends", "name": "Friends", "rule": rule}
    assert own_api.client.request("POST", "/api/v1/segments", json=segment).status_code == 200
    (own_api.folder / "inbox").mkdir()
    (own_api.folder / "inbox" / "new.csv").write_text("id\nadam\n")
    told = erase(own_api, "adam").json()
    assert told["uploads_deleted"] == 1
    assert told["still_named_by"] == [{"kind": "segment", "id": "friends"}]
    assert told["inbox"] == ["inbox/new.csv"]
    (left,) = own_api.client.get("/api/v1/uploads").json()["items"]
    assert left["name"] == "b.csv"


# --- staying out


SUPPRESSIONS = "/api/v1/suppressions"


def stays_out(api: Api, user_id: str, kind: str = "plain") -> bool:
    told: bool = api.client.get(f"{SUPPRESSIONS}/{user_id}", params={"id_kind": kind}).json()["suppressed"]
    return told


def test_who_is_to_stay_out_does_under_all_ids_until_it_is_lifted(own_api: Api) -> None:
    own_api.store.apply(SPACE, AddLink(UserId("adam", False), UserId("adam", True), 0))
    assert not stays_out(own_api, "adam")
    response = erase(own_api, "adam", suppress="true")
    assert response.json()["erased"] == {"ids": 2, "events": 4, "sessions": 2, "values": 0}
    assert stays_out(own_api, "adam")
    assert stays_out(own_api, "adam", "anonymous")
    lifted = own_api.client.request("DELETE", f"{SUPPRESSIONS}/adam", params={"id_kind": "anonymous"})
    assert lifted.json() == {"lifted": True}
    assert not stays_out(own_api, "adam")
    for kind in ("plain", "hashed"):
        told = own_api.client.request("DELETE", f"{SUPPRESSIONS}/adam", params={"id_kind": kind})
        problem(told, 404, "suppression_not_found")


def test_an_id_of_which_nothing_is_known_is_kept_out_only_if_that_is_meant(own_api: Api) -> None:
    problem(erase(own_api, "new"), 404, "user_not_found")
    told = problem(erase(own_api, "new", confirmed="false", suppress="true"), 409, "unconfirmed")
    assert told["message"] == "nothing is known of 'new' (plain) in default/production; it would be kept out"
    assert not stays_out(own_api, "new")
    assert erase(own_api, "new", suppress="true").json()["erased"]["ids"] == 0
    assert stays_out(own_api, "new")


@pytest.mark.parametrize(
    ("user_id", "kind", "code"),
    [("null", "plain", "usage"), ("x" * 300, "plain", "limit_exceeded"), ("adam", "hashed", "usage")],
)
def test_what_is_no_id_cannot_stay_out(own_api: Api, user_id: str, kind: str, code: str) -> None:
    problem(erase(own_api, user_id, suppress="true", id_kind=kind), 400, code)


def test_no_call_writes_to_who_stays_out(own_api: Api) -> None:
    own_api.client.request("POST", "/api/v1/attributes", json={"name": "plan", "type": "string"})
    erase(own_api, "adam", suppress="true")
    edited = own_api.client.patch(f"{USERS}/adam", json={"attributes": {"plan": "vip"}})
    assert problem(edited, 409, "user_suppressed")["field"] == "user_id"
    link = own_api.client.request("POST", "/api/v1/links", json={"one": "eve", "other": "adam"})
    problem(link, 409, "user_suppressed")
    rows = {"rows": [{"user_id": "adam", "attributes": {"plan": "vip"}}]}
    (result,) = own_api.client.request("POST", USERS, json=rows).json()["results"]
    assert (result["status"], result["errors"][0]["code"]) == ("rejected", "suppressed")
    named = {"id": "staff", "user_ids": ["adam", "eve"]}
    made = own_api.client.request("POST", "/api/v1/lists", json=named).json()
    assert [(one["index"], one["code"]) for one in made["rejected"]] == [(0, "suppressed")]
    problem(shown(own_api, "adam"), 404, "user_not_found")


def test_who_would_be_known_again_once_ids_are_hashed_is_told_beforehand(own_api: Api) -> None:
    erase(own_api, "adam", suppress="true")
    change = {"hash_salt": "pepper", "hash_ids": True}
    refused = problem(own_api.client.patch("/api/v1/settings", json=change), 409, "unconfirmed")
    assert "1 user id that is to stay out was suppressed with another hash_salt" in refused["message"]
    refused = problem(own_api.client.patch("/api/v1/settings", json={"hash_ids": True}), 409, "unconfirmed")
    assert "to stay out" not in refused["message"]
