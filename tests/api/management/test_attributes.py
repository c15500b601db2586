"""The registry of custom attributes over HTTP."""

from __future__ import annotations

import pytest
from managing import Api

from enduser import limits
from enduser.core.segments import Saving, Segment
from enduser.errors import StoreError
from enduser.stores.embedded import values

SPACE = "default/production"
PATH = "/api/v1/attributes"
PLAN = {
    "name": "plan",
    "type": "string",
    "display_name": "",
    "description": "",
    "is_pii": False,
    "sources": None,
    "conflict_rule": "latest",
}


def create(api: Api, **told: object):
    return api.client.request("POST", PATH, json=told)


def problem(response, status: int, code: str) -> dict[str, object]:
    assert response.status_code == status, response.text
    assert response.json()["error"]["code"] == code
    return response.json()["error"]


def test_an_attribute_is_made_listed_shown_changed_and_deleted(own_api: Api) -> None:
    assert create(own_api, name="plan", type="string").json() == PLAN
    assert own_api.client.get(PATH).json() == {"items": [PLAN], "limit": 100, "next_cursor": None}
    assert own_api.client.get(f"{PATH}/plan").json() == PLAN
    changes = {"name": "tariff", "display_name": "Tariff", "is_pii": True, "sources": ["manual", "crm"]}
    changed = own_api.client.patch(f"{PATH}/plan", json=changes)
    assert changed.json() == {**PLAN, **changes}
    assert own_api.client.get(f"{PATH}/tariff").json() == {**PLAN, **changes}
    problem(own_api.client.get(f"{PATH}/plan"), 404, "attribute_not_found")
    deleted = own_api.client.request("DELETE", f"{PATH}/tariff", params={"confirmed": "true"})
    assert deleted.json() == {"deleted": True}
    assert own_api.client.get(PATH).json()["items"] == []


def test_deleting_must_be_confirmed(own_api: Api) -> None:
    create(own_api, name="plan", type="string")
    told = problem(own_api.client.request("DELETE", f"{PATH}/plan"), 409, "unconfirmed")
    assert "plan" in str(told["message"])
    assert own_api.client.get(f"{PATH}/plan").status_code == 200


@pytest.mark.parametrize(
    ("told", "code", "word"),
    [
        ({"name": "2nd", "type": "string"}, "invalid_attribute", "2nd"),
        ({"name": "country", "type": "string"}, "invalid_attribute", "custom_country"),
        ({"name": "Country", "type": "string"}, "invalid_attribute", "country"),
        ({"name": "plan", "type": "text"}, "malformed_request", "type"),
        ({"name": "plan"}, "malformed_request", "type"),
        ({"name": "plan", "type": "string", "colour": "red"}, "malformed_request", "colour"),
        (
            {
                "name": "plan",
                "type": "string",
                "display_name": "x" * (limits.DISPLAY_NAME_CHARACTERS_MAX + 1),
            },
            "limit_exceeded",
            "display_name",
        ),
    ],
)
def test_a_definition_that_cannot_be_is_refused(
    api: Api, told: dict[str, object], code: str, word: str
) -> None:
    found = problem(create(api, **told), 400, code)
    assert word in f"{found['message']} {found.get('hint')}"


def test_a_name_that_is_taken_is_refused_in_any_case(own_api: Api) -> None:
    create(own_api, name="plan", type="string")
    for name in ("plan", "Plan"):
        assert (
            "plan_2"
            in str(
                problem(create(own_api, name=name, type="number"), 400, "invalid_attribute")["hint"]
            ).lower()
        )


def test_another_type_must_be_confirmed_and_keeps_what_can_be_read(own_api: Api) -> None:
    create(own_api, name="seats", type="string")
    rows = [{"user_id": f"u{n}", "attributes": {"seats": seats}} for n, seats in enumerate(["5", "many"])]
    own_api.client.request("POST", "/api/v1/users", json={"rows": rows})
    told = problem(own_api.client.patch(f"{PATH}/seats", json={"type": "number"}), 409, "unconfirmed")
    assert "of 2 values of 'seats', 1 cannot" in str(told["message"])
    assert own_api.client.get(f"{PATH}/seats").json()["type"] == "string"
    changes = {"type": "number", "name": "places"}
    changed = own_api.client.patch(f"{PATH}/seats", json=changes, params={"confirmed": "true"})
    assert (changed.json()["type"], changed.json()["name"]) == ("number", "places")
    held = [own_api.client.get(f"/api/v1/users/u{n}/attributes").json()["attributes"] for n in range(2)]
    assert (held[0]["places"]["value"], held[1]) == (5.0, {})
    assert own_api.client.patch(f"{PATH}/places", json={"type": "number"}).status_code == 200


def in_a_rule(api: Api, name: str, operator: str, value: object) -> None:
    """Let a segment `large` name an attribute."""
    rule = {"field": name, "operator": operator, "value": value}
    api.store.save_segment(SPACE, Segment(id="large", name="Large", rule=rule), Saving(1, "", is_new=True))


def test_another_type_is_refused_while_a_rule_would_not_be_right_and_is_told_so_before(own_api: Api) -> None:
    create(own_api, name="seats", type="number")
    in_a_rule(own_api, "seats", "gt", 3)
    changes = {"type": "string", "name": "places"}
    told = problem(own_api.client.patch(f"{PATH}/seats", json=changes), 409, "unconfirmed")
    assert "it will be refused, because rules would not be right any more, of the segment 'large'" in str(
        told["message"]
    )
    assert "change or archive" in str(told["hint"])
    refused = own_api.client.patch(f"{PATH}/seats", json=changes, params={"confirmed": "true"})
    assert "no operator 'gt'" in str(problem(refused, 409, "in_use")["message"])
    assert own_api.client.get(f"{PATH}/seats").json()["type"] == "number"


def test_when_another_type_fails_the_name_stays_too(own_api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    create(own_api, name="seats", type="string")

    def fail(*_: object, **__: object) -> None:
        raise StoreError("the disk is full")

    monkeypatch.setattr(values, "restate_all", fail)
    changes = {"type": "number", "name": "places", "display_name": "Places"}
    told = own_api.client.patch(f"{PATH}/seats", json=changes, params={"confirmed": "true"})
    problem(told, 503, "store")
    assert [one["name"] for one in own_api.client.get(PATH).json()["items"]] == ["seats"]


def test_an_attribute_that_a_rule_names_is_renamed_there_and_not_deleted(own_api: Api) -> None:
    create(own_api, name="seats", type="number")
    in_a_rule(own_api, "seats", "gt", 3)
    assert own_api.client.patch(f"{PATH}/seats", json={"name": "places"}).status_code == 200
    (condition,) = own_api.store.find_segment(SPACE, "large").segment.rule["rules"]
    assert condition["field"] == "places"
    deleted = own_api.client.request("DELETE", f"{PATH}/places", params={"confirmed": "true"})
    assert "'large' (Large) in default/production" in str(problem(deleted, 409, "in_use")["message"])


def test_a_key_of_some_spaces_reads_the_registry_and_does_not_change_it(own_api: Api) -> None:
    create(own_api, name="plan", type="string")
    client = own_api.with_key("default/production")
    assert client.get(PATH).json()["items"] == [PLAN]
    problem(client.request("POST", PATH, json={"name": "seats", "type": "number"}), 403, "forbidden")
    problem(client.patch(f"{PATH}/plan", json={"name": "x"}), 403, "forbidden")
    problem(client.request("DELETE", f"{PATH}/plan", params={"confirmed": "true"}), 403, "forbidden")


def test_nobody_changes_what_is_not_there(api: Api) -> None:
    problem(api.client.patch(f"{PATH}/nothing", json={"description": "x"}), 404, "attribute_not_found")
    problem(api.client.request("DELETE", f"{PATH}/nothing"), 404, "attribute_not_found")
