"""Clients over HTTP."""

from __future__ import annotations

import httpx
import pytest
from managing import Api

from enduser import limits

CLIENTS = "/api/v1/clients"


def create(api: Api, **body: object) -> httpx.Response:
    return api.client.request("POST", CLIENTS, json=body)


def problem(response: httpx.Response, status: int, code: str) -> None:
    assert response.status_code == status, response.text
    assert response.json()["error"]["code"] == code


def token(api: Api, client_id: str, secret: str) -> httpx.Response:
    form = {"grant_type": "client_credentials"}
    auth = httpx.BasicAuth(client_id, secret)
    return api.bare.request("POST", "/accounts/connect/token", data=form, auth=auth)


def test_a_client_is_made_and_gets_tokens_for_its_scopes(own_api: Api) -> None:
    made = create(own_api, name="crm", scopes=["segments:read", "segments:write"]).json()
    assert token(own_api, made["id"], made["secret"]).json()["scope"] == "segments:read segments:write"


def test_a_client_may_write_users_unless_it_is_said_otherwise(own_api: Api) -> None:
    made = create(own_api).json()
    assert token(own_api, made["id"], made["secret"]).json()["scope"] == "endUserUpdate:write"


def test_clients_are_listed_without_their_secrets(own_api: Api) -> None:
    first, second = (create(own_api, name=name).json() for name in ("billing", "crm"))
    listed = own_api.client.get(CLIENTS)
    told = listed.json()
    names = [(one["id"], one["name"]) for one in told["items"]]
    assert names == [(first["id"], "billing"), (second["id"], "crm")]
    assert told["items"][0]["scopes"] == ["endUserUpdate:write"]
    assert (told["limit"], told["next_cursor"]) == (limits.API_KEYS_MAX, None)
    assert first["secret"] not in listed.text


def test_a_client_that_is_revoked_gets_no_token_and_stays_in_the_list(own_api: Api) -> None:
    made = create(own_api).json()
    for _ in range(2):
        assert own_api.client.request("DELETE", f"{CLIENTS}/{made['id']}").json() == {"revoked": True}
    problem(token(own_api, made["id"], made["secret"]), 401, "unauthorized")
    assert own_api.client.get(CLIENTS).json()["items"][0]["revoked_at"] is not None
    problem(own_api.client.request("DELETE", f"{CLIENTS}/nobody"), 404, "client_not_found")


@pytest.mark.parametrize(
    "body",
    [
        {"scopes": ["segments:all"]},
        {"scopes": []},
        {"scopes": "segments:read"},
        {"name": "x" * (limits.KEY_NAME_CHARACTERS_MAX + 1)},
        {"name": None},
        {"more": 1},
    ],
)
def test_a_client_of_another_form_is_refused(api: Api, body: dict[str, object]) -> None:
    problem(create(api, **body), 400, "malformed_request")
    assert api.client.get(CLIENTS).json()["items"] == []


def test_a_key_of_some_spaces_sees_and_changes_no_client(own_api: Api) -> None:
    made = create(own_api).json()
    client = own_api.with_key("default/production")
    problem(client.get(CLIENTS), 403, "forbidden")
    problem(client.request("POST", CLIENTS, json={}), 403, "forbidden")
    problem(client.request("DELETE", f"{CLIENTS}/{made['id']}"), 403, "forbidden")
    assert token(own_api, made["id"], made["secret"]).status_code == 200
