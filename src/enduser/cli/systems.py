"""`enduser systems`: systems and their environments, each with users and write keys of its own."""

from __future__ import annotations

from typing import Annotated

import typer

from enduser.cli.helping import Group
from enduser.cli.opening import opened
from enduser.cli.options import DEFAULT_DATA, Data, Form, ListFormat, Yes
from enduser.cli.output import err, iso, out, print_json, print_table
from enduser.clock import now_us
from enduser.stores.answers import WriteKey

app = Group("List and create systems with their environments, and change their write keys.")

_HOUR_US = 3_600_000_000


Name = Annotated[str, typer.Argument(metavar="SYSTEM/ENVIRONMENT", help="Its name, such as acme/production.")]


@app.callback()
def _group() -> None:
    """List and create systems with their environments, and change their write keys."""


@app.command("list")
def list_systems(
    form: Form = ListFormat.TABLE,
    data: Data = DEFAULT_DATA,
    _yes: Yes = False,
) -> None:
    """List all spaces (a system in an environment) with their GUIDs and the write keys that are valid now."""
    with opened(data) as store:
        keys = [key for key in store.write_keys() if _is_valid(key)]
        guids = store.guids()
    if form is ListFormat.JSON:
        told = [{"space": key.space, "guid": guids[key.space], "write_key": key.write_key} for key in keys]
        print_json(told)
        return
    rows = [(key.space, guids[key.space], key.write_key, iso(key.ends_at)) for key in keys]
    print_table([("space", "GUID", "write key", "ends at"), *rows])


def _is_valid(key: WriteKey) -> bool:
    return key.ends_at is None or now_us() < key.ends_at


@app.command("create")
def create_system(name: Name, data: Data = DEFAULT_DATA, _yes: Yes = False) -> None:
    """Create an empty space with settings, users and a write key of its own; print the key."""
    with opened(data) as store:
        store.create_space(name, now_us())
        key = next(key.write_key for key in store.write_keys() if key.space == name)
    err.print(f"space {name} created; its write key:")
    out.print(key)


@app.command("rotate-key")
def rotate_key(
    name: Name,
    grace_hours: Annotated[
        int,
        typer.Option(
            "--grace-hours", metavar="N", min=0, help="How long the old keys stay valid; 0: not at all."
        ),
    ] = 24,
    data: Data = DEFAULT_DATA,
    _yes: Yes = False,
) -> None:
    """Give a space a new write key and print it. Its old keys end after a grace."""
    with opened(data) as store:
        key = store.rotate_write_key(name, now_us(), grace_hours * _HOUR_US)
    err.print(f"the other keys of {name} end in {grace_hours} h" if grace_hours else "the other keys ended")
    out.print(key)
