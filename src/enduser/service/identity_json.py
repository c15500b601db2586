"""Identity keys as programs outside get them."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from msgspec import UNSET, Meta, UnsetType

from enduser.core.identity import IdentityKey, KeyKind
from enduser.service.json_form import Time, iso_time


class IdentityKeyJson(msgspec.Struct, frozen=True, kw_only=True):
    """A key with which a site signs who its users are."""

    id: str
    name: str
    kind: Annotated[KeyKind, Meta(description="hs256: a secret; ed25519: a public key")]
    public_key: Annotated[dict[str, Any] | None, Meta(description="as a JWK; null: it is a secret")]
    created_at: Time
    secret: Annotated[str | UnsetType, Meta(description="told once, when it is made")] = UNSET


def identity_key_json(key: IdentityKey, *, with_secret: bool = False) -> IdentityKeyJson:
    """Return the JSON form of a key."""
    is_secret = key.kind is KeyKind.HS256
    return IdentityKeyJson(
        id=key.id,
        name=key.name,
        kind=key.kind,
        public_key=None if is_secret else msgspec.json.decode(key.material),
        created_at=iso_time(key.created_at),
        secret=key.material if is_secret and with_secret else UNSET,
    )
