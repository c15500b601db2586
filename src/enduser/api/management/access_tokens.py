"""Access tokens: what clients of the wire forms of the reference product show with each call."""

from __future__ import annotations

import msgspec

from enduser import limits
from enduser.api.basic_auth import user_and_password
from enduser.api.management.calls import Call, Route, Services
from enduser.api.management.parameters import BASIC
from enduser.clock import now_us
from enduser.errors import Forbidden, InvalidScope, MalformedRequest, StoreError, TooBusy, Unauthorized
from enduser.stores.clients import ClientScope, client_of_token, create_access_token


class TokenRequest(msgspec.Struct, frozen=True):
    """What is asked for, as a form; id and secret of the client come by Basic authentication."""

    grant_type: str
    scope: str = ""


class AccessTokenJson(msgspec.Struct, frozen=True):
    """An access token, for how many seconds it is good, and for what."""

    access_token: str
    token_type: str
    expires_in: int
    scope: str


async def create_token(call: Call) -> AccessTokenJson:
    """Give a client an access token, for all of its scopes or for those that it names."""
    told = call.told(TokenRequest, "docs/update-api.md shows the call")
    if told.grant_type != "client_credentials":
        raise MalformedRequest(
            "grant_type is not client_credentials", hint="send grant_type=client_credentials as a form"
        )
    client_id, secret = _client_of(call.values["Authorization"] or "")
    control, now, asked = call.services.control, now_us(), told.scope.split()
    token = await call.services.on_thread(lambda: create_access_token(control, client_id, secret, now, asked))
    if token is None:
        raise Unauthorized(
            "the client's id or secret is wrong, or it is revoked",
            hint="send both by Basic authentication; for a client: enduser clients create",
        )
    return AccessTokenJson(token.text, "Bearer", limits.ACCESS_TOKEN_SECONDS, " ".join(token.scopes))


def _client_of(header: str) -> tuple[str, str]:
    client_id, secret = user_and_password(header.encode("latin-1")) or ("", None)
    if secret is None:
        raise Unauthorized(
            "a client's id and secret are needed",
            hint="send them by Basic authentication; for a client: enduser clients create",
        )
    return client_id, secret


async def require_client(services: Services, authorization: str, scope: ClientScope) -> None:
    """Check that the header of a call has an access token that is good for a scope.

    Raises:
        Unauthorized: it has none, or one that is over.
        Forbidden: its token has not the scope.
    """
    scheme, _, token = authorization.partition(" ")
    now = now_us()
    client = await services.on_thread(lambda: client_of_token(services.control, token.strip(), now))
    if scheme.lower() != "bearer" or client is None:
        raise Unauthorized(
            "an access token is needed, or this one is over",
            hint="get one from POST /accounts/connect/token, and send Authorization: Bearer TOKEN",
        )
    if scope not in client.scopes:
        raise Forbidden(
            f"the access token is not good for {scope}",
            hint=f"ask for a token with the scope {scope}, with a client that has it",
        )


ROUTES = (
    Route(
        "POST",
        "/accounts/connect/token",
        create_token,
        "Get an access token for a client (OAuth 2 client credentials)",
        AccessTokenJson,
        AccessTokenJson("3vJ0…", "Bearer", 86_400, "endUserUpdate:write"),
        (BASIC,),
        (Unauthorized, InvalidScope, TooBusy, StoreError),
        body=TokenRequest,
        body_example={"grant_type": "client_credentials", "scope": "endUserUpdate:write"},
        needs_key=False,
        is_form=True,
    ),
)
