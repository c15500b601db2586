"""`enduser keys`: who may call the management API. Works beside a running server."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from enduser.cli.helping import Group
from enduser.cli.opening import control_of, must_be_there, opened, say_new
from enduser.cli.options import DEFAULT_DATA, Data, Yes
from enduser.cli.output import err, out, print_table, short_time
from enduser.clock import now_us

app = Group("Create, list and revoke API keys.")

_HEADINGS = "id", "name", "role", "spaces", "created (UTC)", "last used", "revoked"


@app.command("create")
def create_key(
    role: Annotated[
        str, typer.Option("--role", metavar="ROLE", help="What the key's holder may do; there is: admin.")
    ],
    name: Annotated[
        str, typer.Option("--name", metavar="NAME", help="What the key is for; only a label.")
    ] = "",
    spaces: Annotated[
        list[str] | None,
        typer.Option(
            "--space",
            metavar="SYSTEM/ENVIRONMENT",
            help="Only for this space; can be repeated. Without it: all spaces.",
        ),
    ] = None,
    data: Data = DEFAULT_DATA,
    _yes: Yes = False,
) -> None:
    """Create an API key and print it alone on standard output. It cannot be shown again."""
    is_new = not data.exists()
    if spaces:
        _must_exist(data, spaces)
    elif is_new:
        say_new(data)
    with control_of(data) as control:
        key = control.create_key(name, role, now_us(), spaces or ())
    err.print("Keep the key, only its hash is stored. Send it as the header Authorization: Bearer KEY")
    out.print(key)


@app.command("list")
def list_keys(data: Data = DEFAULT_DATA, _yes: Yes = False) -> None:
    """List all API keys, revoked ones too, without their secrets."""
    must_be_there(data)
    with control_of(data) as control:
        keys = control.list_keys()
    if not keys:
        out.print("No API keys yet. Create one: enduser keys create --role admin")
        return
    rows = [
        (
            *(key.id, key.name, key.role, ", ".join(key.spaces) or "(all)", short_time(key.created_at)),
            *(short_time(key.last_used_at), short_time(key.revoked_at)),
        )
        for key in keys
    ]
    print_table([_HEADINGS, *rows])


@app.command("revoke")
def revoke_key(
    key_id: Annotated[
        str, typer.Argument(metavar="ID", help="The key's id, as `keys list` shows it, or the whole key.")
    ],
    data: Data = DEFAULT_DATA,
    _yes: Yes = False,
) -> None:
    """Make an API key worthless, at once and for good."""
    must_be_there(data)
    with control_of(data) as control:
        revoked = control.revoke_key(key_id, now_us())
    out.print(f"key {revoked} revoked")


def _must_exist(data: Path, spaces: Sequence[str]) -> None:
    with opened(data) as store:
        for space in spaces:
            store.settings(space)
