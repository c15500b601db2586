"""Erasing one person on request."""

from __future__ import annotations

from enduser.core.links import IdKind, stored_ids
from enduser.errors import UserNotFound
from enduser.stores.answers import Erased
from enduser.stores.contract import Store
from enduser.stores.records import EraseUser


def erase_user(store: Store, space: str, user_id: str, id_kind: IdKind) -> Erased:
    """Erase the person of an id from the space, with all linked ids; return how much went.

    Raises:
        UserNotFound: nothing is known under this id.
        StoreError: the person cannot be erased now.
    """
    for user in stored_ids(store.settings(space), user_id, id_kind):
        erased = store.apply(space, EraseUser(user, is_hashed=True)).erased
        assert erased is not None
        return erased
    raise UserNotFound(
        f"there is no user {user_id!r} ({id_kind}) in {space}", hint="the ids of this space are not hashed"
    )
