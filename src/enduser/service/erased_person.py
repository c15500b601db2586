"""Erasing one person everywhere: in the truth, and from the files that wait to be taken."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

from enduser.core.mentions import Mentions
from enduser.service.erasing import Asked
from enduser.service.mentions import Mention, still_named
from enduser.service.waiting_files import forget_uploads_naming
from enduser.sources import inbox
from enduser.stores.answers import Applied, Erasure
from enduser.stores.contract import Reader
from enduser.stores.control import ControlStore
from enduser.stores.jobs import forget_jobs
from enduser.stores.taken_inputs import forget_taken_names


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
    mentions = Mentions(ids)
    files = forget_uploads_naming(folder, control, space, ids)
    forget_jobs(control, space, mentions)
    inbox_folder = folder / inbox.FOLDER
    forget_taken_names(control, space, mentions, lambda name: (inbox_folder / name).exists())
    named = [path.relative_to(folder).as_posix() for path in (*files.inbox, *files.unread)]
    return Beside([upload.id for upload in files.uploads], named, still_named(reader, control, space, ids))
