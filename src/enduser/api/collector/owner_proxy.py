"""What a collector passes on to the owner of the data folder, over a socket of their own."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, nullcontext
from typing import Any

import httpcore

from enduser import limits
from enduser.api.collector.unix_sockets import UnixSockets
from enduser.api.problems import ASKS_FIRST, refusal
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

_BLANKS = b" \t"
"""They may stand around the value of a header, and are no part of it; the owner is not sent any."""

_NOT_OK = 400
_JSON = b"application/json"

_HEALTH = frozenset((b"/healthz", b"/readyz", b"/metrics"))
"""What is passed on however much is asked: who looks after the server must see it."""


class OwnerProxy:
    """An ASGI application that answers with what the owner answers.

    A request is passed on when it is there whole, and its answer when that is: there are few connections
    to the owner, and no slow client may hold one of them. What is too long to be held in memory is passed on
    as it comes, like a file: few at once, and only if the owner, who is asked first, would take it.
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
        self._passed_on = _Places("PASSED_ON_MAX", "calls are being answered")
        self._files = _Places("TRANSFERS_MAX", "files are coming or going")
        self._receiving = 0
        """Bytes of bodies that are not there whole yet."""

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Pass one request on, and its answer back."""
        body = _Body(receive)
        try:
            begin = await self._begin_of(body)
            with nullcontext() if scope["raw_path"] in _HEALTH else self._passed_on.one():
                if body.is_whole:
                    await self._pass_on(scope, begin, send)
                else:
                    await self._pass_file_on(scope, body, begin, send)
        except _Gone:
            return
        except EnduserError as error:
            await _refuse(send, error)

    async def _begin_of(self, body: _Body) -> bytes:
        """Return all of a body, or of a long one the beginning.

        Raises:
            _Gone: it does not come to its end.
            TooBusy: too much is held already of bodies that are not there whole yet.
        """
        begin = bytearray()
        try:
            while not body.is_whole and len(begin) <= limits.API_BODY_BYTES_MAX:
                part = await body.part()
                begin += part
                self._receiving += len(part)
                if self._receiving > limits.RECEIVING_BYTES_MAX:
                    raise TooBusy(
                        "too many bodies of calls are half received",
                        hint="send it again in a second (RECEIVING_BYTES_MAX)",
                        limit=limits.RECEIVING_BYTES_MAX,
                    )
        finally:
            self._receiving -= len(begin)
        return bytes(begin)

    async def _pass_file_on(self, scope: Any, body: _Body, begin: bytes, send: Any) -> None:
        with self._files.one():
            if await self._may_come(scope, send):
                await self._pass_on(scope, body.parts(begin), send)

    async def _may_come(self, scope: Any, send: Any) -> bool:
        """Ask the owner whether a request may be made that has a file; if not, pass its refusal back."""
        async with self._asked(scope, b"", (ASKS_FIRST, b"1")) as response:
            refusal_body = await response.aread()
        if response.status >= _NOT_OK:
            await _send_whole(response, refusal_body, send)
        return response.status < _NOT_OK

    async def _pass_on(self, scope: Any, body: bytes | AsyncIterator[bytes], send: Any) -> None:
        async with self._asked(scope, body) as response:
            if _is_file(response):
                await self._pass_file_back(response, send)
                return
            answer = await response.aread()
        await _send_whole(response, answer, send)

    @asynccontextmanager
    async def _asked(
        self, scope: Any, body: bytes | AsyncIterator[bytes], *more: tuple[bytes, bytes]
    ) -> AsyncIterator[httpcore.Response]:
        """Yield the owner's answer to a request, of which the body is not read yet.

        Raises:
            OwnerUnreachable: there is none.
        """
        dropped = _NOT_PASSED_ON | _SAID_ANEW
        target = scope["raw_path"] + _query(scope["query_string"])
        headers = [(name, value.strip(_BLANKS)) for name, value in scope["headers"] if name not in dropped]
        try:
            async with self._connections.stream(
                scope["method"],
                httpcore.URL(scheme="http", host="owner", target=target),
                headers=[*headers, *more],
                content=body,
                extensions={"timeout": {"connect": _CONNECT_S}},
            ) as response:
                yield response
        except (httpcore.NetworkError, httpcore.ProtocolError):
            raise OwnerUnreachable(
                "the owner of the data folder does not answer", hint="see its log; it may be starting"
            ) from None

    async def _pass_file_back(self, response: httpcore.Response, send: Any) -> None:
        with self._files.one():
            await send(_begin_of(response))
            try:
                async for part in response.aiter_stream():
                    await send({"type": "http.response.body", "body": part, "more_body": True})
            except (httpcore.NetworkError, httpcore.ProtocolError):
                raise _Gone from None  # the client sees that the rest is missing
            await send({"type": "http.response.body", "body": b""})

    async def close(self) -> None:
        """End the connections."""
        await self._connections.aclose()


class _Gone(Exception):
    """The client went before its request was there whole."""


class _Places:
    """So many at once, and no more."""

    def __init__(self, limit: str, what: str) -> None:
        """Bound by the limit of this name, `what` being what there are so many of."""
        self._limit = limit
        self._what = what
        self._taken = 0

    @contextmanager
    def one(self) -> Iterator[None]:
        """Take a place for a while.

        Raises:
            TooBusy: all are taken.
        """
        places: int = getattr(limits, self._limit)
        if self._taken >= places:
            raise TooBusy(
                f"{places} {self._what} already",
                hint=f"send it again in a second ({self._limit})",
                limit=places,
            )
        self._taken += 1
        try:
            yield
        finally:
            self._taken -= 1


class _Body:
    """The body of a request as it comes."""

    def __init__(self, receive: Any) -> None:
        """Read with `receive`."""
        self._receive = receive
        self.is_whole = False
        """Whether nothing is to come any more."""

    async def parts(self, begin: bytes) -> AsyncIterator[bytes]:
        """Yield all of it, of which the beginning is there.

        Raises:
            _Gone: it does not come to its end.
        """
        yield begin
        while not self.is_whole:
            if part := await self.part():
                yield part

    async def part(self) -> bytes:
        """Return what comes next, which may be nothing.

        Raises:
            _Gone: nothing comes any more.
        """
        message = await self._receive()
        if message["type"] == "http.disconnect":
            raise _Gone
        self.is_whole = not message.get("more_body", False)
        part: bytes = message.get("body", b"")
        return part


def _query(told: bytes) -> bytes:
    return b"?" + told if told else b""


def _is_file(response: httpcore.Response) -> bool:
    """Return whether an answer may be too long to be held in memory; lists are in the owner's anyway."""
    told = {name.lower(): value for name, value in response.headers}
    is_long = int(told.get(b"content-length", b"0")) > limits.API_BODY_BYTES_MAX
    return is_long and told.get(b"content-type") != _JSON


def _begin_of(response: httpcore.Response) -> Any:
    told = [(name.lower(), value) for name, value in response.headers]
    headers = [(name, value) for name, value in told if name not in _NOT_PASSED_ON]
    return {"type": "http.response.start", "status": response.status, "headers": headers}


async def _send_whole(response: httpcore.Response, body: bytes, send: Any) -> None:
    await send(_begin_of(response))
    await send({"type": "http.response.body", "body": body})


async def _refuse(send: Any, error: EnduserError) -> None:
    status, headers, body = refusal(error)
    headers.append((b"x-request-id", uuid.uuid4().hex.encode()))  # as every answer of the API has one
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
