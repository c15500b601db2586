"""Users by a rule, a segment or a text over HTTP, in a query or in a body."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from asked_users import HOSTILE, SORTS, User, fill, has, in_order, value_of
from histories import Row
from managing import Api, served
from stored import SPACE, take

from enduser import limits
from enduser.core.end_user import USER_COLUMNS
from enduser.core.segments import Saving, Segment
from enduser.errors import InvalidRule
from enduser.stores.embedded import EmbeddedStore

RULE = {"field": "select", "operator": "in", "value": list(HOSTILE[:9])}


@pytest.fixture(scope="module")
def asked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    """An API over users of every kind, and two segments, of which one is archived."""
    folder = tmp_path_factory.mktemp("asked")
    with served(folder / "data") as opened:
        fill(opened.store, folder)
        save(opened.store, "chosen")
        save(opened.store, "old", is_archived=True)
        yield opened


def save(store: EmbeddedStore, segment_id: str, **more: Any) -> None:
    segment = Segment(id=segment_id, name=segment_id, rule=RULE, **more)
    store.save_segment(SPACE, segment, Saving(at=1, by="tests", is_new=True))


def users(api: Api, **query: str) -> dict[str, Any]:
    response = api.client.get("/api/v1/users", params=query)
    assert response.status_code == 200, response.text
    return response.json()


def ids(page: dict[str, Any]) -> list[str]:
    return [user["user_id"] for user in page["items"]]


def right_ids(api: Api, sort: str, holds: Any = lambda _: True) -> list[str]:
    everyone: list[User] = [user for user in api.store.users(SPACE) if holds(user)]
    return [user["user_id"] for user in in_order(everyone, sort)]


def is_chosen(user: User) -> bool:
    return value_of(user, "select") in HOSTILE[:9]


def refused(api: Api, status: int, code: str, **query: str) -> dict[str, Any]:
    response = api.client.get("/api/v1/users", params=query)
    assert response.status_code == status, response.text
    error: dict[str, Any] = response.json()["error"]
    assert error["code"] == code
    assert error["hint"]
    return error


# --- what can be asked for


def test_a_rule_lists_whom_it_means_by_the_last_visit(asked: Api) -> None:
    page = users(asked, rule=json.dumps(RULE))
    assert ids(page) == right_ids(asked, "-last_seen", is_chosen) != []
    assert page["next_cursor"] is None


def test_a_segment_stands_for_its_rule(asked: Api) -> None:
    assert users(asked, segment="chosen") == users(asked, rule=json.dumps(RULE))


def test_a_segment_as_large_as_a_rule_may_be_stands_for_its_rule(
    asked: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("RULE_CONDITIONS_MAX", "RULE_DEPTH_MAX"):
        monkeypatch.setattr(limits, name, 1)
    assert users(asked, segment="chosen") == users(asked, rule=json.dumps(RULE))


@pytest.mark.parametrize("text", [*HOSTILE, "%", "oslo"])
def test_a_text_lists_those_who_have_it(asked: Api, text: str) -> None:
    found = ids(users(asked, search=text, sort="user_id"))
    assert found == right_ids(asked, "user_id", lambda user: has(user, text))
    assert found


@pytest.mark.parametrize("sort", [*SORTS, *(f"-{name}" for name in SORTS)])
def test_users_are_walked_through_once_by_any_attribute(asked: Api, sort: str) -> None:
    query = {"sort": sort, "limit": "15", "search": "s", "segment": "chosen"}
    page = users(asked, **query)
    found = ids(page)
    while page["next_cursor"] is not None:
        page = users(asked, **query, cursor=page["next_cursor"])
        found += ids(page)
    assert found == right_ids(asked, sort, lambda user: is_chosen(user) and has(user, "s"))


def test_all_attributes_come_unless_some_are_asked_for(asked: Api) -> None:
    whole = users(asked)["items"][0]
    assert list(whole) == [*USER_COLUMNS, "attributes"]
    some = users(asked, columns="city,select,first_seen,users")["items"]
    assert list(some[0]) == ["user_id", "is_anonymous", "first_seen", "city", "attributes"]
    assert some[0]["first_seen"] == whole["first_seen"]
    assert {name for user in some for name in user["attributes"]} == {"select", "users"}
    bare = users(asked, columns="user_id")["items"][0]
    assert list(bare) == ["user_id", "is_anonymous", "attributes"]


def test_a_body_asks_as_a_query_does(asked: Api) -> None:
    query = {"search": "s", "sort": "-sort_value", "columns": "city,select", "limit": "3"}
    body = {**query, "columns": ["city", "select"], "limit": 3, "rule": RULE}
    by_query = users(asked, **query, rule=json.dumps(RULE))
    response = asked.client.request("POST", "/api/v1/users/query", json=body)
    assert response.json() == by_query
    assert by_query["next_cursor"]
    body["cursor"] = by_query["next_cursor"]
    after = asked.client.request("POST", "/api/v1/users/query", json=body).json()
    assert after == users(asked, **query, rule=json.dumps(RULE), cursor=by_query["next_cursor"])
    by_segment = {"segment": "chosen", "include_open": False}
    assert asked.client.request("POST", "/api/v1/users/query", json=by_segment).json() == users(
        asked, segment="chosen"
    )
    assert asked.client.request("POST", "/api/v1/users/query", json={}).json() == users(asked)


def test_a_rule_that_is_too_long_for_a_query_comes_in_a_body(asked: Api) -> None:
    values = [f"value {number:07}" for number in range(100_000)]
    rule = {"field": "select", "operator": "not_in", "value": values}
    body = {"rule": rule, "sort": "user_id"}
    response = asked.client.request("POST", "/api/v1/users/query", json=body)
    assert ids(response.json()) == right_ids(asked, "user_id")


def test_the_body_of_a_call_with_a_rule_may_be_as_long_as_the_limit(
    asked: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "RULE_BODY_BYTES_MAX", 1_000)
    for size, status in ((999, 200), (1_000, 200), (1_001, 413)):
        body = b'{"search": ""' + b" " * (size - 14) + b"}"
        assert asked.client.request("POST", "/api/v1/users/query", content=body).status_code == status


def test_open_sessions_count_if_that_is_asked_for(api: Api) -> None:
    assert ids(users(api, search="EVE")) == []
    assert ids(users(api, search="EVE", include_open="true")) == ["eve"]


def test_users_may_be_called_like_what_is_asked_of_all(own_api: Api, tmp_path: Path) -> None:
    take(own_api.store, tmp_path, [Row("query", None, 1)])
    own_api.store.fold(SPACE)
    assert own_api.client.get("/api/v1/users/query").json()["user_id"] == "query"


# --- what cannot be


def test_an_error_of_a_rule_names_the_node_by_its_path_in_the_call(asked: Api) -> None:
    wrong = {"combinator": "and", "rules": [RULE, {"field": "select", "operator": "eq", "value": 1}]}
    assert refused(asked, 400, "invalid_rule", rule=json.dumps(wrong))["field"] == "rule.rules[1].operator"
    response = asked.client.request("POST", "/api/v1/users/query", json={"rule": wrong})
    assert response.json()["error"]["field"] == "rule.rules[1].operator"
    assert refused(asked, 400, "invalid_rule", rule="{}")["field"] == "rule.rules"


def test_a_rule_that_is_too_large_is_unprocessable(asked: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "RULE_CONDITIONS_MAX", 0)
    assert refused(asked, 422, "rule_too_large", rule=json.dumps(RULE))["limit"] == 0


def test_a_segment_whose_rule_cannot_be_any_more_is_named_itself(
    asked: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise InvalidRule("rules[0].field: gone", hint="look", field="rules[0].field")

    monkeypatch.setattr("enduser.core.rules.book.read_rule", fail)
    assert refused(asked, 400, "invalid_rule", segment="chosen")["field"] == "segment"


@pytest.mark.parametrize("rule", ["", "x", "[]", "7", "null", '{"field":', "[" * 9_000, '{"rules": []}}'])
def test_what_is_no_json_object_is_no_rule(asked: Api, rule: str) -> None:
    error = refused(asked, 400, "invalid_parameter", rule=rule)
    assert (error["field"], "a JSON object" in error["hint"]) == ("rule", True)


@pytest.mark.parametrize(
    ("segment", "why"), [("gone", "no segment"), ("", "no segment"), ("old", "archived")]
)
def test_a_segment_must_be_there_and_in_use(asked: Api, segment: str, why: str) -> None:
    error = refused(asked, 404, "segment_not_found", segment=segment)
    assert (error["field"], why in error["message"]) == ("segment", True)


@pytest.mark.parametrize(
    ("query", "code", "field"),
    [
        ({"columns": "country,a9"}, "invalid_parameter", "columns"),
        ({"columns": ""}, "invalid_parameter", "columns"),
        ({"columns": "country, city"}, "invalid_parameter", "columns"),
        ({"columns": "person_key"}, "invalid_parameter", "columns"),
        ({"columns": "attributes"}, "invalid_parameter", "columns"),
        ({"sort": "a9"}, "invalid_parameter", "sort"),
        ({"sort": "users"}, "invalid_parameter", "sort"),
        ({"sort": 'select" --'}, "invalid_parameter", "sort"),
        ({"segment": "chosen", "rule": '{"rules": []}'}, "invalid_parameter", "segment"),
        ({"segment": "chosen", "include_open": "true"}, "invalid_parameter", "include_open"),
        ({"cursor": "x"}, "invalid_cursor", "cursor"),
    ],
)
def test_what_cannot_be_asked_for_is_named(asked: Api, query: dict[str, str], code: str, field: str) -> None:
    assert refused(asked, 400, code, **query)["field"] == field
    body: dict[str, Any] = dict(query)
    if "columns" in body:
        body["columns"] = body["columns"].split(",")
    if "rule" in body:
        body["rule"] = json.loads(body["rule"])
    if "include_open" in body:
        body["include_open"] = True
    error = asked.client.request("POST", "/api/v1/users/query", json=body).json()["error"]
    assert (error["code"], error["field"]) == (code, field)


def test_a_text_may_be_as_long_as_the_limit(asked: Api) -> None:
    for size in (limits.SEARCH_CHARACTERS_MAX - 1, limits.SEARCH_CHARACTERS_MAX):
        assert users(asked, search="é" * size)["items"] == []
    error = refused(asked, 400, "limit_exceeded", search="é" * (limits.SEARCH_CHARACTERS_MAX + 1))
    assert (error["field"], error["limit"]) == ("search", limits.SEARCH_CHARACTERS_MAX)


@pytest.mark.parametrize("limit", [0, limits.PAGE_ROWS_MAX + 1, -1, 10**30])
def test_a_page_of_a_body_may_be_as_long_as_the_limit(asked: Api, limit: int) -> None:
    for good in (1, limits.PAGE_ROWS_MAX):
        response = asked.client.request("POST", "/api/v1/users/query", json={"limit": good})
        assert response.status_code == 200
    error = asked.client.request("POST", "/api/v1/users/query", json={"limit": limit}).json()["error"]
    assert (error["code"], error["field"]) == ("limit_exceeded", "limit")


@pytest.mark.parametrize(
    "body", [{"sorted": "x"}, {"rule": []}, {"columns": "a"}, {"search": 1}, {"limit": "1"}]
)
def test_another_body_is_refused(asked: Api, body: object) -> None:
    response = asked.client.request("POST", "/api/v1/users/query", json=body)
    assert (response.status_code, response.json()["error"]["code"]) == (400, "malformed_request")


def test_a_key_of_another_space_asks_for_nobody_here(asked: Api) -> None:
    other = asked.with_key("acme/test")
    response = other.request("POST", "/api/v1/users/query", params={"space": SPACE}, json={})
    assert response.json()["error"]["code"] == "space_not_found"
