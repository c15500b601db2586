"""A collector process: takes events from the public port and writes them to a spool series of its own.

`python -m enduser.api.collector.process OPTIONS` is started by the owner of the data folder, and ends with
it.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import resource
import signal
import socket
import sys
from functools import partial
from pathlib import Path

import msgspec
import structlog
import uvloop

from enduser.api.collector.browser_sdk import BrowserSdk
from enduser.api.collector.deciding import Decisions
from enduser.api.collector.gate import Gate
from enduser.api.collector.owner_proxy import OwnerProxy
from enduser.api.collector.public import ASGIApp, PublicPlane
from enduser.api.collector.series import Series
from enduser.api.collector.server_keys import ServerKeys
from enduser.api.collector.tracking import Desk, TrackingProtocol
from enduser.api.figures import Figures, line_of
from enduser.api.http_server import Server, server_of
from enduser.api.logs import RefusalLog, log_as_json
from enduser.api.parts import begin_part
from enduser.api.patience import sweep
from enduser.clock import elapsed_s, now_us
from enduser.ingest.doors import Doors
from enduser.ingest.group_commit import GroupCommit
from enduser.stores.owner_socket import API_SOCKET, socket_path

TICK_S = 1.0
"""How often an idle collector marks the time in its series, and looks whether its doors changed."""

log = structlog.get_logger()


class CollectorOptions(msgspec.Struct, frozen=True):
    """What the owner tells a collector."""

    folder: str
    series: int
    """The number of its series in the spool."""
    listener: int
    """The descriptor of the socket that it listens on."""
    trusted_hops: int
    spool_bytes_max: int
    """Its share of the spool."""


async def collect(options: CollectorOptions) -> None:
    """Take events until the process is told to end, or its owner is gone; then finish what was begun."""
    folder = Path(options.folder)
    doors = Doors(folder)
    proxy = OwnerProxy(socket_path(folder, API_SOCKET))
    with contextlib.closing(Series(folder, options.series, options.spool_bytes_max)) as series:
        commit = GroupCommit(series.append)
        series.mark(now_us())
        keys = ServerKeys(folder)
        desk = Desk(Gate(doors, keys, trusted_hops=options.trusted_hops), commit, Figures())
        decisions = Decisions(folder, doors, proxy, desk.figures)
        browsers = BrowserSdk(doors, trusted_hops=options.trusted_hops)
        server = public_server(desk, browsers, proxy, decisions)
        await _end_with_owner(server)
        works = [
            _tick(desk.figures, doors, keys, commit, series),
            sweep(server.server_state.connections),
        ]
        parts = [begin_part(work, partial(_end, server)) for work in works]
        await server.serve(sockets=[socket.socket(fileno=options.listener)])
        for part in parts:
            part.cancel()
        await commit.close()
        await proxy.close()
        decisions.close()
        keys.close()


def public_server(desk: Desk, browsers: BrowserSdk, owner: ASGIApp, decisions: ASGIApp) -> Server:
    """Return the server of the public port; `owner` answers what is not of the tracking protocol."""
    app = PublicPlane(browsers, owner, decisions, desk.figures)
    return server_of(app, http=partial(TrackingProtocol, desk), lifespan="off")


async def _end_with_owner(server: Server) -> None:
    """Let the server end on SIGTERM, and when standard input ends: it is a pipe that the owner holds."""

    class OwnerIsThere(asyncio.Protocol):
        def connection_lost(self, _: Exception | None) -> None:
            _end(server)

    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGTERM, _end, server)
    await loop.connect_read_pipe(OwnerIsThere, sys.stdin)


def _end(server: Server) -> None:
    server.should_exit = True


async def _tick(
    figures: Figures, doors: Doors, keys: ServerKeys, commit: GroupCommit, series: Series
) -> None:
    """Tell the figures, keep the doors fresh, and the time in the series moving while nothing comes."""
    refusals = RefusalLog()
    os.set_blocking(sys.stdout.fileno(), False)  # an owner that hangs is no reason to take no events
    while True:
        await asyncio.sleep(TICK_S)
        refusals.look(figures.refused, elapsed_s())
        keys.forget()
        _tell(figures, doors)
        if commit.is_idle:
            await _mark(commit, series)


async def _mark(commit: GroupCommit, series: Series) -> None:
    """Mark the time, as it is on the event loop: what is received from now on waits for the mark."""
    if series.has_begun:
        await commit.run(partial(series.mark, now_us()))
    else:
        series.mark(now_us())


def _tell(figures: Figures, doors: Doors) -> None:
    """Tell the owner the figures, by which it also hears that the doors are known as they are written."""
    try:
        doors.refresh()
    except OSError:  # too many files are open perhaps; what is known goes on to hold
        log.exception("doors cannot be read")
        return
    # The owner is gone, and this process ends; or it has not listened for long.
    with contextlib.suppress(BrokenPipeError, BlockingIOError):
        os.write(sys.stdout.fileno(), line_of(figures))


def main() -> None:
    """Run as a process of its own; Ctrl-C in a terminal is the owner's to hear."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    options = msgspec.json.decode(sys.argv[1], type=CollectorOptions)
    log_as_json(collector=options.series)
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))  # a connection is a file; given are 1,024 mostly
    uvloop.run(collect(options))


if __name__ == "__main__":
    main()
