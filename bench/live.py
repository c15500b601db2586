"""How soon an object is there after its session closed, and how soon a backlog is applied after a start."""

from __future__ import annotations

import http.client
import json
import os
import signal
import subprocess
import time
import urllib.error
import urllib.request
from pathlib import Path

from measure import ENDUSER, say, table, verdict
from servers import FOLDER, Server, caught_up, enduser, load_command, started, wait_until
from sizes import Sizes

RATE = 10_000
"""Events a second while objects are waited for."""
WINDOW_S = 2
PROBES = 20
VISIBLE_S_MAX = 5
BACKLOG_BYTES = 1_000_000_000
RESTART_S_MAX = 30


def report(sizes: Sizes) -> str:
    """Measure, and return the section."""
    rows = [_visible(max(60 * sizes.scale, 5)), _restarted(int(BACKLOG_BYTES * min(sizes.scale, 1)))]
    return "\n\n".join(["## Live", table(("what", "measured", "target", ""), rows)])


def _visible(seconds: float) -> tuple[str, str, str, str]:
    """Measure from the end of a session's window to the answer of the API, under load."""
    say(f"objects after their sessions, {RATE:,} events a second for {seconds:.0f} s")
    with enduser(1) as server:
        _command(server, "config", "set", "inactivity_window_s", WINDOW_S, "--yes")
        key = _command(server, "keys", "create", "--role", "admin").strip()
        command = load_command(server, 10, seconds, rate=RATE)
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as load:
            time.sleep(seconds / 10)
            found = sorted(_seen_after(server, key, f"probe-{number}") for number in range(PROBES))
            told, _ = load.communicate()
    rate = json.loads(told)["events_per_s"]
    worst = found[-1]
    return (
        f"object after its session closed, {rate:,} events/s (p50 / worst of {PROBES})",
        f"{found[len(found) // 2]:.1f} / {worst:.1f} s",
        f"{VISIBLE_S_MAX} s",
        verdict(met=worst <= VISIBLE_S_MAX and rate > 0.95 * RATE),
    )


def _seen_after(server: Server, key: str, user_id: str) -> float:
    """Send an event; return how long after its window the user is found."""
    body = json.dumps({"writeKey": server.key, "userId": user_id, "event": "seen"}).encode()
    sent_at = time.time()
    urllib.request.urlopen(f"{server.url}/v1/track", body).close()  # noqa: S310 - our own server
    time.sleep(WINDOW_S)
    call = urllib.request.Request(  # noqa: S310 - our own server
        f"{server.url}/api/v1/users/{user_id}", headers={"Authorization": f"Bearer {key}"}
    )
    while True:
        try:
            urllib.request.urlopen(call).close()  # noqa: S310 - our own server
        except urllib.error.HTTPError as error:
            assert error.code == http.client.NOT_FOUND, error  # noqa: PT017 - no test
            time.sleep(0.05)
        else:
            return time.time() - sent_at - WINDOW_S


def _command(server: Server, *words: object) -> str:
    command = [ENDUSER, *map(str, words), "--data", server.data]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def _restarted(size: int) -> tuple[str, str, str, str]:
    """Measure from a start to the last event applied, with so much in the spool."""
    say(f"a restart with {size / 1e6:,.0f} MB of spool")
    with enduser(1) as server:
        owner = server.roots[0]
        os.kill(owner, signal.SIGSTOP)  # nothing is applied; collectors go on
        while (waiting := _spooled(server.data)) < size:
            subprocess.run(load_command(server, 100, 2), capture_output=True, check=True)
        os.killpg(owner, signal.SIGKILL)
    began = time.perf_counter()
    with started(FOLDER / "data") as (url, process):
        wait_until(f"{url}/readyz")
        caught_up(Server(url, server.key, [process.pid], FOLDER / "data"))
        seconds = time.perf_counter() - began
    return (
        f"restart with {waiting / 1e6:,.0f} MB of spool, until all is applied",
        f"{seconds:.1f} s",
        f"{RESTART_S_MAX} s",
        verdict(met=seconds <= RESTART_S_MAX),
    )


def _spooled(data: Path) -> int:
    return sum(path.stat().st_size for path in (data / "spool").rglob("*.seg"))
