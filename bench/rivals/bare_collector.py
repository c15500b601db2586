"""Bare raw-ASGI collectors: they take bodies and make them durable, and answer.

They parse nothing, know no keys and reject nothing. Group commit is the same for both: what gathers while the
last write ran goes with the next. The floor appends to a file with fdatasync, the rival copies into
PostgreSQL.

`python bench/rivals/bare_collector.py TARGET DESCRIPTOR` serves on the socket of that descriptor. TARGET is
`file:PATH` or `postgresql://…`.
"""

from __future__ import annotations

import asyncio
import os
import socket
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import uvicorn
import uvloop

ANSWER = b'{"success":true}'
HEADERS = [(b"content-type", b"application/json"), (b"content-length", str(len(ANSWER)).encode())]
Append = Callable[[list[bytes]], None]


def file_log(path: str) -> Append:
    """Append bodies to a file."""
    file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)

    def append(bodies: list[bytes]) -> None:
        os.write(file, b"\n".join(bodies))
        os.fdatasync(file)

    return append


def table(url: str) -> Append:
    """Copy bodies into a table, a row each, in one transaction."""
    import psycopg

    connection = psycopg.connect(url)
    connection.execute("SELECT pg_advisory_xact_lock(1)")  # two collectors would both make it
    connection.execute("CREATE TABLE IF NOT EXISTS bodies (received_at timestamptz DEFAULT now(), body text)")
    connection.commit()

    def append(bodies: list[bytes]) -> None:
        with connection.cursor() as cursor, cursor.copy("COPY bodies (body) FROM STDIN") as copy:
            for body in bodies:
                copy.write_row([body.decode()])
        connection.commit()

    return append


class Log:
    """Where bodies go together."""

    def __init__(self, append: Append) -> None:
        self._append = append
        self._thread = ThreadPoolExecutor(1)
        self._waiting: list[tuple[bytes, asyncio.Future[None]]] = []
        self._is_writing = False

    def add(self, body: bytes) -> asyncio.Future[None]:
        future = asyncio.get_running_loop().create_future()
        self._waiting.append((body, future))
        if not self._is_writing:
            self._is_writing = True
            self._task = asyncio.create_task(self._write())
        return future

    async def _write(self) -> None:
        loop = asyncio.get_running_loop()
        while self._waiting:
            batch, self._waiting = self._waiting, []
            await loop.run_in_executor(self._thread, self._append, [body for body, _ in batch])
            for _, future in batch:
                future.set_result(None)
        self._is_writing = False


def main() -> None:
    target, descriptor = sys.argv[1:]
    kind, _, path = target.partition(":")
    log = Log(file_log(path) if kind == "file" else table(target))

    async def app(_scope, receive, send) -> None:
        body = b""
        more = True
        while more:
            message = await receive()
            body += message.get("body", b"")
            more = message.get("more_body", False)
        await log.add(body)
        await send({"type": "http.response.start", "status": 200, "headers": HEADERS})
        await send({"type": "http.response.body", "body": ANSWER})

    config = uvicorn.Config(
        app, http="httptools", ws="none", lifespan="off", log_config=None, access_log=False, backlog=2_048
    )
    uvloop.run(uvicorn.Server(config).serve(sockets=[socket.socket(fileno=int(descriptor))]))


if __name__ == "__main__":
    main()
