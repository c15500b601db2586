"""`enduser spaces`: the systems and environments of a data folder, each with its own users."""

from __future__ import annotations

from typing import Annotated

import typer

from enduser.cli.common import DEFAULT_DATA, Data, Yes, opened, out
from enduser.cli.helping import Group
from enduser.clock import now_us

app = Group("List and create spaces: one per system and environment.")


@app.callback()
def _group() -> None:
    """List and create spaces: one per system and environment."""


@app.command("list")
def list_spaces(data: Data = DEFAULT_DATA, _yes: Yes = False) -> None:
    """List the names of all spaces; `enduser status` shows what is in them."""
    with opened(data) as store:
        for name in store.spaces():
            out.print(name)


@app.command("create")
def create_space(
    name: Annotated[
        str, typer.Argument(metavar="SYSTEM/ENVIRONMENT", help="Its name, such as acme/production.")
    ],
    data: Data = DEFAULT_DATA,
    _yes: Yes = False,
) -> None:
    """Create an empty space with settings and users of its own."""
    with opened(data) as store:
        store.create_space(name, now_us())
    out.print(f"space {name} created")
