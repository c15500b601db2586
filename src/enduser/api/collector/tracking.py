"""The tracking protocol over HTTP: the hot path of a collector.

A POST to one of its routes is answered by the connection itself: the parser's callbacks gather it, `Gate`
judges it, the group commit makes it durable, and the answer is written. There is no task, no coroutine and
no ASGI message for it, which a call with one event would cost more than all the rest. Every other request
goes uvicorn's way, to the application `PublicPlane`. Answers leave a connection in the order of its requests.
"""

from __future__ import annotations

import urllib.parse
from typing import Any

import httptools
import structlog
from uvicorn.protocols.http.httptools_impl import STATUS_LINE

from enduser import limits
from enduser.api.collector.gate import ROUTES, Gate, HttpCall, by_name, check_head, too_large
from enduser.api.collector.public import CORS, public_refusal
from enduser.api.figures import Figures
from enduser.api.patience import PatientProtocol
from enduser.api.problems import JSON, Headers
from enduser.clock import elapsed_s
from enduser.errors import BodyTooLarge, EnduserError, InternalError, TooBusy
from enduser.ingest.group_commit import GroupCommit

_BY_PATH = {path.encode(): route for path, route in ROUTES.items()}
_CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
_AT_ONCE = (BodyTooLarge, TooBusy)
"""Refusals that do not wait for the rest of the body."""
log = structlog.get_logger()


class Desk:
    """What all connections of a collector share."""

    def __init__(self, gate: Gate, commit: GroupCommit, figures: Figures) -> None:
        """Let in by `gate`, write with `commit`, count in `figures`."""
        self.gate = gate
        self.commit = commit
        self.figures = figures
        self.receiving = 0
        """Bytes of bodies that are not there whole yet, over all connections."""
        self._date: Headers | None = None
        self._head = b""

    def head(self, default_headers: Headers) -> bytes:
        """Return what every answer of 200 begins with. uvicorn replaces its list of headers once a second."""
        if default_headers is not self._date:
            self._date = default_headers
            self._head = STATUS_LINE[200] + _lines([*default_headers, *CORS, JSON])
        return self._head


class TrackingProtocol(PatientProtocol):
    """HTTP/1.1 that answers calls of the tracking protocol by itself."""

    def __init__(self, desk: Desk, *arguments: Any, **options: Any) -> None:
        """Serve one connection; the rest is what uvicorn gives a protocol."""
        super().__init__(*arguments, **options)
        self._desk = desk

    def data_received(self, data: bytes) -> None:
        """Parse what came; a body of which more is to come is held."""
        super().data_received(data)
        if isinstance(self.cycle, Tracked) and self.cycle.more_body:
            self.cycle.wait_for_rest()

    def connection_lost(self, exc: Exception | None) -> None:
        """Hold nothing any more."""
        super().connection_lost(exc)
        if isinstance(self.cycle, Tracked):
            self.cycle.let_go()

    def on_headers_complete(self) -> None:
        """Take a call for ourselves, leave any other request to uvicorn."""
        route = _route_of(self.url) if self.parser.get_method() == b"POST" else None
        if route is None:
            super().on_headers_complete()
            return
        self.end_head()
        previous = self.cycle
        cycle = Tracked(self, self._desk, route)
        self.cycle = cycle  # type: ignore[assignment]
        if previous is None or previous.response_complete:
            self._running = cycle
            cycle.begin()
        else:
            self.flow.pause_reading()
            self.pipeline.appendleft((cycle, self.app))  # type: ignore[arg-type]

    def on_body(self, body: bytes) -> None:
        """Keep a part of the body."""
        if isinstance(self.cycle, Tracked):
            self._unread_bytes = 0
            self.cycle.add(body)
        else:
            super().on_body(body)

    def on_message_complete(self) -> None:
        """Judge a call that is there whole."""
        super().on_message_complete()
        if isinstance(self.cycle, Tracked):
            self.cycle.go_on()

    def eof_received(self) -> bool:  # type: ignore[override]
        """Answer the last call of a client that says that it sends no more, then end the connection."""
        is_waiting = isinstance(self.cycle, Tracked) and not self.cycle.response_complete
        if not is_waiting or self.cycle.more_body:
            return False
        self.cycle.keep_alive = False
        return True

    def _start_asgi_task(self, cycle: Any, app: Any) -> None:
        """Answer a request whose turn it is, behind others on the same connection."""
        if isinstance(cycle, Tracked):
            self._running = cycle
            self.loop.call_soon(cycle.begin)  # not from here: a thousand refusals would be a deep stack
        else:
            super()._start_asgi_task(cycle, app)


class Tracked:
    """One call on its way through a connection, in the place of uvicorn's `RequestResponseCycle`."""

    __slots__ = (
        *("_answer", "_body", "_client", "_desk", "_error", "_headers", "_held", "_is_turn", "_length"),
        *("_protocol", "_query", "_route"),
        *("began", "disconnected", "keep_alive", "message_event", "more_body", "response_complete"),
    )

    def __init__(self, protocol: TrackingProtocol, desk: Desk, route: str) -> None:
        """Begin with the head, which the protocol has."""
        self.began = elapsed_s()
        self.keep_alive = protocol.parser.should_keep_alive() and protocol.parser.get_http_version() != "1.0"
        self.more_body = True
        self.response_complete = False
        self.disconnected = False
        self.message_event = _NOBODY_WAITS
        self._protocol = protocol
        self._desk = desk
        self._route = route
        self._query = protocol.url.partition(b"?")[2]
        self._client = protocol.client[0] if protocol.client else None
        self._headers = by_name(protocol.headers)
        self._body: list[bytes] = []
        self._length = 0
        self._held = 0
        self._is_turn = False
        self._answer = b""
        self._error: EnduserError | None = None
        try:
            check_head(self._headers)
        except EnduserError as error:
            self._error = error

    def begin(self) -> None:
        """Know that all requests before this one are answered."""
        self._is_turn = True
        if self._protocol.flow.write_paused:  # the client does not read its answers
            self._is_turn = False
            task = self._protocol.loop.create_task(self._begin_when_read())
            self._protocol.tasks.add(task)
            task.add_done_callback(self._protocol.tasks.discard)
        elif isinstance(self._error, _AT_ONCE) or not self.more_body:
            self.go_on()
        elif self._protocol.expect_100_continue:
            if self._error is None:
                self._protocol.transport.write(_CONTINUE)
            else:
                self.go_on()  # the client sends no body before it is told to

    async def _begin_when_read(self) -> None:
        await self._protocol.flow.drain()
        self.begin()

    def add(self, body: bytes) -> None:
        """Take a part of the body, unless the call is refused already."""
        if self._error is not None:
            return
        self._length += len(body)
        if self._length <= limits.BODY_BYTES_MAX:
            self._body.append(body)
            return
        self._error = too_large()
        self._body.clear()
        self.go_on()

    def wait_for_rest(self) -> None:
        """Hold what came of the body until the rest comes, unless all connections hold too much together."""
        if self._error is not None:
            return
        self._desk.receiving += self._length - self._held
        self._held = self._length
        if self._desk.receiving > limits.RECEIVING_BYTES_MAX:
            self._error = _too_many_bytes()
            self._body.clear()
            self.let_go()
            self.go_on()

    def let_go(self) -> None:
        """Hold nothing of the body."""
        self._desk.receiving -= self._held
        self._held = 0

    def go_on(self) -> None:
        """Judge the call, if it is its turn and nothing of it is missing that matters."""
        self.let_go()
        if self.response_complete:
            if not self.keep_alive:
                self._protocol.transport.close()  # a body that is not read would cut its answer
            return
        if not self._is_turn:
            return
        if self._error is not None:
            self._refuse(self._error)
            return
        try:
            call = HttpCall(self._route, self._headers, self._client, self._query, b"".join(self._body))
            self._body.clear()  # an idle connection keeps its last call
            frame, self._answer = self._desk.gate.take(call)
            if frame is None:
                self._succeed()
            else:
                self._desk.commit.add(frame, self.written)
        except Exception as error:  # noqa: BLE001 - a caller gets an answer, whatever mistake was made
            self._refuse(error)

    def written(self, error: Exception | None) -> None:
        """Answer: the call is on disk, or it is not."""
        if error is None:
            self._succeed()
        else:
            self._refuse(error)

    def _succeed(self) -> None:
        head = self._desk.head(self._protocol.server_state.default_headers)
        self._end(head + b"content-length: %d\r\n" % len(self._answer), self._answer)
        self._desk.figures.answer(elapsed_s() - self.began)

    def _refuse(self, error: Exception) -> None:
        if not isinstance(error, EnduserError):
            log.error("call failed", exc_info=error)
            error = InternalError(
                "the call could not be taken", hint="the server's log has more; send it again"
            )
        if self.more_body:
            self.keep_alive = False  # the rest of the body is not read
        status, headers, body = public_refusal(error)
        told = [*self._protocol.server_state.default_headers, *headers]
        self._end(STATUS_LINE[status] + _lines(told), body)
        self._desk.figures.refuse(error.code)

    def _end(self, head: bytes, body: bytes) -> None:
        transport = self._protocol.transport
        self.response_complete = True
        if self.disconnected or transport.is_closing():
            return
        if self.keep_alive:
            transport.write(head + b"\r\n" + body)
            self._protocol.on_response_complete()
        else:
            transport.write(head + b"connection: close\r\n\r\n" + body)
            if not self.more_body:
                transport.close()


class _Nobody:
    """In the place of an event that nobody waits for."""

    def set(self) -> None:
        """Do nothing."""


_NOBODY_WAITS = _Nobody()


def _route_of(url: bytes) -> str | None:
    """Return the call that a request's target names, None where it names none."""
    route = _BY_PATH.get(url.partition(b"?")[0])
    if route is None and (b"%" in url or not url.startswith(b"/")):
        try:
            path: bytes = httptools.parse_url(url).path or b""
        except httptools.HttpParserInvalidURLError:
            return None
        route = ROUTES.get(urllib.parse.unquote(path.decode("ascii", "replace")))
    return route


def _too_many_bytes() -> TooBusy:
    return TooBusy(
        "too many calls are half received",
        hint=f"{limits.RECEIVING_BYTES_MAX:,} bytes of them may be held (RECEIVING_BYTES_MAX); try again",
        limit=limits.RECEIVING_BYTES_MAX,
    )


def _lines(headers: Headers) -> bytes:
    return b"".join([name + b": " + value + b"\r\n" for name, value in headers])
