"""Servers that take events: ours, bare ones, and the load that is sent to them."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from measure import DATA, ENDUSER, HERE, RIVAL_PYTHON
from postgres import postgres

FOLDER = DATA / "collecting"
BARE = HERE / "rivals" / "bare_collector.py"
_PATIENCE_S = 600
"""A server that is not there by then is not on its way; a restart with a full spool takes half a minute."""


@dataclass(frozen=True, slots=True)
class Server:
    """Processes that take events."""

    url: str
    key: str
    roots: list[int]
    """Its processes; what they started is found below them."""
    data: Path

    def cpu_s(self) -> float:
        """Return the CPU seconds of all its processes so far."""
        return sum(_cpu_s(pid) for pid in self.pids())

    def pids(self) -> list[int]:
        """Return all its processes, each before what it started."""
        return [pid for root in self.roots for pid in tree(root)]


def tree(pid: int) -> Iterator[int]:
    """Yield a process and all below it."""
    yield pid
    for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
        yield from tree(int(child))


def _cpu_s(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def resident_mb(pid: int) -> float:
    """Return the resident memory of a process."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


@contextmanager
def enduser(collectors: int) -> Iterator[Server]:
    """Run our server on an empty folder."""
    shutil.rmtree(FOLDER, ignore_errors=True)
    FOLDER.mkdir(parents=True)
    with enduser_on(FOLDER / "data", collectors) as server:
        yield server


@contextmanager
def enduser_on(data: Path, collectors: int = 1) -> Iterator[Server]:
    """Run our server on a data folder."""
    with started(data, collectors) as (url, process):
        wait_until(f"{url}/readyz")
        listed = subprocess.run(
            [ENDUSER, "systems", "list", "--format", "json", "--data", data],
            capture_output=True,
            check=True,
        )
        yield Server(url, json.loads(listed.stdout)[0]["write_key"], [process.pid], data)


@contextmanager
def started(data: Path, collectors: int = 1) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """Start our server on a folder; yield its URL as soon as it says it. It may be gone at the end."""
    command = [ENDUSER, "serve", "--data", data, "--port", "0", "--collectors", str(collectors)]
    with data.with_name("log").open("ab") as log:
        process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=log, text=True, start_new_session=True
        )
    assert process.stdout is not None
    try:
        yield process.stdout.readline().split()[-1], process
    finally:
        process.terminate()
        process.wait()
        process.stdout.close()


def wait_until(url: str) -> None:
    """Wait until a server of ours answers there with a success; at `/readyz`, it accepts and applies then."""
    deadline = time.monotonic() + _PATIENCE_S
    while True:
        try:
            urllib.request.urlopen(url).close()  # noqa: S310 - our own server
        except OSError:  # not there, or a 503
            if time.monotonic() > deadline:
                raise
            time.sleep(0.02)
        else:
            return


@contextmanager
def floor(collectors: int) -> Iterator[Server]:
    """Run bare collectors that append to a file each."""
    with _bare(collectors, sys.executable, lambda number: f"file:{FOLDER / f'log-{number}'}") as server:
        yield server


@contextmanager
def in_postgres(collectors: int) -> Iterator[Server]:
    """Run bare collectors that copy into one PostgreSQL, whose processes count as theirs."""
    with postgres() as (url, pid), _bare(collectors, RIVAL_PYTHON, lambda _: url) as server:
        server.roots.append(pid)
        yield server


@contextmanager
def _bare(collectors: int, python: str | Path, target: Callable[[int], str]) -> Iterator[Server]:
    """Run bare collectors that share a port."""
    shutil.rmtree(FOLDER, ignore_errors=True)
    FOLDER.mkdir(parents=True)
    listeners = []
    port = 0
    for _ in range(collectors):
        listener = socket.socket()
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        listener.bind(("127.0.0.1", port))
        listener.listen(2_048)
        port = listener.getsockname()[1]
        listeners.append(listener)
    processes = [
        subprocess.Popen(
            [python, BARE, target(number), str(listener.fileno())],
            pass_fds=[listener.fileno()],
        )
        for number, listener in enumerate(listeners)
    ]
    try:
        yield Server(f"http://127.0.0.1:{port}", "floor", [process.pid for process in processes], FOLDER)
    finally:
        for process, listener in zip(processes, listeners, strict=True):
            process.send_signal(signal.SIGKILL)
            process.wait()
            listener.close()


def load_command(server: Server, events: int, seconds: float, *, rate: int = 0) -> list[str]:
    """Return the command that sends for some seconds: at a rate of events a second, 0 as fast as it can."""
    command = [sys.executable, HERE / "load.py", server.url, server.key, "--connections", 64]
    command += ["--events", events, "--seconds", seconds, "--rate", rate]
    return [str(word) for word in command]


def visits_command(server: Server, users: int, seconds: float, *, rate: int) -> list[str]:
    """Return the command that sends visits of so many users, at a rate of events a second."""
    return [*load_command(server, 1, seconds, rate=rate), "--visits", "--users", str(users)]


def load(server: Server, events: int, seconds: float) -> dict[str, float]:
    """Send for some seconds; return what the load generator and the server's processes measured."""
    before = server.cpu_s()
    done = subprocess.run(load_command(server, events, seconds), capture_output=True, text=True, check=True)
    found = json.loads(done.stdout)
    assert set(found["statuses"]) == {"200"}, found["statuses"]
    return found | {"cpu_us": (server.cpu_s() - before) / found["events"] * 1e6}


def caught_up(server: Server) -> float:
    """Return how long the applier took for what was left when the load ended."""
    began = time.perf_counter()
    while any(path.stat().st_size > 100_000 for path in _spool_files(server)) and not _is_applied(server):
        time.sleep(0.05)
    return time.perf_counter() - began


def _spool_files(server: Server) -> list[Path]:
    return [path for path in (server.data / "spool").rglob("*.seg") if path.exists()]


def _is_applied(server: Server) -> bool:
    return metric(server, "enduser_spool_bytes") < 1_000


def metric(server: Server, name: str) -> float:
    """Return the sum of what the server tells under a name of its metrics."""
    with urllib.request.urlopen(f"{server.url}/metrics") as answer:  # noqa: S310 - our own server
        lines = answer.read().decode().splitlines()
    return sum(float(line.split()[-1]) for line in lines if re.split("[{ ]", line)[0] == name)
