"""Erasing one person on request, and keeping him out."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

from enduser.core.events import HASH_FORM
from enduser.core.links import IdKind, stored_ids
from enduser.core.mentions import Naming
from enduser.errors import SuppressionNotFound, UsageError, UserNotFound
from enduser.service.mentions import Mention, still_named
from enduser.service.waiting_files import forget_uploads_naming
from enduser.sources import inbox
from enduser.stores.answers import Applied, Erasure
from enduser.stores.contract import Reader, Store
from enduser.stores.control import ControlStore
from enduser.stores.jobs import forget_jobs
from enduser.stores.records import EraseUser, LiftSuppression
from enduser.stores.taken_inputs import forget_taken_names


@dataclass(frozen=True, slots=True)
class Asked:
    """Who is to be erased, and how."""

    space: str
    user_id: str
    id_kind: IdKind
    suppresses: bool = False
    """Whether the ids stay out from then on, also one of which nothing is known."""


@dataclass(frozen=True, slots=True)
class Beside:
    """What names a person beside the database."""

    uploads: Sequence[str]
    """Ids of files that were sent and waited to be taken: they are deleted."""
    inbox: Sequence[str]
    """Names of files of the inbox, and of those that cannot be read: they are the operator's, and stay."""
    written: Sequence[Mention]
    """What people wrote, as rules: it stays."""


@dataclass(frozen=True, slots=True)
class ErasedPerson:
    """What an erasure did."""

    receipt: Erasure
    beside: Beside


def erase_person(
    reader: Reader, folder: Path, control: ControlStore, asked: Asked, erase: Callable[[], Applied]
) -> ErasedPerson:
    """Erase a person in the truth, then from the files that wait to be taken. Bytes go later.

    `erase` does `erase_user`; where a server runs, on the thread that changes the truth.

    Raises:
        UserNotFound, UsageError, LimitExceeded, StoreError: as `erase_user`; nothing was deleted.
    """
    applied = erase()
    assert applied.erasure is not None
    ids = {asked.user_id.strip(), *(user.id for user in applied.erased_ids)} - {""}
    return ErasedPerson(applied.erasure, _forget_beside(reader, folder, control, asked.space, ids))


def _forget_beside(
    reader: Reader, folder: Path, control: ControlStore, space: str, ids: Collection[str]
) -> Beside:
    """Delete what waits to be taken and names one of some ids, and say what stays that does."""
    naming = Naming(ids)
    files = forget_uploads_naming(folder, control, space, ids)
    forget_jobs(control, space, naming)
    inbox_folder = folder / inbox.FOLDER
    forget_taken_names(control, space, naming, lambda name: (inbox_folder / name).exists())
    named = [path.relative_to(folder).as_posix() for path in (*files.inbox, *files.unread)]
    return Beside([upload.id for upload in files.uploads], named, still_named(reader, control, space, ids))


def erase_user(store: Store, asked: Asked, now: int) -> Applied:
    """Erase the person of an id in the truth, with all linked ids; return the receipt, and which those were.

    Raises:
        UserNotFound: nothing is known under this id, and it is not to stay out.
        UsageError: an id that is to stay out is none.
        LimitExceeded: it is too long.
        StoreError: the person cannot be erased now.
    """
    if asked.suppresses and asked.id_kind == "hashed" and not re.fullmatch(HASH_FORM, asked.user_id):
        raise UsageError(
            f"{asked.user_id!r} is no hash",
            hint="a hash is 43 characters of base64; a plain id is of the kind plain",
        )
    for user in stored_ids(store.settings(asked.space), asked.user_id, asked.id_kind):
        record = EraseUser(user, is_hashed=True, erased_at=now, suppresses=asked.suppresses)
        return store.apply(asked.space, record)
    raise UserNotFound(
        f"there is no user {asked.user_id!r} ({asked.id_kind}) in {asked.space}",
        hint="the ids of this space are not hashed",
    )


def lift_suppression(store: Store, space: str, user_id: str, id_kind: IdKind) -> None:
    """Let the person of an id that stays out be known again, under all ids that were suppressed with it.

    Raises:
        SuppressionNotFound: the id does not stay out.
    """
    for user in stored_ids(store.settings(space), user_id, id_kind):
        store.apply(space, LiftSuppression(user, is_hashed=True))
        return
    raise SuppressionNotFound(
        f"{user_id!r} ({id_kind}) is no id that is to stay out of {space}",
        hint="the ids of this space are not hashed",
    )
