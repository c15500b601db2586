"""Unix sockets for httpcore, over the event loop's own transports.

httpcore's own way goes through anyio, which asks the loop for events of the bare socket: when more than a
thousand sockets have events at once, libuv reports one twice before it can be forgotten, and each time an
"invalid state" is logged. It also leaks a socket whose connecting was given up.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from contextlib import suppress
from typing import Any

import httpcore


class UnixSockets(httpcore.AsyncNetworkBackend):
    """Connects to Unix sockets, and to nothing else."""

    async def connect_unix_socket(
        self, path: str, timeout: float | None = None, socket_options: Iterable[Any] | None = None
    ) -> httpcore.AsyncNetworkStream:
        """Connect to a socket.

        Raises:
            ConnectError: nobody listens there, or takes it in time.
        """
        assert not socket_options
        try:
            async with asyncio.timeout(timeout):
                return _Stream(*await asyncio.open_unix_connection(path))
        except OSError as error:  # a TimeoutError is one too
            raise httpcore.ConnectError(str(error)) from error


class _Stream(httpcore.AsyncNetworkStream):
    """A connection; httpcore is given no time limits but for connecting."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        assert timeout is None
        try:
            return await self._reader.read(max_bytes)
        except OSError as error:
            raise httpcore.ReadError(str(error)) from error

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:
        assert timeout is None
        try:
            self._writer.write(buffer)
            await self._writer.drain()
        except OSError as error:
            raise httpcore.WriteError(str(error)) from error

    async def aclose(self) -> None:
        self._writer.close()
        with suppress(OSError):
            await self._writer.wait_closed()

    def get_extra_info(self, info: str) -> Any:
        """Return whether an idle connection was ended by the other side, which is all that is asked."""
        return self._reader.at_eof() if info == "is_readable" else None
