"""Access tokens and what they are good for."""

from __future__ import annotations

import httpx
import pytest
from managing import Api

from enduser import limits
from enduser.clock import now_us
from enduser.errors import InvalidScope
from enduser.stores.clients import (
    ClientScope,
    client_of_token,
    create_access_token,
    create_client,
    list_clients,
)

UPDATE, READ, WRITE = ClientScope


def token(api: Api, scopes: list[ClientScope], **form: str) -> httpx.Response:
    auth = httpx.BasicAuth(*create_client(api.control, "", scopes, 1))
    form = {"grant_type": "client_credentials", **form}
    return api.bare.request("POST", "/accounts/connect/token", data=form, auth=auth)


@pytest.mark.parametrize(
    ("asked", "given"),
    [
        (None, "segments:write segments:read"),
        ("", "segments:write segments:read"),
        ("segments:read", "segments:read"),
        (" segments:read  segments:write segments:read", "segments:write segments:read"),
    ],
)
def test_a_token_is_good_for_what_is_asked_for_and_else_for_all(
    own_api: Api, asked: str | None, given: str
) -> None:
    told = token(own_api, [WRITE, READ], **({} if asked is None else {"scope": asked})).json()
    assert told["scope"] == given
    client = client_of_token(own_api.control, told["access_token"], now_us())
    assert client is not None
    assert client.scopes == tuple(given.split())


@pytest.mark.parametrize("asked", ["segments:write", "segments:read segments:write", "nothing", "x" * 1000])
def test_a_scope_that_the_client_has_not_is_refused(own_api: Api, asked: str) -> None:
    refused = token(own_api, [READ], scope=asked)
    assert refused.status_code == 400
    error = refused.json()["error"]
    assert (error["code"], error["field"]) == ("invalid_scope", "scope")
    assert "segments:read" in error["hint"]


def test_who_has_not_the_secret_is_not_told_what_the_client_may(own_api: Api) -> None:
    client_id, _ = create_client(own_api.control, "", [READ], 1)
    form = {"grant_type": "client_credentials", "scope": "segments:write"}
    auth = httpx.BasicAuth(client_id, "x")
    refused = own_api.bare.request("POST", "/accounts/connect/token", data=form, auth=auth)
    assert refused.json()["error"]["code"] == "unauthorized"


def test_of_too_many_tokens_of_a_client_the_oldest_end(own_api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    control = own_api.control
    assert limits.ACCESS_TOKENS_MAX == 1_000
    monkeypatch.setattr(limits, "ACCESS_TOKENS_MAX", 3)
    client, other = (create_client(control, "", [READ], 1) for _ in range(2))

    def get(client_id: str, secret: str, at: int) -> str:
        made = create_access_token(control, client_id, secret, at)
        assert made is not None
        return made.text

    kept = get(*other, 1)
    tokens = [get(*client, at) for at in (1, 2, 2, 1, 3)]  # a clock may be put back
    good = [client_of_token(control, token, 4) is not None for token in tokens]
    assert good == [False, False, True, True, True]
    assert client_of_token(control, kept, 4) is not None


def test_a_client_has_scopes_that_there_are_each_once(own_api: Api) -> None:
    with pytest.raises(InvalidScope, match="segments:all"):
        create_client(own_api.control, "", [READ, "segments:all"], 1)
    create_client(own_api.control, "", [UPDATE, READ, UPDATE], 1)
    assert [client.scopes for client in list_clients(own_api.control)] == [(UPDATE, READ)]
