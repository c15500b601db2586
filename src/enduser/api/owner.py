"""The owner of a data folder: applies what is accepted, answers the management plane, keeps collectors.

One process, one thread for the store. Collectors are its children, in its process group.
"""

from __future__ import annotations

import asyncio
import contextlib
import signal
import socket
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import msgspec
import structlog

from enduser.api import operations
from enduser.api.app import management_app
from enduser.api.collector import BACKLOG, CollectorOptions
from enduser.api.figures import Figures, read_line, total
from enduser.api.local import local_app
from enduser.api.operations import Vitals, operations_app
from enduser.api.patience import sweep
from enduser.api.serving import GRACE_S, Server, private_socket, server_of
from enduser.clock import elapsed_s, now_us
from enduser.errors import AddressInUse, EnduserError
from enduser.ingest.applier import Applier
from enduser.ingest.doors import write_doors
from enduser.ingest.spool import SpoolReader, new_series
from enduser.service.lookups import installed_lookups
from enduser.stores.control import ControlStore
from enduser.stores.embedded import EmbeddedStore
from enduser.stores.remote import API_SOCKET, socket_path
from enduser.stores.serving import ServingCopy

PACE_S = 0.5
"""How often the applier looks, while it keeps up."""

_DRAIN_S = 0.05
_RETRY_S = 1.0
_RESPAWN_S = 1.0
Result = TypeVar("Result")
log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class ServerOptions:
    """The settings of a server (docs/settings.md)."""

    folder: Path
    host: str
    port: int
    collectors: int
    memory_limit_mb: int
    trusted_hops: int
    spool_bytes_max: int


class Owner:
    """A running server. Everything that touches the store runs on one thread, one thing after the other."""

    def __init__(self, options: ServerOptions) -> None:
        """Take the data folder and the port.

        Raises:
            DataFolderInUse: another process holds the folder.
            AddressInUse: another process listens there.
            StoreError: the folder cannot be used.
        """
        self._options = options
        self._listeners = public_listeners(options.host, options.port, options.collectors)
        self._thread = ThreadPoolExecutor(1, "store")
        self._stopping = asyncio.Event()
        self._children: list[asyncio.subprocess.Process] = []
        self._collectors_ended = False
        self._last_series = 0
        self._figures: dict[int, Figures] = {}
        self.problem: str | None = None
        """Why the applier does not get on; None: it does."""
        self._store = self._thread.submit(self._open).result()

    @property
    def port(self) -> int:
        """The port that collectors listen on."""
        port: int = self._listeners[0].getsockname()[1]
        return port

    def _open(self) -> EmbeddedStore:
        options = self._options
        store = EmbeddedStore(
            options.folder,
            now_us=now_us(),
            lookups=installed_lookups(options.folder),
            memory_limit_mb=options.memory_limit_mb,
        )
        self._reader = SpoolReader(options.folder, store.spool_positions())
        self._applier = Applier(store, self._reader, ServingCopy(options.folder))
        write_doors(options.folder, store.doors())
        return store

    async def run_on_store(self, work: Callable[[], Result]) -> Result:
        """Run something on the thread that owns the store."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, work)

    async def run(self, told: Callable[[int], None]) -> None:
        """Serve until SIGTERM or SIGINT, then finish what was accepted; `told` hears the port at once."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stopping.set)
        told(self.port)
        control = ControlStore(self._options.folder)
        servers = [self._management(control), self._local()]
        serving = [asyncio.create_task(self._serve(server, path)) for server, path in servers]
        applying = asyncio.create_task(self._apply())
        collectors = [asyncio.create_task(self._keep_collector(listener)) for listener in self._listeners]
        await self._stopping.wait()
        await self._end_collectors(collectors)
        await applying
        for server, _ in servers:
            server.should_exit = True
        await asyncio.gather(*serving)
        await self.run_on_store(self._close)
        control.close()

    def _management(self, control: ControlStore) -> tuple[Server, str]:
        management = management_app(self._store, control, run_on_owner=self._change)
        health = operations_app(self._vitals())

        async def app(scope: Any, receive: Any, send: Any) -> None:
            plane = health if scope["path"] in operations.PATHS else management
            await plane(scope, receive, send)

        return server_of(app, lifespan="off", date_header=False), socket_path(
            self._options.folder, API_SOCKET
        )

    def _vitals(self) -> Vitals:
        return Vitals(
            self._applier,
            self._reader,
            problem=lambda: self.problem,
            collectors=lambda: len(self._children),
            collectors_wanted=len(self._listeners),
            figures=lambda: total(self._figures.values()),
        )

    def _local(self) -> tuple[Server, str]:
        app = local_app(self._store, self.run_on_store, self._tell_collectors, self._applier.watch)
        return server_of(app, lifespan="off"), socket_path(self._options.folder)

    async def _serve(self, server: Server, path: str) -> None:
        patience = asyncio.create_task(sweep(server.server_state.connections))
        await server.serve(sockets=[private_socket(path)])
        patience.cancel()
        Path(path).unlink(missing_ok=True)  # noqa: ASYNC240 - a moment, at the end

    async def _change(self, work: Callable[[], Result]) -> Result:
        """Do what a call of the management plane asks for, and tell collectors what they may let in now."""
        result = await self.run_on_store(work)
        await self._tell_collectors()
        return result

    async def _tell_collectors(self) -> None:
        await self.run_on_store(lambda: write_doors(self._options.folder, self._store.doors()))

    # --- the applier

    async def _apply(self) -> None:
        """Apply what is accepted, at an even pace, until everything is applied and nobody can accept more."""
        while True:
            is_last = self._collectors_ended
            began = elapsed_s()
            is_behind = await self._round()
            if is_behind:
                continue
            if is_last:
                return
            if self._stopping.is_set():
                await asyncio.sleep(_DRAIN_S)
                continue
            pause = _RETRY_S if self.problem else max(PACE_S - (elapsed_s() - began), 0.01)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), pause)

    async def _round(self) -> bool:
        """Let the applier work once; whatever stops it is told, and tried again: nothing is given up."""
        try:
            is_behind = await self.run_on_store(self._applier.round)
        except Exception as error:
            message = str(error)
            if self.problem != message:
                log.exception("applier failed", hint=getattr(error, "hint", None))
            self.problem = message
            with contextlib.suppress(EnduserError):  # the next round meets it again
                await self.run_on_store(self._store.heal)
            return False
        self.problem = None
        return is_behind

    # --- collectors

    async def _keep_collector(self, listener: socket.socket) -> None:
        """Have one collector on a socket, for as long as this server runs."""
        while not self._stopping.is_set():
            try:
                process = await self._start_collector(listener)
            except OSError:
                log.exception("collector could not be started")
                await asyncio.sleep(_RESPAWN_S)
                continue
            self._children.append(process)
            if self._stopping.is_set():
                process.terminate()
            await self._hear(process)
            code = await process.wait()
            self._children.remove(process)
            if not self._stopping.is_set():
                log.error("collector ended", code=code)
                await asyncio.sleep(_RESPAWN_S)

    async def _start_collector(self, listener: socket.socket) -> asyncio.subprocess.Process:
        options = CollectorOptions(
            folder=str(self._options.folder.absolute()),
            series=await self.run_on_store(self._new_series),
            listener=listener.fileno(),
            trusted_hops=self._options.trusted_hops,
            spool_bytes_max=self._options.spool_bytes_max // len(self._listeners),
        )
        return await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "enduser.api.collector", msgspec.json.encode(options).decode()),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            pass_fds=[listener.fileno()],
        )

    async def _hear(self, process: asyncio.subprocess.Process) -> None:
        """Keep the last figures that a collector tells, until it ends."""
        assert process.stdout is not None
        while line := await process.stdout.readline():
            self._figures[process.pid] = read_line(line)

    def _new_series(self) -> int:
        """Return the number of a new series; one that was given out just now may not be there yet."""
        known = self._store.spool_positions()
        self._last_series = max(new_series(self._options.folder, known), self._last_series + 1)
        return self._last_series

    async def _end_collectors(self, keeping: list[asyncio.Task[None]]) -> None:
        for process in self._children:
            process.terminate()
        _, late = await asyncio.wait(keeping, timeout=2 * GRACE_S)
        for process in self._children if late else ():
            process.kill()
        await asyncio.gather(*keeping)
        self._collectors_ended = True

    def _close(self) -> None:
        self._applier.close()
        self._store.close()


def public_listeners(host: str, port: int, count: int) -> list[socket.socket]:
    """Return as many sockets on one address, among which the kernel spreads connections.

    Raises:
        AddressInUse: another process listens there, or the address is not this machine's.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listeners: list[socket.socket] = []
    try:
        with socket.socket(family) as probe:  # sharing a port would not tell that another has it
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((host, port))
            port = probe.getsockname()[1]
        for _ in range(count):
            listener = socket.socket(family)
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            listener.bind((host, port))
            listener.listen(BACKLOG)  # who comes before a collector is there waits
            listeners.append(listener)
    except OSError as error:
        raise AddressInUse(
            f"cannot listen on {host}, port {port}: {error.strerror}",
            hint="name another with --host and --port",
        ) from None
    return listeners


async def serve_until_stopped(options: ServerOptions, told: Callable[[int], None]) -> None:
    """Run a server; `told` hears the port once it is taken."""
    await Owner(options).run(told)
