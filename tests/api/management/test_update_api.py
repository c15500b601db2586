"""The update API in the wire form of the reference product."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from managing import NOW, Api, served

from enduser import limits
from enduser.clock import now_us
from enduser.core.attributes import Attribute, AttributeType
from enduser.core.events import UserId
from enduser.errors import ClientNotFound, InvalidMapping, LimitExceeded
from enduser.service.update_api import API_KIND, create_api_source
from enduser.sources.mapping import ColumnMapping, SourceMapping
from enduser.stores.clients import (
    ClientScope,
    client_of_token,
    create_access_token,
    create_client,
    list_clients,
    revoke_client,
)
from enduser.stores.records import EraseUser
from enduser.stores.source_configs import SourceConfig

SPACE = "default/production"
TOKEN, DATA = "/accounts/connect/token", "/public/v1/user/data"
RECEIVED = {"message": "Request has been received"}
MAPPING = SourceMapping(
    "properties.ID",
    (
        ColumnMapping("properties.plan", "plan", AttributeType.STRING),
        ColumnMapping("seats", "seats", AttributeType.NUMBER),
    ),
)


class Caller:
    """A program as it calls the hosted product, but for the host."""

    def __init__(self, api: Api, token: str, client_id: str, secret: str) -> None:
        self.api, self.token, self.auth = api, token, httpx.BasicAuth(client_id, secret)

    def access_token(self, **form: str) -> httpx.Response:
        form = {"grant_type": "client_credentials", "scope": "endUserUpdate:write", **form}
        return self.api.bare.request("POST", TOKEN, data=form, auth=self.auth)

    def send(self, *data: Any, token: str | None = None) -> httpx.Response:
        access = self.access_token().json()["access_token"]
        return self.api.bare.request(
            "POST",
            DATA,
            json={"token": token or self.token, "data": list(data)},
            headers={"Authorization": f"Bearer {access}"},
        )


@pytest.fixture
def caller(own_api: Api) -> Caller:
    return caller_of(own_api)


@pytest.fixture(scope="module")
def refused(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Caller]:
    """A caller that tests share in which nothing is taken of it."""
    with served(tmp_path_factory.mktemp("refused") / "data") as opened:
        yield caller_of(opened)


def caller_of(api: Api) -> Caller:
    for name, kind in (("plan", AttributeType.STRING), ("seats", AttributeType.NUMBER)):
        api.store.create_attribute(Attribute(name, kind))
    config = SourceConfig(SPACE, "billing", API_KIND, None, 1)
    token = create_api_source(api.store, api.control, config, MAPPING)
    client = create_client(api.control, "billing", [ClientScope.UPDATE_USERS], 1)
    return Caller(api, token, *client)


def attributes(caller: Caller, user_id: str = "adam") -> Any:
    return caller.api.client.get(f"/api/v1/users/{user_id}").json()["attributes"]


def problem(response: httpx.Response, status: int, code: str) -> None:
    assert response.status_code == status, response.text
    assert response.json()["error"]["code"] == code


def test_a_caller_gets_a_token_and_its_objects_are_received(caller: Caller) -> None:
    told = caller.access_token()
    assert told.json() == {
        "access_token": told.json()["access_token"],
        "token_type": "Bearer",
        "expires_in": 86_400,
        "scope": "endUserUpdate:write",
    }
    response = caller.send(
        {"properties": {"ID": "adam", "plan": "vip", "more": [1]}, "seats": 5, "other": {}}
    )
    assert (response.status_code, response.json()) == (200, RECEIVED)
    assert attributes(caller) == {"plan": "vip", "seats": 5.0}
    origin = caller.api.client.get("/api/v1/users/adam?provenance=true").json()["provenance"]
    assert origin["plan"]["source"] == "billing"


def test_the_example_of_the_hosted_products_documentation_is_taken(own_api: Api) -> None:
    for name, kind in (("state", "string"), ("count", "number"), ("depth", "number")):
        own_api.store.create_attribute(Attribute(name, AttributeType(kind)))
    columns = (
        ColumnMapping("field1", "state", AttributeType.STRING),
        ColumnMapping("field2", "count", AttributeType.NUMBER),
        ColumnMapping("nested.field", "depth", AttributeType.NUMBER),
    )
    config = SourceConfig(SPACE, "hosted", API_KIND, None, 1)
    mapping = SourceMapping("properties.ID", columns)
    token = create_api_source(own_api.store, own_api.control, config, mapping)
    client = create_client(own_api.control, "", [ClientScope.UPDATE_USERS], 1)
    one = {"properties.ID": "adam", "field1": "value", "field2": 123, "nested": {"field": 456}}
    caller = Caller(own_api, token, *client)
    assert caller.send(one).json() == RECEIVED
    assert attributes(caller) == {"state": "value", "count": 123.0, "depth": 456.0}


def test_dotted_names_and_nested_objects_are_the_same(caller: Caller) -> None:
    assert caller.send({"properties.ID": "adam", "properties": {"plan": "vip"}}).json() == RECEIVED
    assert attributes(caller) == {"plan": "vip"}


def test_an_id_may_be_a_number_and_a_user_who_was_not_seen_waits(caller: Caller) -> None:
    assert caller.send({"properties": {"ID": 7, "plan": "vip"}}).json() == RECEIVED
    assert caller.api.client.get("/api/v1/users/7/attributes").json()["attributes"]["plan"]["value"] == "vip"


def test_what_cannot_be_taken_is_told_and_the_rest_is_taken(caller: Caller) -> None:
    response = caller.send(
        {"properties": {"ID": "adam", "plan": "vip"}, "seats": "many"},
        {"properties": {"plan": "vip"}},
        {"properties": {"ID": True, "plan": "vip"}},
        "adam",
    )
    assert response.status_code == 200
    told = response.json()
    assert told["message"] == RECEIVED["message"]
    codes = [(one["index"], [(e["attribute"], e["code"]) for e in one["errors"]]) for one in told["rejected"]]
    assert codes == [
        (0, [("seats", "wrong_type")]),
        (1, [(None, "junk_user_id")]),
        (2, [(None, "junk_user_id")]),
        (3, [(None, "malformed_row")]),
    ]
    assert attributes(caller) == {"plan": "vip"}


def test_null_clears_and_the_same_twice_changes_nothing(caller: Caller) -> None:
    for _ in range(2):
        caller.send({"properties": {"ID": "adam", "plan": "vip"}, "seats": 5})
    assert len(caller.api.client.get("/api/v1/users/adam/attribute-changes").json()["items"]) == 2
    caller.send({"properties": {"ID": "adam", "plan": None}})
    assert attributes(caller) == {"seats": 5.0}


def test_there_may_be_so_many_objects_and_no_more(caller: Caller) -> None:
    one = {"properties": {"ID": "adam", "plan": "vip"}}
    assert caller.send(*[one] * limits.OBJECTS_PER_UPDATE_MAX).json() == RECEIVED
    problem(caller.send(*[one] * (limits.OBJECTS_PER_UPDATE_MAX + 1)), 400, "limit_exceeded")


def test_a_wrong_secret_a_revoked_client_and_no_authentication_get_no_token(caller: Caller) -> None:
    bare = caller.api.bare
    form = {"grant_type": "client_credentials"}
    client = list_clients(caller.api.control)[0].id
    problem(bare.request("POST", TOKEN, data=form), 401, "unauthorized")
    problem(bare.request("POST", TOKEN, data=form, auth=httpx.BasicAuth(client, "x")), 401, "unauthorized")
    problem(bare.request("POST", TOKEN, data=form, auth=httpx.BasicAuth("x", "x")), 401, "unauthorized")
    bad = {"Authorization": "Basic ?"}
    problem(bare.request("POST", TOKEN, data=form, headers=bad), 401, "unauthorized")
    problem(caller.access_token(grant_type="password"), 400, "malformed_request")
    problem(bare.request("POST", TOKEN, data={}, auth=caller.auth), 400, "malformed_request")
    revoke_client(caller.api.control, client, 1)
    problem(caller.access_token(), 401, "unauthorized")
    with pytest.raises(ClientNotFound, match="nobody"):
        revoke_client(caller.api.control, "nobody", 1)


def test_a_revoked_clients_tokens_are_worthless(caller: Caller) -> None:
    access = caller.access_token().json()["access_token"]
    revoke_client(caller.api.control, list_clients(caller.api.control)[0].id, 1)
    headers = {"Authorization": f"Bearer {access}"}
    body = {"token": caller.token, "data": []}
    problem(caller.api.bare.request("POST", DATA, json=body, headers=headers), 401, "unauthorized")


@pytest.mark.parametrize("header", [None, "Bearer x", "Basic x", "x", "Bearer "])
def test_without_an_access_token_nothing_is_written(refused: Caller, header: str | None) -> None:
    headers = {} if header is None else {"Authorization": header}
    response = refused.api.bare.request(
        "POST", DATA, json={"token": refused.token, "data": []}, headers=headers
    )
    problem(response, 401, "unauthorized")


def test_the_token_of_no_integration_is_forbidden_and_so_is_a_client_without_the_scope(
    caller: Caller,
) -> None:
    problem(caller.send({"properties.ID": "adam"}, token="x"), 403, "forbidden")
    client = create_client(caller.api.control, "", [ClientScope.WRITE_SEGMENTS], 1)
    access = Caller(caller.api, caller.token, *client).access_token(scope="").json()["access_token"]
    headers = {"Authorization": f"Bearer {access}"}
    body = {"token": caller.token, "data": []}
    problem(caller.api.bare.request("POST", DATA, json=body, headers=headers), 403, "forbidden")


@pytest.mark.parametrize("body", [{}, {"token": "x"}, {"token": 1, "data": []}, {"token": "x", "data": {}}])
def test_a_body_of_another_form_is_refused(refused: Caller, body: dict[str, object]) -> None:
    access = refused.access_token().json()["access_token"]
    headers = {"Authorization": f"Bearer {access}"}
    problem(refused.api.bare.request("POST", DATA, json=body, headers=headers), 400, "malformed_request")


def test_an_access_token_is_good_for_a_day(own_api: Api) -> None:
    control, day = own_api.control, limits.ACCESS_TOKEN_SECONDS * 1_000_000
    client_id, secret = create_client(control, "", [ClientScope.UPDATE_USERS], 1)
    token = create_access_token(control, client_id, secret, NOW)
    assert token is not None
    found = client_of_token(control, token.text, NOW + day - 1)
    assert found is not None
    assert found.id == client_id
    assert client_of_token(control, token.text, NOW + day) is None


def test_a_client_has_a_name_that_a_list_can_show_and_there_are_not_too_many(own_api: Api) -> None:
    with pytest.raises(LimitExceeded):
        create_client(own_api.control, "x" * (limits.KEY_NAME_CHARACTERS_MAX + 1), [], 1)
    create_client(own_api.control, "x" * limits.KEY_NAME_CHARACTERS_MAX, [], 1)


def test_an_integration_takes_only_attributes_that_are_there(own_api: Api) -> None:
    config = SourceConfig(SPACE, "billing", API_KIND, None, 1)
    with pytest.raises(InvalidMapping, match="plan"):
        create_api_source(own_api.store, own_api.control, config, MAPPING)


def test_an_integration_that_is_made_again_has_another_token(caller: Caller) -> None:
    config = SourceConfig(SPACE, "billing", API_KIND, None, now_us())
    token = create_api_source(caller.api.store, caller.api.control, config, MAPPING)
    problem(caller.send({"properties.ID": "adam"}), 403, "forbidden")
    assert caller.send({"properties": {"ID": "adam", "plan": "vip"}}, token=token).json() == RECEIVED


def test_nothing_is_taken_of_who_stays_out(caller: Caller) -> None:
    caller.api.store.apply(SPACE, EraseUser(UserId("gone", is_anonymous=False), suppresses=True))
    told = caller.send(
        {"properties": {"ID": "gone", "plan": "vip"}}, {"properties": {"ID": "adam", "plan": "a"}}
    )
    assert [(one["index"], one["errors"][0]["code"]) for one in told.json()["rejected"]] == [
        (0, "suppressed")
    ]
    assert attributes(caller) == {"plan": "a"}
