"""How long a client may take, and how much it may say before it says what it wants."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Any

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from enduser import limits

_SWEEP_S = 1.0
_HEADER_MARKS = 4
"""Bytes around the name and value of a header: a colon, a blank, the end of the line."""


class PatientProtocol(HttpToolsProtocol):
    """HTTP/1.1 that ends connections whose request does not come to an end.

    uvicorn waits for ever for a request that was begun, and for one on a connection that was opened; it
    also takes headers of any length. The deadlines are looked after by `sweep`, not by a timer each. A few
    lines are uvicorn's own, where a call into it for each header would cost more than they do.
    """

    waiting_since: float | None = None
    """Since when, in the loop's time, a request is incomplete; None while one is answered, or between two."""
    idle_since: float | None = None
    """Since when all requests of the connection are answered; None: one is there, or none was yet."""
    _head_bytes = 0
    """Of the head that is being read: what its line and headers have, as far as they are whole."""
    _unread_bytes = 0
    """Bytes that came since the head began; a header that never ends would be kept by the parser."""
    _is_in_head = True

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to wait for the first request."""
        super().connection_made(transport)
        self.waiting_since = self.loop.time()

    def data_received(self, data: bytes) -> None:
        """Parse what came, unless it is a head without end."""
        self._unread_bytes += len(data)
        super().data_received(data)
        if not self._is_in_head:
            self._unread_bytes = 0
        if self._unread_bytes > 2 * limits.REQUEST_HEAD_BYTES_MAX and not self.transport.is_closing():
            self._refuse_head()

    def on_message_begin(self) -> None:
        """Begin to wait for the end of a request."""
        super().on_message_begin()
        self._is_in_head, self._head_bytes = True, 0
        self.waiting_since, self.idle_since = self.loop.time(), None

    def on_url(self, url: bytes) -> None:
        """Take a part of the path."""
        self._count(len(url))
        self.url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take a header."""
        self._count(len(name) + len(value) + _HEADER_MARKS)
        name = name.lower()
        if name == b"expect" and value.lower() == b"100-continue":
            self.expect_100_continue = True
        self.headers.append((name, value))

    def on_headers_complete(self) -> None:
        """Know that the rest is body."""
        self._is_in_head = False
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        """Wait no more: the request is there whole."""
        self.waiting_since = None
        self._is_in_head = True
        self._unread_bytes = 0
        super().on_message_complete()

    def on_response_complete(self) -> None:
        """Go on to the next request, or begin to be idle."""
        if self.pipeline or self.transport.is_closing():
            super().on_response_complete()
        else:
            self.flow.resume_reading()
            self.idle_since = self.loop.time()

    def send_400_response(self, msg: str) -> None:
        """Refuse what is no HTTP, or has too long a head."""
        if self._head_bytes > limits.REQUEST_HEAD_BYTES_MAX:
            self._refuse_head()
        else:
            super().send_400_response(msg)

    def _count(self, length: int) -> None:
        self._head_bytes += length
        if self._head_bytes > limits.REQUEST_HEAD_BYTES_MAX:
            raise ValueError("the head is too long")  # the parser stops, and asks for a 400

    def _refuse_head(self) -> None:
        self.transport.write(STATUS_LINE[431] + b"content-length: 0\r\nconnection: close\r\n\r\n")
        self.transport.close()


async def sweep(connections: Iterable[Any]) -> None:
    """End, for ever, the connections of a server that take too long or are idle. Runs until cancelled."""
    loop = asyncio.get_running_loop()
    while True:
        await asyncio.sleep(_SWEEP_S)
        oldest_request = loop.time() - limits.REQUEST_SECONDS_MAX
        oldest_idle = loop.time() - limits.IDLE_SECONDS_MAX
        for connection in list(connections):
            if connection.transport.is_closing():
                continue
            if connection.waiting_since is not None and connection.waiting_since < oldest_request:
                connection.transport.abort()
            elif connection.idle_since is not None and connection.idle_since < oldest_idle:
                connection.transport.close()
