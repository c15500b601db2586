"""Late and live batches on data folders of one and ten million users."""

from __future__ import annotations

import json
import statistics
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import datasets
from folders import cached_folder, copy_of
from measure import HERE, run, say, spread, table, verdict
from sizes import Sizes

WINDOW_US = 1_800_000_000
FORMS = {"jsonl": "JSON lines", "parquet": "Parquet"}
HEAD = (
    "batch",
    "users stored",
    "form",
    "events",
    "apply s",
    "fold s",
    "both s",
    "from, to",
    "peak MB",
    "target s",
    "",
)


@dataclass(frozen=True, slots=True)
class History:
    """A stored history, and within how many seconds it is to take a batch of each kind."""

    events: int
    users: int
    is_closed: bool
    targets_s: dict[str, float | None]

    @property
    def clock_at(self) -> int:
        """Where the clock of its folder stands, at most."""
        return datasets.ENDS_AT_US + (WINDOW_US if self.is_closed else 0)


def histories(sizes: Sizes) -> tuple[History, History]:
    """Return the smaller history, which the rebuild has too, and the larger one, with open sessions."""
    return (
        History(sizes.events, sizes.users, is_closed=True, targets_s={"late": 0.5, "live": None}),
        History(sizes.many_events, sizes.many_users, is_closed=False, targets_s={"late": 1.6, "live": 0.4}),
    )


def report(sizes: Sizes) -> str:
    """Measure all batches and return the section."""
    rows = [row for history in histories(sizes) for row in _rows(history, sizes)]
    return (
        "## Late and live batches\n\n"
        f"`store.apply` of one file, then `store.fold`, in an open process: the median of {sizes.batches} "
        "batches, each of other new events, the first included. A late batch has four events of each of "
        f"{sizes.late_users:,} users: two around something that they did, two at any time of the half year. "
        f"A live batch is one minute just after the clock, of {sizes.live_events * 6 // 10:,} users who were "
        "mostly there a minute before.\n\n" + table(HEAD, rows)
    )


def _rows(history: History, sizes: Sizes) -> Iterator[tuple[str, ...]]:
    folder = cached_folder(history.events, history.users, close=history.is_closed)
    source = datasets.history(history.events, history.users)
    files = {kind: list(_files(history, source, kind, sizes)) for kind in history.targets_s}
    with copy_of(folder) as copy:
        for kind, paths in files.items():
            say(f"{kind} batches at {history.users:,} users")
            cost = run([sys.executable, HERE / "inside.py", "batches", copy, *paths])
            times = json.loads(cost.out)
            for place, form in enumerate(FORMS):
                of_form = times[place * sizes.batches : (place + 1) * sizes.batches]
                yield _row(history, kind, form, of_form, cost.peak_mb)


def _files(history: History, source: Path, kind: str, sizes: Sizes) -> Iterator[Path]:
    """Yield the batches of both forms, each with a number and hence events of its own."""
    count = sizes.late_users if kind == "late" else sizes.live_events
    after = 0 if kind == "late" else history.clock_at
    for number in range(len(FORMS) * sizes.batches):
        form = list(FORMS)[number // sizes.batches]
        yield datasets.batch(form, source, kind, number, count=count, after=after)


def _row(
    history: History, kind: str, form: str, times: list[dict[str, float]], peak_mb: float
) -> tuple[str, ...]:
    both = [t["apply_s"] + t["fold_s"] for t in times]
    target = history.targets_s[kind]
    return (
        kind,
        f"{history.users:,}",
        FORMS[form],
        f"{statistics.median(t['events'] for t in times):,.0f}",
        f"{statistics.median(t['apply_s'] for t in times):.2f}",
        f"{statistics.median(t['fold_s'] for t in times):.2f}",
        f"{statistics.median(both):.2f}",
        spread(both),
        f"{peak_mb:,.0f}",
        f"≤ {target}" if target else "",
        verdict(met=statistics.median(both) <= target) if target else "",
    )
