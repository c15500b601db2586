"""Durable ingest over HTTP beside its floor, and the whole way to the applied event."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from measure import DATA, ENDUSER, HERE, say, table, verdict
from sizes import Sizes

SECONDS = 8
SUSTAINED_SECONDS = 60
EVENTS_A_REQUEST = (1, 10, 100)
SUSTAINED_TARGETS = {1: 18_000, 10: 60_000, 100: 100_000}
"""Events a second from HTTP to applied, on two cores."""
FLOOR_SHARE = 0.8
LAG_S_MAX = 5
START_S_MAX = 2
FOLDER = DATA / "collecting"
FLOOR = HERE / "rivals" / "file_log_collector.py"


@dataclass(frozen=True, slots=True)
class Server:
    """Processes that take events."""

    url: str
    key: str
    pids: list[int]
    data: Path

    def cpu_s(self) -> float:
        """Return the CPU seconds of all its processes so far."""
        return sum(_cpu_s(pid) for pid in self.pids)

    def resident_mb(self) -> float:
        """Return the resident memory of all its processes."""
        return sum(_resident_mb(pid) for pid in self.pids)


def _cpu_s(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _resident_mb(pid: int) -> float:
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


@contextmanager
def enduser(collectors: int) -> Iterator[Server]:
    """Run our server on an empty folder."""
    shutil.rmtree(FOLDER, ignore_errors=True)
    FOLDER.mkdir(parents=True)
    command = [ENDUSER, "serve", "--data", FOLDER / "data", "--port", "0", "--collectors", str(collectors)]
    with (FOLDER / "log").open("wb") as log:
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, text=True)
    assert process.stdout is not None
    url = process.stdout.readline().split()[-1]
    try:
        pids = _pids(process.pid, collectors)
        listed = subprocess.run(
            [ENDUSER, "systems", "list", "--format", "json", "--data", FOLDER / "data"],
            capture_output=True,
            check=True,
        )
        yield Server(url, json.loads(listed.stdout)[0]["write_key"], pids, FOLDER / "data")
    finally:
        process.terminate()
        process.wait()
        process.stdout.close()


def _pids(owner: int, collectors: int) -> list[int]:
    while True:
        children = Path(f"/proc/{owner}/task/{owner}/children").read_text().split()
        if len(children) == collectors:
            return [owner, *map(int, children)]
        time.sleep(0.01)


@contextmanager
def floor(collectors: int) -> Iterator[Server]:
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
            [sys.executable, FLOOR, FOLDER / f"log-{number}", str(listener.fileno())],
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


def load(server: Server, events: int, seconds: float, connections: int = 64) -> dict[str, float]:
    """Send for some seconds; return what the load generator and the server's processes measured."""
    command = [sys.executable, HERE / "load.py", server.url, server.key]
    command += ["--events", str(events), "--seconds", str(seconds), "--connections", str(connections)]
    before = server.cpu_s()
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True, check=True)
    found = json.loads(done.stdout)
    assert set(found["statuses"]) == {"200"}, found["statuses"]
    return found | {"cpu_us": (server.cpu_s() - before) / found["events"] * 1e6}


def report(sizes: Sizes) -> str:
    """Measure, and return the section."""
    seconds = max(SECONDS * sizes.scale, 1)
    parts = ["## Collecting", "### Durable ingest over HTTP", _durable(seconds)]
    parts += ["### From HTTP to applied", _sustained(max(SUSTAINED_SECONDS * sizes.scale, 2))]
    parts += ["### Start and memory", _idle()]
    shutil.rmtree(FOLDER, ignore_errors=True)
    return "\n\n".join(parts)


def _durable(seconds: float) -> str:
    rows = []
    for collectors in (1, 2):
        for events in EVENTS_A_REQUEST:
            say(f"durable ingest, {collectors} collectors, {events} events a request")
            with floor(collectors) as bare:
                least = load(bare, events, seconds)
            with enduser(collectors) as server:
                ours = load(server, events, seconds)
            share = ours["events_per_s"] / least["events_per_s"]
            rows.append(
                (
                    *(str(collectors), str(events)),
                    *(f"{one['events_per_s']:,.0f}" for one in (ours, least)),
                    f"{share:.2f}",
                    f"{ours['p50_ms']:.1f} / {ours['p99_ms']:.1f}",
                    f"{least['p50_ms']:.1f} / {least['p99_ms']:.1f}",
                    f"{ours['cpu_us']:.1f}",
                    f"{least['cpu_us']:.1f}",
                    verdict(met=share >= FLOOR_SHARE),
                )
            )
    head = (
        *("collectors", "events a request", "events/s", "floor", "share"),
        *("p50 / p99 ms", "floor's", "CPU µs/event", "floor's", f"target {FLOOR_SHARE}"),
    )
    return table(head, rows)


def _sustained(seconds: float) -> str:
    rows = []
    for events, target in SUSTAINED_TARGETS.items():
        say(f"HTTP to applied for {seconds:.0f} s, {events} events a request")
        with enduser(1) as server:
            found = load(server, events, seconds)
            lag_s = _caught_up(server)
        rate = found["events"] / (seconds + lag_s)
        rows.append(
            (
                *(str(events), f"{found['events_per_s']:,.0f}", f"{lag_s:.1f}", f"{rate:,.0f}"),
                *(f"{found['cpu_us']:.1f}", f"{found['load_cpu_s'] / seconds:.2f}"),
                *(f"{target:,}", verdict(met=rate >= target and lag_s <= LAG_S_MAX)),
            )
        )
    head = (
        *("events a request", "accepted/s", "then behind s", "applied/s"),
        *("CPU µs/event", "load's CPU", "target", f"and at most {LAG_S_MAX} s behind"),
    )
    return table(head, rows)


def _caught_up(server: Server) -> float:
    """Return how long the applier took for what was left when the load ended."""
    began = time.perf_counter()
    while any(path.stat().st_size > 100_000 for path in _segments(server)) and not _is_applied(server):
        time.sleep(0.05)
    return time.perf_counter() - began


def _segments(server: Server) -> list[Path]:
    return [path for path in (server.data / "spool").rglob("*.seg") if path.exists()]


def _is_applied(server: Server) -> bool:
    import urllib.request

    with urllib.request.urlopen(f"{server.url}/metrics") as answer:  # noqa: S310 - our own server
        text = answer.read().decode()
    waiting = next(line for line in text.splitlines() if line.startswith("enduser_spool_bytes "))
    return float(waiting.split()[1]) < 1_000


def _idle() -> str:
    began = time.perf_counter()
    with enduser(1) as server:
        import urllib.request

        while True:
            try:
                urllib.request.urlopen(f"{server.url}/healthz").close()  # noqa: S310 - our own server
                break
            except OSError:
                time.sleep(0.01)
        start_s = time.perf_counter() - began
        time.sleep(3)
        owner, collector = (_resident_mb(pid) for pid in server.pids)
    rows = [
        ("answers after", f"{start_s:.2f} s", f"{START_S_MAX} s", verdict(met=start_s <= START_S_MAX)),
        ("owner, idle", f"{owner:.0f} MB", "150 MB", verdict(met=owner <= 150)),
        ("collector, idle", f"{collector:.0f} MB", "60 MB", verdict(met=collector <= 60)),
    ]
    return table(("what", "measured", "target", ""), rows)
