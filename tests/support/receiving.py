"""Receivers of webhooks: small HTTP servers on this machine that answer as they are told to."""

from __future__ import annotations

import asyncio
import json
import ssl
import subprocess
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from anyio.from_thread import start_blocking_portal
from waiting import until

NEVER = 0
"""In place of a status: there is no answer."""


@dataclass(frozen=True)
class Got:
    """A call that a receiver got."""

    target: str
    headers: Mapping[str, str]
    """By their names in lower case."""
    body: bytes

    @property
    def id(self) -> str:
        """The id of its message."""
        return self.headers["webhook-id"]

    @property
    def message(self) -> Any:
        """The body as JSON."""
        return json.loads(self.body)

    @property
    def numbers(self) -> list[int]:
        """The numbers of its rows."""
        return [item["number"] for item in self.message["items"]]


@dataclass
class Receiver:
    """Gets calls. `answers` are the next statuses; when there are no more, it answers 204."""

    port: int = 0
    answers: list[int] = field(default_factory=list)
    more_headers: Sequence[str] = ()
    got: list[Got] = field(default_factory=list)
    then: Callable[[], object] = lambda: None
    """Is done when a call came, before it is answered."""
    taken: int = 0
    """How many connections there were."""
    open: int = 0
    """How many there are."""

    def url(self, host: str = "127.0.0.1") -> str:
        """Return its address."""
        return f"http://{host}:{self.port}/hook?to=crm"

    @property
    def calls(self) -> list[list[int]]:
        """The numbers of the rows of each call."""
        return [got.numbers for got in self.got]

    async def take(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Take one connection."""
        self.taken += 1
        self.open += 1
        with suppress(asyncio.IncompleteReadError, OSError):  # who calls may give up
            await self._answer(reader, writer)
        await closed(writer)
        self.open -= 1

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
        headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in head[1:-2])}
        body = await reader.readexactly(int(headers["content-length"]))
        self.got.append(Got(head[0].split()[1], headers, body))
        self.then()
        status = self.answers.pop(0) if self.answers else 204
        if status == NEVER:
            await reader.read()  # until the caller gives up
            return
        lines = [f"HTTP/1.1 {status} Whatever", *self.more_headers, "content-length: 0", "", ""]
        writer.write("\r\n".join(lines).encode())


async def closed(writer: asyncio.StreamWriter) -> None:
    """Close a connection, which the other side may have done."""
    writer.close()
    with suppress(OSError):
        await writer.wait_closed()


@asynccontextmanager
async def receiver(
    *answers: int, more_headers: Sequence[str] = (), tls: ssl.SSLContext | None = None
) -> AsyncIterator[Receiver]:
    """Let a receiver listen on this machine."""
    one = Receiver(answers=list(answers), more_headers=more_headers)
    server = await asyncio.start_server(one.take, "127.0.0.1", 0, ssl=tls)
    one.port = server.sockets[0].getsockname()[1]
    async with server:
        yield one
        if tls is None:
            await _last(one)
        await until(lambda: not one.open)


async def _last(one: Receiver) -> None:
    """Connect once more: when that is taken, so are all that came before, also those that were given up."""
    taken = one.taken
    _, writer = await asyncio.open_connection("127.0.0.1", one.port)
    await closed(writer)
    await until(lambda: one.taken > taken)


@contextmanager
def receiver_beside(*answers: int) -> Iterator[Receiver]:
    """Let a receiver listen beside a test that has no event loop."""
    with start_blocking_portal() as portal, portal.wrap_async_context_manager(receiver(*answers)) as one:
        yield one


def certified(folder: Path, name: str) -> tuple[ssl.SSLContext, Path]:
    """Return what a server needs to be the host of a name, and the certificate that says it is."""
    key, certificate = folder / "key.pem", folder / "certificate.pem"
    made = ["-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2"]
    named = ["-subj", f"/CN={name}", "-addext", f"subjectAltName=DNS:{name}"]
    files = ["-keyout", str(key), "-out", str(certificate)]
    subprocess.run(["openssl", "req", *made, *named, *files], check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    return context, certificate
