"""Deleting by age over HTTP: who would go, a run that begins, receipts."""

from __future__ import annotations

from managing import MINUTE, START, Api

from enduser.service.retention import forget_portion
from enduser.stores.answers import RetentionRun

RETENTION = "/api/v1/retention"
AS_OF = "2026-07-02T10:00:30Z"
"""Half a year and a day after `adam` came, and to the second before he is past it for six months."""
SPACE = "default/production"


def finish(api: Api, number: int) -> RetentionRun:
    """Do what the server does of a run that was begun."""
    (run,) = [one for one in api.store.retention_runs(SPACE) if one.number == number]
    while run.ended_at is None:
        run = forget_portion(api.store, run, START)
    return run


def test_it_is_told_who_would_go_and_since_when_each_was_silent(api: Api) -> None:
    told = api.client.get(RETENTION, params={"as_of": AS_OF}).json()
    assert told["as_of"] == "2026-07-02T10:00:30.000000Z"
    assert told["amount"] == {
        "users": 6,
        "ids": 6,
        "lives": 0,
        "events": 8,
        "sessions": 7,
        "values": 0,
        "contents": 0,
    }
    assert told["deletes_from"] is None
    assert {one["user_id"] for one in told["examples"]} == {"adam", "a/b", "a b?&=#%", "é/..", "."}
    assert told["examples"][0]["last_at"] == "2026-01-01T10:00:00.000000Z"
    now = api.client.get(RETENTION).json()
    assert (now["as_of"], now["amount"]["users"]) == ("2026-01-03T10:00:00.000000Z", 0)


def test_a_run_must_be_confirmed_and_the_refusal_says_what_it_would_delete(api: Api) -> None:
    response = api.client.request("POST", f"{RETENTION}/runs", params={"as_of": AS_OF})
    assert response.status_code == 409
    error = response.json()["error"]
    assert (error["code"], error["field"]) == ("unconfirmed", "confirmed")
    assert "users 6, ids 6, events 8, sessions 7" in error["message"]
    assert api.store.retention_runs(SPACE) == []


def test_a_run_begins_at_once_and_its_receipt_says_how_far_it_is(own_api: Api) -> None:
    began = own_api.client.request(
        "POST", f"{RETENTION}/runs", params={"as_of": AS_OF, "confirmed": "true"}
    ).json()
    assert (began["run"], began["ended_at"], began["amount"]["users"]) == (1, None, 0)
    assert finish(own_api, 1).amount.users == 6
    (receipt,) = own_api.client.get(f"{RETENTION}/runs").json()["items"]
    assert receipt == {
        **began,
        "ended_at": "2026-01-01T10:00:00.000000Z",
        "amount": {**began["amount"], "users": 6, "ids": 6, "events": 8, "sessions": 7},
    }
    (left,) = own_api.client.get("/api/v1/users", params={"include_open": "true"}).json()["items"]
    assert left["user_id"] == "eve"


def test_receipts_are_paged_the_newest_first(own_api: Api) -> None:
    for _ in range(3):
        own_api.client.request("POST", f"{RETENTION}/runs", params={"confirmed": "true"})
    first = own_api.client.get(f"{RETENTION}/runs", params={"limit": "2"}).json()
    assert [one["run"] for one in first["items"]] == [3, 2]
    rest = own_api.client.get(
        f"{RETENTION}/runs", params={"limit": "2", "cursor": first["next_cursor"]}
    ).json()
    assert ([one["run"] for one in rest["items"]], rest["next_cursor"]) == ([1], None)


def test_a_time_that_has_not_come_is_refused(own_api: Api) -> None:
    own_api.store._execute(f"UPDATE space_1.state SET live_since = 0, clock_at = {START + MINUTE}")
    parameters = {"as_of": AS_OF, "confirmed": "true"}
    response = own_api.client.request("POST", f"{RETENTION}/runs", params=parameters)
    assert (response.status_code, response.json()["error"]["code"]) == (409, "retention_refused")
    assert response.json()["error"]["field"] == "as_of"
