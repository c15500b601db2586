"""The feed: how long its steps take, and how soon it tells what sessions bring while events come."""

from __future__ import annotations

import json
import subprocess
import sys
import time
import urllib.parse
import urllib.request

import datasets
from attributed import attributed_folder
from batches import History, histories
from decisions import RATE, WINDOW_S, prepare
from folders import copy_of
from measure import ENDUSER, HERE, run, say, table, verdict
from rule_shapes import FOLLOWED, PROBED
from servers import Server, enduser_on, metric, resident_mb, visits_command
from sizes import Sizes

PROBES = 40
PROBE_EACH_S = 1.0
LAG_S_MAX = 60
"""What docs/feed.md promises of what comes by time; the rest is to come within some seconds."""


def report(sizes: Sizes) -> str:
    """Measure, and return the section."""
    history, _ = histories(sizes)
    parts = [
        "## Feed",
        f"{history.users:,} users, {FOLLOWED} followed segments: a third with relative dates, a third with "
        "sessions, events or changes.",
        _steps(history, sizes),
        _live(history, sizes),
    ]
    return "\n\n".join(parts)


def _steps(history: History, sizes: Sizes) -> str:
    say("steps of the feed")
    source = datasets.history(history.events, history.users)
    batch = {"live": sizes.live_events, "late": sizes.late_users}
    files = [
        datasets.batch("jsonl", source, kind, number, count=count, after=history.clock_at)
        if kind == "live"
        else datasets.batch("jsonl", source, kind, number, count=count)
        for kind, count in batch.items()
        for number in range(3)
    ]
    with copy_of(attributed_folder(history.events, history.users, close=history.is_closed)) as folder:
        saved = [sys.executable, HERE / "inside_rules.py", "feed", folder]
        run(saved)
        steps = json.loads(run([sys.executable, HERE / "inside_rules.py", "steps", folder, *files]).out)
    rows = [
        (
            one["name"],
            f"{one['seconds']:.2f}",
            f"{one['cpu_s']:.1f}",
            f"{one['rows']:,}",
            f"{one['peak_mb']:,.0f}",
        )
        for one in steps
    ]
    return (
        f"A live batch moves the clock by a minute and has {sizes.live_events:,} events; a late one touches "
        f"{sizes.late_users:,} users.\n\n"
        + table(("step", "seconds", "CPU s", "rows", "peak MB so far"), rows)
    )


def _live(history: History, sizes: Sizes) -> str:
    window_s = max(int(WINDOW_S * min(sizes.scale, 1)), 5)
    probes = max(int(PROBES * min(sizes.scale, 1)), 5)
    say(f"the feed while events come, for {window_s + probes + LAG_S_MAX} s at least")
    with copy_of(attributed_folder(history.events, history.users, close=history.is_closed)) as folder:
        prepare(folder, window_s)
        run([sys.executable, HERE / "inside_rules.py", "feed", folder])
        with enduser_on(folder) as server:
            key = subprocess.run(
                [ENDUSER, "keys", "create", "--role", "admin", "--data", folder],
                capture_output=True,
                text=True,
                check=True,
            ).stdout.strip()
            reader = FeedReader(server, key)
            reader.wait_until_followed()
            rows = _probed(server, reader, history.users, window_s, probes)
    return (
        f"{RATE:,} events a second, in visits of five. A probe is a visit of one event; its segment is to be "
        f"entered when its session is over, {window_s} s later.\n\n"
        + table(("what", "measured", "target", ""), rows)
    )


class FeedReader:
    """Reads one segment's rows again and again, and when each came."""

    def __init__(self, server: Server, key: str) -> None:
        self._server = server
        self._headers = {"Authorization": f"Bearer {key}"}
        self._cursor: str | None = None
        self.seen_at: dict[str, float] = {}

    def wait_until_followed(self) -> None:
        """Wait for the first step, after which what comes is told: somebody enters by a probe."""
        number = 0
        while not self.seen_at:
            probe(self._server, f"first-{number}")
            number += 1
            for _ in range(50):
                time.sleep(0.2)
                self.read()

    def read(self) -> None:
        """Read what has come."""
        query = {"segment": PROBED, "limit": "1000"} | ({"cursor": self._cursor} if self._cursor else {})
        call = urllib.request.Request(  # noqa: S310 - our own server
            f"{self._server.url}/api/v1/feed?{urllib.parse.urlencode(query)}", headers=self._headers
        )
        with urllib.request.urlopen(call) as answer:  # noqa: S310 - our own server
            page = json.load(answer)
        self._cursor = page["next_cursor"]
        for row in page["items"]:
            self.seen_at.setdefault(row["user_id"], time.time())


def probe(server: Server, user_id: str) -> None:
    """Send the event that a probe is."""
    body = json.dumps({"writeKey": server.key, "userId": user_id, "event": PROBED}).encode()
    urllib.request.urlopen(f"{server.url}/v1/track", body).close()  # noqa: S310 - our own server


def _probed(
    server: Server, reader: FeedReader, users: int, window_s: int, probes: int
) -> list[tuple[str, str, str, str]]:
    seconds = window_s + probes * PROBE_EACH_S + LAG_S_MAX + 10
    load = visits_command(server, users, seconds, rate=RATE)
    sent_at: dict[str, float] = {}
    behind: list[float] = []
    with subprocess.Popen(load, stdout=subprocess.PIPE, text=True) as sending:
        began = time.time()
        before = metric(server, "enduser_events_total")
        while time.time() < began + seconds - 5 and len(reader.seen_at.keys() & sent_at.keys()) < probes:
            if len(sent_at) < probes and time.time() > began + 5 + len(sent_at) * PROBE_EACH_S:
                name = f"probe-{len(sent_at)}"
                probe(server, name)
                sent_at[name] = time.time()
            reader.read()
            behind.append(metric(server, "enduser_applier_lag_seconds"))
            time.sleep(0.2)
        applied = (metric(server, "enduser_events_total") - before) / (time.time() - began)
        told, _ = sending.communicate()
    lags = sorted(
        reader.seen_at[name] - sent_at[name] - window_s for name in sent_at if name in reader.seen_at
    )
    rate = json.loads(told)["events_per_s"]
    is_met = len(lags) == len(sent_at) and lags[-1] <= LAG_S_MAX and rate > 0.95 * RATE
    return [
        ("probes that were told before the load ended", f"{len(lags)} of {len(sent_at)}", "all", ""),
        (
            "after their session was over, p50 / worst",
            f"{lags[len(lags) // 2]:.1f} / {lags[-1]:.1f} s" if lags else "none",
            f"{LAG_S_MAX} s",
            verdict(met=is_met),
        ),
        ("accepted / applied events a second", f"{rate:,} / {applied:,.0f}", f"{RATE:,}", ""),
        ("applier behind, worst", f"{max(behind):.1f} s", "", ""),
        ("owner, memory", f"{resident_mb(server.roots[0]):,.0f} MB", "", ""),
    ]
