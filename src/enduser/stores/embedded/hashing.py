"""Hashing the user ids that a space has already, when `hash_ids` is turned on."""

from __future__ import annotations

from enduser.core.events import HASH_FORM
from enduser.stores.answers import HashingPreview
from enduser.stores.embedded import suppressing
from enduser.stores.embedded.claiming import Naming
from enduser.stores.embedded.fold import fold_pending
from enduser.stores.embedded.statements import run
from enduser.stores.embedded.values import tell_everything


def hash_stored_ids(naming: Naming) -> None:
    """Put the hash in place of every user id of the current schema, and fold the persons of several anew.

    The caller owns the transaction; `naming` has the settings as they become.
    """
    connection, salt = naming.connection, naming.settings.hash_salt
    run(connection, "hashing.hash_previous_ids", salt=salt)
    run(connection, "hashing.forget_claims")
    naming.take_claims(batch=0)
    run(connection, "claiming.unnamed")
    run(connection, "hashing.hash_user_ids", salt=salt, secret=naming.secret)
    run(connection, "hashing.part_persons")
    tell_everything(connection)
    fold_pending(connection, naming.settings)


def preview(naming: Naming, salt: str | None) -> HashingPreview:
    """Return what hashing the user ids of a space would do, with a salt; None: the one that is set."""
    link_on_identify = naming.settings.link_on_identify
    (told,) = run(
        naming.connection, "hashing.preview", hash_form=HASH_FORM, link_on_identify=link_on_identify
    )
    user_ids, hash_forms, ended_links = told
    return HashingPreview(user_ids, hash_forms, ended_links, suppressing.lost(naming, salt))
