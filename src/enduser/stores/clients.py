"""Clients of the wire forms of the reference product: they get access tokens by OAuth 2 client credentials.

Part of the control data. Secrets and tokens are random, and only their SHA-256 is kept.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

import sqlalchemy as sa

from enduser import limits
from enduser.errors import ClientNotFound, InvalidScope, LimitExceeded
from enduser.stores.control import METADATA, ControlStore

_CLIENTS = sa.Table(
    "clients",
    METADATA,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("scopes", sa.JSON, nullable=False),
    sa.Column("secret_sha256", sa.LargeBinary, nullable=False),
    sa.Column("created_at", sa.BigInteger, nullable=False),
    sa.Column("revoked_at", sa.BigInteger),
)
_TOKENS = sa.Table(
    "access_tokens",
    METADATA,
    sa.Column("sha256", sa.LargeBinary, primary_key=True),
    sa.Column("client_id", sa.Text, nullable=False),
    sa.Column("scopes", sa.JSON, nullable=False),
    sa.Column("ends_at", sa.BigInteger, nullable=False),
)
_SECRET_BYTES = 32
_NO_SECRET = bytes(32)
_SCOPE_CHARACTERS_SHOWN = 100


class ClientScope(StrEnum):
    """What a client may do, by the names of the reference product."""

    UPDATE_USERS = "endUserUpdate:write"
    READ_SEGMENTS = "segments:read"
    WRITE_SEGMENTS = "segments:write"


@dataclass(frozen=True, slots=True)
class Client:
    """A client without its secret. Times are µs."""

    id: str
    name: str
    scopes: tuple[str, ...]
    """All that it may do; of the client of a token, what it may do with this token."""
    created_at: int
    revoked_at: int | None


def create_client(control: ControlStore, name: str, scopes: Sequence[str], now_us: int) -> tuple[str, str]:
    """Make a client and return its id and its secret, which cannot be had again.

    Raises:
        InvalidScope: there is no such scope.
        LimitExceeded: the name is too long, or there are as many clients as there may be.
    """
    _require_scopes(scopes, list(ClientScope), "there is no scope {!r}", "the scopes are")
    if len(name) > limits.KEY_NAME_CHARACTERS_MAX:
        raise LimitExceeded(
            f"a client cannot have a name of {len(name):,} characters",
            hint=f"the limit is {limits.KEY_NAME_CHARACTERS_MAX} (KEY_NAME_CHARACTERS_MAX)",
            limit=limits.KEY_NAME_CHARACTERS_MAX,
        )
    client_id, secret = secrets.token_hex(8), secrets.token_urlsafe(_SECRET_BYTES)
    with control.changing() as connection:
        valid = sa.select(sa.func.count()).select_from(_CLIENTS).where(_CLIENTS.c.revoked_at.is_(None))
        if connection.execute(valid).scalar_one() >= limits.API_KEYS_MAX:
            raise LimitExceeded(
                f"there are {limits.API_KEYS_MAX:,} clients",
                hint=f"the limit is {limits.API_KEYS_MAX:,} (API_KEYS_MAX); revoke those that nobody uses",
                limit=limits.API_KEYS_MAX,
            )
        connection.execute(
            _CLIENTS.insert().values(
                id=client_id,
                name=name,
                scopes=list(dict.fromkeys(scopes)),
                secret_sha256=_hash(secret),
                created_at=now_us,
            )
        )
    return client_id, secret


def _require_scopes(asked: Sequence[str], there: Sequence[str], message: str, which: str) -> None:
    for scope in asked:
        if scope not in there:
            raise InvalidScope(
                message.format(scope[:_SCOPE_CHARACTERS_SHOWN]),
                hint=f"{which}: {' '.join(there)}",
                field="scope",
            )


def list_clients(control: ControlStore) -> Sequence[Client]:
    """Return all clients, revoked ones too, the oldest first."""
    with control.reading() as connection:
        rows = connection.execute(sa.select(_CLIENTS).order_by(_CLIENTS.c.created_at, _CLIENTS.c.id)).all()
    return [Client(row.id, row.name, tuple(row.scopes), row.created_at, row.revoked_at) for row in rows]


def revoke_client(control: ControlStore, client_id: str, now_us: int) -> None:
    """Make a client worthless from now on, with its tokens; doing it again changes nothing.

    Raises:
        ClientNotFound: there is no such client.
    """
    revoked_at = sa.func.coalesce(_CLIENTS.c.revoked_at, now_us)
    with control.changing() as connection:
        changed = connection.execute(
            _CLIENTS.update().where(_CLIENTS.c.id == client_id).values(revoked_at=revoked_at)
        )
        if not changed.rowcount:
            raise ClientNotFound(
                f"there is no client {client_id!r}", hint="the clients are listed by: enduser clients list"
            )
        connection.execute(_TOKENS.delete().where(_TOKENS.c.client_id == client_id))


@dataclass(frozen=True, slots=True)
class AccessToken:
    """A token that a client has just got, good for `ACCESS_TOKEN_SECONDS`."""

    text: str
    scopes: tuple[str, ...]


def create_access_token(
    control: ControlStore, client_id: str, secret: str, now_us: int, asked: Sequence[str] = ()
) -> AccessToken | None:
    """Return a new access token of a client; None: id or secret is wrong, or the client is revoked.

    It is good for the scopes that are asked for, or if none is for all that the client has. Of more than
    `ACCESS_TOKENS_MAX` the oldest end.

    Raises:
        InvalidScope: the client has not all that is asked for.
    """
    with control.reading() as connection:
        row = connection.execute(sa.select(_CLIENTS).where(_CLIENTS.c.id == client_id)).one_or_none()
    right = row.secret_sha256 if row is not None else _NO_SECRET
    if not hmac.compare_digest(_hash(secret), right) or row is None or row.revoked_at is not None:
        return None
    _require_scopes(asked, row.scopes, "the client has not the scope {!r}", "it has")
    scopes = [scope for scope in row.scopes if scope in asked or not asked]
    token = secrets.token_urlsafe(_SECRET_BYTES)
    ends_at = now_us + limits.ACCESS_TOKEN_SECONDS * 1_000_000
    with control.changing() as connection:
        connection.execute(_TOKENS.delete().where(_TOKENS.c.ends_at <= now_us))
        connection.execute(
            _TOKENS.insert().values(sha256=_hash(token), client_id=client_id, scopes=scopes, ends_at=ends_at)
        )
        connection.execute(_TOKENS.delete().where(_TOKENS.c.sha256.in_(_beyond_limit(client_id))))
    return AccessToken(token, tuple(scopes))


def _beyond_limit(client_id: str) -> sa.Select[tuple[bytes]]:
    """Return the query of the tokens of a client that are too many, by the order in which he got them."""
    own = sa.select(_TOKENS.c.sha256).where(_TOKENS.c.client_id == client_id)
    return own.order_by(sa.literal_column("rowid").desc()).offset(limits.ACCESS_TOKENS_MAX)


def client_of_token(control: ControlStore, token: str, now_us: int) -> Client | None:
    """Return the client of an access token; None: it is none, or is over."""
    query = sa.select(_CLIENTS, _TOKENS.c.scopes.label("token_scopes")).join(
        _TOKENS, _TOKENS.c.client_id == _CLIENTS.c.id
    )
    query = query.where(_TOKENS.c.sha256 == _hash(token), _TOKENS.c.ends_at > now_us)
    with control.reading() as connection:
        row = connection.execute(query).one_or_none()
    if row is None or row.revoked_at is not None:
        return None
    return Client(row.id, row.name, tuple(row.token_scopes), row.created_at, row.revoked_at)


def _hash(secret: str) -> bytes:
    return hashlib.sha256(secret.encode(errors="surrogatepass")).digest()
