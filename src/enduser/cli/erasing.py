"""`enduser users erase|suppressed|unsuppress`: erasing a person, and keeping him out."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from enduser.cli.forgetting import in_use, let_bytes_go, require_all_applied
from enduser.cli.opening import MEMORY_LIMIT_MB, control_of, existing, folded, must_be_there, opened, owned
from enduser.cli.options import (
    DEFAULT_DATA,
    DEFAULT_SPACE,
    Data,
    Form,
    KnownKind,
    ListFormat,
    Memory,
    RowsLimit,
    Space,
    Yes,
)
from enduser.cli.output import confirm, count_of, err, iso, out, print_json, print_table, printable
from enduser.clock import now_us
from enduser.core.links import OTHER_ID
from enduser.errors import InputError
from enduser.service.erasing import Asked, erase_again, erase_user, lift_suppression
from enduser.service.erasure_json import erasure_json
from enduser.service.no_user import no_user
from enduser.stores import erasure_log
from enduser.stores.answers import Erased
from enduser.stores.contract import Store

if TYPE_CHECKING:
    from enduser.service.erased_person import ErasedPerson
    from enduser.stores.control import ControlStore

_UNDONE = "nothing was erased"
_LEFT = "who was to be erased is, but a file that is in use has bytes still"
AnId = Annotated[str, typer.Argument(metavar="ID", help="An id of the person.")]


def erase(
    user_id: AnId,
    suppress: Annotated[
        bool,
        typer.Option(
            "--suppress",
            help="Keep the person out from then on, whatever names one of the ids; also an unknown ID.",
        ),
    ] = False,
    id_kind: KnownKind = "plain",
    data: Data = DEFAULT_DATA,
    space: Space = DEFAULT_SPACE,
    memory_limit: Memory = MEMORY_LIMIT_MB,
    yes: Yes = False,
) -> None:
    """Erase a person with all linked ids: events, sessions, values, for good. Exit code 1: there is none."""
    asked = Asked(space, user_id, id_kind, suppress)
    with folded(data, space, memory_limit) as store:
        require_all_applied(store, "this person's and would bring him back", "erase him while it runs")
        if not yes:
            _confirm(store, asked)
        from enduser.service.erased_person import erase_person  # late: SQLAlchemy takes 0.3 s

        with control_of(data) as control:
            done = erase_person(store, data, control, asked, lambda: erase_user(store, asked, now_us()))
            _tell(done)
            are_gone = _let_bytes_go(store, control)
    if not are_gone:
        raise in_use(_LEFT)
    but = ", but for what the notes name" if done.beside.inbox or done.beside.written else ""
    out.print(f"no file of the data folder has a byte of the person any more{but}")


def _let_bytes_go(store: Store, control: ControlStore) -> bool:
    """Let the bytes of what was forgotten go, as a server does by itself within the hour."""
    if own := owned(store):
        return let_bytes_go(own, control)
    from enduser.stores.remote import RemoteStore  # late: few commands meet a server

    assert isinstance(store, RemoteStore)
    store.let_bytes_go()
    return True


def _tell(done: ErasedPerson) -> None:
    """Say what went, and what names the person still."""
    receipt = done.receipt
    out.print(f"erased: {_much(receipt.amount)}{'; and stays out' if receipt.is_suppressed else ''}")
    out.print(f"receipt {receipt.number}: {iso(receipt.erased_at)}, keyed hash of the id {receipt.id_hash}")
    if done.beside.uploads:
        count = count_of(len(done.beside.uploads), "uploaded file")
        out.print(f"{count} that waited to be taken named the person, and went too")
    for name in done.beside.inbox:
        err.print(printable(f"note: {name} names the person, or cannot be read; it is yours: see to it"))
    for one in done.beside.written:
        err.print(printable(f"note: the {one.kind} {one.id} names the person still"))


def _confirm(store: Store, asked: Asked) -> None:
    found = store.preview_erasure(asked.space, asked.user_id, asked.id_kind)
    named = f"{asked.user_id!r} ({asked.id_kind})"
    if found is not None:
        kept = ", and the person stays out" if asked.suppresses else ""
        confirm(
            f"{_much(found)} go, and nothing brings them back{kept}. Erase the person?",
            yes=False,
            undone=_UNDONE,
        )
    elif asked.suppresses:
        confirm(
            f"Nothing is known of {named} in {asked.space}. Keep it out?",
            yes=False,
            undone="nobody is kept out",
        )
    else:
        raise no_user(
            asked.space,
            asked.user_id,
            asked.id_kind,
            hint=f"{OTHER_ID}; to keep the id out all the same, add --suppress",
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
    id_kind: KnownKind = "plain",
    data: Data = DEFAULT_DATA,
    space: Space = DEFAULT_SPACE,
    _yes: Yes = False,
) -> None:
    """Say whether an id was erased and is to stay out: yes or no. Nothing else is known of it."""
    with existing(data, space) as store:
        out.print("yes" if store.is_suppressed(space, user_id, id_kind) else "no")


def unsuppress(
    user_id: AnId,
    id_kind: KnownKind = "plain",
    data: Data = DEFAULT_DATA,
    space: Space = DEFAULT_SPACE,
    _yes: Yes = False,
) -> None:
    """Let a person who stays out be known again, under all ids that were suppressed with this one."""
    with existing(data, space) as store:
        lift_suppression(store, space, user_id, id_kind)
    out.print("the person may be known again")


def reapply(
    log: Annotated[
        Path | None,
        typer.Argument(metavar="FILE", help="A log of erasures; without it that of the data folder."),
    ] = None,
    data: Data = DEFAULT_DATA,
    memory_limit: Memory = MEMORY_LIMIT_MB,
    yes: Yes = False,
) -> None:
    """Erase again who was erased after a backup was made, once that is restored: by the log of erasures."""
    must_be_there(data)
    path = log or data / erasure_log.FILE
    if not path.exists():
        raise InputError(f"there is no log of erasures {path}", hint=f"name a file {erasure_log.FILE}")
    with opened(data, memory_limit_mb=memory_limit) as store:
        require_all_applied(store, "of people who are erased", "do this while it runs")
        erasures = list(erasure_log.read(path))
        named = count_of(len(erasures), "erasure")
        confirm(f"Erase again who stands in the log, which has {named}?", yes=yes, undone=_UNDONE)
        done = erase_again(store, erasures)
        with control_of(data) as control:
            are_gone = not done or _let_bytes_go(store, control)
    for receipt in done:
        out.print(f"erasure {receipt.number} of {receipt.space}: {_much(receipt.amount)}")
    if not are_gone:
        raise in_use(_LEFT)
    if done:
        again = count_of(len(done), "erasure")
        out.print(f"{again} done again; no file of the data folder has a byte of them")
    else:
        out.print("all erasures of the log are known")


def list_erasures(
    limit: RowsLimit = 20,
    form: Form = ListFormat.TABLE,
    data: Data = DEFAULT_DATA,
    space: Space = DEFAULT_SPACE,
    _yes: Yes = False,
) -> None:
    """List the receipts of the last erasures, the newest first, with keyed hashes of ids."""
    with existing(data, space) as store:
        found = [erasure_json(one) for one in store.erasures(space, limit=limit)]
    if form is ListFormat.JSON:
        print_json(found)
    elif found:
        rows = [
            (
                *(str(one.erasure), one.erased_at[:19].replace("T", " "), one.id_hash),
                *(f"{count:,}" for count in (one.erased.ids, one.erased.events, one.erased.values)),
                *("yes" if one.suppressed else "no", (one.gone_at or "")[:19].replace("T", " ")),
            )
            for one in found
        ]
        print_table([_RECEIPT_HEADINGS, *rows], right=range(3, 6))
    else:
        out.print(f"Nobody was erased from {space} yet.")


_RECEIPT_HEADINGS = (
    *("erasure", "erased (UTC)", "keyed hash of the id", "ids", "events", "values", "stays out"),
    "bytes gone (UTC)",
)
