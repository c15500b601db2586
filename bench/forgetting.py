"""Forgetting while events come: deleting by age, erasing one person, and letting the bytes go."""

from __future__ import annotations

import json
import subprocess
import sys
import time
import urllib.parse
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from attributed import attributed_folder
from batches import History, histories
from decisions import count, prepare, until
from folders import copy_of
from measure import ENDUSER, HERE, run, say, table, verdict
from servers import Server, enduser_on, metric, resident_mb, visits_command
from sizes import Sizes

MONTHS = 3
"""Users of the history whose last visit is older could go; those go who are the first tenth."""
RATE = 5_000
_PER_CALL = 5
"""Events of a visit, which comes in one call."""
_CALM_S = 20
_PHASE_S_MAX = 3_600


def report(sizes: Sizes) -> str:
    """Measure, and return the section."""
    parts = [
        "## Forgetting",
        f"While {RATE:,} events a second come. The serving copy was made before. Bytes go with a copy and a "
        "database that are written anew.",
    ]
    parts += [_measured(history) for history in histories(sizes)]
    return "\n\n".join(parts)


@dataclass
class Phase:
    """What was measured while something was done."""

    name: str
    seconds: float = 0.0
    calls: float = 0.0
    applied: float = 0.0
    lags: list[float] = field(default_factory=list)
    note: str = ""

    @property
    def accepted_per_s(self) -> float:
        """Events that were accepted in a second."""
        return self.calls * _PER_CALL / self.seconds

    def row(self) -> tuple[str, str, str, str, str, str]:
        """Return it as a row of the table."""
        return (
            self.name,
            f"{self.seconds:.1f}",
            f"{self.accepted_per_s:,.0f}",
            f"{self.applied / self.seconds:,.0f}",
            f"{max(self.lags, default=0):.1f}",
            self.note,
        )


class Watched:
    """A server under load, of which phases are measured."""

    def __init__(self, server: Server, key: str) -> None:
        self._server = server
        self._headers = {"Authorization": f"Bearer {key}"}
        self.phases: list[Phase] = []

    def during(self, name: str, is_over: Callable[[], bool]) -> Phase:
        """Measure until something is over."""
        phase = Phase(name)
        began, calls, applied = time.time(), self._calls(), self._applied()
        while not is_over() and time.time() < began + _PHASE_S_MAX:
            phase.lags.append(metric(self._server, "enduser_applier_lag_seconds"))
            time.sleep(0.2)
        phase.seconds = time.time() - began
        phase.calls, phase.applied = self._calls() - calls, self._applied() - applied
        self.phases.append(phase)
        return phase

    def call(self, method: str, path: str, **parameters: str) -> Any:
        """Call the API."""
        url = f"{self._server.url}/api/v1/{path}?{urllib.parse.urlencode(parameters)}"
        asked = urllib.request.Request(url, headers=self._headers, method=method)  # noqa: S310 - our own server
        with urllib.request.urlopen(asked) as answer:  # noqa: S310 - our own server
            return json.load(answer)

    def _calls(self) -> float:
        return metric(self._server, "enduser_collect_seconds_count")

    def _applied(self) -> float:
        return metric(self._server, "enduser_events_total")


def _measured(history: History) -> str:
    say(f"forgetting at {history.users:,} users")
    with copy_of(attributed_folder(history.events, history.users, close=history.is_closed)) as folder:
        prepare(folder, 1_800)
        made_ready = run([sys.executable, HERE / "inside_forgetting.py", "prepare", folder, str(MONTHS)]).out
        somebody, as_of = made_ready.split()
        before_mb = (folder / "enduser.duckdb").stat().st_size / 1e6
        with enduser_on(folder) as server:
            until(lambda: count(server, "SELECT count(*) FROM folds"))
            copy_mb = sum(path.stat().st_size for path in folder.glob("serving*")) / 1e6
            key = subprocess.run(
                [ENDUSER, "keys", "create", "--role", "admin", "--data", folder],
                capture_output=True,
                text=True,
                check=True,
            ).stdout.strip()
            watched = Watched(server, key)
            load = visits_command(server, history.users, _PHASE_S_MAX, rate=RATE)
            with subprocess.Popen(load, stdout=subprocess.DEVNULL) as sending:
                try:
                    deleted = _forget(watched, folder, somebody, as_of)
                finally:
                    sending.terminate()
            memory = resident_mb(server.roots[0])
        after_mb = (folder / "enduser.duckdb").stat().st_size / 1e6
    rows = [phase.row() for phase in watched.phases]
    is_met = all(phase.accepted_per_s > 0.9 * RATE for phase in watched.phases)
    told = table(
        ("at " + f"{history.users:,} users", "seconds", "accepted/s", "applied/s", "behind, worst s", ""),
        rows,
    )
    return (
        f"{told}\n\n{deleted:,} users went. Collecting goes on: {verdict(met=is_met)}. The database has "
        f"{before_mb:,.0f} MB before and {after_mb:,.0f} MB after, the serving copy {copy_mb:,.0f} MB; the "
        f"owner takes {memory:,.0f} MB."
    )


def _forget(watched: Watched, folder: Path, somebody: str, as_of: str) -> int:
    """Let go whom age lets go, then one person with all bytes; return how many users went."""
    calm_until = time.time() + _CALM_S
    watched.during("nothing else", lambda: time.time() > calm_until)
    began = time.time()
    preview = watched.call("GET", "retention", as_of=as_of)
    dry_s = time.time() - began
    number = watched.call("POST", "retention/runs", confirmed="true", as_of=as_of)["run"]

    def run_of() -> Any:
        return watched.call("GET", "retention/runs", limit="1")["items"][0]

    deleting = watched.during("deleting by age", lambda: run_of()["ended_at"] is not None)
    receipt = run_of()
    assert receipt["run"] == number
    would = preview["amount"]["users"]
    deleting.note = (
        f"of {would:,} users by a dry run of {dry_s:.1f} s; {receipt['amount']['events']:,} events"
    )
    calm_until = time.time() + _CALM_S
    watched.during("catching up", lambda: time.time() > calm_until)
    erase = [str(ENDUSER), "users", "erase", somebody, "--yes", "--data", str(folder)]
    with subprocess.Popen(erase, stdout=subprocess.PIPE, text=True) as erasing:
        one = watched.during("erasing one, until no byte is left", lambda: erasing.poll() is not None)
        assert erasing.returncode == 0, erasing.communicate()
        one.note = "all bytes of who went by age go too"
    return int(receipt["amount"]["users"])
