"""`enduser webhooks`: receivers that the feed is told to."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
import typer

from enduser import limits
from enduser.cli.feed import filter_of
from enduser.cli.helping import Group
from enduser.cli.opening import control_of, existing, must_be_there
from enduser.cli.options import (
    DEFAULT_DATA,
    DEFAULT_SPACE,
    AllowWebhooksTo,
    Data,
    Form,
    ListFormat,
    RowsLimit,
    Space,
    Yes,
)
from enduser.cli.output import (
    EXIT_FOUND,
    confirm,
    err,
    out,
    print_fields,
    print_json,
    print_table,
    printable,
    short_time,
)
from enduser.cli.proposing import in_space
from enduser.clock import now_us
from enduser.core.addresses import networks_of
from enduser.service.feed import END

if TYPE_CHECKING:
    from enduser.service.webhooks import Webhooks
    from enduser.stores.webhooks import Webhook

app = Group("Keep webhooks: programs to which a server tells the feed.")

_START = "start"
_NAMED = ("segments", "attributes")

WebhookId = Annotated[str, typer.Argument(metavar="WEBHOOK", help="The webhook's id.")]
Cursor = Annotated[
    str,
    typer.Option(
        "--cursor",
        metavar="CURSOR",
        help="What it tells first: end (what comes), start (all that is kept), or what follows a cursor.",
    ),
]
Kinds = Annotated[
    list[str] | None,
    typer.Option("--kind", metavar="KIND", help="Tell only entered, left or changed; can be repeated."),
]
Segments = Annotated[
    list[str] | None,
    typer.Option("--segment", metavar="SEGMENT", help="Tell only of this segment; can be repeated."),
]
Attributes = Annotated[
    list[str] | None,
    typer.Option("--attribute", metavar="NAME", help="Only, or also, of this attribute; can be repeated."),
]


@app.callback()
def _group() -> None:
    """Keep webhooks: programs to which a server tells the feed."""


@contextmanager
def _kept(data: Path, space: str, allowed: str = "") -> Iterator[Webhooks]:
    """Open what keeps the webhooks of a space."""
    from enduser.service.webhooks import Webhooks  # late: SQLAlchemy takes 0.3 s

    networks = networks_of(allowed)
    with existing(data, space) as store, control_of(data) as control:
        yield Webhooks(control, store, space, networks)


def _find(data: Path, space: str, webhook_id: str) -> Webhook:
    """Return a webhook of a space."""
    must_be_there(data)
    with control_of(data) as control:
        from enduser.stores.webhooks import find_webhook

        return find_webhook(control, space, webhook_id)


@app.command("list")
def list_all(
    form: Form = ListFormat.TABLE,
    data: Data = DEFAULT_DATA,
    space: Space = DEFAULT_SPACE,
    _yes: Yes = False,
) -> None:
    """List the webhooks of a space, the oldest first."""
    with existing(data, space), control_of(data) as control:
        from enduser.service.webhooks import webhook_json
        from enduser.stores.webhooks import list_webhooks

        found = list_webhooks(control, space)
        if form is ListFormat.JSON:
            print_json([webhook_json(one) for one in found])
            return
    rows = [
        (one.id, one.name, one.url, _state(one), short_time(one.last_success_at), one.last_error or "")
        for one in found
    ]
    print_table([("id", "name", "url", "state", "last success (UTC)", "last error"), *rows])
    if not rows:
        command = in_space("enduser webhooks create URL --name NAME", space)
        err.print(f"there is no webhook in this space; to have one: {command}")


def _state(webhook: Webhook) -> str:
    if not webhook.is_enabled:
        return "disabled"
    return f"failed {webhook.attempts} times" if webhook.attempts else "enabled"


@app.command("show")
def show(
    webhook_id: WebhookId, data: Data = DEFAULT_DATA, space: Space = DEFAULT_SPACE, _yes: Yes = False
) -> None:
    """Show a webhook, and how it is doing; its secret is not shown again."""
    found = _find(data, space, webhook_id)
    from enduser.service.webhooks import webhook_json

    told: dict[str, Any] = msgspec.to_builtins(webhook_json(found))
    nothing = {"kinds": "all", **dict.fromkeys(_NAMED, "none" if any(map(told.get, _NAMED)) else "all")}
    print_fields((name, _text(value) or nothing.get(name, "")) for name, value in told.items())


def _text(value: object) -> str:
    if isinstance(value, list):
        return ", ".join(value)
    return "" if value is None else str(value)


@app.command("create")
def create(
    url: Annotated[str, typer.Argument(metavar="URL", help="Where it is called.")],
    name: Annotated[str, typer.Option("--name", metavar="TEXT", help="What it is for, for lists.")],
    kinds: Kinds = None,
    segments: Segments = None,
    attributes: Attributes = None,
    cursor: Cursor = END,
    allow_webhooks_to: AllowWebhooksTo = "",
    data: Data = DEFAULT_DATA,
    space: Space = DEFAULT_SPACE,
    _yes: Yes = False,
) -> None:
    """Make a webhook and print its id and its secret, with a blank between, which is not shown again."""
    which = filter_of(kinds, segments, attributes)
    with _kept(data, space, allow_webhooks_to) as webhooks:
        made = webhooks.create(name, url, which, _cursor(cursor))
    out.print(f"{made.id} {made.secret}")
    err.print("these are the webhook's id and its secret, which is not shown again")


@app.command("change")
def change(
    webhook_id: WebhookId,
    name: Annotated[str | None, typer.Option("--name", metavar="TEXT", help="Another name.")] = None,
    url: Annotated[str | None, typer.Option("--url", metavar="URL", help="Another address.")] = None,
    kinds: Kinds = None,
    segments: Segments = None,
    attributes: Attributes = None,
    everything: Annotated[
        bool, typer.Option("--everything", help="Tell all kinds, of all segments and attributes.")
    ] = False,
    enabled: Annotated[
        bool | None, typer.Option("--enable/--disable", help="Whether it is told anything.")
    ] = None,
    allow_webhooks_to: AllowWebhooksTo = "",
    data: Data = DEFAULT_DATA,
    space: Space = DEFAULT_SPACE,
    _yes: Yes = False,
) -> None:
    """Change what is named of a webhook; kinds, segments and attributes stand in place of those before."""
    given = {"name": name, "url": url, "is_enabled": enabled}
    changes = {key: value for key, value in given.items() if value is not None}
    filters: Sequence[Sequence[str] | None] = [kinds, segments, attributes]
    if everything:
        filters = [told or [] for told in filters]
    with _kept(data, space, allow_webhooks_to) as webhooks:
        from enduser.service.webhooks import filter_with

        which = filter_with(webhooks.find(webhook_id).which, *filters)
        webhooks.change(webhook_id, which, **changes)
    out.print(f"webhook {webhook_id} is changed")


@app.command("delete")
def delete(
    webhook_id: WebhookId, data: Data = DEFAULT_DATA, space: Space = DEFAULT_SPACE, yes: Yes = False
) -> None:
    """Delete a webhook, with what is remembered of it."""
    found = _find(data, space, webhook_id)
    confirm(
        f"Delete the webhook {webhook_id} ({printable(found.name)})?", yes=yes, undone="nothing was deleted"
    )
    with control_of(data) as control:
        from enduser.stores.webhooks import delete_webhook

        delete_webhook(control, space, webhook_id)
    out.print(f"webhook {webhook_id} deleted")


@app.command("replay")
def replay(
    webhook_id: WebhookId,
    cursor: Cursor,
    data: Data = DEFAULT_DATA,
    space: Space = DEFAULT_SPACE,
    _yes: Yes = False,
) -> None:
    """Let a webhook go on behind a cursor: that of a dead letter, of a list of the feed, start or end."""
    with _kept(data, space) as webhooks:
        webhooks.replay(webhook_id, _cursor(cursor))
    out.print(f"webhook {webhook_id} goes on from there")


@app.command("test")
def try_one(
    webhook_id: WebhookId,
    allow_webhooks_to: AllowWebhooksTo = "",
    data: Data = DEFAULT_DATA,
    space: Space = DEFAULT_SPACE,
    _yes: Yes = False,
) -> None:
    """Call a webhook from here with a message that has no rows, and print what it answered."""
    allowed = networks_of(allow_webhooks_to)
    found = _find(data, space, webhook_id)
    from enduser.service.webhook_calls import WebhookCaller
    from enduser.service.webhooks import try_webhook

    tested = asyncio.run(try_webhook(WebhookCaller(allowed), found))
    out.print(f"{tested.problem or f'it answered {tested.status}'}, in {tested.duration_s:.3f} s")
    if not tested.delivered:
        raise typer.Exit(EXIT_FOUND)


@app.command("rotate-secret")
def rotate(
    webhook_id: WebhookId, data: Data = DEFAULT_DATA, space: Space = DEFAULT_SPACE, _yes: Yes = False
) -> None:
    """Give a webhook another secret and print it; for a day messages are signed with the one before too.

    With that alone: done again within the day, it ends the secret before that at once.
    """
    must_be_there(data)
    with control_of(data) as control:
        from enduser.stores.webhooks import rotate_secret

        rotated = rotate_secret(control, space, webhook_id, now_us())
    out.print(rotated.secret)
    err.print(
        "this is the webhook's secret, which is not shown again; the one before is good for "
        f"{limits.WEBHOOK_SECRET_HOURS} hours more, unless this is done again; any older one is worthless now"
    )


@app.command("dead-letters")
def dead_letters(
    webhook_id: WebhookId,
    limit: RowsLimit = 20,
    form: Form = ListFormat.TABLE,
    data: Data = DEFAULT_DATA,
    space: Space = DEFAULT_SPACE,
    _yes: Yes = False,
) -> None:
    """List what a webhook gave up, the newest first, each with the cursor from which it can be told again."""
    found = _find(data, space, webhook_id)
    with control_of(data) as control:
        from enduser.service.webhooks import dead_letter_json
        from enduser.stores.webhooks import list_dead_letters

        letters = [dead_letter_json(one) for one in list_dead_letters(control, found.id, limit=limit)]
    if form is ListFormat.JSON:
        print_json(letters)
        return
    rows = [
        (f"{one.first} to {one.last}", one.given_up_at[:19].replace("T", " "), one.cursor, one.error)
        for one in letters
    ]
    print_table([("rows", "given up (UTC)", "cursor", "error"), *rows])


def _cursor(told: str) -> str | None:
    return None if told == _START else told
