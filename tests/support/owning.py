"""A store behind the socket of its data folder, as the owner of the folder serves it to commands."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from serving import wait_until

from enduser.api.http_server import Server, private_socket, server_of
from enduser.api.owner.local import Watch, local_app
from enduser.stores.answers import Sample
from enduser.stores.owner_socket import socket_path
from enduser.stores.remote import RemoteStore

URL = "http://127.0.0.1:8399"
"""Where a server says that it listens, which does not."""


def nothing_seen(_space: str, after: int, _at_s: float) -> tuple[int, list[Sample]]:
    """Watch a space in which nothing happens."""
    return after, []


async def nothing_to_go() -> None:
    """Let no bytes go."""


@contextmanager
def reached(folder: Path, store: Any, watch: Watch = nothing_seen) -> Iterator[RemoteStore]:
    """Serve a store, used from a thread of its own, and reach it as a command does."""
    with ThreadPoolExecutor(1) as thread:

        async def run_on_owner(work: Callable[[], Any]) -> Any:
            return await asyncio.get_running_loop().run_in_executor(thread, work)

        app = local_app(store, run_on_owner, watch, nothing_to_go, URL)
        with answering(folder, app), RemoteStore.reach(folder) as remote:
            yield remote


@contextmanager
def answering(folder: Path, app: Any) -> Iterator[Server]:
    """Have an application answer on the socket of a data folder."""
    server = server_of(app, lifespan="off")
    listener = private_socket(socket_path(folder))
    thread = threading.Thread(target=asyncio.run, args=[server.serve(sockets=[listener])])
    thread.start()
    try:
        wait_until(lambda: server.started)
        yield server
    finally:
        server.should_exit = True
        thread.join()
