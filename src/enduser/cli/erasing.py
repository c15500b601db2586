"""`enduser users erase|suppressed|unsuppress`: erasing a person, and keeping him out."""

from __future__ import annotations

from typing import Annotated

import typer

from enduser.cli.common import (
    DEFAULT_DATA,
    DEFAULT_SPACE,
    MEMORY_LIMIT_MB,
    Data,
    Memory,
    Space,
    Yes,
    confirm,
    count_of,
    events_left,
    folded,
    must_be_there,
    opened,
    out,
)
from enduser.core.links import IdKind
from enduser.errors import StoreError, UserNotFound
from enduser.service.erasing import erase_user, lift_suppression
from enduser.stores.answers import Erased
from enduser.stores.contract import Store

AnId = Annotated[str, typer.Argument(metavar="ID", help="An id of the person.")]
Kind = Annotated[IdKind, typer.Option("--id-kind", help="The namespace of ID.")]


def erase(
    user_id: AnId,
    suppress: Annotated[
        bool,
        typer.Option(
            "--suppress",
            help="Keep the person out from then on, whatever names one of the ids; also an unknown ID.",
        ),
    ] = False,
    id_kind: Kind = "plain",
    data: Data = DEFAULT_DATA,
    space: Space = DEFAULT_SPACE,
    memory_limit: Memory = MEMORY_LIMIT_MB,
    yes: Yes = False,
) -> None:
    """Erase a person with all linked ids: events, sessions, values, for good. Exit code 1: there is none."""
    with folded(data, space, memory_limit) as store:
        if count := events_left(store):
            raise StoreError(
                f"{count_of(count, 'accepted event')} may be this person's and would bring him back",
                hint="enduser serve applies them; erase him while it runs",
            )
        if not yes:
            _confirm(store, space, user_id, id_kind, suppresses=suppress)
        erased = erase_user(store, space, user_id, id_kind, suppresses=suppress)
    out.print(f"erased: {_much(erased)}{'; and stays out' if suppress else ''}")


def _confirm(store: Store, space: str, user_id: str, id_kind: IdKind, *, suppresses: bool) -> None:
    found = store.preview_erasure(space, user_id, id_kind)
    if found is not None:
        kept = ", and the person stays out" if suppresses else ""
        confirm(f"{_much(found)} go, and nothing brings them back{kept}. Erase the person?", yes=False)
    elif suppresses:
        confirm(f"Nothing is known of {user_id!r} ({id_kind}) in {space}. Keep it out?", yes=False)
    else:
        raise UserNotFound(
            f"there is no user {user_id!r} ({id_kind}) in {space}",
            hint="look for another spelling, or --id-kind; to keep the id out all the same, add --suppress",
        )


def _much(erased: Erased) -> str:
    """Return how much of a person goes, or went."""
    counts = (
        (erased.ids, "id"),
        (erased.events, "event"),
        (erased.sessions, "session"),
        (erased.values, "value"),
    )
    return ", ".join(count_of(count, noun) for count, noun in counts)


def show_suppressed(
    user_id: AnId,
    id_kind: Kind = "plain",
    data: Data = DEFAULT_DATA,
    space: Space = DEFAULT_SPACE,
    _yes: Yes = False,
) -> None:
    """Say whether an id was erased and is to stay out: yes or no. Nothing else is known of it."""
    must_be_there(data)
    with opened(data, space) as store:
        out.print("yes" if store.is_suppressed(space, user_id, id_kind) else "no")


def unsuppress(
    user_id: AnId,
    id_kind: Kind = "plain",
    data: Data = DEFAULT_DATA,
    space: Space = DEFAULT_SPACE,
    _yes: Yes = False,
) -> None:
    """Let a person who stays out be known again, under all ids that were suppressed with this one."""
    must_be_there(data)
    with opened(data, space) as store:
        lift_suppression(store, space, user_id, id_kind)
    out.print("the person may be known again")
