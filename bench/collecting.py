"""Durable ingest over HTTP beside its floor, and the whole way to the applied event."""

from __future__ import annotations

import shutil
import time

from measure import say, table, verdict
from servers import (
    FOLDER,
    caught_up,
    enduser,
    floor,
    in_postgres,
    load,
    resident_mb,
    started,
    tree,
    wait_until,
)
from sizes import Sizes

SECONDS = 8
SUSTAINED_SECONDS = 60
EVENTS_A_REQUEST = (1, 10, 100)
SUSTAINED_TARGETS = {1: 18_000, 10: 60_000, 100: 100_000}
"""Events a second from HTTP to applied, on two cores."""
FLOOR_SHARE = 0.8
LAG_S_MAX = 5
START_S_MAX = 2


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
            with in_postgres(collectors) as rival:
                copied = load(rival, events, seconds)
            share = ours["events_per_s"] / least["events_per_s"]
            rows.append(
                (
                    *(str(collectors), str(events)),
                    *(f"{one['events_per_s']:,.0f}" for one in (ours, least, copied)),
                    f"{share:.2f}",
                    f"{ours['p50_ms']:.1f} / {ours['p99_ms']:.1f}",
                    f"{least['p50_ms']:.1f} / {least['p99_ms']:.1f}",
                    *(f"{one['cpu_us']:.1f}" for one in (ours, least, copied)),
                    verdict(met=share >= FLOOR_SHARE),
                )
            )
    head = (
        *("collectors", "events a request", "events/s", "floor", "PostgreSQL", "share of floor"),
        *("p50 / p99 ms", "floor's", "CPU µs/event", "floor's", "PostgreSQL's", f"target {FLOOR_SHARE}"),
    )
    return table(head, rows)


def _sustained(seconds: float) -> str:
    rows = []
    for events, target in SUSTAINED_TARGETS.items():
        say(f"HTTP to applied for {seconds:.0f} s, {events} events a request")
        with enduser(1) as server:
            found = load(server, events, seconds)
            lag_s = caught_up(server)
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


def _idle() -> str:
    shutil.rmtree(FOLDER, ignore_errors=True)
    FOLDER.mkdir(parents=True)
    began = time.perf_counter()
    with started(FOLDER / "data") as (url, process):
        wait_until(f"{url}/healthz")
        start_s = time.perf_counter() - began
        wait_until(f"{url}/readyz")
        ready_s = time.perf_counter() - began
        time.sleep(3)
        owner, collector = (resident_mb(pid) for pid in tree(process.pid))
    rows = [
        ("answers after", f"{start_s:.2f} s", f"{START_S_MAX} s", verdict(met=start_s <= START_S_MAX)),
        ("ready after", f"{ready_s:.2f} s", "", ""),
        ("owner, idle", f"{owner:.0f} MB", "150 MB", verdict(met=owner <= 150)),
        ("collector, idle", f"{collector:.0f} MB", "60 MB", verdict(met=collector <= 60)),
    ]
    return table(("what", "measured", "target", ""), rows)
