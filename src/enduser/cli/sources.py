"""`enduser sources`: files that say something of users, mapped once and run as often as they come."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from enum import StrEnum
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn

from enduser import limits
from enduser.cli.common import (
    DEFAULT_DATA,
    DEFAULT_SPACE,
    EXIT_FOUND,
    MEMORY_LIMIT_MB,
    Data,
    Memory,
    Space,
    Yes,
    confirm,
    control_of,
    count_of,
    err,
    must_be_there,
    opened,
    out,
    print_table,
    short_time,
)
from enduser.cli.helping import Group
from enduser.clock import now_us
from enduser.core.attributes import AttributeType
from enduser.errors import InputError, UsageError
from enduser.service.import_events import scratch_folder
from enduser.stores.contract import UndoRun, ValuesPreview, Written

if TYPE_CHECKING:
    from enduser.service.source_runs import Looked, SourceRun
    from enduser.sources.mapping import ColumnMapping, SourceMapping
    from enduser.stores.source_configs import SourceConfig

app = Group("Bring custom attributes from files: map their columns once, see what a run would do, run it.")

Name = Annotated[str, typer.Argument(metavar="NAME", help="The name of the source, such as crm.")]
File = Annotated[Path, typer.Argument(metavar="FILE", help="A CSV file with a header; .gz and .zst too.")]


class Blank(StrEnum):
    """What `--blank` takes."""

    KEEP = "keep"
    CLEAR = "clear"


Identifier = Annotated[
    str | None,
    typer.Option("--id", metavar="COLUMN", help="The column with the user's id; else it is looked for."),
]
Take = Annotated[
    list[str] | None,
    typer.Option(
        "--take",
        metavar="COLUMN[=ATTRIBUTE[:TYPE]]",
        help="A column to take, perhaps under another name; can be repeated. Without it all are taken.",
    ),
]
Skip = Annotated[
    list[str] | None,
    typer.Option("--skip", metavar="COLUMN", help="A column not to take; can be repeated."),
]
EffectiveAt = Annotated[
    str | None,
    typer.Option(
        "--effective-at", metavar="COLUMN", help="The column with the time from which on a row holds."
    ),
]
BlankMeans = Annotated[
    Blank, typer.Option("--blank", help="What a blank cell means: nothing, or that the value is gone.")
]
Anonymous = Annotated[bool, typer.Option("--anonymous", help="The ids are anonymous ids.")]


@app.callback()
def _group() -> None:
    """Bring custom attributes from files: map their columns once, see what a run would do, run it."""


@app.command("look")
def look(file: File) -> None:
    """Show the columns of a file: samples, and what their values seem to be."""
    from enduser.service.source_runs import look_at

    looked = look_at(str(file), file)
    form = looked.head.form
    rows = [
        (name, inferred.type, "  ".join(inferred.samples)[:_SAMPLE_CHARACTERS], inferred.note)
        for name, inferred in looked.columns.items()
    ]
    print_table([("column", "seems to be", "samples", "note"), *rows])
    delimiter = {"\t": "tabs"}.get(form.delimiter, form.delimiter)
    out.print(f"{form.encoding}, cells parted by {delimiter}")


@app.command("map")
def map_columns(
    name: Name,
    file: File,
    identifier: Identifier = None,
    take: Take = None,
    skip: Skip = None,
    effective_at: EffectiveAt = None,
    blank: BlankMeans = Blank.KEEP,
    anonymous: Anonymous = False,
    data: Data = DEFAULT_DATA,
    space: Space = DEFAULT_SPACE,
    memory_limit: Memory = MEMORY_LIMIT_MB,
    yes: Yes = False,
) -> None:
    """Say which columns of such files a source takes; attributes that are not there yet are made."""
    from enduser.service.source_runs import CSV, look_at, save_mapping
    from enduser.sources.mapping import Wish, propose
    from enduser.stores.source_configs import SourceConfig

    looked = look_at(str(file), file)
    taken = dict(map(_wanted, take)) if take else None
    left_out = [*(skip or []), *([effective_at] if effective_at else [])]
    with opened(data, space, memory_limit) as store, control_of(data) as control:
        proposed = propose(looked.columns, store.attributes(), Wish(identifier, taken, left_out))
        mapping = replace(proposed, is_anonymous=anonymous, effective_at=effective_at, blank=blank.value)
        _print_mapping(looked, mapping)
        confirm(f"Save this for the source {name}?", yes=yes)
        made = save_mapping(store, control, SourceConfig(space, name, CSV, None, now_us()), looked, mapping)
    if made:
        out.print(f"made the attributes {', '.join(attribute.name for attribute in made)}")
    out.print(f"See what it would do: enduser sources run {name} {file} --dry-run")


def _wanted(given: str) -> tuple[str, tuple[str | None, AttributeType | None]]:
    """Return a column that is to be taken, with the name and the type of its attribute, if they are told."""
    column, _, rest = given.partition("=")
    name, _, kind = rest.partition(":")
    if kind and kind not in set(AttributeType):
        raise UsageError(f"there is no type {kind!r}", hint=f"the types are: {', '.join(AttributeType)}")
    return column, (name or None, AttributeType(kind) if kind else None)


def _print_mapping(looked: Looked, mapping: SourceMapping) -> None:
    kind = "anonymous id" if mapping.is_anonymous else "user id"
    rows = [(mapping.identifier, "", kind, _samples(looked, mapping.identifier), "")]
    if mapping.effective_at:
        rows.append((mapping.effective_at, "", "time", _samples(looked, mapping.effective_at), ""))
    rows += [_mapped(looked, one) for one in mapping.columns]
    print_table([("column", "attribute", "type", "samples", "note"), *rows])


def _mapped(looked: Looked, one: ColumnMapping) -> tuple[str, str, str, str, str]:
    found = looked.columns[one.column]
    return (one.column, one.attribute, one.type, _samples(looked, one.column), found.note)


def _samples(looked: Looked, column: str) -> str:
    found = looked.columns.get(column)
    return "  ".join(found.samples)[:_SAMPLE_CHARACTERS] if found else ""


@app.command("create-api")
def create_api(
    name: Name,
    identifier: Annotated[
        str, typer.Option("--id", metavar="PATH", help="Where the user's id stands, such as properties.ID.")
    ],
    take: Annotated[
        list[str],
        typer.Option(
            "--take",
            metavar="PATH=ATTRIBUTE",
            help="Where the value of an attribute stands, such as properties.plan=plan; can be repeated.",
        ),
    ],
    anonymous: Anonymous = False,
    data: Data = DEFAULT_DATA,
    space: Space = DEFAULT_SPACE,
    _yes: Yes = False,
) -> None:
    """Make an integration of the update API, and print its token; the token cannot be had again.

    Doing it again gives the same source another mapping and another token.
    """
    from enduser.service.update_api import API_KIND, create_api_source
    from enduser.sources.mapping import ColumnMapping, SourceMapping
    from enduser.stores.source_configs import SourceConfig

    with opened(data, space) as store, control_of(data) as control:
        types = {attribute.name: attribute.type for attribute in store.attributes()}
        pairs = [path.partition("=")[::2] for path in take]
        columns = tuple(
            ColumnMapping(path, attribute or path, types.get(attribute or path, AttributeType.STRING))
            for path, attribute in pairs
        )
        config = SourceConfig(space, name, API_KIND, None, now_us())
        token = create_api_source(store, control, config, SourceMapping(identifier, columns, anonymous))
    out.print(token)
    err.print(f"this is the token of {name}, which is not shown again; see docs/update-api.md")


@app.command("run")
def run_source(
    name: Name,
    file: File,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only show what it would do; nothing is changed.")
    ] = False,
    data: Data = DEFAULT_DATA,
    space: Space = DEFAULT_SPACE,
    memory_limit: Memory = MEMORY_LIMIT_MB,
    _yes: Yes = False,
) -> None:
    """Take what a file says of users, whole or not at all; with --dry-run see what it would do.

    Exit codes: 0 done, 1 done but something was rejected, 2 nothing was taken, 130 interrupted.
    """
    from enduser.service.source_runs import SourceRun, look_at, mapping_of

    must_be_there(data)
    with opened(data, space, memory_limit) as store, control_of(data) as control:
        known = mapping_of(control, space, name)
        run = SourceRun(space, name, look_at(str(file), file, known), known.mapping, now_us())
        with scratch_folder(store) as folder, _bar(run) as show:
            if dry_run:
                preview, rejected = run.preview(store, folder, show), None
                written = preview.written
            else:
                written, rejected = run.do(store, folder, show)
    if dry_run:
        _print_preview(preview)
    _print_written(written, is_dry=dry_run)
    if rejected:
        out.print(f"what was rejected is listed in {rejected}")
    if 0 < written.read == written.rejected:
        raise InputError(
            "every row was rejected, so nothing was taken", hint="docs/attributes.md says what each reason is"
        )
    if written.rejected or written.rejected_values:
        raise typer.Exit(EXIT_FOUND)


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
        ("unchanged", written.unchanged, "users of whom the same holds as before, or rows that say nothing"),
        ("superseded", written.superseded, "rows of a user of whom a later row speaks too"),
        ("rejected", written.rejected, f"rows; {count_of(written.rejected_values, 'value')} {would}rejected"),
    ):
        out.print(f"{label:<11} {count:>12,}   {meaning}".rstrip())
    for row, attribute, reason in islice(_rejections(written), _REJECTIONS_SHOWN):
        out.print(f"  row {row:,}: {attribute}{reason}")
    if not is_dry and written.new + written.changed:
        out.print(f"To take it back: enduser sources undo {written.run}")


def _rejections(written: Written) -> Iterator[tuple[int, str, str]]:
    for row in written.row_rejections:
        yield row.row, "", row.reason
    for value in written.value_rejections:
        yield value.row, f"{value.attribute} ", value.reason


_SAMPLE_CHARACTERS = 60
_SAMPLE_CHANGES = 20
_REJECTIONS_SHOWN = 10


@app.command("list")
def list_all(data: Data = DEFAULT_DATA, space: Space = DEFAULT_SPACE, _yes: Yes = False) -> None:
    """List the sources of a space in their order: of values of one time that of the first holds."""
    from enduser.stores.source_configs import list_sources

    must_be_there(data)
    with opened(data, space) as store, control_of(data) as control:
        order = list(store.source_order(space).names)
        configs = {config.name: config for config in list_sources(control, space)}
    *others, last = order  # what browsers send unsigned
    names = [*others, *(name for name in configs if name not in order), last]
    rows = [
        (name, configs[name].kind if name in configs else "", _takes(configs.get(name))) for name in names
    ]
    print_table([("name", "kind", "takes"), *rows])


def _takes(config: SourceConfig | None) -> str:
    if config is None or config.mapping is None:
        return ""
    return ", ".join(column["attribute"] for column in config.mapping["mapping"]["columns"])


@app.command("runs")
def list_runs(
    name: Annotated[str | None, typer.Argument(metavar="NAME", help="A source; without it all.")] = None,
    limit: Annotated[
        int, typer.Option("--limit", metavar="N", min=1, max=limits.PAGE_ROWS_MAX, help="How many to list.")
    ] = 20,
    data: Data = DEFAULT_DATA,
    space: Space = DEFAULT_SPACE,
    _yes: Yes = False,
) -> None:
    """List the last runs, the newest first."""
    must_be_there(data)
    with opened(data, space) as store:
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


@app.command("undo")
def undo_run(
    run: Annotated[int, typer.Argument(metavar="RUN", help="The number of the run.")],
    data: Data = DEFAULT_DATA,
    space: Space = DEFAULT_SPACE,
    memory_limit: Memory = MEMORY_LIMIT_MB,
    _yes: Yes = False,
) -> None:
    """Take back all that a run said: what was said before, or by others, holds again."""
    must_be_there(data)
    with opened(data, space, memory_limit) as store:
        store.apply(space, UndoRun(run, now_us()))
    out.print(f"run {run} is undone")


@app.command("delete")
def delete(name: Name, data: Data = DEFAULT_DATA, space: Space = DEFAULT_SPACE, yes: Yes = False) -> None:
    """Forget what a source takes; what it said stays, until its runs are undone."""
    from enduser.stores.source_configs import delete_source, find_source

    must_be_there(data)
    with control_of(data) as control:
        find_source(control, space, name)
        confirm(f"Forget what the source {name} takes?", yes=yes)
        delete_source(control, space, name)
    out.print(f"the source {name} is gone; its values stay")
