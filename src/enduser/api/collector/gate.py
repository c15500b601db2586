"""What a call of the tracking protocol means: who sent it, what of it is kept, and what is answered.

Functions of the call and of what the doors know (docs/tracking-protocol.md); `tracking` speaks HTTP.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from functools import lru_cache
from typing import NamedTuple
from urllib.parse import parse_qs

import msgspec

from enduser import limits
from enduser.api.basic_auth import user_and_password
from enduser.api.collector.server_keys import ServerKeys
from enduser.clock import now_us
from enduser.errors import BodyTooLarge, InvalidSpace, MalformedRequest, Unauthorized, UnsupportedMediaType
from enduser.ingest import messages
from enduser.ingest.door import Request, lines_of
from enduser.ingest.doors import Doors
from enduser.ingest.messages import read_call
from enduser.ingest.spool import EVENTS, frame
from enduser.stores.answers import API_KEY_PREFIX, Door

ROUTES: Mapping[str, str] = {
    path: route for route in messages.ROUTES for path in (f"/v1/{route}", f"/v1/{route[0]}")
}
"""The calls of the tracking protocol by path."""

_MEDIA_TYPES = frozenset((b"", b"application/json", b"text/plain", b"application/x-www-form-urlencoded"))
"""The last is what RudderStack's Node SDK calls its JSON."""
_FORWARDED_FOR = b"x-forwarded-for"
_WRITE_KEY_HINT = "enduser systems list shows the write keys; give it the --data of this server"
_SPACE_HINT = "say which of the spaces that the key opens, with ?space=system/environment"
ANSWER = b'{"success":true,"rejected":[]}'


class HttpCall(NamedTuple):
    """A POST to one of the routes."""

    route: str
    """One of the values of `ROUTES`."""
    headers: Mapping[bytes, bytes]
    """By name in lower case."""
    client: str | None
    """The address of the connection."""
    query: bytes
    """What follows the path."""
    body: bytes
    """As it came, packed perhaps."""


class Taken(NamedTuple):
    """What becomes of a call."""

    frame: bytes | None
    """What must be on disk before the answer; None: nothing."""
    answer: bytes


class Gate:
    """Judges calls. One per collector."""

    def __init__(self, doors: Doors, keys: ServerKeys, *, trusted_hops: int = 0) -> None:
        """Let in what `doors` and `keys` allow."""
        self._doors = doors
        self._keys = keys
        self._trusted_hops = trusted_hops

    def take(self, call: HttpCall) -> Taken:
        """Let the events of a call in.

        Raises:
            EnduserError: nothing of the call is taken.
        """
        headers = call.headers
        tracked = read_call(unpacked(call), call.route)
        received_at = now_us()
        door, is_server = self._door(call, tracked.write_key, received_at)
        request = Request(
            received_at=received_at,
            ip=client_ip(call.client, headers, self._trusted_hops),
            user_agent=_text(headers, b"user-agent"),
            brands=_text(headers, b"sec-ch-ua"),
            full_versions=_text(headers, b"sec-ch-ua-full-version-list"),
            has_origin=b"origin" in headers,
            may_name_places=is_server,
        )
        found = lines_of(tracked, request, door.settings)
        return Taken(
            frame(EVENTS, door.number, received_at, found.lines) if found.lines else None,
            ANSWER
            if not found.rejected
            else msgspec.json.encode({"success": True, "rejected": found.rejected}),
        )

    def _door(self, call: HttpCall, in_body: str | None, at: int) -> tuple[Door, bool]:
        """Return the space that the key of a call leads to, and whether it is a server's key.

        It is the Basic user or the Bearer token, else what the body has as its write key.
        """
        told = call.headers.get(b"authorization", b"")[: limits.AUTHORIZATION_BYTES_MAX]
        key = _authorized(told) or in_body
        if not key:
            raise Unauthorized(
                "there is no write key",
                hint="send it as the user name of Basic authentication, or as writeKey",
            )
        if key.startswith(API_KEY_PREFIX):
            return self._door_of_server(key, call.query, at), True
        door = self._doors.find(key, at)
        if door is None:
            is_bearer = told[:6].lower() == b"bearer"
            raise Unauthorized(
                "the key is unknown: it is neither a write key nor an API key"
                if is_bearer
                else "the write key is unknown",
                hint=_WRITE_KEY_HINT,
            )
        if b"space=" in call.query:
            _require_space(door, call.query)
        return door, False

    def _door_of_server(self, text: str, query: bytes, at: int) -> Door:
        """Return the space that an API key leads to: the one that the query names, as in the API."""
        key = self._keys.find(text, at)
        if key is None:
            raise Unauthorized("the API key is wrong or revoked", hint="enduser keys list shows the keys")
        told = parse_qs(query.decode("latin-1"), keep_blank_values=True)
        if unknown := told.keys() - {"space"}:
            raise MalformedRequest(f"there is no parameter {min(unknown)!r}", hint=_SPACE_HINT)
        named = told.get("space", [None])[0]
        try:
            space = key.space_of(named)
        except InvalidSpace as error:
            raise Unauthorized(f"the API key opens no space {named!r}", hint=_SPACE_HINT) from error
        if (door := self._doors.of_space(space)) is None:
            raise Unauthorized(f"there is no space {space!r}", hint=_SPACE_HINT)
        return door


def _require_space(door: Door, query: bytes) -> None:
    """Check that a query that names a space names the one of the write key.

    Raises:
        Unauthorized: it names another; the event would lie where nobody looks for it.
    """
    for named in parse_qs(query.decode("latin-1"), keep_blank_values=True).get("space", []):
        if named != door.space:
            raise Unauthorized(
                f"this write key opens {door.space}, not {named!r}",
                hint="leave ?space= out, or send an API key",
            )


def by_name(headers: list[tuple[bytes, bytes]]) -> dict[bytes, bytes]:
    """Return headers by name. Of a name that comes twice the last counts; proxies may add to theirs so."""
    found = dict(headers)
    if len(found) != len(headers) and _FORWARDED_FOR in found:
        found[_FORWARDED_FOR] = b",".join(value for name, value in headers if name == _FORWARDED_FOR)
    return found


def check_head(headers: Mapping[bytes, bytes]) -> None:
    """Look whether a body may come, by what its head says of it.

    Raises:
        UnsupportedMediaType: it is no JSON by its own account, or packed otherwise than by gzip.
        BodyTooLarge: it is larger than may be.
    """
    media_type = headers.get(b"content-type", b"")
    if media_type not in _MEDIA_TYPES and media_type.partition(b";")[0].strip().lower() not in _MEDIA_TYPES:
        raise UnsupportedMediaType(
            f"bodies of the type {media_type.decode('latin-1')!r} are not taken",
            hint="send JSON as application/json or text/plain",
        )
    if _encoding(headers) not in (b"identity", b"gzip"):
        raise UnsupportedMediaType(
            f"bodies packed by {_encoding(headers).decode('latin-1')!r} are not taken",
            hint="send them plain or by gzip",
        )
    told = headers.get(b"content-length", b"0")
    if len(told) > 9 or int(told) > limits.BODY_BYTES_MAX:  # noqa: PLR2004 - too long to be below the limit
        raise too_large()


def unpacked(call: HttpCall) -> bytes:
    """Return the body of a call as it was before it was packed, never unpacking more than may be.

    Raises:
        BodyTooLarge: it becomes larger than may be.
        MalformedRequest: it cannot be unpacked.
    """
    return _unpacked(call.body) if _encoding(call.headers) == b"gzip" else call.body


def _encoding(headers: Mapping[bytes, bytes]) -> bytes:
    told = headers.get(b"content-encoding", b"identity").strip().lower() or b"identity"
    return b"gzip" if told == b"x-gzip" else told  # an old name of the same (RFC 9110)


def _unpacked(body: bytes) -> bytes:
    """Return what a gzip body holds, never unpacking more than may be."""
    unpacker = zlib.decompressobj(wbits=31)
    try:
        plain = unpacker.decompress(body, limits.BODY_BYTES_MAX + 1)
    except zlib.error as error:
        raise MalformedRequest(f"the gzip body cannot be unpacked: {error}", hint="pack it again") from None
    if len(plain) > limits.BODY_BYTES_MAX:
        raise too_large()
    if not unpacker.eof or unpacker.unused_data:
        raise MalformedRequest("the gzip body is cut off, or goes on after its end", hint="pack it again")
    return plain


def too_large() -> BodyTooLarge:
    """Return the error of a body above the limit."""
    return BodyTooLarge(
        "the body is too large",
        hint=f"the limit is {limits.BODY_BYTES_MAX:,} bytes unpacked (BODY_BYTES_MAX); send smaller batches",
        limit=limits.BODY_BYTES_MAX,
    )


@lru_cache(maxsize=4_096)
def _authorized(authorization: bytes) -> str | None:
    """Return the user name of Basic authentication, or the Bearer token; None: it is neither."""
    scheme, _, told = authorization.partition(b" ")
    if scheme.lower() == b"bearer":
        return told.strip().decode("latin-1")
    found = user_and_password(authorization)
    return found and found[0]


def client_ip(peer: str | None, headers: Mapping[bytes, bytes], trusted_hops: int) -> str | None:
    """Return the address of the client: as far back as trusted proxies tell it, else of the connection."""
    if trusted_hops:
        told = [part.strip() for part in headers.get(_FORWARDED_FOR, b"").split(b",")]
        if len(told) >= trusted_hops and told[-trusted_hops]:
            return told[-trusted_hops].decode("latin-1")
    return peer


def _text(headers: Mapping[bytes, bytes], name: bytes) -> str | None:
    told = headers.get(name)
    return told.decode("latin-1") if told else None
