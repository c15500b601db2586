"""What a collector passes on to the owner of the data folder, over a socket of their own."""

from __future__ import annotations

import uuid
from typing import Any

import httpcore

from enduser import limits
from enduser.api.collector.unix_sockets import UnixSockets
from enduser.api.problems import refusal
from enduser.errors import EnduserError, OwnerUnreachable, TooBusy

_NOT_PASSED_ON = frozenset(
    (b"connection", b"keep-alive", b"transfer-encoding", b"te", b"trailer", b"upgrade", b"proxy-connection")
)
"""Headers that are about one connection."""

_SAID_ANEW = frozenset((b"host", b"content-length", b"expect"))
"""Headers of a request that are other ones on the way to the owner, or are done with."""

_CONNECT_S = 5.0
_IDLE_S = 5.0
"""So long a connection to the owner is kept that nobody needs."""

_HEALTH = frozenset((b"/healthz", b"/readyz", b"/metrics"))
"""What is passed on however much is asked: who looks after the server must see it."""


class OwnerProxy:
    """An ASGI application that answers with what the owner answers.

    A request is passed on when it is there whole, and its answer when that is: there are few connections
    to the owner, and no slow client may hold one of them.
    """

    def __init__(self, socket: str) -> None:
        """Reach the owner through a Unix socket."""
        self._connections = httpcore.AsyncConnectionPool(
            uds=socket,
            max_connections=None,
            max_keepalive_connections=limits.PASSED_ON_MAX,
            keepalive_expiry=_IDLE_S,
            network_backend=UnixSockets(),
        )
        self._passed_on = 0

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Pass one request on, and its answer back."""
        body = await _body(receive)
        if body is None:
            return
        is_health = scope["raw_path"] in _HEALTH
        if self._passed_on >= limits.PASSED_ON_MAX and not is_health:
            await _refuse(send, _too_busy())
            return
        self._passed_on += not is_health
        try:
            await self._pass_on(scope, body, send)
        finally:
            self._passed_on -= not is_health

    async def _pass_on(self, scope: Any, body: bytes, send: Any) -> None:
        dropped = _NOT_PASSED_ON | _SAID_ANEW
        target = scope["raw_path"] + _query(scope["query_string"])
        try:
            response = await self._connections.request(
                scope["method"],
                httpcore.URL(scheme="http", host="owner", target=target),
                headers=[(name, value) for name, value in scope["headers"] if name not in dropped],
                content=body,
                extensions={"timeout": {"connect": _CONNECT_S}},
            )
        except (httpcore.NetworkError, httpcore.ProtocolError):
            await _refuse(send, _unreachable())
            return
        await _send_back(response, send)

    async def close(self) -> None:
        """End the connections."""
        await self._connections.aclose()


def _query(told: bytes) -> bytes:
    return b"?" + told if told else b""


async def _body(receive: Any) -> bytes | None:
    """Return the body of a request, None where it does not come to its end.

    Of one that is too long there is more than may be: the owner refuses it.
    """
    body = bytearray()
    while len(body) <= limits.API_BODY_BYTES_MAX:
        message = await receive()
        if message["type"] == "http.disconnect":
            return None
        body += message.get("body", b"")
        if not message.get("more_body", False):
            break
    return bytes(body)


async def _send_back(response: httpcore.Response, send: Any) -> None:
    headers = [
        (name.lower(), value) for name, value in response.headers if name.lower() not in _NOT_PASSED_ON
    ]
    await send({"type": "http.response.start", "status": response.status, "headers": headers})
    await send({"type": "http.response.body", "body": response.content})


def _unreachable() -> EnduserError:
    return OwnerUnreachable(
        "the owner of the data folder does not answer", hint="see its log; it may be starting"
    )


def _too_busy() -> EnduserError:
    return TooBusy(
        f"{limits.PASSED_ON_MAX} calls are being answered already",
        hint="send it again in a second (PASSED_ON_MAX)",
        limit=limits.PASSED_ON_MAX,
    )


async def _refuse(send: Any, error: EnduserError) -> None:
    status, headers, body = refusal(error)
    headers.append((b"x-request-id", uuid.uuid4().hex.encode()))  # as every answer of the API has one
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
