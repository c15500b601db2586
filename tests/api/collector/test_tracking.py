"""Calls over one connection: in order, in pieces, many at once, and with clients that misbehave."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest
from collecting import EVENT, KEY, Site, basic
from waiting import until

from enduser import limits
from enduser.errors import SpoolFull

pytestmark = pytest.mark.anyio

ANSWER = re.compile(rb"HTTP/1\.1 (\d{3}) [^\r]*\r\n((?:[^\r]+\r\n)*)\r\n", re.IGNORECASE)
GOOD = json.dumps(EVENT).encode()


def call(body: bytes = GOOD, path: str = "/v1/track", version: str = "1.1", **headers: str) -> bytes:
    """Return a call as bytes."""
    told = {"host": "x", "authorization": basic(KEY), "content-length": str(len(body))}
    told |= {name.replace("_", "-"): value for name, value in headers.items()}
    lines = [f"POST {path} HTTP/{version}", *(f"{name}: {value}" for name, value in told.items()), "", ""]
    return "\r\n".join(lines).encode() + body


def numbered(number: int) -> bytes:
    return json.dumps(EVENT | {"messageId": str(number)}).encode()


def numbered_call(number: int) -> bytes:
    return call(numbered(number))


class Client:
    """One connection to a site."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    def send(self, *parts: bytes) -> None:
        self.writer.write(b"".join(parts))

    async def answer(self) -> tuple[int, dict[str, str], bytes]:
        """Return status, headers and body of the next answer."""
        head = await asyncio.wait_for(self.reader.readuntil(b"\r\n\r\n"), 10)
        found = ANSWER.fullmatch(head)
        assert found, head
        lines = found.group(2).decode().lower().splitlines()
        headers = dict(line.split(": ", 1) for line in lines)
        body = await asyncio.wait_for(self.reader.readexactly(int(headers.get("content-length", "0"))), 10)
        return int(found.group(1)), headers, body

    async def is_ended(self) -> bool:
        return await asyncio.wait_for(self.reader.read(1), 10) == b""


@asynccontextmanager
async def connected(site: Site) -> AsyncIterator[Client]:
    reader, writer = await asyncio.open_connection(*site.address)
    try:
        yield Client(reader, writer)
    finally:
        writer.transport.abort()
        with suppress(OSError):
            await writer.wait_closed()  # the loop must not end before the connection


@pytest.fixture
async def site(tmp_path: Path):
    async with Site(tmp_path) as opened:
        yield opened


@pytest.fixture
async def client(site: Site):
    async with connected(site) as opened:
        yield opened


async def test_calls_that_come_at_once_are_answered_in_their_order(site: Site, client: Client) -> None:
    """As many as may be in one piece; some are refused before any write, some are not ours."""
    expected = []
    for number in range(limits.PIPELINED_REQUESTS_MAX):
        if number % 7 == 3:
            client.send(call(b"", path="/healthz"))
            expected.append(418)
        elif number % 3 == 0:
            client.send(call(b"nonsense"))
            expected.append(400)
        else:
            client.send(call(numbered(number)))
            expected.append(200)
    assert [(await client.answer())[0] for _ in expected] == expected
    kept = [number for number, status in enumerate(expected) if status == 200]
    assert [int(line["msg"]) for line in site.lines()] == kept


async def test_refusals_behind_a_call_are_no_deep_stack(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "PIPELINED_REQUESTS_MAX", 5_000)
    client.send(call(), call(b"") * 5_000)
    statuses = [(await client.answer())[0] for _ in range(5_001)]
    assert statuses == [200] + [400] * 5_000


async def test_calls_ahead_have_a_limit(site: Site, client: Client) -> None:
    client.send(*map(numbered_call, range(limits.PIPELINED_REQUESTS_MAX + 2)))
    statuses = [(await client.answer())[0] for _ in range(limits.PIPELINED_REQUESTS_MAX + 2)]
    assert statuses == [200] * (limits.PIPELINED_REQUESTS_MAX + 1) + [400]
    assert await client.is_ended()
    assert len(list(site.lines())) == limits.PIPELINED_REQUESTS_MAX + 1
    async with connected(site) as other:
        other.send(call())
        assert (await other.answer())[0] == 200


LONG = b"GET /healthz HTTP/1.1\r\nx: " + b"x" * 6 * limits.REQUEST_HEAD_BYTES_MAX
PART = b"POST /v1/track HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n"


@pytest.mark.parametrize(("rest", "status"), [(b"nonsense\r\n\r\n", 400), (PART, 400), (LONG, 431)])
async def test_what_is_no_http_is_refused_behind_the_answers_to_what_came_before(
    site: Site, client: Client, rest: bytes, status: int
) -> None:
    client.send(call(numbered(1)), call(b"", path="/healthz"), call(numbered(2)), rest)
    assert [(await client.answer())[0] for _ in range(4)] == [200, 418, 200, status]
    assert await client.is_ended()
    assert [int(line["msg"]) for line in site.lines()] == [1, 2]


async def test_a_call_may_come_byte_by_byte(site: Site, client: Client) -> None:
    for byte in call():
        client.send(bytes([byte]))
        await client.writer.drain()
        await asyncio.sleep(0)
    assert (await client.answer())[0] == 200
    assert len(site.lines()) == 1


async def test_a_body_may_come_in_chunks(site: Site, client: Client) -> None:
    whole = call(b"", transfer_encoding="chunked").replace(b"content-length: 0\r\n", b"")
    client.send(whole, *(b"%x\r\n%b\r\n" % (1, GOOD[at : at + 1]) for at in range(len(GOOD))), b"0\r\n\r\n")
    assert (await client.answer())[0] == 200
    assert len(site.lines()) == 1


async def test_a_client_that_asks_first_is_told_to_go_on(site: Site, client: Client) -> None:
    head, _, body = call(expect="100-continue").partition(b"\r\n\r\n")
    client.send(head, b"\r\n\r\n")
    assert await client.answer() == (100, {}, b"")
    client.send(body)
    assert (await client.answer())[0] == 200


async def test_a_client_that_asks_first_is_not_told_to_send_what_is_too_much(client: Client) -> None:
    client.send(call(b"", content_length=str(limits.BODY_BYTES_MAX + 1), expect="100-continue"))
    assert (await client.answer())[0] == 413


async def test_a_client_that_asks_first_is_told_at_once_that_its_body_is_not_wanted(client: Client) -> None:
    client.send(call(b"", content_length="10", content_type="text/xml", expect="100-continue"))
    status, headers, _ = await client.answer()
    assert (status, headers["connection"]) == (415, "close")


async def test_the_answer_to_too_much_reaches_a_client_that_is_still_sending(client: Client) -> None:
    client.send(call(b"", content_length=str(10 * limits.BODY_BYTES_MAX)))
    filler = bytes(limits.BODY_BYTES_MAX)
    for _ in range(10):
        client.send(filler)
        await client.writer.drain()
    status, headers, _ = await client.answer()
    assert (status, headers["connection"]) == (413, "close")
    assert await client.is_ended()


@asynccontextmanager
async def half_sent(site: Site, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[tuple[Client, bytes]]:
    """Lend a connection with half a call, as much as may be held, and the rest of the call."""
    sent, half = call(long_body(2_000)), 1_000
    monkeypatch.setattr(limits, "RECEIVING_BYTES_MAX", len(long_body(2_000)) - half)
    async with connected(site) as client:
        client.send(sent[:-half])
        await until(lambda: site.desk.receiving == limits.RECEIVING_BYTES_MAX)
        yield client, sent[-half:]


def long_body(length: int) -> bytes:
    return json.dumps(EVENT | {"properties": {"note": "x" * length}}).encode()


async def assert_half_a_call_is_taken(site: Site, client: Client) -> None:
    """Check that a call is held while the end of its body is missing, and answered when that comes."""
    whole = call(long_body(10))
    client.send(whole[:-1])
    await until(lambda: site.desk.receiving == len(long_body(10)) - 1)
    client.send(whole[-1:])
    assert (await client.answer())[0] == 200


async def test_halves_of_calls_together_have_a_limit(
    site: Site, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with half_sent(site, monkeypatch) as (other, rest):
        client.send(call(long_body(10))[:-1])
        status, headers, body = await client.answer()
        assert (status, headers["connection"], headers["retry-after"]) == (429, "close", "1")
        assert b"RECEIVING_BYTES_MAX" in body
        client.send(b"}")  # what is left of the refused call
        assert await client.is_ended()
        assert (await site.post()).status_code == 200  # what is there whole waits for nothing
        other.send(rest)
        assert (await other.answer())[0] == 200
    assert site.desk.receiving == 0
    async with connected(site) as third:
        await assert_half_a_call_is_taken(site, third)


async def test_half_a_call_is_held_no_longer_than_its_connection(
    site: Site, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with half_sent(site, monkeypatch):
        pass
    await until(lambda: site.desk.receiving == 0)
    await assert_half_a_call_is_taken(site, client)


async def test_half_a_call_behind_another_is_held_until_it_is_whole(site: Site, client: Client) -> None:
    whole = call(long_body(10))
    client.send(call(), whole[:-1])
    assert (await client.answer())[0] == 200
    assert site.desk.receiving > 0
    client.send(whole[-1:])
    assert (await client.answer())[0] == 200
    assert site.desk.receiving == 0


@pytest.mark.parametrize(
    ("version", "connection", "stays"),
    [("1.1", None, True), ("1.1", "close", False), ("1.0", None, False), ("1.1", "keep-alive", True)],
)
async def test_a_connection_stays_where_it_may(
    client: Client, version: str, connection: str | None, stays: bool
) -> None:
    client.send(call(version=version, **({"connection": connection} if connection else {})))
    status, headers, _ = await client.answer()
    assert status == 200
    assert ("connection" in headers) is not stays
    if stays:
        client.send(call())
        assert (await client.answer())[0] == 200
    else:
        assert await client.is_ended()


@pytest.mark.parametrize(
    "path", ["/v1/track?x=1", "/v1/%74rack", "http://x/v1/track", "http://x/v1/track?y=%20"]
)
async def test_a_route_is_known_however_its_path_is_written(site: Site, client: Client, path: str) -> None:
    client.send(call(path=path))
    assert (await client.answer())[0] == 200
    assert len(site.lines()) == 1


@pytest.mark.parametrize("path", ["/v1/track/", "/V1/track", "//v1/track", "/v1/trac", "/v1%2Ftrack%00", "*"])
async def test_other_paths_are_the_owners(client: Client, path: str) -> None:
    client.send(call(path=path))
    assert (await client.answer())[0] == 418


async def test_proxies_may_add_to_the_forwarded_addresses_in_lines_of_their_own(tmp_path: Path) -> None:
    line = "x-forwarded-for: {}\r\n"
    added = "".join(map(line.format, ["10.0.0.1, 203.0.113.9", "198.51.100.7"]))
    head, _, body = call(origin="https://acme.test").partition(b"\r\n\r\n")
    async with Site(tmp_path, trusted_hops=2) as site, connected(site) as client:
        client.send(head, b"\r\n", added.encode(), b"\r\n", body)
        assert (await client.answer())[0] == 200
        assert site.lines()[0]["ip"] == "203.0.113.9"


async def test_a_client_that_sends_no_more_is_answered(site: Site, client: Client) -> None:
    client.send(call(numbered(1)), call(numbered(2)))
    client.writer.write_eof()
    for connection in (None, "close"):
        status, headers, _ = await client.answer()
        assert (status, headers.get("connection")) == (200, connection)
    assert await client.is_ended()
    assert len(site.lines()) == 2


async def test_a_client_that_ends_in_the_middle_is_left(site: Site, client: Client) -> None:
    client.send(call()[:-5])
    client.writer.write_eof()
    assert await client.is_ended()
    assert site.lines() == []


async def test_an_answer_says_when_it_was_given(client: Client) -> None:
    client.send(call(), call(b"nonsense"))
    for _ in range(2):
        _, headers, _ = await client.answer()
        assert headers["date"].endswith("gmt")
        assert headers["content-type"] == "application/json"


async def test_a_client_that_is_gone_before_its_answer_harms_nobody(site: Site) -> None:
    async with connected(site) as client:
        client.send(call())
        await client.writer.drain()
        client.writer.transport.abort()
    assert (await site.post()).status_code == 200


async def test_a_client_that_reads_no_answers_is_not_read_either(site: Site) -> None:
    """Else a collector would keep its answers for it, without end."""
    async with connected(site) as client:
        client.writer.transport.pause_reading()
        refused = call(b"", path="/v1/track")
        sent = 0
        while sent < 200_000_000:
            client.send(refused * 1_000)
            sent += 1_000 * len(refused)
            try:
                await asyncio.wait_for(client.writer.drain(), 2)
            except TimeoutError:
                break
        assert sent < 100_000_000
        assert (await site.post()).status_code == 200
        client.writer.transport.abort()


async def test_a_mistake_of_ours_is_an_answer_and_the_next_call_is_taken(
    site: Site, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    append = site.append

    def broken(_: object) -> None:
        raise RuntimeError("a mistake")

    site.append = broken
    client.send(call())
    status, _, body = await client.answer()
    assert (status, json.loads(body)["error"]["code"]) == (500, "internal")
    assert b"mistake" not in body
    site.append = append
    with monkeypatch.context() as patched:
        patched.setattr("enduser.api.collector.gate.read_call", broken)
        client.send(call())
        assert (await client.answer())[0] == 500
    client.send(call())
    assert (await client.answer())[0] == 200
    assert len(site.lines()) == 1


async def test_what_is_answered_is_counted(site: Site, client: Client) -> None:
    def full(_: object) -> None:
        raise SpoolFull("the spool is full", hint="come again")

    client.send(call(), call(), call(b"nonsense"))
    for _ in range(3):
        await client.answer()
    site.append = full
    client.send(call())
    await client.answer()
    assert sum(site.figures.answered) == 2
    assert site.figures.answered_s > 0
    assert site.figures.refused == {"malformed_request": 1, "spool_full": 1}


async def test_a_server_that_ends_answers_what_it_began(site: Site) -> None:
    async with connected(site) as idle, connected(site) as busy:
        idle.send(call())
        await idle.answer()
        head, _, body = call().partition(b"\r\n\r\n")
        busy.send(head, b"\r\n\r\n", body[:5])
        await until(lambda: site.desk.receiving == 5)
        site.server.should_exit = True
        assert await idle.is_ended()
        busy.send(body[5:])
        status, headers, _ = await busy.answer()
        assert (status, headers["connection"]) == (200, "close")
        assert await busy.is_ended()
