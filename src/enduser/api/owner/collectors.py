"""The collectors of a server: processes on one public port, begun again when they end."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import sys
from collections import Counter
from collections.abc import Awaitable, Callable
from pathlib import Path

import msgspec
import structlog

from enduser.api.collector.process import CollectorOptions
from enduser.api.figures import Figures, read_line, total
from enduser.api.http_server import BACKLOG, GRACE_S
from enduser.errors import AddressInUse

_RESPAWN_S = 1.0
_HEARD_S_MAX = 10.0
"""A collector that tells nothing for so long hangs; nobody waits for it."""
log = structlog.get_logger()


class Collectors:
    """Keeps one collector on each of the public sockets, until told to end."""

    def __init__(
        self,
        folder: Path,
        listeners: list[socket.socket],
        new_series: Callable[[], Awaitable[int]],
        *,
        trusted_hops: int,
        spool_bytes_max: int,
    ) -> None:
        """Take the sockets; each collector writes a series of its own, numbered by `new_series`."""
        self._folder = folder
        self._listeners = listeners
        self._new_series = new_series
        self._trusted_hops = trusted_hops
        self._share = spool_bytes_max // len(listeners)
        self._children: list[asyncio.subprocess.Process] = []
        self._figures: dict[int, Figures] = {}
        """What each collector that runs told last, by process."""
        self._ended = Figures()
        """The sum of those that have ended."""
        self._told: Counter[int] = Counter()
        """How often each collector has told its figures, by process."""
        self._heard = asyncio.Condition()
        self._keeping: list[asyncio.Task[None]] = []
        self._is_ending = False
        self.have_ended = False
        """Whether nobody can accept events any more."""

    @property
    def wanted(self) -> int:
        """How many there are to be."""
        return len(self._listeners)

    @property
    def running(self) -> int:
        """How many there are."""
        return len(self._children)

    def figures(self) -> Figures:
        """Return what all of them measured, those included that ended."""
        return total([self._ended, *self._figures.values()])

    def start(self) -> None:
        """Begin to keep them."""
        self._keeping = [asyncio.create_task(self._keep(listener)) for listener in self._listeners]

    async def end(self) -> None:
        """Let them finish what they accepted; who takes too long is killed."""
        self._is_ending = True
        for process in self._children:
            process.terminate()
        _, late = await asyncio.wait(self._keeping, timeout=2 * GRACE_S)
        for process in self._children if late else ():
            process.kill()
        await asyncio.gather(*self._keeping)
        self.have_ended = True

    async def know_doors(self) -> None:
        """Wait until every collector goes by the doors as they are now written.

        A collector reads them before it tells its figures. What it tells next may be older than the doors;
        what it tells after that is not, and what it let in before is on the disk by then.
        """
        told = {process.pid: self._told[process.pid] for process in self._children}

        def are_known() -> bool:
            running = {process.pid for process in self._children}
            return all(self._told[pid] >= count + 2 for pid, count in told.items() if pid in running)

        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_HEARD_S_MAX), self._heard:
                await self._heard.wait_for(are_known)
                return
        log.error("a collector does not tell whether it knows the doors", seconds=_HEARD_S_MAX)

    async def _keep(self, listener: socket.socket) -> None:
        """Have one collector on a socket."""
        while not self._is_ending:
            try:
                process = await self._begin(listener)
            except Exception:  # whatever it was, the next may be started
                log.exception("collector could not be started")
                await asyncio.sleep(_RESPAWN_S)
                continue
            self._children.append(process)
            if self._is_ending:
                process.terminate()
            try:
                await self._hear(process)
            except Exception:  # it is no collector that tells such a thing; the next is one
                log.exception("collector cannot be understood")
                process.terminate()
            code = await process.wait()
            self._children.remove(process)
            self._ended.add(self._figures.pop(process.pid, Figures()))
            self._told.pop(process.pid, None)
            await self._notify()
            if not self._is_ending:
                log.error("collector ended", code=code)
                await asyncio.sleep(_RESPAWN_S)

    async def _begin(self, listener: socket.socket) -> asyncio.subprocess.Process:
        options = CollectorOptions(
            folder=str(self._folder.absolute()),
            series=await self._new_series(),
            listener=listener.fileno(),
            trusted_hops=self._trusted_hops,
            spool_bytes_max=self._share,
        )
        return await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "enduser.api.collector.process", msgspec.json.encode(options).decode()),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            pass_fds=[listener.fileno()],
        )

    async def _hear(self, process: asyncio.subprocess.Process) -> None:
        """Keep the last figures that a collector tells, until it ends."""
        assert process.stdout is not None
        while line := await process.stdout.readline():
            self._figures[process.pid] = read_line(line)
            self._told[process.pid] += 1
            await self._notify()

    async def _notify(self) -> None:
        async with self._heard:
            self._heard.notify_all()


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
