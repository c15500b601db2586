"""Erasing one person on request, and keeping him out."""

from __future__ import annotations

import re

from enduser.core.events import HASH_FORM
from enduser.core.links import IdKind, stored_ids
from enduser.errors import SuppressionNotFound, UsageError, UserNotFound
from enduser.stores.answers import Erased
from enduser.stores.contract import Store
from enduser.stores.records import EraseUser, LiftSuppression


def erase_user(
    store: Store, space: str, user_id: str, id_kind: IdKind, *, suppresses: bool = False
) -> Erased:
    """Erase the person of an id from the space, with all linked ids; return how much went.

    With `suppresses` these ids stay out from then on, also one of which nothing is known.

    Raises:
        UserNotFound: nothing is known under this id, and it is not to stay out.
        UsageError: an id that is to stay out is none.
        LimitExceeded: it is too long.
        StoreError: the person cannot be erased now.
    """
    if suppresses and id_kind == "hashed" and not re.fullmatch(HASH_FORM, user_id):
        raise UsageError(
            f"{user_id!r} is no hash",
            hint="a hash is 43 characters of base64; a plain id is of the kind plain",
        )
    for user in stored_ids(store.settings(space), user_id, id_kind):
        record = EraseUser(user, is_hashed=True, suppresses=suppresses)
        erased = store.apply(space, record).erased
        assert erased is not None
        return erased
    raise UserNotFound(
        f"there is no user {user_id!r} ({id_kind}) in {space}", hint="the ids of this space are not hashed"
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
