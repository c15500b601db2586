"""What is passed on to the owner: all of a request or nothing of it, however odd or slow its client is."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from waiting import until

from enduser import limits
from enduser.api.collector import owner_proxy
from enduser.api.collector.owner_proxy import OwnerProxy
from enduser.api.http_server import private_socket, server_of
from enduser.api.owner import operations

pytestmark = pytest.mark.anyio


FILE_BYTES = 8 * limits.API_BODY_BYTES_MAX
ASKED: list[tuple[str, int | None]] = []
"""The paths that the owner was asked for, and how long the bodies were; None: one was cut off."""


async def owner(scope, receive, send) -> None:
    """Answer with what was asked; refuse `/refused`, give a file for `/file`, and half of one for `/half`."""
    length = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            ASKED.append((scope["path"], None))
            return
        length += len(message.get("body", b""))
        if not message.get("more_body"):
            break
    ASKED.append((scope["path"], length))
    asked = [scope["method"], scope["raw_path"].decode(), scope["query_string"].decode(), length]
    body = json.dumps(asked).encode()
    if scope["path"] in ("/file", "/half"):
        body = bytes(FILE_BYTES)
    status = 401 if scope["path"] == "/refused" else 200
    headers = [(b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    sent = body[: FILE_BYTES // 2] if scope["path"] == "/half" else body
    await send({"type": "http.response.body", "body": sent, "more_body": len(sent) < len(body)})


@pytest.fixture
def asked() -> list[tuple[str, int | None]]:
    ASKED.clear()
    return ASKED


@pytest.fixture
def path(tmp_path: Path) -> Iterator[str]:
    """Serve an owner on a Unix socket."""
    path = str(tmp_path / "o.sock")
    server = server_of(owner, lifespan="off")
    thread = threading.Thread(target=asyncio.run, args=[server.serve(sockets=[private_socket(path)])])
    thread.start()
    yield path
    server.should_exit = True
    thread.join()


@pytest.fixture
async def proxy(path: str):
    opened = OwnerProxy(path)
    yield opened
    await opened.close()


GONE = {"type": "http.disconnect"}


def part(body: bytes, *, is_last: bool = False) -> dict[str, Any]:
    return {"type": "http.request", "body": body, "more_body": not is_last}


async def answer(proxy: OwnerProxy, target: bytes, *parts: dict[str, Any], **scope: Any) -> list[Any]:
    """Return what is sent back for a request whose body comes in these parts."""
    coming, sent = iter(parts or [part(b"", is_last=True)]), []

    async def receive() -> dict[str, Any]:
        return next(coming)

    async def send(message: dict[str, Any]) -> None:
        sent.append(message.get("status") or json.loads(message["body"]))

    raw_path, _, query = target.partition(b"?")
    scope = {"method": "POST", "raw_path": raw_path, "query_string": query, "headers": [], **scope}
    await proxy(scope, receive, send)
    return sent


@pytest.mark.parametrize("target", ["/healthz", "*", "//a", "/a/../b", "/%2e%2e/%ff", '/"<>|^`', "/?b=%zz"])
async def test_a_target_is_passed_on_as_it_came(proxy: OwnerProxy, target: str) -> None:
    path, _, query = target.partition("?")
    assert await answer(proxy, target.encode()) == [200, ["POST", path, query, 0]]


@pytest.mark.parametrize(
    "headers",
    [
        [(b"host", b"a"), (b"host", b"b")],
        [(b"transfer-encoding", b"chunked")],
        [(b"content-length", b"5")],
        [(b"expect", b"100-continue")],
        [(b"authorization", b"Bearer "), (b"x-one", b" \t")],
        [(b"connection", b"upgrade"), (b"upgrade", b"h2c")],
    ],
)
async def test_headers_of_the_clients_connection_are_not_the_owners(proxy: OwnerProxy, headers) -> None:
    parts = part(b"ab"), part(b""), part(b"cde", is_last=True)
    assert await answer(proxy, b"/", *parts, headers=headers) == [200, ["POST", "/", "", 5]]


async def test_a_request_that_is_cut_off_is_not_passed_on(proxy: OwnerProxy) -> None:
    assert await answer(proxy, b"/", part(b"ab"), GONE, headers=[(b"content-length", b"5")]) == []


@pytest.mark.parametrize("more", [0, 1, 100_000])
async def test_a_body_too_long_for_memory_is_passed_on_whole(proxy: OwnerProxy, more: int) -> None:
    size = limits.API_BODY_BYTES_MAX + more
    parts = part(b"x" * size), part(b""), part(b"y" * 100, is_last=True)
    assert await answer(proxy, b"/", *parts) == [200, ["POST", "/", "", size + 100]]


LONG = part(b"x" * (limits.API_BODY_BYTES_MAX + 1))


async def test_of_a_long_body_nothing_more_is_read_when_the_owner_refuses_the_call(
    proxy: OwnerProxy,
) -> None:
    assert await answer(proxy, b"/refused", LONG) == [401, ["POST", "/refused", "", 0]]


async def test_a_long_body_that_is_cut_off_is_cut_off_for_the_owner_too(
    proxy: OwnerProxy, asked: list[tuple[str, int | None]]
) -> None:
    assert await answer(proxy, b"/", LONG, GONE) == []
    await until(lambda: ("/", None) in asked)


async def test_bodies_that_are_not_there_whole_have_a_bound_together(
    proxy: OwnerProxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "RECEIVING_BYTES_MAX", 1_000)
    reads = asyncio.Event()

    async def slow() -> dict[str, Any]:
        if not reads.is_set():
            reads.set()
            return part(bytes(600))
        await asyncio.Event().wait()
        return GONE

    scope = {"method": "POST", "raw_path": b"/", "query_string": b"", "headers": []}
    first = asyncio.create_task(proxy(scope, slow, slow))
    await reads.wait()
    status, body = await answer(proxy, b"/", part(bytes(600)), part(b"", is_last=True))
    assert (status, body["error"]["code"], body["error"]["limit"]) == (429, "too_busy", 1_000)
    assert (await answer(proxy, b"/", part(bytes(300)), part(b"", is_last=True)))[0] == 200
    first.cancel()
    await asyncio.wait([first])
    assert (await answer(proxy, b"/", part(bytes(600)), part(b"", is_last=True)))[0] == 200


async def test_only_so_many_long_bodies_come_at_once_and_short_ones_are_not_hindered(
    proxy: OwnerProxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "TRANSFERS_MAX", 1)
    going_on, reads = asyncio.Event(), asyncio.Event()

    async def receive() -> dict[str, Any]:
        if not reads.is_set():
            reads.set()
            return LONG
        await going_on.wait()
        return part(b"", is_last=True)

    sent: list[dict[str, Any]] = []

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    scope = {"method": "POST", "raw_path": b"/", "query_string": b"", "headers": []}
    first = asyncio.create_task(proxy(scope, receive, send))
    await reads.wait()
    status, body = await answer(proxy, b"/", LONG, part(b"", is_last=True))
    assert (status, body["error"]["code"], body["error"]["limit"]) == (429, "too_busy", 1)
    assert (await answer(proxy, b"/"))[0] == 200
    going_on.set()
    await first
    assert sent[0]["status"] == 200
    assert (await answer(proxy, b"/", LONG, part(b"", is_last=True)))[0] == 200


async def test_a_long_answer_is_passed_back_in_parts_and_a_cut_one_is_no_whole_one(proxy: OwnerProxy) -> None:
    for path, length in ((b"/file", FILE_BYTES), (b"/half", FILE_BYTES // 2)):
        parts = []

        async def send(message: dict[str, Any], parts: list[Any] = parts) -> None:
            parts.append(message)

        async def receive() -> dict[str, Any]:
            return part(b"", is_last=True)

        scope = {"method": "GET", "raw_path": path, "query_string": b"", "headers": []}
        await proxy(scope, receive, send)
        begin, *bodies = parts
        assert dict(begin["headers"])[b"content-length"] == b"%d" % FILE_BYTES
        assert sum(len(one["body"]) for one in bodies) == length
        assert max(len(one["body"]) for one in bodies) <= limits.API_BODY_BYTES_MAX
        assert (not bodies[-1].get("more_body")) == (length == FILE_BYTES)


async def test_slow_clients_hold_nothing_that_others_need(
    proxy: OwnerProxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A call takes one of the few places when it is there whole, not before."""
    monkeypatch.setattr(limits, "PASSED_ON_MAX", 1)
    begun = asyncio.Semaphore(0)

    async def never() -> dict[str, Any]:
        begun.release()
        await asyncio.Event().wait()
        return GONE

    scope = {"method": "POST", "raw_path": b"/", "query_string": b"", "headers": [(b"content-length", b"9")]}
    slow = [asyncio.create_task(proxy(scope, never, never)) for _ in range(150)]
    for _ in slow:
        await begun.acquire()
    assert (await asyncio.wait_for(answer(proxy, b"/api/v1/users"), 5))[0] == 200
    for task in slow:
        task.cancel()


async def test_health_is_what_the_operations_plane_answers() -> None:
    assert {path.encode() for path in operations.PATHS} == owner_proxy._HEALTH


@pytest.fixture
async def busy(tmp_path: Path):
    """A proxy to an owner that answers nothing but health."""
    taken = asyncio.Semaphore(0)

    async def owner_that_works(scope, receive, send) -> None:
        if scope["path"] == "/healthz":
            await owner(scope, receive, send)
            return
        taken.release()
        await asyncio.Event().wait()

    path = str(tmp_path / "busy.sock")
    server = server_of(owner_that_works, lifespan="off")
    serving = asyncio.create_task(server.serve(sockets=[private_socket(path)]))
    proxy = OwnerProxy(path)
    yield proxy, taken
    await proxy.close()
    server.force_exit = server.should_exit = True
    await serving


async def test_calls_that_wait_for_the_owner_have_a_limit_and_health_is_told_all_the_same(
    busy: tuple[OwnerProxy, asyncio.Semaphore], monkeypatch: pytest.MonkeyPatch
) -> None:
    proxy, taken = busy
    monkeypatch.setattr(limits, "PASSED_ON_MAX", 150)
    waiting = [asyncio.create_task(answer(proxy, b"/api/v1/users")) for _ in range(150)]
    for _ in waiting:
        await taken.acquire()
    status, body = await answer(proxy, b"/api/v1/users")
    assert (status, body["error"]["code"], body["error"]["limit"]) == (429, "too_busy", 150)
    assert (await asyncio.wait_for(answer(proxy, b"/healthz"), 5))[0] == 200
    waiting[0].cancel()
    await asyncio.wait(waiting[:1])
    more = asyncio.create_task(answer(proxy, b"/api/v1/users"))
    await asyncio.wait_for(taken.acquire(), 5)
    for task in (*waiting[1:], more):
        task.cancel()


async def test_an_owner_that_is_not_there_is_an_error_that_says_so(tmp_path: Path) -> None:
    proxy = OwnerProxy(str(tmp_path / "none.sock"))
    status, body = await answer(proxy, b"/healthz")
    assert (status, body["error"]["code"]) == (503, "owner_unreachable")
    await proxy.close()
