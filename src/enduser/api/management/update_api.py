"""The update API in the wire form of the reference product: existing callers change only the host."""

from __future__ import annotations

import base64
import binascii
from typing import Annotated, Any

import msgspec
from msgspec import UNSET, Meta, UnsetType

from enduser import limits
from enduser.api.management.calls import Call, Route
from enduser.api.management.parameters import ACCESS_TOKEN, BASIC
from enduser.api.management.values import FlawJson
from enduser.clock import now_us
from enduser.core.attributes import ValueProblem
from enduser.errors import Forbidden, LimitExceeded, MalformedRequest, StoreError, TooBusy, Unauthorized
from enduser.service.update_api import source_of_token, write_objects
from enduser.stores.clients import ClientScope, client_of_token, create_access_token

_HINT = "docs/update-api.md shows both calls"


class TokenRequest(msgspec.Struct, frozen=True):
    """What is asked for, as a form; id and secret of the client come by Basic authentication."""

    grant_type: str
    scope: str = ""


class AccessTokenJson(msgspec.Struct, frozen=True):
    """An access token, and for how many seconds it is good."""

    access_token: str
    token_type: str
    expires_in: int
    scope: str


class UserData(msgspec.Struct, frozen=True):
    """Objects of users, for the integration whose token it is."""

    token: str
    data: Annotated[list[Any], Meta(extra_json_schema={"maxItems": limits.OBJECTS_PER_UPDATE_MAX})]


class RejectedObject(msgspec.Struct, frozen=True):
    """Why something of an object was not taken."""

    index: int
    errors: list[FlawJson]


class Received(msgspec.Struct, frozen=True):
    """What is good is written; `rejected` is there only if something was not."""

    message: str
    rejected: list[RejectedObject] | UnsetType = UNSET


async def create_token(call: Call) -> AccessTokenJson:
    """Give a client an access token."""
    told = call.told(TokenRequest, _HINT)
    if told.grant_type != "client_credentials":
        raise MalformedRequest(
            "grant_type is not client_credentials", hint="send grant_type=client_credentials as a form"
        )
    client_id, secret = _basic(call.values["Authorization"] or "")
    services, now = call.services, now_us()
    token = await services.on_thread(lambda: create_access_token(services.control, client_id, secret, now))
    if token is None:
        raise Unauthorized(
            "the client's id or secret is wrong, or it is revoked",
            hint="send both by Basic authentication; for a client: enduser clients create",
        )
    return AccessTokenJson(token.text, "Bearer", limits.ACCESS_TOKEN_SECONDS, " ".join(token.scopes))


def _basic(header: str) -> tuple[str, str]:
    scheme, _, encoded = header.partition(" ")
    try:
        text = base64.b64decode(encoded.strip(), validate=True).decode()
    except (binascii.Error, ValueError):
        text = ""
    client_id, colon, secret = text.partition(":")
    if scheme.lower() != "basic" or not colon:
        raise Unauthorized(
            "a client's id and secret are needed",
            hint="send them by Basic authentication; for a client: enduser clients create",
        )
    return client_id, secret


async def update_users(call: Call) -> Received:
    """Write what objects say of users, by the mapping of the integration whose token the call has."""
    await _require_client(call)
    told = call.told(UserData, _HINT)
    if len(told.data) > limits.OBJECTS_PER_UPDATE_MAX:
        raise LimitExceeded(
            f"{len(told.data):,} objects are too many for one call",
            hint=f"the limit is {limits.OBJECTS_PER_UPDATE_MAX} (OBJECTS_PER_UPDATE_MAX); send several calls",
            field="data",
            limit=limits.OBJECTS_PER_UPDATE_MAX,
        )
    services = call.services
    source = await services.on_thread(lambda: source_of_token(services.control, told.token))
    if source is None:
        raise Forbidden(
            "the token in the body is that of no integration",
            hint="for one: enduser sources create-api",
            field="token",
        )
    found = await call.change(lambda store: write_objects(store, source, told.data, now_us()))
    rejected = [
        RejectedObject(row - 1, [FlawJson(flaw.attribute, flaw.code, flaw.message) for flaw in flaws])
        for row, flaws in sorted(found.flaws.items())
    ]
    return Received("Request has been received", rejected or UNSET)


async def _require_client(call: Call) -> None:
    scheme, _, token = (call.values["Authorization"] or "").partition(" ")
    services, now = call.services, now_us()
    client = await services.on_thread(lambda: client_of_token(services.control, token.strip(), now))
    if scheme.lower() != "bearer" or client is None:
        raise Unauthorized(
            "an access token is needed, or this one is over",
            hint="get one from POST /accounts/connect/token, and send Authorization: Bearer TOKEN",
        )
    if ClientScope.UPDATE_USERS not in client.scopes:
        raise Forbidden(
            f"the client may not {ClientScope.UPDATE_USERS}",
            hint=f"use a client with the scope {ClientScope.UPDATE_USERS}",
        )


ROUTES = (
    Route(
        "POST",
        "/accounts/connect/token",
        create_token,
        "Get an access token for a client of the update API (OAuth 2 client credentials)",
        AccessTokenJson,
        AccessTokenJson("3vJ0…", "Bearer", 86_400, "endUserUpdate:write"),
        (BASIC,),
        (Unauthorized, TooBusy, StoreError),
        body=TokenRequest,
        body_example={"grant_type": "client_credentials", "scope": "endUserUpdate:write"},
        needs_key=False,
        is_form=True,
    ),
    Route(
        "POST",
        "/public/v1/user/data",
        update_users,
        "Write custom attributes in the wire form of the reference product",
        Received,
        Received(
            "Request has been received",
            [RejectedObject(1, [FlawJson("seats", ValueProblem.WRONG_TYPE, "seats takes a number")])],
        ),
        (ACCESS_TOKEN,),
        (Unauthorized, Forbidden, LimitExceeded, TooBusy, StoreError),
        body=UserData,
        body_example={"token": "8Fq…", "data": [{"id": "adam.br", "properties": {"plan": "vip"}}]},
        needs_key=False,
    ),
)
