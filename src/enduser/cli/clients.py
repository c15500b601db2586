"""`enduser clients`: programs that may call the wire forms of the reference product."""

from __future__ import annotations

from typing import Annotated

import typer

from enduser.cli.helping import Group
from enduser.cli.opening import control_of, must_be_there
from enduser.cli.options import DEFAULT_DATA, Data, Yes
from enduser.cli.output import err, out, print_table, short_time
from enduser.clock import now_us

app = Group("Keep the programs that may call the update API and the API of static lists.")


@app.callback()
def _group() -> None:
    """Keep the programs that may call the update API and the API of static lists."""


@app.command("create")
def create(
    name: Annotated[str, typer.Option("--name", metavar="TEXT", help="What it is for, for lists.")] = "",
    scopes: Annotated[
        list[str] | None,
        typer.Option(
            "--scope",
            metavar="SCOPE",
            help="What it may do: endUserUpdate:write (the default), segments:read, segments:write. "
            "Can be repeated.",
        ),
    ] = None,
    data: Data = DEFAULT_DATA,
    _yes: Yes = False,
) -> None:
    """Make a client and print its id and its secret, with a blank between; the secret cannot be had again."""
    with control_of(data) as control:
        from enduser.stores.clients import ClientScope, create_client

        client_id, secret = create_client(control, name, scopes or [ClientScope.UPDATE_USERS], now_us())
    out.print(f"{client_id} {secret}")
    err.print("these are the client's id and its secret, which is not shown again")


@app.command("list")
def list_all(data: Data = DEFAULT_DATA, _yes: Yes = False) -> None:
    """List the clients, revoked ones too, the oldest first."""
    must_be_there(data)
    with control_of(data) as control:
        from enduser.stores.clients import list_clients

        clients = list_clients(control)
    rows = [
        (
            *(client.id, client.name, " ".join(client.scopes)),
            *(short_time(client.created_at), short_time(client.revoked_at)),
        )
        for client in clients
    ]
    print_table([("id", "name", "scope", "created (UTC)", "revoked (UTC)"), *rows])


@app.command("revoke")
def revoke(
    client_id: Annotated[str, typer.Argument(metavar="ID", help="The client's id.")],
    data: Data = DEFAULT_DATA,
    _yes: Yes = False,
) -> None:
    """Make a client worthless, with its access tokens, at once and for good."""
    must_be_there(data)
    with control_of(data) as control:
        from enduser.stores.clients import revoke_client

        revoke_client(control, client_id, now_us())
    out.print(f"client {client_id} revoked")
