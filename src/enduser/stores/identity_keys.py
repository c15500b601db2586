"""Keys with which sites sign who their users are. Part of the control data.

Secrets are kept as they are, as signatures are checked with them.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence

import sqlalchemy as sa

from enduser import limits
from enduser.core.identity import IdentityKey, KeyKind
from enduser.errors import IdentityKeyNotFound, LimitExceeded
from enduser.stores.control import METADATA, ControlStore

_KEYS = sa.Table(
    "identity_keys",
    METADATA,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("space", sa.Text, nullable=False),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("material", sa.Text, nullable=False),
    sa.Column("created_at", sa.BigInteger, nullable=False),
)
_ID_BYTES = 8
_SECRET_BYTES = 32


def create_identity_key(
    control: ControlStore, space: str, name: str, now_us: int, public_key: str | None = None
) -> IdentityKey:
    """Keep a key: a public one, or without one a secret, made at random.

    Raises:
        InvalidIdentityKey: what is given is no public key of Ed25519.
        LimitExceeded: the name is too long, or the space has as many keys as it may.
    """
    if len(name) > limits.KEY_NAME_CHARACTERS_MAX:
        raise LimitExceeded(
            f"a key cannot have a name of {len(name):,} characters",
            hint=f"the limit is {limits.KEY_NAME_CHARACTERS_MAX} (KEY_NAME_CHARACTERS_MAX)",
            limit=limits.KEY_NAME_CHARACTERS_MAX,
        )
    if public_key is None:
        kind, material = KeyKind.HS256, secrets.token_urlsafe(_SECRET_BYTES)
    else:
        from enduser.core.tokens import public_key_of  # late: few need what reads keys

        kind, material = KeyKind.ED25519, public_key_of(public_key)
    key = IdentityKey(
        id=secrets.token_hex(_ID_BYTES),
        space=space,
        name=name,
        kind=kind,
        material=material,
        created_at=now_us,
    )
    with control.changing() as connection:
        _refuse_too_many(connection, space)
        connection.execute(_KEYS.insert().values(**_row(key)))
    return key


def _row(key: IdentityKey) -> dict[str, object]:
    return {column.name: getattr(key, column.name) for column in _KEYS.columns}


def _refuse_too_many(connection: sa.Connection, space: str) -> None:
    there = sa.select(sa.func.count()).select_from(_KEYS).where(_KEYS.c.space == space)
    if connection.execute(there).scalar_one() >= limits.IDENTITY_KEYS_MAX:
        raise LimitExceeded(
            f"there are {limits.IDENTITY_KEYS_MAX} identity keys in {space}",
            hint=f"the limit is {limits.IDENTITY_KEYS_MAX} (IDENTITY_KEYS_MAX); delete an old one",
            limit=limits.IDENTITY_KEYS_MAX,
        )


def list_identity_keys(control: ControlStore, space: str) -> Sequence[IdentityKey]:
    """Return the keys of a space, the oldest first."""
    query = sa.select(_KEYS).where(_KEYS.c.space == space).order_by(_KEYS.c.created_at, _KEYS.c.id)
    with control.reading() as connection:
        rows = connection.execute(query).all()
    return [
        IdentityKey(
            id=row.id,
            space=row.space,
            name=row.name,
            kind=KeyKind(row.kind),
            material=row.material,
            created_at=row.created_at,
        )
        for row in rows
    ]


def delete_identity_key(control: ControlStore, space: str, key_id: str) -> None:
    """Take a key away: what it signed proves nothing any more.

    Raises:
        IdentityKeyNotFound: the space has no key of this id.
    """
    with control.changing() as connection:
        gone = _KEYS.delete().where(_KEYS.c.space == space, _KEYS.c.id == key_id)
        if not connection.execute(gone).rowcount:
            raise IdentityKeyNotFound(
                f"there is no identity key {key_id!r} in {space}",
                hint="they are listed by: enduser identity list, or GET /api/v1/identity-keys",
                field="key_id",
            )
