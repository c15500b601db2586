"""`enduser sources`: files that say something of users, mapped once and run as often as they come."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from enduser.cli.helping import Group
from enduser.cli.opening import MEMORY_LIMIT_MB, control_of, existing, must_be_there, opened
from enduser.cli.options import DEFAULT_DATA, DEFAULT_SPACE, Data, Memory, Space, Yes
from enduser.cli.output import confirm, err, out, print_table, short_time
from enduser.cli.proposing import in_space
from enduser.clock import now_us
from enduser.core.attributes import AttributeType
from enduser.core.value_forms import DateForm
from enduser.errors import UsageError

if TYPE_CHECKING:
    from enduser.service.source_setup import Looked
    from enduser.sources.mapping import ColumnMapping, SourceMapping
    from enduser.stores.control import ControlStore
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
Dates = Annotated[
    str | None,
    typer.Option("--dates", metavar="FORM", help="How dates are written, as MM/DD/YYYY, if not as found."),
]
Decimal = Annotated[
    str | None,
    typer.Option("--decimal", metavar="MARK", help="The decimal mark, if not as found."),
]
Thousands = Annotated[
    str | None,
    typer.Option("--thousands", metavar="MARK", help="What stands between groups of three digits."),
]
Separator = Annotated[
    str | None, typer.Option("--list-separator", metavar="TEXT", help="What parts the items of lists; else ;")
]
Anonymous = Annotated[bool, typer.Option("--anonymous", help="The ids are anonymous ids.")]


_SAMPLE_CHARACTERS = 60


@app.callback()
def _group() -> None:
    """Bring custom attributes from files: map their columns once, see what a run would do, run it."""


@app.command("look")
def look(file: File) -> None:
    """Show the columns of a file: samples, and what their values seem to be."""
    from enduser.service.source_setup import look_at

    looked = look_at(str(file), file)
    rows = [
        (name, inferred.type, "  ".join(inferred.samples)[:_SAMPLE_CHARACTERS], inferred.note)
        for name, inferred in looked.columns.items()
    ]
    print_table([("column", "seems to be", "samples", "note"), *rows])
    out.print(looked.head.form.shown)


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
    dates: Dates = None,
    decimal: Decimal = None,
    thousands: Thousands = None,
    separator: Separator = None,
    data: Data = DEFAULT_DATA,
    space: Space = DEFAULT_SPACE,
    memory_limit: Memory = MEMORY_LIMIT_MB,
    yes: Yes = False,
) -> None:
    """Say which columns of such files a source takes; attributes that are not there yet are made."""
    from enduser.service.source_setup import CsvMapping, look_at, save_mapping
    from enduser.sources.mapping import Wish, propose
    from enduser.stores.source_configs import check_source_name

    check_source_name(name)
    looked = look_at(str(file), file)
    form = looked.head.form
    taken = dict(map(_wanted, take)) if take else None
    left_out = [*(skip or []), *([effective_at] if effective_at else [])]
    with opened(data, space, memory_limit) as store, control_of(data) as control:
        wish = Wish(identifier, taken, left_out, _form(dates, decimal, thousands, separator))
        proposed = propose(looked.columns, store.attributes(), wish)
        mapping = replace(proposed, is_anonymous=anonymous, effective_at=effective_at, blank=blank.value)
        _print_mapping(looked, mapping)
        confirm(f"Save this for the source {name}?", yes=yes, undone="nothing was saved")
        known = CsvMapping(mapping, form.encoding, form.delimiter)
        config, is_new = _config(control, space, name)
        made = save_mapping(store, control, config, known, form.columns, is_new=is_new)
    if made:
        out.print(f"made the attributes {', '.join(attribute.name for attribute in made)}")
    command = in_space(f"enduser sources run {name} {file} --dry-run", space)
    out.print(f"See what it would do: {command}")


def _config(control: ControlStore, space: str, name: str) -> tuple[SourceConfig, bool]:
    """Return how a source is set up, and whether it is new; such a one takes the files that it is given."""
    from enduser.sources import uploaded
    from enduser.stores.source_configs import SourceConfig, list_sources

    new = SourceConfig(space, name, uploaded.KIND, None, now_us())
    there = [config for config in list_sources(control, space) if config.name == name]
    return (there or [new])[0], not there


def _form(
    dates: str | None, decimal: str | None, thousands: str | None, separator: str | None
) -> Mapping[str, object]:
    """Return how values are written, as far as it is told."""
    forms = {form.shown: form for form in DateForm}
    if dates is not None and dates not in forms:
        raise UsageError(f"no dates are written as {dates}", hint=f"they can be: {', '.join(forms)}")
    told = {"date": forms.get(dates or ""), "decimal": decimal, "thousands": thousands}
    return {name: value for name, value in (told | {"separator": separator}).items() if value is not None}


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
    out.print(looked.head.form.shown)


def _mapped(looked: Looked, one: ColumnMapping) -> tuple[str, str, str, str, str]:
    found = looked.columns[one.column]
    return (one.column, one.attribute, one.type, _samples(looked, one.column), found.note)


def _samples(looked: Looked, column: str) -> str:
    found = looked.columns.get(column)
    return "  ".join(found.samples)[:_SAMPLE_CHARACTERS] if found else ""


@app.command("create-inbox")
def create_inbox(
    name: Name,
    files: Annotated[
        str,
        typer.Option("--files", metavar="PATTERN", help="Which files of the inbox it takes, as crm-*.csv."),
    ],
    data: Data = DEFAULT_DATA,
    space: Space = DEFAULT_SPACE,
    _yes: Yes = False,
) -> None:
    """Make a source of files that programs put into the folder `inbox` of the data folder."""
    from enduser.sources import inbox
    from enduser.stores.source_configs import SourceConfig, create_source

    with existing(data, space) as store, control_of(data) as control:
        store.settings(space)  # there must be such a space
        connection = inbox.check({"pattern": files})
        config = SourceConfig(space, name, inbox.KIND, None, now_us(), connection)
        create_source(control, config)
    (data / inbox.FOLDER).mkdir(mode=0o700, exist_ok=True)
    command = in_space(f"enduser sources map {name} FILE", space)
    out.print(f"Put files into {data / inbox.FOLDER}, and say what is taken: {command}")


@app.command("schedule")
def schedule(
    name: Name,
    cron: Annotated[
        str | None,
        typer.Option("--cron", metavar="CRON", help="When it runs by itself, such as '30 3 * * 1-5'."),
    ] = None,
    time_zone: Annotated[str, typer.Option("--time-zone", metavar="ZONE", help="Of the schedule.")] = "UTC",
    never: Annotated[bool, typer.Option("--never", help="It does not run by itself any more.")] = False,
    data: Data = DEFAULT_DATA,
    space: Space = DEFAULT_SPACE,
    _yes: Yes = False,
) -> None:
    """Let a source run by itself, while a server runs."""
    from enduser.service.source_schedules import schedule_changes
    from enduser.stores.source_configs import Schedule, change_source, find_source

    if never == (cron is not None):
        raise UsageError("when is it to run?", hint="give --cron, or --never")
    must_be_there(data)
    with control_of(data) as control:
        wanted = None if cron is None else Schedule(cron, time_zone)
        changes = schedule_changes(find_source(control, space, name), wanted, now_us())
        config = change_source(control, space, name, **changes)
    out.print(f"{name} runs next at {short_time(config.due_at)} UTC" if cron else f"{name} runs when asked")


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


@app.command("list")
def list_all(data: Data = DEFAULT_DATA, space: Space = DEFAULT_SPACE, _yes: Yes = False) -> None:
    """List the sources of a space in their order: of values of one time that of the first holds."""
    from enduser.stores.source_configs import list_sources

    with existing(data, space) as store, control_of(data) as control:
        order = list(store.source_order(space).names)
        configs = {config.name: config for config in list_sources(control, space)}
    *others, last = order  # what browsers send unsigned
    names = [*others, *(name for name in configs if name not in order), last]
    rows = [(name, *_told(configs.get(name))) for name in names]
    print_table([("name", "kind", "takes", "runs next at (UTC)"), *rows])


def _told(config: SourceConfig | None) -> tuple[str, str, str]:
    return ("", "", "") if config is None else (config.kind, _takes(config), short_time(config.due_at))


def _takes(config: SourceConfig) -> str:
    if config.mapping is None:
        return ""
    return ", ".join(column["attribute"] for column in config.mapping["mapping"]["columns"])


@app.command("delete")
def delete(name: Name, data: Data = DEFAULT_DATA, space: Space = DEFAULT_SPACE, yes: Yes = False) -> None:
    """Forget what a source takes; what it said stays, until its runs are undone."""
    from enduser.stores.source_configs import delete_source, find_source

    must_be_there(data)
    with control_of(data) as control:
        find_source(control, space, name)
        confirm(f"Forget what the source {name} takes?", yes=yes, undone="nothing was forgotten")
        delete_source(control, space, name)
    out.print(f"the source {name} is gone; its values stay")
