"""`enduser systems`: systems and their environments, each with users and write keys of its own."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

import typer

import enduser
from enduser.cli.helping import Group
from enduser.cli.opening import existing, is_remote, opened
from enduser.cli.options import DEFAULT_DATA, DEFAULT_HOST, DEFAULT_PORT, Data, Form, ListFormat, Yes
from enduser.cli.output import err, iso, out, print_json, print_table
from enduser.clock import now_us
from enduser.core.addresses import own_url_of
from enduser.errors import InvalidParameter
from enduser.stores.answers import WriteKey
from enduser.stores.contract import Store
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
        str | None,
        typer.Option(
            "--url",
            metavar="URL",
            help="Where browsers reach the server, such as https://enduser.example.com, or a path of the "
            "site that a proxy passes on, such as /e. Without it where the server that runs on the data "
            "folder listens; if none runs, what ENDUSER_HOST and ENDUSER_PORT say, else "
            "http://127.0.0.1:8300.",
        ),
    ] = None,
    data: Data = DEFAULT_DATA,
    _yes: Yes = False,
) -> None:
    """Print what a site puts into the head of its pages, so that the browser SDK runs there."""
    with existing(data, name) as store:
        key = next(key.write_key for key in store.write_keys() if key.space == name and key.ends_at is None)
        url = _own_url(store) if url is None else url
    _check_url(url)
    text = _SNIPPET.read_text(encoding="utf-8")
    address = f"{url.rstrip('/')}/enduser.js?key={key}"
    print(text.replace("HOST/enduser.js?key=KEY", address), end="")


def _own_url(store: Store) -> str:
    """Return where the server of a data folder is reached from this machine, or will be once it runs."""
    if not is_remote(store):
        told = os.environ.get("ENDUSER_HOST"), os.environ.get("ENDUSER_PORT")
        return own_url_of(told[0] or DEFAULT_HOST, told[1] or DEFAULT_PORT)
    from enduser.stores.remote import RemoteStore  # late: few commands meet a server

    assert isinstance(store, RemoteStore)
    return store.url()


def _check_url(url: str) -> None:
    """Refuse what no browser can add `/enduser.js` to, or what would not stay one text in a page.

    Raises:
        InvalidParameter: it is no address of a server, nor a path of the site.
    """
    wrong = None
    if set(url) & set("\"'<>\\ ") or not url.isprintable() or not (_is_path(url) or _is_absolute(url)):
        wrong = "is no address of a server, nor a path of the site"
    elif set(url) & set("?#"):
        wrong = "has a query or a fragment"
    elif url.rstrip("/").endswith("/enduser.js"):
        wrong = "is the address of the script, not of the server"
    if wrong:
        hint = "give --url one such as https://enduser.example.com, or a path such as /e"
        raise InvalidParameter(f"{url[:200]!r} {wrong}", hint=hint, field="url")


def _is_path(url: str) -> bool:
    return url.startswith("/") and not url.startswith("//")


def _is_absolute(url: str) -> bool:
    try:
        given = urlsplit(url)
        return given.scheme in ("http", "https") and bool(given.hostname) and given.port != 0
    except ValueError:
        return False
