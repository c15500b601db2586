"""Clients: programs that call as they called the reference product, for all spaces."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

from enduser import limits
from enduser.api.management.calls import Call, Route
from enduser.api.management.parameters import CLIENT_ID
from enduser.clock import now_us
from enduser.errors import ClientNotFound, Forbidden, LimitExceeded
from enduser.service.json_form import Time, iso_time, iso_time_if_known
from enduser.stores.clients import Client, ClientScope, create_client, list_clients, revoke_client

Name = Annotated[
    str, Meta(description="what it is for, for lists", max_length=limits.KEY_NAME_CHARACTERS_MAX)
]
Scopes = Annotated[list[ClientScope], Meta(description="what it may do", min_length=1)]


class ClientJson(msgspec.Struct, frozen=True, kw_only=True):
    """A client; one that is revoked may do nothing any more."""

    id: str
    name: Name
    scopes: Scopes
    created_at: Time
    revoked_at: Time | None


class ClientsPage(msgspec.Struct, frozen=True):
    """All clients, the oldest first, and how many there may be that are not revoked."""

    items: list[ClientJson]
    limit: int
    next_cursor: str | None = None


class NewClient(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A client to be."""

    name: Name = ""
    scopes: Scopes = msgspec.field(default_factory=lambda: [ClientScope.UPDATE_USERS])


class CreatedClient(msgspec.Struct, frozen=True):
    """The id of a new client and its secret, which cannot be had again."""

    id: str
    secret: str


class ClientRevoked(msgspec.Struct, frozen=True):
    """A client may do nothing any more."""

    revoked: bool


async def show_clients(call: Call) -> ClientsPage:
    """Return all clients, revoked ones too."""
    call.require_all_spaces("clients")
    services = call.services
    found = await services.on_thread(lambda: list_clients(services.control))
    return ClientsPage([_json(client) for client in found], limits.API_KEYS_MAX)


async def add_client(call: Call) -> CreatedClient:
    """Make a client."""
    call.require_all_spaces("clients")
    told = call.told(NewClient, "docs/update-api.md says what a client has")
    services, now = call.services, now_us()
    made = await services.on_thread(lambda: create_client(services.control, told.name, told.scopes, now))
    return CreatedClient(*made)


async def remove_client(call: Call) -> ClientRevoked:
    """Make a client worthless, with its access tokens."""
    call.require_all_spaces("clients")
    services, now = call.services, now_us()
    await services.on_thread(lambda: revoke_client(services.control, call.values["client_id"], now))
    return ClientRevoked(revoked=True)


def _json(client: Client) -> ClientJson:
    return ClientJson(
        id=client.id,
        name=client.name,
        scopes=[ClientScope(scope) for scope in client.scopes],
        created_at=iso_time(client.created_at),
        revoked_at=iso_time_if_known(client.revoked_at),
    )


_CLIENT = ClientJson(
    id="5c1d0f2e9a7b4c38",
    name="billing",
    scopes=[ClientScope.UPDATE_USERS],
    created_at="2026-03-01T10:00:00.000000Z",
    revoked_at=None,
)

ROUTES = (
    Route(
        "GET",
        "/api/v1/clients",
        show_clients,
        "List the clients, revoked ones too, the oldest first",
        ClientsPage,
        ClientsPage([_CLIENT], limits.API_KEYS_MAX),
        errors=(Forbidden,),
    ),
    Route(
        "POST",
        "/api/v1/clients",
        add_client,
        "Make a client, and tell its secret once",
        CreatedClient,
        CreatedClient(_CLIENT.id, "3vJ0…"),
        errors=(Forbidden, LimitExceeded),
        body=NewClient,
        body_example={"name": "crm", "scopes": ["segments:read", "segments:write"]},
    ),
    Route(
        "DELETE",
        "/api/v1/clients/{client_id}",
        remove_client,
        "Revoke a client with its access tokens, at once and for good",
        ClientRevoked,
        ClientRevoked(revoked=True),
        (CLIENT_ID,),
        (Forbidden, ClientNotFound),
    ),
)
