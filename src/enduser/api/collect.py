"""The public plane: the tracking protocol as a raw ASGI application (docs/tracking-protocol.md).

Nothing stands between the server and `Collector`: this is the hot path. Everything that is not for the
collector is passed on to the owner of the data folder.
"""

from __future__ import annotations

import base64
import binascii
import zlib
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from functools import lru_cache
from typing import Any

import msgspec

from enduser import limits
from enduser.api.figures import Figures
from enduser.api.problems import error_json, status_of
from enduser.clock import elapsed_s, now_us
from enduser.errors import (
    BodyTooLarge,
    EnduserError,
    MalformedRequest,
    MethodNotAllowed,
    Unauthorized,
    UnsupportedMediaType,
)
from enduser.ingest.door import Request, lines_of
from enduser.ingest.doors import Doors
from enduser.ingest.group_commit import GroupCommit
from enduser.ingest.messages import read_call
from enduser.ingest.spool import EVENTS, frame
from enduser.stores.contract import Door

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
ASGIApp = Callable[[Scope, Receive, Send], Awaitable[None]]

CALLS = ("identify", "track", "page", "screen", "group", "alias")
ROUTES: Mapping[str, str] = {
    "/v1/batch": "batch",
    "/v1/b": "batch",
    **{f"/v1/{call}": call for call in CALLS},
    **{f"/v1/{call[0]}": call for call in CALLS},
}
"""The calls of the tracking protocol by path."""

_AUTHORIZATION_BYTES_MAX = 1_024
"""More than a write key takes; thousands of the last ones are kept at hand."""

_SETTINGS_PATH = "/v1/projects/"
_MEDIA_TYPES = frozenset((b"", b"application/json", b"text/plain", b"application/x-www-form-urlencoded"))
"""The last is what RudderStack's Node SDK calls its JSON."""
_ANSWER = b'{"success":true,"rejected":[]}'
_CORS = [(b"access-control-allow-origin", b"*")]
_PREFLIGHT = [
    *_CORS,
    (b"access-control-allow-methods", b"GET, POST, OPTIONS"),
    (b"access-control-max-age", b"86400"),
    (b"content-length", b"0"),
]
_ASKED_HEADERS = b"authorization, content-type, content-encoding"


class Collector:
    """Takes events from sites and apps. One per process."""

    def __init__(self, doors: Doors, commit: GroupCommit, owner: ASGIApp, *, trusted_hops: int = 0) -> None:
        """Let in what `doors` allow and write it with `commit`; `owner` answers everything else."""
        self._doors = doors
        self._commit = commit
        self._owner = owner
        self._trusted_hops = trusted_hops
        self.figures = Figures()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        route = ROUTES.get(scope["path"])
        began = elapsed_s()
        if route is None and not scope["path"].startswith(_SETTINGS_PATH):
            await self._owner(scope, receive, send)
            return
        try:
            if scope["method"] == "OPTIONS":
                await _send(send, 204, b"", _preflight(scope))
            elif route is None:
                await self._send_settings(scope, send)
            elif scope["method"] == "POST":
                await _send(send, 200, await self._collect(route, scope, receive), _CORS)
                self.figures.answer(elapsed_s() - began)
            else:
                raise MethodNotAllowed(
                    f"{scope['path']} takes POST, not {scope['method']}",
                    hint="send the event as the body of a POST",
                )
        except EnduserError as error:
            await _send_error(send, error)
            self.figures.refuse(error.code)

    async def _collect(self, route: str, scope: Scope, receive: Receive) -> bytes:
        """Let the events of a request in; return the answer once they are on disk.

        Raises:
            EnduserError: nothing of the request was taken.
        """
        headers = dict(scope["headers"])
        body = await _body(headers, receive)
        call = read_call(body, route)
        received_at = now_us()
        door = self._door(headers, call.write_key, received_at)
        request = Request(
            received_at=received_at,
            ip=_client_ip(scope, headers, self._trusted_hops),
            user_agent=_text(headers, b"user-agent"),
            brands=_text(headers, b"sec-ch-ua"),
            full_versions=_text(headers, b"sec-ch-ua-full-version-list"),
            has_origin=b"origin" in headers,
        )
        found = lines_of(call, request, door.settings)
        if found.lines:
            await self._commit.add(frame(EVENTS, door.number, received_at, found.lines))
        if not found.rejected:
            return _ANSWER
        return msgspec.json.encode({"success": True, "rejected": found.rejected})

    def _door(self, headers: Mapping[bytes, bytes], write_key: str | None, at: int) -> Door:
        """Return the space that the write key of a request leads to: of its Basic user, or of its body."""
        told = headers.get(b"authorization", b"")[:_AUTHORIZATION_BYTES_MAX]
        key = _basic_user(told) or write_key
        if not key:
            raise Unauthorized(
                "there is no write key",
                hint="send it as the user name of Basic authentication, or as writeKey",
            )
        door = self._doors.find(key, at)
        if door is None:
            raise Unauthorized("the write key is unknown", hint="enduser systems list shows the write keys")
        return door

    async def _send_settings(self, scope: Scope, send: Send) -> None:
        """Tell browser SDKs the settings of a space."""
        key, _, rest = scope["path"].removeprefix(_SETTINGS_PATH).partition("/")
        if scope["method"] not in ("GET", "HEAD"):
            raise MethodNotAllowed("settings are read with GET", hint="GET /v1/projects/{writeKey}/settings")
        door = self._doors.find(key, now_us()) if rest == "settings" else None
        if door is None:
            raise Unauthorized("the write key is unknown", hint="enduser systems list shows the write keys")
        headers = dict(scope["headers"])
        host = headers.get(b"host", b"").decode("latin-1")
        protocol = _protocol(scope, headers, self._trusted_hops)
        told = {
            "integrations": {
                "Segment.io": {"apiKey": key, "apiHost": f"{host}/v1", "protocol": protocol},
            },
            "enduser": {
                "unique_user": door.settings.unique_user,
                "hash_ids": door.settings.hash_ids,
                "hash_salt": door.settings.hash_salt,
                "inactivity_window_s": door.settings.inactivity_window_s,
            },
        }
        await _send(send, 200, msgspec.json.encode(told), [*_CORS, (b"cache-control", b"max-age=60")])


async def _body(headers: Mapping[bytes, bytes], receive: Receive) -> bytes:
    """Return the body of a request, unpacked.

    Raises:
        BodyTooLarge: it is, or becomes, larger than may be.
        UnsupportedMediaType: it is no JSON by its own account, or packed otherwise than by gzip.
        MalformedRequest: it ended too early, or cannot be unpacked.
    """
    media_type = headers.get(b"content-type", b"").partition(b";")[0].strip().lower()
    if media_type not in _MEDIA_TYPES:
        raise UnsupportedMediaType(
            f"bodies of the type {media_type.decode('latin-1')!r} are not taken",
            hint="send JSON as application/json or text/plain",
        )
    encoding = headers.get(b"content-encoding", b"identity").strip().lower()
    if encoding not in (b"identity", b"gzip"):
        raise UnsupportedMediaType(
            f"bodies packed by {encoding.decode('latin-1')!r} are not taken",
            hint="send them plain or by gzip",
        )
    told = headers.get(b"content-length", b"0")
    if len(told) > 9 or int(told) > limits.BODY_BYTES_MAX:  # noqa: PLR2004 - too long to be below the limit
        raise _too_large()
    body = await _received(receive)
    return _unpacked(body) if encoding == b"gzip" else body


async def _received(receive: Receive) -> bytes:
    message = await receive()
    body: bytes = message.get("body", b"")
    while message.get("more_body", False):
        message = await receive()
        body += message.get("body", b"")
        if len(body) > limits.BODY_BYTES_MAX:
            raise _too_large()
    if message["type"] == "http.disconnect":
        raise MalformedRequest("the body ended too early", hint="send it whole")
    if len(body) > limits.BODY_BYTES_MAX:
        raise _too_large()
    return body


def _unpacked(body: bytes) -> bytes:
    """Return what a gzip body holds, never unpacking more than may be."""
    unpacker = zlib.decompressobj(wbits=31)
    try:
        plain = unpacker.decompress(body, limits.BODY_BYTES_MAX + 1)
    except zlib.error as error:
        raise MalformedRequest(f"the gzip body cannot be unpacked: {error}", hint="pack it again") from None
    if len(plain) > limits.BODY_BYTES_MAX:
        raise _too_large()
    if not unpacker.eof or unpacker.unused_data:
        raise MalformedRequest("the gzip body is cut off, or goes on after its end", hint="pack it again")
    return plain


def _too_large() -> BodyTooLarge:
    return BodyTooLarge(
        "the body is too large",
        hint=f"the limit is {limits.BODY_BYTES_MAX:,} bytes unpacked (BODY_BYTES_MAX); send smaller batches",
    )


@lru_cache(maxsize=4_096)
def _basic_user(authorization: bytes) -> str | None:
    """Return the user name of Basic authentication; None: it is none."""
    scheme, _, told = authorization.partition(b" ")
    if scheme.lower() != b"basic":
        return None
    try:
        return base64.b64decode(told.strip(), validate=True).decode().partition(":")[0]
    except (binascii.Error, UnicodeDecodeError):
        return None


def _client_ip(scope: Scope, headers: Mapping[bytes, bytes], trusted_hops: int) -> str | None:
    """Return the address of the client: as far back as trusted proxies tell it, else of the connection."""
    if trusted_hops:
        told = [part.strip() for part in headers.get(b"x-forwarded-for", b"").split(b",")]
        if len(told) >= trusted_hops and told[-trusted_hops]:
            return told[-trusted_hops].decode("latin-1")
    client = scope.get("client")
    return client[0] if client else None


def _protocol(scope: Scope, headers: Mapping[bytes, bytes], trusted_hops: int) -> str:
    """Return by what the client reaches us: as the trusted proxy before us tells, else as we are asked.

    Pages of https may not send events to http.
    """
    told = headers.get(b"x-forwarded-proto", b"").split(b",")[0].strip().lower()
    if trusted_hops and told in (b"http", b"https"):
        return told.decode()
    protocol: str = scope["scheme"]
    return protocol


def _preflight(scope: Scope) -> list[tuple[bytes, bytes]]:
    """Return the headers of the answer to a preflight: whatever headers a browser SDK asks for, it may send.

    SDKs add some of their own, such as `X-Retry-Count`; a retry that is not allowed would lose its event.
    """
    asked = dict(scope["headers"]).get(b"access-control-request-headers", _ASKED_HEADERS)
    return [*_PREFLIGHT, (b"access-control-allow-headers", asked)]


def _text(headers: Mapping[bytes, bytes], name: bytes) -> str | None:
    told = headers.get(name)
    return told.decode("latin-1") if told else None


async def _send_error(send: Send, error: EnduserError) -> None:
    status = status_of(type(error))
    headers = [*_CORS]
    if status in (429, 503):
        headers.append((b"retry-after", b"5" if status == 503 else b"1"))  # noqa: PLR2004
        headers.append((b"access-control-expose-headers", b"retry-after"))
    if status == 413:  # noqa: PLR2004 - the rest of the body is not read
        headers.append((b"connection", b"close"))
    if status == 405:  # noqa: PLR2004
        headers.append((b"allow", b"POST, OPTIONS"))
    await _send(send, status, error_json(error), headers)


async def _send(send: Send, status: int, body: bytes, headers: list[tuple[bytes, bytes]]) -> None:
    if body:
        headers = [
            *headers,
            (b"content-type", b"application/json"),
            (b"content-length", str(len(body)).encode()),
        ]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
