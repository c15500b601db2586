"""`enduser content`: what is shown to the users of segments, and what one user sees."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from dataclasses import replace
from typing import Annotated, Any

import msgspec
import typer

from enduser.cli.given import json_object_of
from enduser.cli.helping import Group
from enduser.cli.opening import MEMORY_LIMIT_MB, existing, folded, is_remote, opened
from enduser.cli.options import (
    BY,
    DEFAULT_DATA,
    DEFAULT_SPACE,
    AnyKind,
    Data,
    Form,
    ListFormat,
    Memory,
    Space,
    Yes,
)
from enduser.cli.output import confirm, err, out, print_fields, print_json, print_table, printable, short_time
from enduser.cli.proposing import in_space
from enduser.clock import now_us
from enduser.core.contents import Content, Decision, SavedContent, find_content
from enduser.core.segments import Saving
from enduser.errors import UsageError
from enduser.service.content_json import content_json
from enduser.service.deciding_state import DecidingStateJson, DecidingStates
from enduser.service.decisions import decision_json
from enduser.stores.contract import Store

app = Group("Keep content items: what is shown to the users of a segment, or to everyone.")


ContentId = Annotated[str, typer.Argument(metavar="CONTENT", help="The content item's id.")]
Kind = Annotated[
    str | None, typer.Option("--kind", metavar="WORD", help="What it is to the site, such as banner.")
]
Payload = Annotated[
    str | None,
    typer.Option(
        "--payload", metavar="JSON", help="A JSON object, or a file of one; - is standard input; or: null."
    ),
]
Public = Annotated[
    bool | None, typer.Option("--public/--no-public", help="Whether browsers may learn of it.")
]


@app.callback()
def _group() -> None:
    """Keep content items: what is shown to the users of a segment, or to everyone."""


# --- looking


@app.command("list")
def list_all(
    form: Form = ListFormat.TABLE,
    data: Data = DEFAULT_DATA,
    space: Space = DEFAULT_SPACE,
    memory_limit: Memory = MEMORY_LIMIT_MB,
    _yes: Yes = False,
) -> None:
    """List the content items of a space, by id; as JSON each with its payload."""
    with existing(data, space, memory_limit) as store:
        found = store.contents(space)
        state = _deciding_state(store, space)
    if form is ListFormat.JSON:
        print_json(list(map(content_json, found)))
    elif found:
        print_table([("id", "name", "kind", "segment", "public", "saved (UTC)", "by"), *map(_cells, found)])
    else:
        command = in_space("enduser content create ID --segment SEGMENT", space)
        out.print(f"No content items. To have one: {command}")
    if state is not None and state.by == "owner":
        err.print(f"note: {_waits_for(state)}; until then the owner decides, which takes longer")


def _waits_for(state: DecidingStateJson) -> str:
    if state.ready == state.conditions:
        return "the copy for decisions is being made"
    ready, share = f"{state.ready:,} of {state.conditions:,}", f"{state.share:.0%}"
    return f"conditions of decisions are being looked up, {ready} so far ({share})"


def _deciding_state(store: Store, space: str) -> DecidingStateJson | None:
    """Return who decides in a space; None: no server runs, so nobody does."""
    if not is_remote(store):
        return None
    with closing(DecidingStates(store.folder)) as states:
        return states.of(space, store.settings(space).time_zone)


def _cells(saved: SavedContent) -> tuple[str, ...]:
    content = saved.content
    whose = content.segment or "(everyone)"
    is_public = "yes" if content.is_public else "no"
    saved_at = short_time(saved.saved_at)
    return content.id, content.name, content.kind, whose, is_public, saved_at, saved.saved_by


@app.command("show")
def show(
    content_id: ContentId,
    form: Form = ListFormat.TABLE,
    data: Data = DEFAULT_DATA,
    space: Space = DEFAULT_SPACE,
    memory_limit: Memory = MEMORY_LIMIT_MB,
    _yes: Yes = False,
) -> None:
    """Show a content item with its payload."""
    with existing(data, space, memory_limit) as store:
        told = content_json(find_content(store.contents(space), content_id))
    if form is ListFormat.JSON:
        print_json(told)
        return
    fields = msgspec.to_builtins(told)
    del fields["payload"]
    print_fields((name, _text(value)) for name, value in fields.items())
    out.print(msgspec.json.format(msgspec.json.encode(told.payload)).decode())


def _text(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "(everyone)" if value is None else str(value)


# --- changing


@app.command("create")
def create(
    content_id: Annotated[
        str, typer.Argument(metavar="CONTENT", help="Its id: letters, digits, _, . and -.")
    ],
    name: Annotated[
        str | None, typer.Option("--name", metavar="TEXT", help="What people call it; without it its id.")
    ] = None,
    kind: Kind = None,
    payload: Payload = None,
    segment: Annotated[
        str | None,
        typer.Option("--segment", metavar="SEGMENT", help="To whose users it is shown; without: everyone."),
    ] = None,
    public: Public = None,
    data: Data = DEFAULT_DATA,
    space: Space = DEFAULT_SPACE,
    memory_limit: Memory = MEMORY_LIMIT_MB,
    _yes: Yes = False,
) -> None:
    """Make a content item; browsers may learn of it unless told otherwise."""
    changes = _changes(name=name, kind=kind, payload=payload, segment=segment, is_public=public)
    content = Content(**{"id": content_id, "name": content_id, **changes})
    with opened(data, space, memory_limit) as store:
        store.save_content(space, content, Saving(now_us(), BY, is_new=True))
    shown = printable(content_id)
    command = in_space("enduser content decide USER", space)
    out.print(f"the content item {shown} is there; who sees it: {command}")


@app.command("change")
def change(
    content_id: ContentId,
    name: Annotated[str | None, typer.Option("--name", metavar="TEXT", help="What people call it.")] = None,
    kind: Kind = None,
    payload: Payload = None,
    segment: Annotated[
        str | None, typer.Option("--segment", metavar="SEGMENT", help="To whose users it is shown.")
    ] = None,
    everyone: Annotated[bool, typer.Option("--everyone", help="Show it to everyone.")] = False,
    public: Public = None,
    data: Data = DEFAULT_DATA,
    space: Space = DEFAULT_SPACE,
    memory_limit: Memory = MEMORY_LIMIT_MB,
    _yes: Yes = False,
) -> None:
    """Change a content item; what is not named stays as it is."""
    if everyone and segment is not None:
        raise UsageError("it is shown to everyone, or to a segment", hint="give --everyone or --segment")
    changes = _changes(name=name, kind=kind, payload=payload, segment=segment, is_public=public)
    if everyone:
        changes["segment"] = None
    with existing(data, space, memory_limit) as store:
        content = replace(find_content(store.contents(space), content_id).content, **changes)
        store.save_content(space, content, Saving(now_us(), BY, is_new=False))
    out.print(f"the content item {printable(content_id)} is changed")


def _changes(**told: Any) -> dict[str, Any]:
    """Return what options say, with the payload read."""
    given = {name: value for name, value in told.items() if value is not None}
    if "payload" in given:
        given["payload"] = _payload(given["payload"])
    return given


def _payload(told: str) -> dict[str, Any] | None:
    """Return the payload that an option names.

    Raises:
        UsageError: it is no JSON object.
        InputError: there is no such file.
    """
    if told == "null":
        return None
    return json_object_of(told, "payload", 'write one such as {"text": "Thank you!"}')


@app.command("delete")
def delete(
    content_id: ContentId,
    data: Data = DEFAULT_DATA,
    space: Space = DEFAULT_SPACE,
    memory_limit: Memory = MEMORY_LIMIT_MB,
    yes: Yes = False,
) -> None:
    """Delete a content item; nobody sees it any more."""
    with existing(data, space, memory_limit) as store:
        name = printable(find_content(store.contents(space), content_id).content.name)
        shown = printable(content_id)
        confirm(f"Delete the content item {shown} ({name})?", yes=yes, undone="nothing was deleted")
        store.delete_content(space, content_id)
    out.print(f"the content item {shown} is gone")


# --- deciding


@app.command("decide")
def decide(
    user_id: Annotated[str, typer.Argument(metavar="USER", help="An id of the user.")],
    id_kind: AnyKind = None,
    everything: Annotated[bool, typer.Option("--all", help="Also what browsers may not learn of.")] = False,
    form: Form = ListFormat.TABLE,
    data: Data = DEFAULT_DATA,
    space: Space = DEFAULT_SPACE,
    memory_limit: Memory = MEMORY_LIMIT_MB,
    _yes: Yes = False,
) -> None:
    """Decide what a user sees, as GET /v1/decisions does; the table has all items, each with why."""
    with folded(data, space, memory_limit) as store:
        decision = store.decide(space, user_id, id_kind, only_public=not everything)
        contents = [saved.content for saved in store.contents(space)]
    told = decision_json(decision)
    if form is ListFormat.JSON:
        print_json(told)
        return
    shown = {content.id for content in decision.contents}
    rows = [
        ("yes" if one.id in shown else "no", one.id, one.kind, _reason(one, decision, everything=everything))
        for one in contents
    ]
    print_table([("shown", "id", "kind", "why"), *rows])
    out.print(f"segments:    {_listed(told.segments)}")
    out.print(f"valid until: {told.valid_until or 'for good, if nothing happens to the user'}")
    out.print(f"as of:       {told.as_of}")


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names) or "(none)"


def _reason(content: Content, decision: Decision, *, everything: bool) -> str:
    """Return why a content item is shown, or is not."""
    if not (content.is_public or everything):
        return "it is not public"
    if content.segment is None:
        return "to everyone"
    holds = any(one.id == content.id for one in decision.contents)
    return f"the segment {content.segment} {'holds' if holds else 'does not hold'}"
