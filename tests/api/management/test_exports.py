"""Files of users over HTTP: written aside, sent, and gone."""

from __future__ import annotations

import csv
import io
import json
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import duckdb
import pytest
from asked_users import HOSTILE, fill, has, value_of
from histories import Row
from managing import Api, served
from stored import SPACE, take

from enduser import limits
from enduser.core.segments import Saving, Segment
from enduser.core.users_query import UsersQuery

RULE = {"field": "select", "operator": "in", "value": list(HOSTILE[:9])}
URL = "/api/v1/users/export"


@pytest.fixture(scope="module")
def asked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    """An API over users of every kind, and a segment."""
    folder = tmp_path_factory.mktemp("asked")
    with served(folder / "data") as opened:
        fill(opened.store, folder)
        segment = Segment(id="chosen", name="Chosen", rule=RULE)
        opened.store.save_segment(SPACE, segment, Saving(at=1, by="tests", is_new=True))
        yield opened


def scratch(api: Api) -> list[str]:
    """Return what lies in scratch room."""
    return [path.name for path in (api.folder / "tmp").glob("work-*")]


def right_ids(api: Api, holds: Callable[[Any], bool], sort: str = "user_id") -> list[str]:
    return [user["user_id"] for user in api.store.users(SPACE, UsersQuery(sort=sort)) if holds(user)]


def is_meant(user: Any) -> bool:
    return value_of(user, "select") in HOSTILE[:9] and has(user, "s")


def test_a_csv_file_has_all_users_and_attributes(asked: Api, tmp_path: Path) -> None:
    response = asked.client.get(URL, params={"form": "csv"})
    assert response.headers["content-type"] == "text/csv; charset=utf-8"
    assert response.headers["content-disposition"] == 'attachment; filename="users.csv"'
    assert int(response.headers["content-length"]) == len(response.content)
    asked.store.export(SPACE, "users", tmp_path / "x", "csv")
    assert response.content == (tmp_path / "x").read_bytes()
    assert scratch(asked) == []


@pytest.mark.parametrize(
    ("form", "kind"),
    [("csv", "text/csv"), ("jsonl", "application/x-ndjson"), ("parquet", "application/vnd.apache.parquet")],
)
def test_a_file_has_those_who_are_asked_for_in_a_query_or_in_a_body(
    asked: Api, tmp_path: Path, form: str, kind: str
) -> None:
    query = {"form": form, "rule": json.dumps(RULE), "search": "s", "columns": "city,select", "sort": "-city"}
    body = {**query, "rule": RULE, "columns": ["city", "select"]}
    response = asked.client.get(URL, params=query)
    assert response.headers["content-type"].partition(";")[0] == kind
    assert asked.client.request("POST", URL, json=body).content == response.content
    by_segment = {**query, "segment": "chosen"}
    del by_segment["rule"]
    assert asked.client.get(URL, params=by_segment).content == response.content
    (tmp_path / "x").write_bytes(response.content)
    reader = {"csv": "csv", "jsonl": "json", "parquet": "parquet"}[form]
    found = duckdb.connect().execute(f"SELECT * FROM read_{reader}('{tmp_path / 'x'}')")
    names = [column[0] for column in found.description]
    assert names == ["user_id", "is_anonymous", "city", "attributes" if form == "jsonl" else "select"]
    if form != "csv":
        assert [row[0] for row in found.fetchall()] == right_ids(asked, is_meant, "-city")


def test_a_text_of_a_csv_file_is_no_formula(asked: Api) -> None:
    rows = list(csv.DictReader(io.StringIO(asked.client.get(URL, params={"form": "csv"}).text, newline="")))
    assert "'-- x" in {row["user_id"] for row in rows}


def test_a_file_has_more_users_than_a_page(own_api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "PAGE_ROWS_MAX", 2)
    rows = own_api.client.get(URL, params={"form": "csv", "columns": "country"}).text.splitlines()
    assert len(rows) == 1 + own_api.store.status(SPACE).users > 3


@pytest.mark.parametrize(
    ("query", "status", "code", "field"),
    [
        ({"form": "xlsx"}, 400, "invalid_parameter", "form"),
        ({"form": "csv", "columns": "gone"}, 400, "invalid_parameter", "columns"),
        (
            {"form": "csv", "rule": '{"field": "gone", "operator": "known"}'},
            400,
            "invalid_rule",
            "rule.field",
        ),
        ({"form": "csv", "segment": "gone"}, 404, "segment_not_found", "segment"),
        ({"form": "csv", "limit": "3"}, 400, "invalid_parameter", "limit"),
        ({"form": "csv", "space": "no/space"}, 404, "space_not_found", None),
    ],
)
def test_what_cannot_be_leaves_nothing_behind(
    asked: Api, query: dict[str, str], status: int, code: str, field: str | None
) -> None:
    response = asked.client.get(URL, params=query)
    error = response.json()["error"]
    assert (response.status_code, error["code"]) == (status, code)
    assert error.get("field") == field
    assert scratch(asked) == []
    assert asked.app.services.exports == set()


def test_a_body_must_name_the_form(asked: Api) -> None:
    for body in ({}, {"form": "xlsx"}, {"form": "csv", "limit": 1}):
        error = asked.client.request("POST", URL, json=body).json()["error"]
        assert error["code"] == "malformed_request"


def test_only_so_many_exports_are_made_at_once(own_api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    reader = type(own_api.store.reader)
    plain, release, begun = reader.export, threading.Event(), threading.Semaphore(0)

    def waits(*given: Any, **more: Any) -> int:
        begun.release()
        assert release.wait(30)
        return plain(*given, **more)

    monkeypatch.setattr(reader, "export", waits)
    with ThreadPoolExecutor(limits.EXPORTS_MAX) as threads:
        asked = [
            threads.submit(own_api.client.get, URL, params={"form": "csv"}) for _ in range(limits.EXPORTS_MAX)
        ]
        for _ in asked:
            assert begun.acquire(timeout=30)
        refused = own_api.client.get(URL, params={"form": "csv"})
        release.set()
        assert {call.result(30).status_code for call in asked} == {200}
    error = refused.json()["error"]
    assert (refused.status_code, error["code"], error["limit"]) == (429, "too_busy", limits.EXPORTS_MAX)
    assert own_api.client.get(URL, params={"form": "csv"}).status_code == 200
    assert scratch(own_api) == []


def test_a_caller_who_goes_leaves_nothing_behind(own_api: Api) -> None:
    async def call() -> None:
        scope = {
            "type": "http",
            "method": "GET",
            "path": URL,
            "raw_path": URL.encode(),
            "query_string": b"form=csv",
            "headers": [(b"authorization", f"Bearer {own_api.key}".encode())],
        }

        async def receive() -> dict[str, object]:
            return {"type": "http.disconnect"}

        async def send(_: object) -> None:
            raise ConnectionResetError

        with pytest.raises(ConnectionResetError):
            await own_api.app(scope, receive, send)

    own_api.portal.call(call)
    assert scratch(own_api) == []
    assert own_api.app.services.exports == set()


def test_reads_go_on_while_a_file_is_made(own_api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    reader = type(own_api.store.reader)
    plain = reader.export

    def reads_meanwhile(*given: Any, **more: Any) -> int:
        assert len(own_api.changed) == changed
        assert own_api.client.get("/api/v1/users/adam").status_code == 200
        return plain(*given, **more)

    changed = len(own_api.changed)
    monkeypatch.setattr(reader, "export", reads_meanwhile)
    assert own_api.client.get(URL, params={"form": "jsonl"}).status_code == 200


def test_a_user_may_be_called_export(own_api: Api, tmp_path: Path) -> None:
    take(own_api.store, tmp_path, [Row("export", None, 1)])
    own_api.store.fold(SPACE)
    assert own_api.client.get(URL).json()["user_id"] == "export"
    assert own_api.client.get(URL, params={"id_kind": "plain"}).json()["user_id"] == "export"
    assert own_api.client.get(f"{URL}/sessions").json()["items"][0]["user_id"] == "export"
