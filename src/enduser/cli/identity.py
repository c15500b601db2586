"""`enduser identity`: keys with which a site signs who its users are."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from enduser.cli.helping import Group
from enduser.cli.opening import control_of, existing, must_be_there, opened
from enduser.cli.options import DEFAULT_DATA, DEFAULT_SPACE, Data, Form, ListFormat, Space, Yes
from enduser.cli.output import confirm, err, out, print_json, print_table, short_time
from enduser.clock import now_us
from enduser.core.identity import KeyKind
from enduser.errors import InputError

app = Group("Keep the keys with which a site signs who its users are; see docs/identity.md.")


@app.callback()
def _group() -> None:
    """Keep the keys with which a site signs who its users are; see docs/identity.md."""


@app.command("list")
def list_all(
    form: Form = ListFormat.TABLE,
    data: Data = DEFAULT_DATA,
    space: Space = DEFAULT_SPACE,
    _yes: Yes = False,
) -> None:
    """List the identity keys of a space, the oldest first; secrets are not shown again."""
    with existing(data, space) as store, control_of(data) as control:
        from enduser.service.identity_json import identity_key_json
        from enduser.stores.identity_keys import list_identity_keys

        mode = store.settings(space).identity
        found = list_identity_keys(control, space)
        if form is ListFormat.JSON:
            print_json([identity_key_json(key) for key in found])
            return
    rows = [(key.id, key.name, key.kind, short_time(key.created_at)) for key in found]
    print_table([("id", "name", "kind", "created (UTC)"), *rows])
    err.print(f"the setting identity of this space is: {mode}")


@app.command("create")
def create(
    name: Annotated[str, typer.Option("--name", metavar="TEXT", help="What it is for, for lists.")] = "",
    public_key: Annotated[
        str | None,
        typer.Option(
            "--public-key",
            metavar="FILE",
            help="A public key of Ed25519, as PEM or JWK; - is standard input. Without it a secret is made.",
        ),
    ] = None,
    data: Data = DEFAULT_DATA,
    space: Space = DEFAULT_SPACE,
    _yes: Yes = False,
) -> None:
    """Make an identity key and print its id, and of a secret (HS256) behind a blank the secret, once."""
    text = None if public_key is None else _text(public_key)
    with opened(data, space), control_of(data) as control:
        from enduser.stores.identity_keys import create_identity_key

        made = create_identity_key(control, space, name, now_us(), text)
    if made.kind is KeyKind.ED25519:
        out.print(made.id)
        return
    out.print(f"{made.id} {made.material}")
    err.print("these are the key's id and its secret, which is not shown again")


def _text(named: str) -> str:
    """Return what a file has, as text; what is no UTF-8 is no key."""
    try:
        told = sys.stdin.buffer.read() if named == "-" else Path(named).read_bytes()
    except FileNotFoundError:
        raise InputError(f"there is no file {named}", hint="name the file of the public key") from None
    return told.decode(errors="replace")


@app.command("delete")
def delete(
    key_id: Annotated[str, typer.Argument(metavar="KEY", help="The key's id.")],
    data: Data = DEFAULT_DATA,
    space: Space = DEFAULT_SPACE,
    yes: Yes = False,
) -> None:
    """Delete an identity key; within a second what it signed proves nothing any more."""
    must_be_there(data)
    confirm(
        f"Delete the identity key {key_id}? What it signed proves nothing any more.",
        yes=yes,
        undone="nothing was deleted",
    )
    with opened(data, space), control_of(data) as control:
        from enduser.stores.identity_keys import delete_identity_key

        delete_identity_key(control, space, key_id)
    out.print(f"the identity key {key_id} is gone")
