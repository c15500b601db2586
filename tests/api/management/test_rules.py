"""Rules that are not saved, over HTTP: previews, parts, the schema, templates."""

from __future__ import annotations

from typing import Any

import httpx
import jsonschema_rs
import pytest
from managing import Api

from enduser import limits
from enduser.core.attributes import Attribute, AttributeType
from enduser.core.rules.templates import find_template

SPACE = "default/production"
NORWAY = {"field": "country", "operator": "is", "value": "NO"}
USERS = {"field": "is_anonymous", "operator": "is_false"}
NOBODY = {"combinator": "and", "not": True, "rules": []}
EVERYONE = {"combinator": "and", "rules": []}


def ask(api: Api, what: str, **body: object) -> httpx.Response:
    return api.client.request("POST", f"/api/v1/rules/{what}", json=body)


def preview(api: Api, rule: object, **more: object) -> Any:
    answer = ask(api, "preview", rule=rule, **more)
    assert answer.status_code == 200, answer.text
    return answer.json()


def problem(response: httpx.Response, status: int, code: str) -> dict[str, Any]:
    assert response.status_code == status, response.text
    error: dict[str, Any] = response.json()["error"]
    assert error["code"] == code
    return error


def make(api: Api, segment_id: str, rule: object) -> None:
    body = {"id": segment_id, "name": segment_id, "rule": rule}
    assert api.client.request("POST", "/api/v1/segments", json=body).is_success


def ids(told: dict[str, Any]) -> list[str]:
    return [one["user_id"] for one in told["sample"]]


# --- previews


def test_a_preview_counts_and_shows_who_was_seen_last(own_api: Api) -> None:
    told = preview(own_api, USERS)
    assert (told["count"], told["not_yet_seen"], told["users"]) == (5, 0, 6)
    assert told["share"] == pytest.approx(5 / 6)
    assert told["clock_at"].startswith("2026-01-03T10:00:00")
    assert len(told["sample"]) == 5
    assert told["sample"][0] == own_api.client.get("/api/v1/users/adam").json()
    assert "entering" not in told
    assert "leaving" not in told
    assert ids(preview(own_api, USERS, sample=1)) == ["adam"]
    assert preview(own_api, USERS, sample=0)["sample"] == []


def test_a_preview_for_a_segment_tells_who_would_enter_and_leave_it(own_api: Api) -> None:
    visitors = {"field": "is_anonymous", "operator": "is_true"}
    make(own_api, "some", {"combinator": "or", "rules": [NORWAY, visitors]})
    told = preview(own_api, USERS, segment="some", sample=20)
    assert told["count"] == 5
    entering, leaving = told["entering"], told["leaving"]
    assert (entering["count"], sorted(ids(entering))) == (4, [".", "a b?&=#%", "a/b", "é/.."])
    assert (leaving["count"], ids(leaving)) == (1, ["adam"])
    assert leaving["sample"][0]["is_anonymous"] is True
    assert own_api.client.get("/api/v1/segments/some").json()["version"] == 1


@pytest.mark.parametrize(
    ("before", "after", "entering", "leaving"),
    [
        (EVERYONE, NORWAY, 0, 5),
        (NORWAY, EVERYONE, 5, 0),
        (NOBODY, NORWAY, 1, 0),
        (NORWAY, NOBODY, 0, 1),
        (EVERYONE, EVERYONE, 0, 0),
        (NORWAY, {**EVERYONE, "rules": [NORWAY, USERS]}, 0, 0),
    ],
)
def test_everyone_and_nobody_are_rules_like_others(
    own_api: Api, before: object, after: object, entering: int, leaving: int
) -> None:
    make(own_api, "some", before)
    told = preview(own_api, after, segment="some", sample=10)
    for moving, count in (("entering", entering), ("leaving", leaving)):
        assert (told[moving]["count"], len(told[moving]["sample"])) == (count, count)


def test_ids_that_were_not_seen_enter_and_leave_too(own_api: Api) -> None:
    own_api.client.request("POST", "/api/v1/lists", json={"id": "staff", "user_ids": ["adam", "nobody"]})
    make(own_api, "staff", {"kind": "list", "id": "staff"})
    leaving = preview(own_api, NORWAY, segment="staff")["leaving"]
    assert (leaving["count"], leaving["not_yet_seen"], leaving["sample"]) == (0, 1, [])
    entering = preview(own_api, {"kind": "list", "id": "staff"}, segment="staff")["entering"]
    assert (entering["count"], entering["not_yet_seen"]) == (0, 0)


def test_a_rule_that_leads_back_to_the_segment_is_refused_as_it_would_be_when_saved(own_api: Api) -> None:
    make(own_api, "a", NORWAY)
    make(own_api, "b", {"kind": "segment", "id": "a"})
    make(own_api, "c", {"combinator": "or", "rules": [{"kind": "segment", "id": "b"}, NORWAY]})
    for name in ("a", "b", "c"):
        rule = {"combinator": "or", "rules": [USERS, {"kind": "segment", "id": name}]}
        error = problem(ask(own_api, "preview", rule=rule, segment="a"), 400, "invalid_rule")
        assert ("leads back" in error["message"], error["field"]) == (True, "rule")
        assert preview(own_api, rule)["count"] == 5


def test_an_archived_segment_can_be_compared_with_too(own_api: Api) -> None:
    make(own_api, "a", NORWAY)
    own_api.client.patch("/api/v1/segments/a", json={"archived": True})
    assert preview(own_api, USERS, segment="a")["entering"]["count"] == 4


@pytest.mark.parametrize(
    ("body", "status", "code", "field"),
    [
        ({"rule": {"field": "gone", "operator": "known"}}, 400, "invalid_rule", "rule"),
        ({"rule": {"combinator": "and", "rules": [NORWAY, 5]}}, 400, "invalid_rule", "rule.rules[1]"),
        ({"rule": NORWAY, "segment": "gone"}, 404, "segment_not_found", "segment_id"),
        ({"rule": NORWAY, "sample": -1}, 400, "limit_exceeded", "sample"),
        ({"rule": NORWAY, "sample": limits.PREVIEW_SAMPLE_MAX + 1}, 400, "limit_exceeded", "sample"),
        ({"rule": NORWAY, "sample": "5"}, 400, "malformed_request", None),
        ({"rule": "all"}, 400, "malformed_request", None),
        ({"segment": "a"}, 400, "malformed_request", None),
        ({"rule": NORWAY, "name": "x"}, 400, "malformed_request", None),
    ],
)
def test_a_preview_of_what_cannot_be_is_refused(
    api: Api, body: dict[str, Any], status: int, code: str, field: str | None
) -> None:
    error = problem(ask(api, "preview", **body), status, code)
    assert str(error.get("field")).startswith(str(field))


def test_a_preview_shows_as_many_users_as_the_limit(api: Api) -> None:
    for sample in (limits.PREVIEW_SAMPLE_MAX - 1, limits.PREVIEW_SAMPLE_MAX):
        assert len(preview(api, EVERYONE, sample=sample)["sample"]) == 6


# --- parts


def test_users_of_a_rule_are_parted_by_an_attribute(api: Api) -> None:
    answer = ask(api, "facets", rule=USERS, field="role", limit=1)
    assert answer.json() == {
        "field": "role",
        "values": [{"value": "admin", "users": 1}],
        "others": 0,
        "unknown": 4,
    }


@pytest.mark.parametrize(
    ("more", "code", "field"),
    [
        ({"field": "gone"}, "usage", "field"),
        ({"field": "role", "limit": 0}, "limit_exceeded", "limit"),
        ({"field": "role", "limit": limits.FACET_VALUES_MAX + 1}, "limit_exceeded", "limit"),
        ({"field": "role", "rule": {"field": "role"}}, "invalid_rule", "rule"),
        ({}, "malformed_request", None),
    ],
)
def test_parting_of_what_cannot_be_is_refused(
    api: Api, more: dict[str, Any], code: str, field: str | None
) -> None:
    error = problem(ask(api, "facets", **{"rule": USERS, **more}), 400, code)
    assert str(error.get("field")).startswith(str(field))


# --- the schema


def test_the_schema_knows_the_custom_attributes_that_there_are(own_api: Api) -> None:
    rule = {"field": "seats", "operator": "gt", "value": 3}
    before = own_api.client.get("/api/v1/rules/schema").json()
    own_api.store.create_attribute(Attribute("seats", AttributeType.NUMBER))
    after = own_api.client.get("/api/v1/rules/schema").json()
    assert not jsonschema_rs.is_valid(before, rule)
    assert jsonschema_rs.is_valid(after, rule)
    assert not jsonschema_rs.is_valid(after, {**rule, "value": "3"})


# --- templates


def test_templates_are_listed_with_their_parameters_and_rules(api: Api) -> None:
    told = api.client.get("/api/v1/rule-templates").json()
    assert told["next_cursor"] is None
    assert [one["id"] for one in told["items"]] == ["new-users", "never-returned", "upgraded", "quit"]
    never = told["items"][1]
    assert [(one["name"], one["default"]) for one in never["parameters"]] == [("days", 14)]
    assert never["rule"] == find_template("never-returned").rule({})


@pytest.mark.parametrize(
    ("path", "given"),
    [
        ("new-users?days=3", {"days": 3}),
        ("quit?sessions=2&from_days=9&to_days=4", {"sessions": 2, "from_days": 9, "to_days": 4}),
        ("upgraded?attribute=tier&value=5", {"attribute": "tier", "value": "5"}),
    ],
)
def test_a_template_is_shown_with_the_rule_of_parameters(api: Api, path: str, given: dict[str, Any]) -> None:
    told = api.client.get(f"/api/v1/rule-templates/{path}").json()
    assert told["rule"] == find_template(told["id"]).rule(given)


@pytest.mark.parametrize(
    ("path", "status", "code"),
    [
        ("gone", 404, "template_not_found"),
        ("new-users?days=0", 400, "invalid_parameter"),
        ("new-users?days=x", 400, "invalid_parameter"),
        ("new-users?sessions=3", 400, "invalid_parameter"),
        ("new-users?weeks=3", 400, "invalid_parameter"),
        ("quit?from_days=30", 400, "invalid_parameter"),
        ("upgraded?value=", 400, "invalid_parameter"),
        (f"new-users?days={limits.RULE_SPAN_DAYS_MAX + 1}", 400, "invalid_parameter"),
    ],
)
def test_a_template_that_cannot_be_is_refused(api: Api, path: str, status: int, code: str) -> None:
    problem(api.client.get(f"/api/v1/rule-templates/{path}"), status, code)


def test_rules_of_another_space_are_asked_there(own_api: Api) -> None:
    own_api.store.create_space("acme/test", 1)
    client = own_api.with_key("acme/test")
    told = client.request("POST", "/api/v1/rules/preview", json={"rule": EVERYONE}).json()
    assert (told["count"], told["share"], told["clock_at"]) == (0, 0.0, None)
    params = {"space": SPACE}
    refused = client.request("POST", "/api/v1/rules/preview", json={"rule": EVERYONE}, params=params)
    problem(refused, 404, "space_not_found")
