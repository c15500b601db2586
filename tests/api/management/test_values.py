"""Values of custom attributes over HTTP: written by programs and by hand, shown with who said them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from managing import Api, made_of, served
from ready_made import Files

from enduser import limits
from enduser.stores.records import ChangeSettings

USERS = "/api/v1/users"


@pytest.fixture(scope="module")
def made_once() -> Files:
    """A data folder with a few attributes."""
    return made_of(make_attributes)


@pytest.fixture
def valued(made_once: Files, tmp_path: Path) -> Iterator[Api]:
    """An API over a copy of it."""
    with served(tmp_path / "data", made_once) as opened:
        yield opened


@pytest.fixture(scope="module")
def unchanged(made_once: Files, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    """One that tests share that change nothing."""
    with served(tmp_path_factory.mktemp("unchanged") / "data", made_once) as opened:
        yield opened


def make_attributes(api: Api) -> None:
    for name, kind in (("plan", "string"), ("seats", "number"), ("tags", "list"), ("renewed", "datetime")):
        api.client.request("POST", "/api/v1/attributes", json={"name": name, "type": kind})


def write(api: Api, *rows: Any, **options: Any):
    return api.client.request("POST", USERS, json={"rows": list(rows)}, **options)


def row(user_id: str, **attributes: object) -> dict[str, object]:
    return {"user_id": user_id, "attributes": attributes}


def shown(api: Api, user_id: str = "adam", **parameters: str) -> Any:
    return api.client.get(f"{USERS}/{user_id}", params=parameters).json()


def problem(response, status: int, code: str) -> dict[str, object]:
    assert response.status_code == status, response.text
    assert response.json()["error"]["code"] == code
    return response.json()["error"]


def test_what_is_written_is_there_at_once(valued: Api) -> None:
    before = shown(valued)
    response = write(
        valued, row("adam", plan="vip", seats=5, tags=["a", "b"], renewed="2026-03-01T10:00:00Z")
    )
    assert response.json() == {"results": [{"index": 0, "status": "applied", "errors": []}]}
    attributes = {"plan": "vip", "seats": 5.0, "tags": ["a", "b"], "renewed": "2026-03-01T10:00:00.000000Z"}
    assert shown(valued) == {**before, "attributes": attributes}
    listed = valued.client.get(USERS).json()["items"]
    assert [
        user["attributes"] for user in listed if user["user_id"] == "adam" and not user["is_anonymous"]
    ] == [attributes]


def test_a_bad_value_rejects_that_value_and_a_bad_row_that_row(valued: Api) -> None:
    response = write(
        valued,
        row("adam", plan="vip", seats="many"),
        row("guest", plan="vip"),
        {"user_id": "eve", "values": {}},
        row("eve", colour="red"),
        {**row("eve", plan="vip"), "effective_at": "9999-01-01"},
        {**row("eve", plan="vip"), "effective_at": "soon"},
        {**row("eve", plan="vip"), "id_kind": "hashed"},
        row("eve"),
    )
    results = response.json()["results"]
    assert [result["index"] for result in results] == list(range(8))
    assert [result["status"] for result in results] == [
        "partly_applied",
        *["rejected"] * 5,
        "rejected",
        "applied",
    ]
    codes = [[(error["attribute"], error["code"]) for error in result["errors"]] for result in results]
    assert codes == [
        [("seats", "wrong_type")],
        [(None, "junk_user_id")],
        [(None, "malformed_row")],
        [("colour", "unknown_attribute")],
        [(None, "future_time")],
        [(None, "invalid_time")],
        [(None, "ids_not_hashed")],
        [],
    ]
    assert results[0]["errors"][0]["message"] == "seats takes a number, such as 5 or -1.5"
    assert shown(valued)["attributes"] == {"plan": "vip"}


def test_null_clears_and_an_empty_text_says_nothing(valued: Api) -> None:
    write(valued, row("adam", plan="vip", seats=5))
    write(valued, row("adam", plan="", seats=None))
    assert shown(valued)["attributes"] == {"plan": "vip"}


def test_values_of_somebody_who_was_not_seen_wait(valued: Api) -> None:
    write(valued, row("nobody-yet", plan="vip"))
    problem(valued.client.get(f"{USERS}/nobody-yet"), 404, "user_not_found")
    found = valued.client.get(f"{USERS}/nobody-yet/attributes").json()
    assert found["attributes"]["plan"]["value"] == "vip"


@pytest.mark.parametrize("body", [{}, {"rows": {}}, {"rows": [], "more": 1}, {"rows": None}])
def test_a_body_without_a_list_of_rows_is_refused(api: Api, body: dict[str, object]) -> None:
    problem(api.client.request("POST", USERS, json=body), 400, "malformed_request")


def test_there_may_be_so_many_rows_and_no_more(valued: Api) -> None:
    rows = [row(f"u{number}", plan="vip") for number in range(limits.ROWS_PER_WRITE_MAX + 1)]
    told = problem(write(valued, *rows), 400, "limit_exceeded")
    assert (told["field"], told["limit"]) == ("rows", limits.ROWS_PER_WRITE_MAX)
    results = write(valued, *rows[1:]).json()["results"]
    assert {result["status"] for result in results} == {"applied"}
    assert valued.store.find_candidates("default/production", "u1")["plan"][0].value == "vip"


def test_a_body_may_be_so_long_and_no_longer(valued: Api) -> None:
    start, end = b'{"rows": []', b"}"
    for length, status in ((0, 200), (1, 413)):
        content = start + b" " * (limits.ROWS_BODY_BYTES_MAX - len(start) - len(end) + length) + end
        response = valued.client.request("POST", USERS, content=content)
        assert response.status_code == status
    assert "ROWS_BODY_BYTES_MAX" in response.json()["error"]["hint"]


def test_a_row_that_is_too_long_is_rejected_alone(valued: Api) -> None:
    long = [
        "x" * limits.VALUE_CHARACTERS_MAX + str(number) for number in range(limits.LINE_BYTES_MAX // 1_024)
    ]
    results = write(valued, row("adam", tags=long), row("eve", plan="vip")).json()["results"]
    assert [result["status"] for result in results] == ["rejected", "applied"]
    assert results[0]["errors"][0]["code"] == "row_too_long"


def test_a_call_with_a_key_is_done_once(valued: Api) -> None:
    headers = {"Idempotency-Key": "k" * limits.ONCE_KEY_CHARACTERS_MAX}
    first = write(valued, row("adam", plan="vip", seats="x"), headers=headers)
    write(valued, row("adam", plan="free"))
    again = write(valued, row("adam", plan="vip", seats="x"), headers=headers)
    assert first.json() == again.json()
    assert shown(valued)["attributes"] == {"plan": "free"}
    told = problem(write(valued, row("adam", plan="team"), headers=headers), 409, "key_reused")
    assert told["field"] == "Idempotency-Key"
    too_long = {"Idempotency-Key": "k" * (limits.ONCE_KEY_CHARACTERS_MAX + 1)}
    problem(write(valued, row("adam", plan="vip"), headers=too_long), 400, "invalid_parameter")


# --- by hand


def edit(api: Api, user_id: str, headers: dict[str, str] | None = None, **attributes: object):
    return api.client.patch(f"{USERS}/{user_id}", json={"attributes": attributes}, headers=headers or {})


def test_an_edit_by_hand_holds_at_once_and_says_that_it_was_one(valued: Api) -> None:
    write(valued, row("adam", plan="free"))
    edited = edit(valued, "adam", plan="vip", tags=["a", "b\nc"])
    assert edited.json()["user"] == shown(valued)
    origin = shown(valued, provenance="true")["provenance"]
    assert {name: origin[name]["source"] for name in origin} == {"plan": "manual", "tags": "manual"}


def test_an_edit_is_whole_or_not_at_all(valued: Api) -> None:
    told = problem(edit(valued, "adam", plan="vip", seats="many"), 400, "invalid_value")
    assert (told["field"], told["message"]) == ("seats", "seats takes a number, such as 5 or -1.5")
    assert shown(valued)["attributes"] == {}
    problem(edit(valued, "guest", plan="vip"), 400, "invalid_value")
    assert edit(valued, "new", plan="vip").json() == {"user": None}


@pytest.mark.parametrize(
    ("value", "code"),
    [
        ({"colour": "red"}, "colour"),
        ({"seats": [5]}, "seats"),
        ({"plan": "a\u0000"}, "plan"),
        ({"plan": "x" * (limits.VALUE_CHARACTERS_MAX + 1)}, "plan"),
        ({"tags": [str(n) for n in range(limits.LIST_ITEMS_MAX + 1)]}, "tags"),
        ({"tags": [{}]}, "tags"),
        ({"seats": 1e300}, "seats"),
    ],
)
def test_what_a_person_cannot_give_is_told(unchanged: Api, value: dict[str, object], code: str) -> None:
    assert problem(edit(unchanged, "adam", **value), 400, "invalid_value")["field"] == code


def test_a_source_that_may_not_write_an_attribute_is_refused(valued: Api) -> None:
    valued.client.patch("/api/v1/attributes/plan", json={"sources": ["crm"]})
    results = write(valued, row("adam", plan="vip", seats=1)).json()["results"]
    assert [(e["attribute"], e["code"]) for e in results[0]["errors"]] == [("plan", "not_writable")]
    problem(edit(valued, "adam", plan="vip"), 400, "invalid_value")


def test_if_match_lets_nobody_overwrite_what_he_has_not_seen(valued: Api) -> None:
    etag = valued.client.get(f"{USERS}/adam").headers["ETag"]
    edited = edit(valued, "adam", {"If-Match": etag}, plan="vip")
    assert edited.status_code == 200
    problem(edit(valued, "adam", {"If-Match": etag}, plan="free"), 412, "precondition_failed")
    assert (
        edit(valued, "adam", {"If-Match": f'"x", {edited.headers["ETag"]}'}, plan="free").status_code == 200
    )
    assert edit(valued, "adam", {"If-Match": "*"}, plan="team").status_code == 200
    problem(edit(valued, "nobody", {"If-Match": "*"}, plan="team"), 412, "precondition_failed")
    assert shown(valued)["attributes"] == {"plan": "team"}


# --- where values come from


def test_values_can_be_seen_as_they_were(valued: Api) -> None:
    for plan, day in (("free", "01"), ("vip", "03"), (None, "05"), ("team", "04")):
        write(valued, {**row("adam", plan=plan), "effective_at": f"2026-01-{day}"})

    def at(time: str) -> dict[str, Any]:
        return valued.client.get(f"{USERS}/adam/attributes", params={"as_of": time}).json()["attributes"]

    assert [at("2025-12-31"), at("2026-01-05T00:00:00Z")] == [{}, {}]
    assert [at(f"2026-01-{day}")["plan"]["value"] for day in ("01", "02", "03", "04")] == [
        "free",
        "free",
        "vip",
        "team",
    ]
    as_of = {"as_of": "2026-01-02T12:00:00Z", "provenance": "true"}
    user = valued.client.get(f"{USERS}/adam", params=as_of).json()
    assert (user["total_sessions"], user["attributes"]) == (2, {"plan": "free"})
    assert user["provenance"]["plan"]["effective_at"] == "2026-01-01T00:00:00.000000Z"
    changes = valued.client.get(f"{USERS}/adam/attribute-changes").json()["items"]
    assert [(c["from"], c["to"], c["at"][:10]) for c in changes] == [
        ("team", None, "2026-01-05"),
        ("vip", "team", "2026-01-04"),
        ("free", "vip", "2026-01-03"),
        (None, "free", "2026-01-01"),
    ]


def test_all_that_was_said_is_listed_page_by_page(valued: Api) -> None:
    for seats in range(5):
        write(valued, {**row("adam", seats=seats, plan="p"), "effective_at": f"2026-01-0{seats + 1}"})
    for path, count in (("candidates", 10), ("attribute-changes", 6)):
        items: list[Any] = []
        cursor: dict[str, str] = {}
        while True:
            page = valued.client.get(f"{USERS}/adam/{path}", params={"limit": "3", **cursor}).json()
            items += page["items"]
            if page["next_cursor"] is None:
                break
            cursor = {"cursor": page["next_cursor"]}
        assert len(items) == count
        assert items == valued.client.get(f"{USERS}/adam/{path}").json()["items"]
    candidates = valued.client.get(f"{USERS}/adam/candidates").json()["items"]
    assert [(c["attribute"], c["value"]) for c in candidates if c["holds"]] == [("seats", 4.0), ("plan", "p")]
    told = valued.client.get(f"{USERS}/adam/candidates", params={"cursor": "x"})
    problem(told, 400, "invalid_cursor")


def test_a_hashed_id_is_written_by_its_hash(valued: Api) -> None:
    valued.store.apply("default/production", ChangeSettings({"hash_ids": "on"}))
    hashed = "LxhaMQBuA3cjHQqujqUmW/YDuHkWuCFjsT2uXs7lDQY"
    results = write(valued, {**row(hashed, plan="vip"), "id_kind": "hashed"}).json()["results"]
    assert results[0]["status"] == "applied"
    found = valued.client.get(f"{USERS}/adam.br/attributes").json()["attributes"]
    assert found["plan"]["value"] == "vip"
