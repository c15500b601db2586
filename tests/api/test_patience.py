"""Slow, silent, broken and endless clients harm nobody else."""

from __future__ import annotations

import asyncio
import http.client
import json
import resource
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import suppress

import pytest
import uvloop
from serving import wait_until
from uvicorn.server import ServerState

from enduser import limits
from enduser.api import patience
from enduser.api.http_server import Server, server_of

FAST_S = 0.3


async def echo(scope, receive, send) -> None:
    """Answer with the length of the body and its headers that begin with t-; with megabytes if asked so."""
    length = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return
        length += len(message.get("body", b""))
        if not message.get("more_body"):
            break
    body = b",".join([b"%d" % length, *(name for name, _ in scope["headers"] if name[:2] == b"t-")])
    if scope["path"] == "/late":
        await asyncio.sleep(FAST_S)
    if scope["path"] == "/megabytes":
        body = bytes(16_000_000)
    headers = [(b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[int, ServerState]]:
    """Run a server whose patience is short; give its port and what it is at."""
    monkeypatch.setattr(limits, "REQUEST_SECONDS_MAX", FAST_S)
    monkeypatch.setattr(patience, "_SWEEP_S", 0.05)
    listener = socket.create_server(("127.0.0.1", 0), backlog=4_096)
    server = server_of(echo, lifespan="off")
    thread = threading.Thread(target=uvloop.run, args=[served(server, listener)])
    thread.start()
    yield listener.getsockname()[1], server.server_state
    server.should_exit = True
    thread.join()


@pytest.fixture
def port(impatient: tuple[int, ServerState]) -> int:
    return impatient[0]


async def served(server: Server, listener: socket.socket) -> None:
    sweeping = asyncio.create_task(patience.sweep(server.server_state.connections))
    await server.serve(sockets=[listener])
    sweeping.cancel()


def client(port: int) -> socket.socket:
    return socket.create_connection(("127.0.0.1", port), timeout=10)


def is_ended(connection: socket.socket) -> bool:
    """Wait until the server ends the connection."""
    try:
        return connection.recv(1) == b""
    except ConnectionResetError:
        return True


def answer(port: int, body: bytes = b"abc") -> bytes:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    connection.request("POST", "/", body)
    found = connection.getresponse().read()
    connection.close()
    return found


BEGINNINGS = {
    "says nothing": b"",
    "begins a line": b"POST / HT",
    "begins a header": b"POST / HTTP/1.1\r\nhost: x\r\nx-",
    "never sends its body": b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 10\r\n\r\n",
    "cuts its body": b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 10\r\n\r\nabc",
    "never ends its chunks": b"POST / HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n",
}


@pytest.mark.parametrize("beginning", BEGINNINGS.values(), ids=BEGINNINGS.keys())
def test_a_client_that_does_not_end_its_request_is_left(port: int, beginning: bytes) -> None:
    with client(port) as connection:
        connection.sendall(beginning)
        assert is_ended(connection)
    assert answer(port) == b"3"


def test_a_request_that_comes_slowly_but_in_time_is_answered(port: int) -> None:
    with client(port) as connection:
        for part in (b"POST / HTTP/1.1\r\nhost: x\r\n", b"content-length: 3\r\n\r\n", b"a", b"bc"):
            connection.sendall(part)
        assert connection.recv(1_000).startswith(b"HTTP/1.1 200")


@pytest.mark.parametrize("part", [1_000, 200])
def test_a_long_body_may_take_its_time_as_long_as_enough_of_it_comes(
    port: int, monkeypatch: pytest.MonkeyPatch, part: int
) -> None:
    monkeypatch.setattr(limits, "TRANSFER_BYTES_MIN", 1_000)
    with client(port) as connection:
        connection.sendall(b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: %d\r\n\r\n" % (12 * part))
        with suppress(OSError):  # it may be ended while it is still sending
            for _ in range(12):
                connection.sendall(bytes(part))
                time.sleep(FAST_S / 3)
        assert is_ended(connection) == (part < limits.TRANSFER_BYTES_MIN)


def test_a_connection_may_be_idle_between_two_requests(port: int) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    for _ in range(2):
        connection.request("POST", "/", b"abc")
        assert connection.getresponse().read() == b"3"
        assert not is_ended_within(connection.sock, 3 * FAST_S)
    connection.close()


def test_a_connection_that_nobody_uses_ends(port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    connection.request("POST", "/", b"abc")
    assert connection.getresponse().read() == b"3"
    assert not is_ended_within(connection.sock, FAST_S)
    monkeypatch.setattr(limits, "IDLE_SECONDS_MAX", 0.1)
    assert is_ended(connection.sock)
    connection.close()


def test_a_connection_whose_next_request_began_before_an_answer_is_not_idle(
    impatient: tuple[int, ServerState], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "REQUEST_SECONDS_MAX", 30)
    port, state = impatient
    with client(port) as connection:
        connection.sendall(b"GET /late HTTP/1.1\r\nhost: x\r\n\r\nPOST / HTTP/1.1\r\nho")
        assert received(connection, b"\r\n\r\n0").startswith(b"HTTP/1.1 200")
        connection.sendall(b"st: x\r\ncontent-length: 3\r\n\r\na")
        (protocol,) = state.connections
        wait_until(lambda: not protocol._is_in_head)
        monkeypatch.setattr(limits, "IDLE_SECONDS_MAX", 0.1)
        assert not is_ended_within(connection, FAST_S)
        monkeypatch.setattr(limits, "IDLE_SECONDS_MAX", 30)
        connection.sendall(b"bc")
        assert received(connection, b"\r\n\r\n3").startswith(b"HTTP/1.1 200")


def test_a_connection_serves_more_requests_than_one_head_may_have_bytes(port: int) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    for _ in range(40):
        connection.request("POST", "/", b"x" * 10_000, {"x-long": "y" * 5_000})
        assert connection.getresponse().read() == b"10000"
    connection.close()


def is_ended_within(connection: socket.socket, seconds: float) -> bool:
    connection.settimeout(seconds)
    try:
        return connection.recv(1) == b""
    except TimeoutError:
        return False
    finally:
        connection.settimeout(10)


@pytest.mark.parametrize(("more", "status"), [(-200, b"200"), (200, b"431")])
def test_the_head_of_a_request_has_a_limit(port: int, more: int, status: bytes) -> None:
    filler = b"x" * (limits.REQUEST_HEAD_BYTES_MAX + more)
    with client(port) as connection:
        connection.sendall(b"GET / HTTP/1.1\r\nhost: x\r\nx-long: " + filler + b"\r\n\r\n")
        assert connection.recv(12) == b"HTTP/1.1 " + status


def test_a_head_without_end_is_refused_before_it_ends(port: int) -> None:
    with client(port) as connection:
        connection.sendall(b"GET / HTTP/1.1\r\n" + b"a: b\r\n" * 20_000)
        assert connection.recv(12) == b"HTTP/1.1 431"


def test_trailers_without_end_are_refused_before_they_end(port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "REQUEST_SECONDS_MAX", 60)
    chunked = b"POST / HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nx: "
    filler = b"y" * 20_000_000  # more than waits between two ends
    with client(port) as connection, pytest.raises(ConnectionError):
        connection.sendall(chunked + filler)


def test_a_trailer_is_no_header(port: int) -> None:
    chunked = (
        b"POST / HTTP/1.1\r\nt-a: b\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nt-b: c\r\n\r\n"
    )
    with client(port) as connection:
        connection.sendall(b"POST / HTTP/1.1\r\ncontent-length: 0\r\n\r\n" + chunked)  # read before its turn
        answers = received(connection, b"3,t-a")
    assert b"t-b" not in answers


def received(connection: socket.socket, end: bytes) -> bytes:
    """Return what comes until an end, or until the connection ends."""
    found = b""
    while not found.endswith(end) and (more := connection.recv(65_536)):
        found += more
    return found


@pytest.mark.parametrize("more", [-1, 0, 1])
def test_a_connection_may_be_so_many_requests_ahead(port: int, more: int) -> None:
    ahead = limits.PIPELINED_REQUESTS_MAX + more
    with client(port) as connection:
        connection.sendall(
            b"GET / HTTP/1.1\r\nhost: x\r\n\r\n" * ahead + b"GET / HTTP/1.1\r\nt-last: x\r\n\r\n"
        )
        answers = received(connection, b"0,t-last")
    assert answers.count(b"HTTP/1.1 200") == min(ahead, limits.PIPELINED_REQUESTS_MAX) + 1
    assert answers.count(b"HTTP/1.1 400") == (0 if more <= 0 else 1)


def test_a_client_that_leaves_while_it_is_ahead_is_no_mistake(
    impatient: tuple[int, ServerState], caplog: pytest.LogCaptureFixture
) -> None:
    port, state = impatient
    with client(port) as connection:
        connection.sendall(b"GET / HTTP/1.1\r\nhost: x\r\n\r\nGET /late HTTP/1.1\r\nhost: x\r\n\r\n" * 2)
        assert connection.recv(12) == b"HTTP/1.1 200"
    wait_until(lambda: not (state.tasks or state.connections))
    assert not caplog.records


@pytest.mark.parametrize("header", [b"", b"connection: close\r\n"])
def test_a_client_that_takes_nothing_of_its_answer_is_left(
    impatient: tuple[int, ServerState], header: bytes
) -> None:
    port, state = impatient
    with client(port) as connection:
        connection.sendall(b"GET /megabytes HTTP/1.1\r\nhost: x\r\n" + header + b"\r\n")
        assert connection.recv(12) == b"HTTP/1.1 200"
        assert len(state.connections) == 1
        wait_until(lambda: not state.connections)


def test_a_client_that_takes_its_answer_slowly_gets_it(port: int) -> None:
    with client(port) as connection:
        connection.sendall(b"GET /megabytes HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
        until, length = time.monotonic() + 3 * FAST_S, 0
        while part := connection.recv(20_000 if time.monotonic() < until else 1_000_000):
            length += len(part)
    assert length > 16_000_000


def test_a_broken_request_is_refused(port: int) -> None:
    with client(port) as connection:
        connection.sendall(b"\x16\x03\x01 no http at all\r\n\r\n")
        assert connection.recv(12) == b"HTTP/1.1 400"
    assert answer(port) == b"3"


def test_thousands_of_idle_connections_do_not_hinder_others(
    port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "REQUEST_SECONDS_MAX", 30)
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    count = min(3_000, hard // 2 - 200)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(2 * count + 500, hard), hard))
    idle = []
    try:
        for _ in range(count):
            connection = client(port)
            connection.sendall(b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 3\r\n\r\nabc")
            idle.append(connection)
        for connection in idle:
            assert connection.recv(1_000).startswith(b"HTTP/1.1 200")
        assert answer(port, json.dumps({"a": 1}).encode()) == b"8"
    finally:
        for connection in idle:
            connection.close()
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
