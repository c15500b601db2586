"""Commands that run sources, and look after what a server does of them."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn

from enduser.cli.opening import MEMORY_LIMIT_MB, control_of, existing, must_be_there
from enduser.cli.options import DEFAULT_DATA, DEFAULT_SPACE, Data, Memory, RowsLimit, Space, Yes
from enduser.cli.output import EXIT_FOUND, confirm, count_of, err, out, print_table, short_time
from enduser.cli.proposing import in_space
from enduser.cli.sources import Name
from enduser.clock import now_us
from enduser.errors import InputError
from enduser.stores.answers import ValuesPreview, Written
from enduser.stores.contract import Store
from enduser.stores.records import UndoRun
from enduser.stores.scratch import scratch_folder

if TYPE_CHECKING:
    from enduser.service.source_runs import SourceRun
    from enduser.stores.control import ControlStore

SomeName = Annotated[str | None, typer.Argument(metavar="NAME", help="A source; without it all.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Only show what it would do; nothing is changed.")]


def run_source(
    name: Name,
    file: Annotated[
        Path | None,
        typer.Argument(metavar="FILE", help="A file; without it what the source has not taken yet."),
    ] = None,
    dry_run: DryRun = False,
    data: Data = DEFAULT_DATA,
    space: Space = DEFAULT_SPACE,
    memory_limit: Memory = MEMORY_LIMIT_MB,
    _yes: Yes = False,
) -> None:
    """Take what a file says of users, whole or not at all; with --dry-run see what it would do.

    Exit codes: 0 done, 1 done but something was rejected, 2 nothing was taken, 130 interrupted.
    """
    with existing(data, space, memory_limit) as store, control_of(data) as control:
        if file is not None:
            written = [_take_file(store, control, (space, name), file, dry_run=dry_run)]
        else:
            written = _take_pending(store, control, (space, name), dry_run=dry_run)
    if any(0 < one.read == one.rejected for one in written):
        raise InputError(
            "every row was rejected, so nothing was taken", hint="docs/attributes.md says what each reason is"
        )
    if any(one.rejected or one.rejected_values for one in written):
        raise typer.Exit(EXIT_FOUND)


def _take_file(
    store: Store, control: ControlStore, source: tuple[str, str], file: Path, *, dry_run: bool
) -> Written:
    from enduser.service.source_runs import SourceRun, running_alone
    from enduser.service.source_setup import look_at, mapping_of

    known = mapping_of(control, *source)
    run = SourceRun(*source, look_at(str(file), file, known), known.mapping, now_us())
    with scratch_folder(store.folder) as folder:
        if dry_run:
            return _preview(store, run, folder)
        with running_alone(store.folder, *source):
            return _do(store, run, folder)


def _take_pending(
    store: Store, control: ControlStore, source: tuple[str, str], *, dry_run: bool
) -> list[Written]:
    from enduser.service.source_inputs import take_pending
    from enduser.stores.jobs import JobKind
    from enduser.stores.source_configs import find_source

    def take(run: SourceRun, folder: Path) -> Written:
        out.print(run.looked.file.name)
        return _preview(store, run, folder) if dry_run else _do(store, run, folder)

    config, kind = find_source(control, *source), JobKind.PREVIEW if dry_run else JobKind.RUN
    written = list(take_pending(store, control, config, kind, take, now_us()))
    if not written:
        out.print(f"there is nothing that {config.name} has not taken yet")
    return written


def _preview(store: Store, run: SourceRun, folder: Path) -> Written:
    with _bar(run) as show:
        preview = run.preview(store, folder, show)
    _print_preview(preview)
    _print_written(preview.written, is_dry=True)
    return preview.written


def _do(store: Store, run: SourceRun, folder: Path) -> Written:
    with _bar(run) as show:
        written, rejected = run.do(store, folder, show)
    _print_written(written, is_dry=False)
    if written.read > written.rejected:
        command = in_space(f"enduser sources undo {written.run}", run.space)
        out.print(f"To take it back: {command}")
    if rejected:
        out.print(f"what was rejected is listed in {rejected}")
    return written


@contextmanager
def _bar(run: SourceRun) -> Iterator[Callable[[int, int], None]]:
    """Show how far a file is read."""
    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn())
    with Progress(*columns, console=err, transient=True, disable=not sys.stderr.isatty()) as progress:
        size = run.looked.file.size
        task = progress.add_task("reading", total=size)

        def show(done: int, rows: int) -> None:
            doing = "writing" if done == size else "reading"
            progress.update(task, description=f"{doing} {rows:,} rows", completed=done)

        yield show


def _print_preview(preview: ValuesPreview) -> None:
    out.print(f"it speaks of {count_of(preview.users, 'user')}; {preview.seen:,} of them were seen")
    if preview.users and not preview.seen:
        out.print("  if they should be known, another column has their ids: enduser sources map --id")
    counts = [
        (one.attribute, *(f"{n:,}" for n in (one.set, one.changed, one.cleared)))
        for one in preview.attributes
    ]
    print_table([("attribute", "set", "changed", "cleared"), *counts], right=(1, 2, 3))
    changes = [
        (user.user_id, name, _text(user.before[name]), _text(after))
        for user in preview.samples
        for name, after in user.after.items()
        if after != user.before[name]
    ]
    if changes:
        out.print("")
        print_table([("for example", "attribute", "from", "to"), *changes[:_SAMPLE_CHANGES]])
    if preview.segments:
        out.print("")
        moves = [(one.id, one.name, f"{one.entering:,}", f"{one.leaving:,}") for one in preview.segments]
        print_table([("segment", "name", "entering", "leaving"), *moves], right=(2, 3))
    out.print("")


def _text(value: object) -> str:
    if isinstance(value, list):
        return "; ".join(value)
    return "(unknown)" if value is None else str(value)


def _print_written(written: Written, *, is_dry: bool) -> None:
    would = "would be " if is_dry else ""
    for label, count, meaning in (
        ("read", written.read, ""),
        ("new", written.new, "users of whom nothing of this was known"),
        (
            "changed",
            written.changed,
            f"users of whom something else {'would hold' if is_dry else 'holds'} now",
        ),
        ("unchanged", written.unchanged, "users of whom the same holds now, or rows that say nothing"),
        ("superseded", written.superseded, "rows of a user of whom another row speaks too"),
        ("rejected", written.rejected, f"rows; {count_of(written.rejected_values, 'value')} {would}rejected"),
    ):
        out.print(f"{label:<11} {count:>12,}   {meaning}".rstrip())
    for row, attribute, reason in islice(_rejections(written), _REJECTIONS_SHOWN):
        out.print(f"  row {row:,}: {attribute}{reason}")


def _rejections(written: Written) -> Iterator[tuple[int, str, str]]:
    for row in written.row_rejections:
        yield row.row, "", row.reason
    for value in written.value_rejections:
        yield value.row, f"{value.attribute} ", value.reason


_SAMPLE_CHANGES = 20
_REJECTIONS_SHOWN = 10


def list_runs(
    name: SomeName = None,
    limit: RowsLimit = 20,
    data: Data = DEFAULT_DATA,
    space: Space = DEFAULT_SPACE,
    _yes: Yes = False,
) -> None:
    """List the last runs, the newest first."""
    with existing(data, space) as store:
        runs = store.runs(space, source=name, limit=limit)
    headings = ("run", "source", "at (UTC)", "file", "read", "new", "changed", "rejected", "undone (UTC)")
    rows = [
        (
            *(str(run.run), run.source, short_time(run.written_at), run.input),
            *(f"{count:,}" for count in (run.read, run.new, run.changed, run.rejected)),
            short_time(run.undone_at),
        )
        for run in runs
    ]
    print_table([headings, *rows], right=(0, 4, 5, 6, 7))


def undo_run(
    run: Annotated[int, typer.Argument(metavar="RUN", help="The number of the run.")],
    data: Data = DEFAULT_DATA,
    space: Space = DEFAULT_SPACE,
    memory_limit: Memory = MEMORY_LIMIT_MB,
    yes: Yes = False,
) -> None:
    """Take back all that a run said: what was said before, or by others, holds again."""
    from enduser.service.source_runs import find_run

    with existing(data, space, memory_limit) as store:
        found = find_run(store, space, run)
        told = f"run {run} of {found.source}, {short_time(found.written_at)} UTC, {found.input}"
        count = count_of(found.new + found.changed, "user")
        confirm(f"{told}: it changed {count}. Take it back?", yes=yes, undone="nothing was taken back")
        store.apply(space, UndoRun(run, now_us()))
    out.print(f"run {run} is undone")


def list_jobs(
    name: SomeName = None,
    limit: RowsLimit = 20,
    data: Data = DEFAULT_DATA,
    space: Space = DEFAULT_SPACE,
    _yes: Yes = False,
) -> None:
    """List what the server was asked to do last, by the API or by schedules, the newest first."""
    from enduser.stores import jobs

    must_be_there(data)
    with control_of(data) as control:
        found = jobs.list_jobs(control, space, source=name, limit=limit)
    headings = ("job", "source", "kind", "state", "asked for at (UTC)", "ended at (UTC)", "files", "error")
    rows = [
        (
            *(str(job.number), job.source, job.kind, job.state),
            *(short_time(job.requested_at), short_time(job.ended_at)),
            *(", ".join(one.name for one in job.inputs), job.error["message"] if job.error else ""),
        )
        for job in found
    ]
    print_table([headings, *rows], right=(0,))


def cancel_job(
    job: Annotated[int, typer.Argument(metavar="JOB", help="The number of the job.")],
    data: Data = DEFAULT_DATA,
    space: Space = DEFAULT_SPACE,
    _yes: Yes = False,
) -> None:
    """Let a job end without a result, unless it is over or being written."""
    from enduser.stores import jobs

    must_be_there(data)
    with control_of(data) as control:
        jobs.cancel_job(control, space, job, now_us())
    out.print(f"job {job} is cancelled")
