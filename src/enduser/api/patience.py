"""How long a client may take, and how much it may say before it says what it wants."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Any

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol, RequestResponseCycle

from enduser import limits

_SWEEP_S = 1.0
_NO_HTTP = 400
_HEAD_TOO_LONG = 431
_HEADER_MARKS = 4
"""Bytes around the name and value of a header: a colon, a blank, the end of the line."""


class PatientProtocol(HttpToolsProtocol):
    """HTTP/1.1 that ends connections whose request does not come to an end, or whose answer is not taken.

    uvicorn waits for ever for a request that was begun, for one on a connection that was opened, and for a
    client that reads nothing; it also takes headers of any length, and requests ahead without end. The
    deadlines are looked after by `sweep`, not by a timer each. A few lines are uvicorn's own, where a call
    into it for each header would cost more than they do.
    """

    waiting_since: float | None = None
    """Since when, in the loop's time, a request is incomplete; None while one is answered, or between two."""
    idle_since: float | None = None
    """Since when all requests of the connection are answered; None: one is there, or none was yet."""
    _head_bytes = 0
    """Of the head that is being read: what its line and headers have, as far as they are whole."""
    _unread_bytes = 0
    """Bytes that came and are neither a whole head nor body; the parser keeps a header that never ends."""
    _waited_bytes = 0
    """Bytes of body since it is waited for."""
    _is_in_head = True
    _running: Any = None
    """The request that was begun to be answered last."""
    _refused: int | None = None
    """The status that ends the connection once what came before is answered; nothing is read any more."""
    _untaken: tuple[int, float] = (0, 0.0)
    """Bytes of answers that the client did not take yet, and since when it took none."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to wait for the first request."""
        super().connection_made(transport)
        self.waiting_since = self.loop.time()

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:
        self._running = cycle
        super()._start_asgi_task(cycle, app)

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell it also to the request that is being answered while others wait behind it."""
        if self._running is not None:
            self._running.disconnected = True
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Parse what came, unless it is a head, or are trailers, without end."""
        if self._refused is not None:
            return
        self._unread_bytes += len(data)
        super().data_received(data)
        if self._unread_bytes > 2 * limits.REQUEST_HEAD_BYTES_MAX and not self.transport.is_closing():
            self._refuse(_HEAD_TOO_LONG)

    def on_message_begin(self) -> None:
        """Begin to wait for the end of a request."""
        self._waited_bytes = 0
        if len(self.pipeline) >= limits.PIPELINED_REQUESTS_MAX:
            raise ValueError("too many requests ahead")  # the parser stops, and asks for a 400
        super().on_message_begin()
        self._is_in_head, self._head_bytes = True, 0
        self.waiting_since, self.idle_since = self.loop.time(), None

    def on_url(self, url: bytes) -> None:
        """Take a part of the path."""
        self._count(len(url))
        self.url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take a header; a trailer is none, so that it cannot pose as what a proxy wrote."""
        self._count(len(name) + len(value) + _HEADER_MARKS)
        if not self._is_in_head:
            return
        name = name.lower()
        if name == b"expect" and value.lower() == b"100-continue":
            self.expect_100_continue = True
        self.headers.append((name, value))

    def on_headers_complete(self) -> None:
        """Know that the rest is body."""
        self.end_head()
        super().on_headers_complete()

    def end_head(self) -> None:
        """Know that what comes now is body."""
        self._is_in_head = False
        self._unread_bytes = 0
        self.idle_since = None  # the one before may have been answered since this one began

    def on_body(self, body: bytes) -> None:
        """Take a part of the body; a long one may take its time, part by part."""
        self._unread_bytes = 0
        self._waited_bytes += len(body)
        if self._waited_bytes >= limits.TRANSFER_BYTES_MIN and not self.cycle.response_complete:
            self._waited_bytes = 0
            self.waiting_since = self.loop.time()
        super().on_body(body)

    def on_message_complete(self) -> None:
        """Wait no more: the request is there whole."""
        self.waiting_since = None
        self._is_in_head = True
        self._unread_bytes = 0
        super().on_message_complete()

    def on_response_complete(self) -> None:
        """Go on to the next request, or begin to be idle."""
        is_last = not self.pipeline or self.pipeline[-1][0].more_body  # what is refused never comes whole
        if self._refused is not None and is_last:
            self._refuse(self._refused)
        elif self.pipeline or self.transport.is_closing():
            super().on_response_complete()
        else:
            self.flow.resume_reading()
            self.idle_since = self.loop.time()

    def send_400_response(self, msg: str) -> None:  # noqa: ARG002 - the name is that of uvicorn
        """Refuse what is no HTTP, or has too long a head."""
        self._refuse(_HEAD_TOO_LONG if self._head_bytes > limits.REQUEST_HEAD_BYTES_MAX else _NO_HTTP)

    def is_late(self, now: float, seconds_max: float) -> bool:
        """Return whether its request is incomplete, or nothing of its answer was taken, for so long."""
        if (untaken := self.transport.get_write_buffer_size()) != self._untaken[0]:
            self._untaken = untaken, now
        if untaken and now - self._untaken[1] > seconds_max:
            return True
        since = self.waiting_since
        return since is not None and now - since > seconds_max and not self.transport.is_closing()

    def is_idle(self, now: float, seconds_max: float) -> bool:
        """Return whether no request came for so long after the last was answered."""
        since = self.idle_since
        return since is not None and now - since > seconds_max and not self.transport.is_closing()

    def _count(self, length: int) -> None:
        self._head_bytes += length
        if self._head_bytes > limits.REQUEST_HEAD_BYTES_MAX:
            raise ValueError("the head is too long")  # the parser stops, and asks for a 400

    def _refuse(self, status: int) -> None:
        """End the connection with a refusal, behind the answers to what came whole before."""
        running = self._running
        if running is not None and not running.response_complete and not running.more_body:
            self._refused = status
        elif status == _HEAD_TOO_LONG:
            self.transport.write(STATUS_LINE[status] + b"content-length: 0\r\nconnection: close\r\n\r\n")
            self.transport.close()
        else:
            super().send_400_response("Invalid HTTP request received.")


async def sweep(connections: Iterable[Any]) -> None:
    """End, for ever, the connections of a server that take too long or are idle. Runs until cancelled."""
    loop = asyncio.get_running_loop()
    while True:
        await asyncio.sleep(_SWEEP_S)
        now = loop.time()
        for connection in list(connections):
            if connection.is_late(now, limits.REQUEST_SECONDS_MAX):
                connection.transport.abort()
            elif connection.is_idle(now, limits.IDLE_SECONDS_MAX):
                connection.transport.close()
