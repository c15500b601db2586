"""Opening a large data folder, reading one user of it, and verifying a history."""

from __future__ import annotations

from pathlib import Path

from batches import histories
from folders import cached_folder, megabytes
from measure import ENDUSER, median, run, say, spread, table
from sizes import Sizes

HEAD = ("command", "users", "events, about", "folder MB", "seconds", "from, to", "processor s", "peak MB")
SOMEBODY = "42"


def report(sizes: Sizes) -> str:
    """Measure the commands and return the section."""
    small, large = histories(sizes)
    rows = []
    for history, commands in (
        (large, (["status"], ["users", "show", SOMEBODY])),
        (small, (["verify"],)),
    ):
        folder = cached_folder(history.events, history.users, close=history.is_closed)
        rows += [_row(words, folder, history.users, history.events, sizes.repeats) for words in commands]
    return "## Opening, reading, verifying\n\nWhole commands.\n\n" + table(HEAD, rows)


def _row(words: list[str], folder: Path, users: int, events: int, repeats: int) -> tuple[str, ...]:
    say(f"enduser {' '.join(words)}")
    runs = [run([ENDUSER, *words, "--data", folder]) for _ in range(repeats)]
    cost = median(runs)
    return (
        f"`enduser {' '.join(words)}`",
        f"{users:,}",
        f"{events:,}",
        f"{megabytes(folder):,.0f}",
        f"{cost.wall_s:.2f}",
        spread(r.wall_s for r in runs),
        f"{cost.cpu_s:.1f}",
        f"{cost.peak_mb:,.0f}",
    )
