"""The owner of a data folder: applies what is accepted, answers the management plane, keeps collectors.

One process, one thread for the store. Collectors are its children, in its process group.
"""

from __future__ import annotations

import asyncio
import contextlib
import signal
import socket
from collections.abc import Callable, Coroutine, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import structlog

from enduser import __version__
from enduser.api import decisions
from enduser.api.http_server import Server, private_socket, server_of
from enduser.api.management.app import ManagementApp
from enduser.api.management.calls import Services
from enduser.api.management.routes import ROUTES
from enduser.api.management.served import ServedUsers
from enduser.api.owner import operations
from enduser.api.owner.applying import Applying
from enduser.api.owner.collectors import Collectors, public_listeners
from enduser.api.owner.deciding import DecisionsApp
from enduser.api.owner.forgetting import Forgetting
from enduser.api.owner.local import local_app
from enduser.api.owner.operations import Vitals, operations_app
from enduser.api.owner.working import Working
from enduser.api.parts import all_ended, begin_part
from enduser.api.patience import sweep
from enduser.clock import now_us
from enduser.core.addresses import Network, own_url_of
from enduser.core.deciding import Deciding
from enduser.ingest.applier import Applier
from enduser.ingest.doors import Doors, write_doors
from enduser.ingest.following import Trouble
from enduser.ingest.spool import Damage, SpoolReader, new_series
from enduser.service.changing_attributes import mend_webhooks
from enduser.service.deciding_state import DecidingStates
from enduser.service.lookups import installed_lookups
from enduser.service.source_jobs import SourceJobs
from enduser.service.telling import Telling
from enduser.service.webhook_calls import WebhookCaller
from enduser.stores import serving_files
from enduser.stores.answers import Door
from enduser.stores.control import ControlStore
from enduser.stores.deciding_file import write_deciding
from enduser.stores.embedded import EmbeddedStore
from enduser.stores.owner_socket import API_SOCKET, socket_path
from enduser.stores.serving import ServingCopy
from enduser.stores.serving_reader import ServingReader
from enduser.stores.uploads import forget_unfinished_uploads

_PLACES_HINT = "enduser geo install brings one, also while the server runs"
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
    allowed_to_webhooks: Sequence[Network] = ()
    """Where webhooks may be called though it is the server itself, or its link."""


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
        listeners = public_listeners(options.host, options.port, options.collectors)
        self.port: int = listeners[0].getsockname()[1]
        """The port that collectors listen on."""
        log.info(
            "enduser starts",
            version=__version__,
            data=str(options.folder.absolute()),
            port=self.port,
            collectors=options.collectors,
        )
        self._thread = ThreadPoolExecutor(1, "store")
        self._stopping = asyncio.Event()
        self._last_series = 0
        self._doors: Sequence[Door] = ()
        """What collectors were told last that they may let in."""
        self._rules_editions: Mapping[str, int] = {}
        self._deciding: Sequence[Deciding] | None = None
        """What collectors were told last that they decide by."""
        self._store = self._thread.submit(self._open).result()
        self._collectors = Collectors(
            options.folder,
            listeners,
            lambda: self.run_on_store(self._new_series),
            trusted_hops=options.trusted_hops,
            spool_bytes_max=options.spool_bytes_max,
        )
        self._applying = Applying(
            self._store,
            self._applier,
            self._collectors,
            run_on_store=self.run_on_store,
            stopping=self._stopping,
        )

    def _open(self) -> EmbeddedStore:
        options = self._options
        lookups = installed_lookups(options.folder)
        if lookups.edition() is None:
            log.warning("no place database: addresses give no place, and are forgotten", hint=_PLACES_HINT)
        store = EmbeddedStore(
            options.folder,
            now_us=now_us(),
            lookups=lookups,
            memory_limit_mb=options.memory_limit_mb,
            command="enduser serve",
        )
        self._reader = SpoolReader(options.folder, store.spool_positions())
        serving_files.remove_others(options.folder)
        self._applier = Applier(store, self._reader, ServingCopy(options.folder), tell_damage, tell_trouble)
        self._serving_reader = ServingReader(options.folder)
        self._deciding_states = DecidingStates(options.folder)
        self._store = store
        self._write_doors()
        return store

    async def run_on_store(self, work: Callable[[], Result]) -> Result:
        """Run something on the thread that owns the store."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, work)

    async def run(self, told: Callable[[int], None]) -> None:
        """Serve until SIGTERM or SIGINT, or until a part of the server fails, then finish what was accepted.

        `told` hears the port once the server can be reached, by commands too; who comes at once waits.
        """
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stopping.set)
        control = ControlStore(self._options.folder)
        forget_unfinished_uploads(control, self._options.folder)
        await self.run_on_store(lambda: mend_webhooks(self._store, control))
        jobs = SourceJobs(self._store, control, lambda work: self._change_from_thread(loop, work))
        working = Working(jobs, control, self._options.folder, self._stopping)
        forgetting = Forgetting(
            self._store, self._applier, control, run_on_store=self.run_on_store, stopping=self._stopping
        )
        caller = WebhookCaller(self._options.allowed_to_webhooks)
        telling = Telling(control, self._store.reader, caller, stopping=self._stopping)
        services = self._services(control, jobs, caller)
        servers = [self._management(services, telling, forgetting), self._local(forgetting)]
        sockets = [private_socket(path) for _, path in servers]
        told(self.port)
        serving = [
            self._begin(self._serve(server, path, listener))
            for (server, path), listener in zip(servers, sockets, strict=True)
        ]
        parts = [self._begin(work.run()) for work in (working, self._applying, telling, forgetting)]
        self._collectors.start()
        await self._stopping.wait()
        await self._collectors.end()
        failure = await all_ended(parts)
        for server, _ in servers:
            server.should_exit = True
        failure = await all_ended(serving) or failure
        await self.run_on_store(self._close)
        control.close()
        if failure is not None:
            raise failure

    def _begin(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Begin a part of the server, which ends without it."""
        return begin_part(work, self._stopping.set)

    def _services(self, control: ControlStore, jobs: SourceJobs, caller: WebhookCaller) -> Services:
        served = ServedUsers(self._serving_reader, Doors(self._options.folder), self._applier.is_served)
        return Services(self._store, control, self._change, jobs, caller, served, self._deciding_states)

    def _management(self, services: Services, telling: Telling, forgetting: Forgetting) -> tuple[Server, str]:
        folder = self._options.folder
        management = ManagementApp(services, ROUTES)
        deciding = DecisionsApp(folder, services, Doors(folder))
        health = operations_app(
            Vitals(
                self._applier,
                self._applying,
                self._reader,
                self._collectors,
                telling,
                self._deciding_states,
                forgetting,
            )
        )

        async def app(scope: Any, receive: Any, send: Any) -> None:
            planes: dict[str, Any] = {**dict.fromkeys(operations.PATHS, health), decisions.PATH: deciding}
            await planes.get(scope["path"], management)(scope, receive, send)

        return server_of(app, lifespan="off", date_header=False), socket_path(folder, API_SOCKET)

    def _local(self, forgetting: Forgetting) -> tuple[Server, str]:
        url = own_url_of(self._options.host, self.port)
        app = local_app(self._store, self._change, self._applier.watch, forgetting.let_bytes_go_now, url)
        return server_of(app, lifespan="off"), socket_path(self._options.folder)

    async def _serve(self, server: Server, path: str, listener: socket.socket) -> None:
        patience = self._begin(sweep(server.server_state.connections))
        await server.serve(sockets=[listener])
        patience.cancel()
        Path(path).unlink(missing_ok=True)  # noqa: ASYNC240 - a moment, at the end

    # --- what collectors know

    async def _change(self, work: Callable[[], Result]) -> Result:
        """Do what a call asks for; before it is answered, collectors know what they may let in now.

        If ids are hashed otherwise now, it ends when no collector goes by the old doors any more.
        """
        before = self._doors
        try:
            return await self.run_on_store(lambda: self._do(work))
        finally:
            if _hashings(before) - _hashings(self._doors):
                await self._collectors.know_doors()

    def _change_from_thread(self, loop: asyncio.AbstractEventLoop, work: Callable[[], Result]) -> Result:
        """Do what a thread asks for, which waits for it."""
        return asyncio.run_coroutine_threadsafe(self._change(work), loop).result()

    def _do(self, work: Callable[[], Result]) -> Result:
        """Do some work, and write the doors as they are after it, also where it failed midway."""
        try:
            result = work()
        except Exception:
            with contextlib.suppress(Exception):  # the store may have failed; the next call writes them
                self._write_doors()
            raise
        self._write_doors()
        return result

    def _write_doors(self) -> None:
        """Write what collectors may let in and what they decide by, if that has changed."""
        doors = self._store.doors()
        if doors != self._doors:
            write_doors(self._options.folder, doors)
            self._doors = doors
        editions = {door.space: self._store.rules_edition(door.space) for door in doors}
        if editions == self._rules_editions and self._deciding is not None:
            return
        deciding = self._store.deciding()
        if deciding != self._deciding:
            write_deciding(self._options.folder, deciding)
            self._deciding = deciding
        self._rules_editions = editions

    def _new_series(self) -> int:
        """Return the number of a new series; one that was given out just now may not be there yet."""
        known = self._store.spool_positions()
        self._last_series = max(new_series(self._options.folder, known), self._last_series + 1)
        return self._last_series

    def _close(self) -> None:
        self._serving_reader.close()
        self._deciding_states.close()
        self._applier.close()
        self._store.close()


def tell_damage(damage: Damage) -> None:
    """Tell in the log what of the spool was passed over, and where a copy of it is."""
    tell = log.warning if damage.is_torn else log.error
    tell(
        "spool record is unfinished" if damage.is_torn else "spool is damaged",
        series=damage.series,
        file=damage.spool_file,
        byte_from=damage.byte_from,
        byte_to=damage.byte_to,
        kept_as=damage.kept_as and str(damage.kept_as),
    )


def tell_trouble(trouble: Trouble) -> None:
    """Tell in the log why the serving copy or the feed of a space does not get on."""
    log.error(
        "space is not followed",
        space=trouble.space,
        follower=trouble.follower,
        hint=trouble.error.hint,
        exc_info=trouble.error,
    )


def _hashings(doors: Sequence[Door]) -> set[tuple[str, str | None]]:
    """Return each space with the salt that its ids are hashed with, None where they are not."""
    return {(door.space, door.settings.hash_salt if door.settings.hash_ids else None) for door in doors}


async def serve_until_stopped(options: ServerOptions, told: Callable[[int], None]) -> None:
    """Run a server; `told` hears the port once it is taken."""
    await Owner(options).run(told)
    log.info("enduser has stopped")
