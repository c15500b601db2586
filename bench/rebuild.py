"""Rebuild of a whole history, beside bare DuckDB, Polars and Spark on the same events."""

from __future__ import annotations

import json
import shutil
import statistics
import sys
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import datasets
from folders import cached_folder, copy_of, remove, scratch
from measure import (
    CORES,
    ENDUSER,
    HERE,
    MEMORY_LIMIT_MB,
    RIVAL_PYTHON,
    Measured,
    median,
    run,
    say,
    spread,
    table,
    verdict,
)
from sizes import Sizes

WINDOW_US = 1_800_000_000
HEAD = (
    "engine",
    "process s",
    "work s",
    "from, to",
    "processor s",
    "peak MB",
    "ours ÷ theirs: process",
    "work",
    "target",
    "",
    "rows written",
)


@dataclass(frozen=True, slots=True)
class Rival:
    """An engine to compare with, and what our time may be in units of its."""

    name: str
    script: str
    most: float
    kind: str = "parquet"
    """How `totals` reads what it wrote."""

    def command(self, events: Path, out: Path) -> list[str | Path]:
        """Return the command that reads events and writes sessions and users."""
        limits = [str(WINDOW_US), str(CORES), str(MEMORY_LIMIT_MB)]
        return [RIVAL_PYTHON, HERE / "rivals" / f"{self.script}_sessions.py", events, out, *limits]


RIVALS = (
    Rival(f"bare DuckDB, {MEMORY_LIMIT_MB} MB, {CORES} threads", "duckdb", 1.3, "duckdb"),
    Rival(f"Polars, {CORES} threads", "polars", 1 / 2),
    Rival(f"Spark local[{CORES}]", "spark", 1 / 5),
)


@dataclass(slots=True)
class Result:
    """All runs of one engine: each process, and the seconds of the work inside it."""

    runs: list[Measured] = field(default_factory=list)
    works_s: list[float] = field(default_factory=list)
    calls_s: list[float] = field(default_factory=list)
    """Of ours, `store.rebuild` alone."""
    totals: dict[str, int] = field(default_factory=dict)

    @property
    def process(self) -> Measured:
        """The median of whole processes."""
        return median(self.runs)

    @property
    def work_s(self) -> float:
        """The median of the work alone."""
        return statistics.median(self.works_s)


def report(sizes: Sizes) -> str:
    """Measure all engines in turn, check that they wrote the same, and return the section."""
    events = datasets.history(sizes.events, sizes.users)
    rivals = [rival for rival in RIVALS if rival.script != "spark" or shutil.which("java")]
    ours, theirs = Result(), [Result() for _ in rivals]
    with ExitStack() as stack:
        folder = stack.enter_context(copy_of(cached_folder(sizes.events, sizes.users, close=True)))
        outs = [stack.enter_context(scratch(rival.script)) for rival in rivals]
        for number in range(1, sizes.repeats + 1):
            say(f"rebuilding, round {number} of {sizes.repeats}")
            _run_ours(folder, ours)
            for rival, out, result in zip(rivals, outs, theirs, strict=True):
                _run_rival(rival, events, out, result)
        say("comparing what was written")
        ours.totals = _exported_totals(folder)
        for rival, out, result in zip(rivals, outs, theirs, strict=True):
            result.totals = _totals(rival.kind, out)
    return _section(ours, dict(zip(rivals, theirs, strict=True)))


def _run_ours(folder: Path, result: Result) -> None:
    """Run the command, then the call alone in another process."""
    result.runs.append(run([ENDUSER, "rebuild", "--data", folder]))
    alone = run([sys.executable, HERE / "inside.py", "rebuild", folder])
    seconds = json.loads(alone.out)
    result.works_s.append(seconds["work_s"])
    result.calls_s.append(seconds["rebuild_s"])


def _run_rival(rival: Rival, events: Path, out: Path, result: Result) -> None:
    remove(out)
    cost = run(rival.command(events, out))
    result.runs.append(cost)
    result.works_s.append(json.loads(cost.out.splitlines()[-1])["work_s"])


def _exported_totals(folder: Path) -> dict[str, int]:
    """Return the totals of our sessions and users as the public exports tell them."""
    with scratch("exports") as exports:
        exports.mkdir()
        for what in ("sessions", "users"):
            target = exports / f"{what}.parquet"
            run([ENDUSER, what, "export", "--format", "parquet", "--output", target, "--data", folder])
        return _totals("enduser", exports)


def _totals(kind: str, path: Path) -> dict[str, int]:
    found: dict[str, int] = json.loads(run([sys.executable, HERE / "totals.py", kind, path]).out)
    return found


def _section(ours: Result, theirs: dict[Rival, Result]) -> str:
    found = ours.totals
    rows = [_row("`enduser rebuild`", ours, "", "", "", "", "")]
    rows += [_compared(rival, result, ours) for rival, result in theirs.items()]
    missing = "" if len(theirs) == len(RIVALS) else "\n\nSpark was not run: there is no Java here."
    return (
        "## Rebuild\n\n"
        f"All sessions and users from {found['events']:,} events of {found['users']:,} users: "
        f"{found['sessions']:,} sessions, {found['duration_us'] / 1e6:,.0f} s of duration in all. *Work* is "
        "what is done between the start of a process and its end, to the closed file; of ours, "
        f"`store.rebuild` alone took {statistics.median(ours.calls_s):.2f} s. A target is met where both "
        "ratios are. *Same* means that a hash of all rows of sessions and of users equals ours.\n\n"
        + table(HEAD, rows)
        + missing
    )


def _compared(rival: Rival, result: Result, ours: Result) -> tuple[str, ...]:
    """Return the row of a rival, with our times in units of its."""
    process = ours.process.wall_s / result.process.wall_s
    work = ours.work_s / result.work_s
    is_met = max(process, work) <= rival.most
    same = "same" if result.totals == ours.totals else f"**differ: {result.totals}, ours {ours.totals}**"
    ratios = (f"{process:.2f}", f"{work:.2f}", f"≤ {rival.most:.2g}", verdict(met=is_met))
    return _row(rival.name, result, *ratios, same)


def _row(name: str, result: Result, *rest: str) -> tuple[str, ...]:
    cost = result.process
    return (
        name,
        f"{cost.wall_s:.2f}",
        f"{result.work_s:.2f}",
        spread(result.works_s),
        f"{cost.cpu_s:.1f}",
        f"{cost.peak_mb:,.0f}",
        *rest,
    )
