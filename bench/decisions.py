"""Decisions over HTTP while events come: how soon they come, and how long their facts are looked up."""

from __future__ import annotations

import json
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from attributed import attributed_folder
from batches import histories
from folders import copy_of
from measure import ENDUSER, HERE, run, say, table, verdict
from rule_shapes import ENGINES_SEGMENTS, FACTS
from servers import Server, enduser_on, metric, resident_mb, tree, visits_command
from sizes import Sizes

RATE = 10_000
"""Events a second, five of a visit each."""
ASKED_RATE = 100
"""Decisions a second, each of another user."""
WINDOW_S = 180
"""The inactivity window: visits of the load are over so soon, and those of the history stay whole, mostly."""
ASKED_S = 60
P99_MS_MAX = 5
_WARM_S = 5
"""After the rules became others, a collector reads them once."""
_PATIENCE_S = 1_800


def report(sizes: Sizes) -> str:
    """Measure, and return the section."""
    history, _ = histories(sizes)
    say(f"decisions at {history.users:,} users")
    window_s = max(int(WINDOW_S * min(sizes.scale, 1)), 5)
    with copy_of(attributed_folder(history.events, history.users, close=True)) as folder:
        prepare(folder, window_s)
        began = time.perf_counter()
        with enduser_on(folder) as server:
            until(lambda: count(server, "SELECT count(*) FROM folds"))
            served_s = time.perf_counter() - began
        saved_s = json.loads(run([sys.executable, HERE / "inside_rules.py", "decisions", folder]).out)
        began = time.perf_counter()
        with enduser_on(folder) as server:
            until(lambda: _is_filled(server))
            filled_s = time.perf_counter() - began
            rows = _measured(server, history.users, window_s, max(ASKED_S * sizes.scale, 3))
    more = [
        (f"{ENGINES_SEGMENTS:,} segments saved, one by one", f"{saved_s['seconds']:.1f} s", "", ""),
        ("serving copy made, from the start of the server", f"{served_s:.1f} s", "", ""),
        (f"facts of {FACTS} happenings looked up, likewise", f"{filled_s:.1f} s", "", ""),
    ]
    return (
        "## Decisions\n\n"
        f"`GET /v1/decisions` in the collector, {ASKED_RATE} a second, each of another of {history.users:,} "
        f"users: {ENGINES_SEGMENTS:,} public segments, every second with facts. The load is {RATE:,} events "
        f"a second in visits of five; {window_s} s later each is over, and facts are others.\n\n"
        + table(("what", "measured", "target", ""), [*rows, *more])
    )


def prepare(folder: Path, window_s: int) -> None:
    """Let a folder go on now, with another inactivity window."""
    run([sys.executable, HERE / "attributed.py", "shift", folder])
    run([ENDUSER, "config", "set", "inactivity_window_s", str(window_s), "--yes", "--data", folder])


def until(is_there: Callable[[], object]) -> None:
    """Wait until something is there.

    Raises:
        TimeoutError: it did not come.
    """
    began = time.perf_counter()
    while not is_there():
        if time.perf_counter() - began > _PATIENCE_S:
            raise TimeoutError(f"nothing came in {_PATIENCE_S} s")
        time.sleep(0.1)


def count(server: Server, query: str) -> int:
    """Return what a query counts in the serving copy of a server."""
    newest = max(server.data.glob("serving-*.sqlite"), default=server.data / "none")
    uri = f"{newest.absolute().as_uri()}?mode=ro"
    try:
        with closing(sqlite3.connect(uri, uri=True)) as connection:
            (found,) = connection.execute(query).fetchone()
    except sqlite3.OperationalError:  # it is not there yet
        return 0
    return int(found)


def _is_filled(server: Server) -> bool:
    return count(server, "SELECT count(*) FROM demands WHERE part >= parts") >= FACTS


def _measured(server: Server, users: int, window_s: int, seconds: float) -> list[tuple[str, str, str, str]]:
    asking = [sys.executable, HERE / "asking.py", server.url, server.key, "--users", users]
    asking += ["--rate", ASKED_RATE, "--seconds", seconds]
    words = [str(word) for word in asking]
    run([*words, "--seconds", str(_WARM_S)])
    idle = json.loads(run(words).out)
    load = visits_command(server, users, window_s + seconds + 5, rate=RATE)
    with subprocess.Popen(load, stdout=subprocess.PIPE, text=True) as sending:
        time.sleep(window_s + 5)
        busy = json.loads(run(words).out)
        lag_s = metric(server, "enduser_applier_lag_seconds")
        told, _ = sending.communicate()
    assert set(idle["statuses"]) == set(busy["statuses"]) == {"200"}, (idle, busy)
    owner, collector = (resident_mb(pid) for pid in tree(server.roots[0]))
    rate = json.loads(told)["events_per_s"]
    is_met = busy["p99_ms"] <= P99_MS_MAX and rate > 0.95 * RATE
    return [
        (
            f"answered at {rate:,} events/s, p50 / p99 / worst",
            " / ".join(f"{busy[name]:.1f}" for name in ("p50_ms", "p99_ms", "worst_ms")) + " ms",
            f"p99 {P99_MS_MAX} ms",
            verdict(met=is_met),
        ),
        (
            "answered without other load",
            " / ".join(f"{idle[name]:.1f}" for name in ("p50_ms", "p99_ms", "worst_ms")) + " ms",
            "",
            "",
        ),
        ("bytes of an answer", f"{busy['bytes']:,.0f}", "", ""),
        ("applier behind, at the end", f"{lag_s:.1f} s", "", ""),
        ("collector / owner, memory", f"{collector:.0f} / {owner:,.0f} MB", "", ""),
    ]
