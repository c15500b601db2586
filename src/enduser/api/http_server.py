"""HTTP servers inside our processes: uvicorn, with its signals and logs in our hands."""

from __future__ import annotations

import contextlib
import os
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import uvicorn

from enduser.api.patience import PatientProtocol

GRACE_S = 10
"""How long requests that were begun may take to end when a server stops."""

BACKLOG = 2_048
"""Connections that wait to be taken; then the kernel refuses more."""


class Server(uvicorn.Server):
    """A server that is ended by `should_exit`; its process hears the signals."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave the signals alone."""
        yield


def server_of(app: Any, http: Any = PatientProtocol, **options: Any) -> Server:
    """Return a server of an ASGI application; `http` makes the protocol of a connection."""
    config = uvicorn.Config(
        app,
        http=http,
        ws="none",
        backlog=BACKLOG,
        loop="none",
        log_config=None,
        log_level="warning",
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_graceful_shutdown=GRACE_S,
        **options,
    )
    return Server(config)


def private_socket(path: str) -> socket.socket:
    """Return a listening Unix socket that this user alone can reach, in place of what was there."""
    Path(path).unlink(missing_ok=True)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    mask = os.umask(0o177)
    try:
        listener.bind(path)
    finally:
        os.umask(mask)
    listener.listen(BACKLOG)
    return listener
