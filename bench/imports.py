"""Import of history by the real command, form by form."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import datasets
from folders import scratch
from measure import ENDUSER, median, run, say, spread, table, verdict
from sizes import Sizes

HEAD = ("file", "rows", "seconds", "from, to", "rows/s", "processor s", "peak MB", "target rows/s", "")


@dataclass(frozen=True, slots=True)
class Case:
    """A file to import, and how many of its rows are to be taken in a second."""

    name: str
    file: Path
    target: int | None


def cases(sizes: Sizes) -> list[Case]:
    """Return the files, made if they are not there."""
    return [
        Case(
            "Parquet, user and time",
            datasets.times(sizes.events, sizes.users),
            1_000_000,
        ),
        Case("Parquet, all columns", datasets.messages("parquet", sizes.full_parquet), 1_000_000),
        Case("JSON lines, Segment form", datasets.messages("jsonl", sizes.lines), 300_000),
        Case("CSV", datasets.messages("csv", sizes.lines), None),
        Case("access log", datasets.messages("log", sizes.lines), 200_000),
    ]


def report(sizes: Sizes) -> str:
    """Measure all cases and return the section."""
    rows = [_row(case, sizes.repeats) for case in cases(sizes)]
    return (
        "## Import\n\n"
        "`enduser import events FILE --close` into a new data folder: the whole command, from its start to "
        "sessions and End User Objects on disk. A place database is installed. Of the access "
        "log three fifths are assets and a twentieth is crawlers, which are left out.\n\n" + table(HEAD, rows)
    )


def _row(case: Case, repeats: int) -> tuple[object, ...]:
    say(f"importing {case.name}")
    runs = []
    for _ in range(repeats):
        with scratch("import") as folder:
            run([ENDUSER, "geo", "install", "--file", datasets.places(), "--data", folder])
            runs.append(run([ENDUSER, "import", "events", case.file, "--close", "--data", folder]))
    cost = median(runs)
    read = int(re.findall(r"^read +([\d,]+)", cost.out, re.MULTILINE)[0].replace(",", ""))
    rate = read / cost.wall_s
    return (
        case.name,
        f"{read:,}",
        f"{cost.wall_s:.1f}",
        spread(r.wall_s for r in runs),
        f"{rate:,.0f}",
        f"{cost.cpu_s:.1f}",
        f"{cost.peak_mb:,.0f}",
        f"{case.target:,}" if case.target else "",
        verdict(met=rate >= case.target) if case.target else "",
    )
