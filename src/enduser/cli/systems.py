"""`enduser systems`: systems and their environments, each with users and write keys of its own."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

import typer

import enduser
from enduser.cli.helping import Group
from enduser.cli.opening import existing, opened
from enduser.cli.options import DEFAULT_DATA, Data, Form, ListFormat, Yes
from enduser.cli.output import err, iso, out, print_json, print_table
from enduser.clock import now_us
from enduser.errors import InvalidParameter
from enduser.stores.answers import WriteKey
from enduser.stores.data_folder import DEFAULT_SPACE

app = Group("List and create systems with their environments, and change their write keys.")

_HOUR_US = 3_600_000_000
_SNIPPET = Path(enduser.__file__).parent / "web" / "snippet.html"

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


@app.command("snippet")
def snippet(
    name: Annotated[str, typer.Argument(metavar="[SYSTEM/ENVIRONMENT]", help="Its name.")] = DEFAULT_SPACE,
    url: Annotated[
        str, typer.Option("--url", metavar="URL", help="Where browsers reach the server's public routes.")
    ] = "http://127.0.0.1:8300",
    data: Data = DEFAULT_DATA,
    _yes: Yes = False,
) -> None:
    """Print what a site puts into the head of its pages, so that the browser SDK runs there."""
    with existing(data, name) as store:
        key = next(key.write_key for key in store.write_keys() if key.space == name and key.ends_at is None)
    given = urlsplit(url)
    if given.scheme not in ("http", "https") or not given.netloc or set(url) & set("\"'<>\\ "):
        hint = "give one such as https://enduser.example.com"
        raise InvalidParameter(f"{url[:200]!r} is no address of a server", hint=hint, field="url")
    text = _SNIPPET.read_text(encoding="utf-8")
    address = f"{url.rstrip('/')}/enduser.js?key={key}"
    print(text.replace("HOST/enduser.js?key=KEY", address), end="")
