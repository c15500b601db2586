"""Saved filters over HTTP, and users by them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from managing import Api, made_of, served
from ready_made import Files
from stored import SPACE

from enduser import limits
from enduser.core.attributes import API, Attribute, AttributeType
from enduser.core.segments import Saving, Segment
from enduser.service.writing_values import write_json_rows
from enduser.sources.json_rows import JsonRow

RULE = {"combinator": "and", "rules": [{"field": "plan", "operator": "is", "value": "vip"}]}
URL = "/api/v1/filters"


@pytest.fixture(scope="module")
def made_once() -> Files:
    """A data folder with users of whom two are VIPs."""
    return made_of(give_plans)


@pytest.fixture
def planned(made_once: Files, tmp_path: Path) -> Iterator[Api]:
    """An API over a copy of it."""
    with served(tmp_path / "data", made_once) as opened:
        yield opened


@pytest.fixture(scope="module")
def unchanged(made_once: Files, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    """One with the filter `vips`, which tests share that change nothing."""
    with served(tmp_path_factory.mktemp("unchanged") / "data", made_once) as opened:
        make(opened)
        yield opened


def give_plans(api: Api) -> None:
    api.store.create_attribute(Attribute("plan", AttributeType.STRING))
    plans = {"adam": "vip", "a/b": "vip", ".": "free"}
    rows = [JsonRow(name, {"plan": plan}, "plain") for name, plan in plans.items()]
    write_json_rows(api.store, SPACE, API, rows, 1)


def call(api: Api, method: str, path: str = "", status: int = 200, **options: Any) -> dict[str, Any]:
    response: httpx.Response = api.client.request(method, f"{URL}{path}", **options)
    assert response.status_code == status, response.text
    told: dict[str, Any] = response.json()
    return told


def make(api: Api, **body: Any) -> dict[str, Any]:
    return call(api, "POST", json={"id": "vips", "name": "VIPs", **body})


def ids(api: Api, **query: str) -> list[str]:
    response = api.client.get("/api/v1/users", params=query)
    assert response.status_code == 200, response.text
    return [user["user_id"] for user in response.json()["items"]]


def test_a_filter_is_saved_shown_changed_and_deleted(planned: Api) -> None:
    made = make(planned, rule=RULE, search="a", columns=["plan", "city"], sort="-plan")
    assert made == {
        "id": "vips",
        "name": "VIPs",
        "rule": RULE,
        "search": "a",
        "columns": ["plan", "city"],
        "sort": "-plan",
        "created_at": made["created_at"],
        "changed_at": made["created_at"],
        "changed_by": "tests",
    }
    assert call(planned, "GET") == {"items": [made], "limit": limits.FILTERS_MAX, "next_cursor": None}
    assert call(planned, "GET", "/vips") == made
    changed = call(planned, "PATCH", "/vips", json={"rule": None, "columns": None, "name": "All"})
    assert changed == {
        **made,
        "rule": None,
        "columns": None,
        "name": "All",
        "changed_at": changed["changed_at"],
    }
    assert call(planned, "PATCH", "/vips", json={"sort": "city"})["search"] == "a"
    assert call(planned, "DELETE", "/vips") == {"deleted": True}
    assert call(planned, "GET")["items"] == []


def test_a_filter_without_an_id_gets_one_and_asks_for_everyone(planned: Api) -> None:
    made = call(planned, "POST", json={"name": "All"})
    assert len(made["id"]) == 12
    assert (made["rule"], made["search"], made["columns"], made["sort"]) == (None, "", None, "-last_seen")
    assert ids(planned, filter=made["id"]) == ids(planned)


def test_users_are_listed_by_a_filter(planned: Api) -> None:
    make(planned, rule=RULE, columns=["plan"], sort="user_id")
    page = planned.client.get("/api/v1/users", params={"filter": "vips"}).json()
    assert page["items"] == [
        {"user_id": name, "is_anonymous": False, "attributes": {"plan": "vip"}} for name in ("a/b", "adam")
    ]
    body = {"filter": "vips", "limit": 1}
    first = planned.client.request("POST", "/api/v1/users/query", json=body).json()
    body["cursor"] = first["next_cursor"]
    second = planned.client.request("POST", "/api/v1/users/query", json=body).json()
    assert first["items"] + second["items"] == page["items"]


def test_what_a_call_says_itself_holds_in_place_of_the_filter(planned: Api) -> None:
    make(planned, rule=RULE, search="ad", columns=["plan"], sort="user_id")
    segment = Segment(id="free", name="Free", rule={"field": "plan", "operator": "is", "value": "free"})
    planned.store.save_segment(SPACE, segment, Saving(1, "me", is_new=True))
    assert ids(planned, filter="vips") == ["adam"]
    assert ids(planned, filter="vips", search="") == ["a/b", "adam"]
    assert ids(planned, filter="vips", search="", sort="-user_id") == ["adam", "a/b"]
    assert ids(planned, filter="vips", search="", segment="free") == ["."]
    rule = '{"field": "plan", "operator": "unknown"}'
    assert "é/.." in ids(planned, filter="vips", search="", rule=rule)
    found = planned.client.get("/api/v1/users", params={"filter": "vips", "columns": "city"}).json()
    assert list(found["items"][0]) == ["user_id", "is_anonymous", "city", "attributes"]


def test_a_file_has_the_users_of_a_filter_in_its_order(planned: Api) -> None:
    make(planned, rule=RULE, columns=["plan"], sort="-user_id")
    told = planned.client.get("/api/v1/users/export", params={"form": "csv", "filter": "vips"}).text
    assert told == "user_id,is_anonymous,plan\nadam,false,vip\na/b,false,vip\n"
    body = {"form": "csv", "filter": "vips"}
    assert planned.client.request("POST", "/api/v1/users/export", json=body).text == told


@pytest.mark.parametrize(
    ("body", "status", "code", "field"),
    [
        ({"id": "a b"}, 400, "invalid_filter", "id"),
        ({"name": ""}, 400, "invalid_filter", "name"),
        ({"name": "x" * (limits.FILTER_NAME_CHARACTERS_MAX + 1)}, 400, "invalid_filter", "name"),
        ({"sort": "gone"}, 400, "invalid_parameter", "sort"),
        ({"columns": ["gone"]}, 400, "invalid_parameter", "columns"),
        ({"search": "x" * 1_000}, 400, "limit_exceeded", "search"),
        ({"rule": {"rules": [{"field": "a"}]}}, 400, "invalid_rule", "rule.rules[0].field"),
        ({"rule": {}}, 400, "invalid_rule", "rule.rules"),
        ({"rule": []}, 400, "malformed_request", None),
        ({"users": []}, 400, "malformed_request", None),
    ],
)
def test_what_cannot_be_is_not_saved(
    unchanged: Api, body: dict[str, Any], status: int, code: str, field: str | None
) -> None:
    made = call(unchanged, "GET", "/vips")
    error = call(unchanged, "POST", "", status, json={"id": "x", "name": "X", **body})["error"]
    assert (error["code"], error.get("field"), bool(error["hint"])) == (code, field, True)
    if "id" not in body:
        assert call(unchanged, "PATCH", "/vips", status, json=body)["error"] == error
    assert call(unchanged, "GET")["items"] == [made]


def test_a_filter_is_made_once_and_must_be_there(planned: Api) -> None:
    make(planned)
    error = call(planned, "POST", "", 409, json={"id": "vips", "name": "x"})["error"]
    assert (error["code"], error["field"]) == ("filter_exists", "id")
    for method in ("GET", "PATCH", "DELETE"):
        options = {"json": {}} if method == "PATCH" else {}
        assert call(planned, method, "/gone", 404, **options)["error"]["code"] == "filter_not_found"
    error = planned.client.get("/api/v1/users", params={"filter": "gone"}).json()["error"]
    assert (error["code"], error["field"]) == ("filter_not_found", "filter")


def test_an_attribute_of_a_filter_cannot_be_deleted(planned: Api) -> None:
    make(planned, sort="plan")
    response = planned.client.request("DELETE", "/api/v1/attributes/plan", params={"confirmed": "true"})
    assert (response.status_code, response.json()["error"]["code"]) == (409, "in_use")
    assert "filter 'vips' (VIPs)" in response.json()["error"]["message"]


def test_a_rule_of_a_filter_that_cannot_be_any_more_is_named_by_the_filter(
    planned: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    make(planned, rule=RULE)
    monkeypatch.setattr(limits, "RULE_CONDITIONS_MAX", 0)
    response = planned.client.get("/api/v1/users", params={"filter": "vips"})
    error = response.json()["error"]
    assert (response.status_code, error["code"], error["field"]) == (422, "rule_too_large", "filter")
    monkeypatch.undo()
    query = {"filter": "vips", "include_open": "true"}
    error = planned.client.get("/api/v1/users", params=query).json()["error"]
    assert (error["code"], error["field"]) == ("invalid_parameter", "include_open")


def test_filters_are_those_of_a_space(planned: Api) -> None:
    planned.store.create_space("acme/test", 1)
    make(planned)
    assert call(planned, "GET", params={"space": "acme/test"})["items"] == []
    assert call(planned, "GET", "/vips", 404, params={"space": "acme/test"})
    other = planned.with_key("acme/test")
    assert other.get(URL, params={"space": SPACE}).json()["error"]["code"] == "space_not_found"
