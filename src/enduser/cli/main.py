"""The command `enduser`."""

from __future__ import annotations

from typing import Annotated

import typer

from enduser import __version__
from enduser.cli import (
    archives,
    attributes,
    clients,
    config,
    content,
    demo,
    erasing,
    feed,
    filters,
    geo,
    identity,
    imports,
    keys,
    lists,
    retention,
    segment_answers,
    segments,
    serve,
    sessions,
    source_runs,
    sources,
    state,
    systems,
    tail,
    users,
    webhooks,
)
from enduser.cli.helping import Group
from enduser.cli.root import Commands

app = Group(
    "One exact End User Object for every user of a web site or app.",
    name="enduser",
    cls=Commands,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    add_completion=False,
)
app.add_typer(imports.app, name="import")
users.app.command("erase")(erasing.erase)
users.app.command("suppressed")(erasing.show_suppressed)
users.app.command("unsuppress")(erasing.unsuppress)
users.app.command("erasures")(erasing.list_erasures)
users.app.command("reapply-erasures")(erasing.reapply)
users.app.command("export-person")(archives.export_person)
app.add_typer(users.app, name="users")
app.add_typer(sessions.app, name="sessions")
app.add_typer(attributes.app, name="attributes")
sources.app.command("run")(source_runs.run_source)
sources.app.command("runs")(source_runs.list_runs)
sources.app.command("undo")(source_runs.undo_run)
sources.app.command("jobs")(source_runs.list_jobs)
sources.app.command("cancel")(source_runs.cancel_job)
app.add_typer(sources.app, name="sources")
app.add_typer(lists.app, name="lists")
segments.app.command("count")(segment_answers.count)
segments.app.command("members")(segment_answers.list_members)
segments.app.command("facets")(segment_answers.part)
segments.app.command("preview")(segment_answers.preview)
segments.app.command("explain")(segment_answers.explain)
segments.app.command("templates")(segment_answers.list_templates)
app.add_typer(segments.app, name="segments")
app.add_typer(filters.app, name="filters")
app.add_typer(content.app, name="content")
app.add_typer(identity.app, name="identity")
app.add_typer(feed.app, name="feed")
app.add_typer(webhooks.app, name="webhooks")
app.add_typer(clients.app, name="clients")
app.add_typer(retention.app, name="retention")
app.add_typer(systems.app, name="systems")
app.add_typer(config.app, name="config")
app.add_typer(keys.app, name="keys")
app.add_typer(geo.app, name="geo")
app.command("status")(state.status)
app.command("verify")(state.verify)
app.command("rebuild")(state.rebuild)
app.command("demo")(demo.demo)
app.command("serve")(serve.serve)
app.command("tail")(tail.tail)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"enduser {__version__}")
        raise typer.Exit


@app.callback()
def root(
    _version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """One exact End User Object for every user of a web site or app."""
