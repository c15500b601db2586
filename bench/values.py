"""Custom attributes from a CSV file and over the update API, beside bare DuckDB."""

from __future__ import annotations

import json
import shutil
import statistics
import sys
from pathlib import Path

from folders import WORK
from measure import CORES, HERE, MEMORY_LIMIT_MB, RIVAL_PYTHON, Measured, run, say, spread, table, verdict
from sizes import Sizes

ATTRIBUTES = 20
TARGET = 0.5
"""Of the rate of bare DuckDB, for a run."""
UPDATED_ROWS = 100_000
HEAD = ("what", "rows", "median s", "from, to", "rows/s", "peak MB", "of bare DuckDB", "target", "")


def report(sizes: Sizes) -> str:
    """Measure all and return the section."""
    say(f"{sizes.users:,} users and a CSV file of {sizes.users:,} rows x {ATTRIBUTES}")
    shutil.rmtree(WORK / "values", ignore_errors=True)
    inside = [sys.executable, HERE / "inside_values.py"]
    folder = WORK / "values"
    run([*inside, "make", folder, str(sizes.users), str(ATTRIBUTES)])
    bare = _bare(folder, sizes)
    costs = [run([*inside, "measure", folder]) for _ in range(sizes.repeats)]
    rows = [_row("bare DuckDB: read_csv, DELETE, INSERT", sizes.users, bare[0], bare[1], None)]
    peak_mb = max(cost.peak_mb for cost in costs)
    for what in ("dry run", "run", "the same again", "undo", "update API"):
        count = UPDATED_ROWS if what == "update API" else sizes.users
        rows.append(_row(what, count, [json.loads(cost.out)[what] for cost in costs], peak_mb, bare[0]))
    shutil.rmtree(folder)
    return (
        "## Custom attributes\n\n"
        f"A CSV file of {sizes.users:,} rows with {ATTRIBUTES} attributes, half of them numbers, onto "
        f"{sizes.users:,} users, by `SourceRun` of `enduser.service.source_runs`: reading the file, history "
        "and all. Bare DuckDB reads the same file with its types told, deletes by id and inserts, in one "
        "transaction; it checks nothing and keeps no history. The update API is `write_json_rows`, 10,000 "
        "rows with 5 attributes a call, without HTTP.\n\n" + table(HEAD, rows)
    )


def _bare(folder: Path, sizes: Sizes) -> tuple[list[float], float]:
    rival = HERE / "rivals" / "duckdb_values.py"
    command = [RIVAL_PYTHON, rival, folder / "rows.csv", str(ATTRIBUTES), str(CORES), str(MEMORY_LIMIT_MB)]
    costs: list[Measured] = [run(command) for _ in range(sizes.repeats)]
    return [json.loads(cost.out)["work_s"] for cost in costs], max(cost.peak_mb for cost in costs)


def _row(
    what: str, count: int, times: list[float], peak_mb: float, bare: list[float] | None
) -> tuple[str, ...]:
    middle = statistics.median(times)
    share = statistics.median(bare) / middle if bare and what != "update API" else None
    return (
        what,
        f"{count:,}",
        f"{middle:.2f}",
        spread(times),
        f"{count / middle:,.0f}",
        f"{peak_mb:,.0f}",
        "" if share is None else f"{share:.2f}",
        f"≥ {TARGET}" if what == "run" else "",
        verdict(met=share >= TARGET) if what == "run" and share is not None else "",
    )
