"""Erasing one person on request, and keeping him out."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from enduser.core.events import HASH_FORM
from enduser.core.links import IdKind, stored_ids
from enduser.errors import InputError, SuppressionNotFound, UsageError
from enduser.service.no_user import no_user
from enduser.stores.answers import Applied, Erasure
from enduser.stores.contract import Store
from enduser.stores.records import EraseAgain, EraseUser, LiftSuppression

_NOT_HASHED = "the ids of this space are not hashed"


@dataclass(frozen=True, slots=True)
class Asked:
    """Who is to be erased, and how."""

    space: str
    user_id: str
    id_kind: IdKind
    suppresses: bool = False
    """Whether the ids stay out from then on, also one of which nothing is known."""


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
    raise no_user(asked.space, asked.user_id, asked.id_kind, hint=_NOT_HASHED)


def erase_again(store: Store, erasures: Iterable[Erasure]) -> Sequence[Erasure]:
    """Erase again who was erased from a later copy of the data; return the receipts of who was not yet.

    Raises:
        InputError: an erasure is of a space of another installation, whose hashes say nothing here; none is
        done.
    """
    log, guids = list(erasures), store.guids()
    for one in log:
        if guids.get(one.space) != one.space_guid:
            raise InputError(
                f"the erasure {one.number} is of a space {one.space} of another installation",
                hint="take the log of this one: erasures.jsonl of its data folder, or a copy of that",
            )
    done = []
    for one in log:
        record = EraseAgain(one.number, one.erased_at, one.id_hash, one.id_hashes, one.is_suppressed)
        receipt = store.apply(one.space, record).erasure
        if receipt is not None:
            done.append(receipt)
    return done


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
        hint=_NOT_HASHED,
    )
