"""Keys with which a site signs who its users are, so that decisions of them can be asked for."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from msgspec import Meta

from enduser import limits
from enduser.api.management.calls import Call, Route
from enduser.api.management.parameters import IDENTITY_KEY_ID, SPACE
from enduser.clock import now_us
from enduser.core.identity import KeyKind
from enduser.errors import IdentityKeyNotFound, InvalidIdentityKey, LimitExceeded
from enduser.service.identity_json import IdentityKeyJson, identity_key_json
from enduser.stores.identity_keys import create_identity_key, delete_identity_key, list_identity_keys

Name = Annotated[
    str, Meta(description="what it is for, for lists", max_length=limits.KEY_NAME_CHARACTERS_MAX)
]
PublicKey = Annotated[
    str | dict[str, Any] | None,
    Meta(description="a public key of Ed25519, as PEM or as a JWK; without it a secret is made"),
]


class IdentityKeysPage(msgspec.Struct, frozen=True):
    """All identity keys of a space, the oldest first, and how many there may be."""

    items: list[IdentityKeyJson]
    limit: int
    next_cursor: str | None = None


class NewIdentityKey(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An identity key to be."""

    name: Name = ""
    public_key: PublicKey = None


class IdentityKeyDeleted(msgspec.Struct, frozen=True):
    """What the key signed proves nothing any more."""

    deleted: bool


async def show_identity_keys(call: Call) -> IdentityKeysPage:
    """Return the identity keys of a space."""
    control, space = call.services.control, call.space
    await call.read(lambda reader: reader.settings(space))  # there must be such a space
    found = await call.services.on_thread(lambda: list_identity_keys(control, space))
    return IdentityKeysPage([identity_key_json(key) for key in found], limits.IDENTITY_KEYS_MAX)


async def add_identity_key(call: Call) -> IdentityKeyJson:
    """Make an identity key, and show its secret once."""
    told = call.told(NewIdentityKey, "docs/identity.md shows the calls")
    control, space = call.services.control, call.space
    given = told.public_key
    text = msgspec.json.encode(given).decode() if isinstance(given, dict) else given
    await call.read(lambda reader: reader.settings(space))
    made = await call.services.on_thread(
        lambda: create_identity_key(control, space, told.name, now_us(), text)
    )
    return identity_key_json(made, with_secret=True)


async def remove_identity_key(call: Call) -> IdentityKeyDeleted:
    """Take an identity key away."""
    control, key_id = call.services.control, call.values["key_id"]
    await call.services.on_thread(lambda: delete_identity_key(control, call.space, key_id))
    return IdentityKeyDeleted(deleted=True)


_KEY = IdentityKeyJson(
    id="7a1e5c0d9b3f2846",
    name="web",
    kind=KeyKind.HS256,
    public_key=None,
    created_at="2026-03-01T10:00:00.000000Z",
)
_MADE = msgspec.structs.replace(_KEY, secret="3vJ0…")  # noqa: S106 - it is none

ROUTES = (
    Route(
        "GET",
        "/api/v1/identity-keys",
        show_identity_keys,
        "List the keys with which the site signs who its users are, the oldest first",
        IdentityKeysPage,
        IdentityKeysPage([_KEY], limits.IDENTITY_KEYS_MAX),
        (SPACE,),
    ),
    Route(
        "POST",
        "/api/v1/identity-keys",
        add_identity_key,
        "Make an identity key: a secret that is told once, or of a public key",
        IdentityKeyJson,
        _MADE,
        (SPACE,),
        (InvalidIdentityKey, LimitExceeded),
        body=NewIdentityKey,
        body_example={"name": "web"},
    ),
    Route(
        "DELETE",
        "/api/v1/identity-keys/{key_id}",
        remove_identity_key,
        "Delete an identity key; within a second what it signed proves nothing any more",
        IdentityKeyDeleted,
        IdentityKeyDeleted(deleted=True),
        (IDENTITY_KEY_ID, SPACE),
        (IdentityKeyNotFound,),
    ),
)
