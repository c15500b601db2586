"""`enduser import events`."""

from __future__ import annotations

import sys
from collections.abc import Callable
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

from enduser.cli.helping import Group
from enduser.cli.opening import MEMORY_LIMIT_MB, opened
from enduser.cli.options import DEFAULT_DATA, DEFAULT_SPACE, Data, Memory, Space, Yes
from enduser.cli.output import EXIT_FOUND, clock_of, err, out
from enduser.clock import elapsed_s, now_us
from enduser.core.outcomes import Outcomes
from enduser.errors import GeoDatabaseError, InputError
from enduser.service.geo import open_place_database
from enduser.service.import_events import (
    TIME_UNITS,
    ImportSummary,
    find_files,
    import_files,
)
from enduser.stores.answers import SpaceStatus
from enduser.stores.records import ImportRules
from enduser.stores.scratch import scratch_folder

_CLOSE_HELP = (
    "Close all sessions: move the clock past the last event, for good. "
    "It does nothing once events came over HTTP."
)

app = Group("Bring data in.")


class FileFormat(StrEnum):
    """What `--format` takes."""

    AUTO = "auto"
    JSONL = "jsonl"
    CSV = "csv"
    PARQUET = "parquet"
    ACCESS_LOG = "access-log"


class TimeUnit(StrEnum):
    """What `--time-unit` takes."""

    S = "s"
    MS = "ms"
    US = "us"


@app.callback()
def _group() -> None:
    """Bring data in."""


Files = Annotated[
    list[str],
    typer.Argument(metavar="FILE", help="Files, patterns, or - for standard input; .gz and .zst too."),
]
Format = Annotated[FileFormat, typer.Option("--format", help="How the files are written.")]
Close = Annotated[bool, typer.Option("--close", help=_CLOSE_HELP)]
Fill = Annotated[
    bool,
    typer.Option(
        "--fill",
        help="Stop if there is no place database. With one, every import fills unknown places of events "
        "that are there already.",
    ),
]
Unit = Annotated[
    TimeUnit | None,
    typer.Option("--time-unit", help="The unit of numeric times, in place of inferring it."),
]
AllRequests = Annotated[
    bool, typer.Option("--all-requests", help="Access logs: every line that parses, not only pages.")
]
IncludeCrawlers = Annotated[bool, typer.Option("--include-crawlers", help="Take events of crawlers too.")]


@app.command("events")
def events(
    files: Files,
    file_format: Format = FileFormat.AUTO,
    close: Close = False,
    fill: Fill = False,
    time_unit: Unit = None,
    all_requests: AllRequests = False,
    include_crawlers: IncludeCrawlers = False,
    data: Data = DEFAULT_DATA,
    space: Space = DEFAULT_SPACE,
    memory_limit: Memory = MEMORY_LIMIT_MB,
    _yes: Yes = False,
) -> None:
    """Import events from JSON lines, CSV, Parquet or web-server access logs.

    Exit codes: 0 done, 1 done but some rows were rejected, 2 nothing was applied, 130 interrupted.
    An import that was interrupted is finished by running it again: each event is taken once.
    """
    with opened(data, space, memory_limit, fills=True) as store, scratch_folder(store.folder) as folder:
        _note_places(store.folder, fill=fill)
        rules = ImportRules(
            started_at=now_us(),
            time_unit=TIME_UNITS[time_unit] if time_unit else None,
            all_requests=all_requests,
            include_crawlers=include_crawlers,
        )
        began = elapsed_s()
        found = find_files(files, file_format, folder)
        with _bar() as bar:
            summary = import_files(store, space, found, rules, close=close, progress=_shown_in(bar, began))
        _print_summary(summary, elapsed_s() - began)
    if summary.is_all_rejected:
        raise InputError(
            "every row was rejected, so nothing was applied",
            hint="docs/file-formats.md says what each format and reason is",
        )
    if summary.outcomes.rejected:
        raise typer.Exit(EXIT_FOUND)


def _note_places(folder: Path, *, fill: bool) -> None:
    """Say what a missing place database costs; one that cannot be read is an error."""
    if places := open_place_database(folder):
        places.close()
        return
    if fill:
        raise GeoDatabaseError(
            "--fill needs a place database, and there is none", hint="run: enduser geo install"
        )
    err.print(
        "note: no place database, so IP addresses give no country, region or city. To have one: "
        "enduser geo install; then import the same files again."
    )


def _bar() -> Progress:
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        TaskProgressColumn(),
        TextColumn("{task.fields[rate]}"),
        TimeRemainingColumn(),
        console=err,
        transient=True,
        disable=not sys.stderr.isatty(),
    )


def _shown_in(bar: Progress, began: float) -> Callable[[int, int, Outcomes], None]:
    task = bar.add_task("reading", total=None, rate="")

    def show(done: int, total: int, outcomes: Outcomes) -> None:
        rate = f"{outcomes.read / max(elapsed_s() - began, 1e-3):,.0f} rows/s"
        doing = "folding sessions …" if done == total else "reading"
        bar.update(task, description=doing, completed=done, total=total, rate=rate)

    return show


def _print_summary(summary: ImportSummary, seconds: float) -> None:
    outcomes = summary.outcomes
    for name, unit in summary.time_units.items():
        word = next(word for word, known in TIME_UNITS.items() if known.us == unit.us)
        sample = (unit.inferred_from or "")[:30]
        err.print(
            f"{name}: numeric times are taken as {word} (inferred from {sample}; --time-unit overrides)"
        )
    out.print(f"read        {outcomes.read:>12,}   in {seconds:.1f} s")
    out.print(f"stored      {outcomes.stored:>12,}")
    out.print(f"duplicate   {outcomes.duplicate:>12,}")
    out.print(f"filled      {outcomes.filled:>12,}")
    for kind, counts in (("excluded", outcomes.excluded), ("rejected", outcomes.rejected)):
        out.print(f"{kind:<11} {counts.total():>12,}")
        for reason, count in counts.most_common():
            out.print(f"  {reason:<22}{count:>12,}")
    if outcomes.ignored_properties:
        out.print(
            "ignored analytics properties (no text, number or boolean, or too long): "
            f"{outcomes.ignored_properties:,}"
        )
    if summary.rejected_file:
        out.print(f"rejected rows are listed in {summary.rejected_file}")
    if summary.status:
        _print_status(summary.status)


def _print_status(status: SpaceStatus) -> None:
    out.print(f"users       {status.users:>12,}")
    out.print(f"sessions    {status.sessions:>12,}   closed, and {status.open_sessions:,} open")
    out.print(f"clock       {clock_of(status)}")
    if status.open_sessions and status.live_since is None:
        out.print("Open sessions are in no End User Object until they close; --close closes them.")
    elif status.open_sessions:
        out.print(
            "Open sessions are in no End User Object until they close, which they do by themselves: "
            "events came over HTTP, so the clock is the server's, and --close does not move it."
        )
