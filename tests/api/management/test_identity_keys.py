"""Identity keys over HTTP."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest
from managing import Api
from signing import JWK, PEM, PRIVATE_PEM

from enduser import limits
from enduser.stores.identity_keys import list_identity_keys

KEYS = "/api/v1/identity-keys"
SPACE = "default/production"


def create(api: Api, **told: object) -> httpx.Response:
    return api.client.request("POST", KEYS, json=told)


def listed(api: Api) -> list[dict[str, Any]]:
    told: dict[str, Any] = api.client.get(KEYS).json()
    assert (told["limit"], told["next_cursor"]) == (limits.IDENTITY_KEYS_MAX, None)
    found: list[dict[str, Any]] = told["items"]
    return found


def problem(response: httpx.Response, status: int, code: str) -> dict[str, Any]:
    assert response.status_code == status, response.text
    error: dict[str, Any] = response.json()["error"]
    assert error["code"] == code
    return error


def test_a_secret_is_told_once(own_api: Api) -> None:
    made = create(own_api, name="web").json()
    (kept,) = list_identity_keys(own_api.control, SPACE)
    assert made["secret"] == kept.material
    assert (made["name"], made["kind"], made["public_key"]) == ("web", "hs256", None)
    (shown,) = listed(own_api)
    assert shown == {name: value for name, value in made.items() if name != "secret"}
    assert kept.material not in own_api.client.get(KEYS).text


@pytest.mark.parametrize("given", [PEM, JWK, json.dumps(JWK)])
def test_a_public_key_is_taken_in_each_form_and_shown(own_api: Api, given: object) -> None:
    made = create(own_api, public_key=given).json()
    assert (made["kind"], made["public_key"], "secret" in made) == ("ed25519", JWK, False)


@pytest.mark.parametrize("given", ["", "x", PRIVATE_PEM, {}, {**JWK, "d": "AA"}, {**JWK, "crv": "Ed448"}])
def test_what_is_no_public_key_is_refused(api: Api, given: object) -> None:
    error = problem(create(api, public_key=given), 400, "invalid_identity_key")
    assert error["field"] == "public_key"
    assert listed(api) == []


@pytest.mark.parametrize(
    "body",
    [{"name": 5}, {"public_key": 5}, {"secret": "x"}, {"name": "x" * (limits.KEY_NAME_CHARACTERS_MAX + 1)}],
)
def test_a_body_that_is_no_key_is_refused(api: Api, body: dict[str, Any]) -> None:
    problem(create(api, **body), 400, "malformed_request")


def test_there_are_as_many_keys_as_the_limit(own_api: Api) -> None:
    for _ in range(limits.IDENTITY_KEYS_MAX):
        assert create(own_api).status_code == 200
    assert problem(create(own_api), 400, "limit_exceeded")["limit"] == limits.IDENTITY_KEYS_MAX


def test_a_key_is_deleted_in_its_space(own_api: Api) -> None:
    own_api.store.create_space("acme/test", 1)
    path = f"{KEYS}/{create(own_api).json()['id']}"
    other = own_api.client.request("DELETE", path, params={"space": "acme/test"})
    problem(other, 404, "identity_key_not_found")
    assert own_api.client.request("DELETE", path).json() == {"deleted": True}
    problem(own_api.client.request("DELETE", path), 404, "identity_key_not_found")
    assert listed(own_api) == []


@pytest.mark.parametrize(("method", "path"), [("GET", KEYS), ("POST", KEYS), ("DELETE", f"{KEYS}/x")])
def test_without_a_key_or_a_space_nothing_is_told(api: Api, method: str, path: str) -> None:
    problem(api.bare.request(method, path), 401, "unauthorized")
    answer = api.client.request(method, path, params={"space": "acme/gone"}, json={})
    assert answer.status_code == 404
