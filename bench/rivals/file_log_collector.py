"""The floor: a bare raw-ASGI collector that appends bodies to a file with fdatasync, and answers.

It parses nothing, knows no keys and rejects nothing. Group commit is the same: what gathers while the last
fdatasync ran goes with the next.

`python bench/rivals/file_log_collector.py FILE DESCRIPTOR` serves on the socket of that descriptor.
"""

from __future__ import annotations

import asyncio
import os
import socket
import sys
from concurrent.futures import ThreadPoolExecutor

import uvicorn
import uvloop

ANSWER = b'{"success":true}'
HEADERS = [(b"content-type", b"application/json"), (b"content-length", str(len(ANSWER)).encode())]


class Log:
    """A file to which bodies are appended together."""

    def __init__(self, path: str) -> None:
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
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
            await loop.run_in_executor(self._thread, self._append, b"\n".join(body for body, _ in batch))
            for _, future in batch:
                future.set_result(None)
        self._is_writing = False

    def _append(self, content: bytes) -> None:
        os.write(self._file, content)
        os.fdatasync(self._file)


def main() -> None:
    path, descriptor = sys.argv[1:]
    log = Log(path)

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
