"""Erasing a person: in the tables of a space nothing stays of what is known of him."""

from __future__ import annotations

from collections.abc import Sequence

import duckdb

from enduser import limits
from enduser.core.events import UserId
from enduser.core.links import OTHER_ID
from enduser.errors import UserNotFound
from enduser.stores.answers import Erased, Erasure
from enduser.stores.embedded import erasures, suppressing
from enduser.stores.embedded.claiming import Naming, forget_unnamed
from enduser.stores.embedded.fold import fold_pending
from enduser.stores.embedded.reading import Look, persons
from enduser.stores.embedded.registry import columns
from enduser.stores.embedded.statements import run, run_spliced
from enduser.stores.records import EraseAgain, EraseUser


def _ids_of(connection: duckdb.DuckDBPyConnection, keys: Sequence[int]) -> Sequence[UserId]:
    return [UserId(*row) for row in run(connection, "erasing.ids_of", keys=keys)]


def preview(look: Look, user_id: str, id_kind: str) -> Erased | None:
    """Return how much an erasure would take away; see `Reader.preview_erasure`."""
    for person_key in persons(look, user_id, id_kind):
        return _counted(look.connection, _keys_of(look.connection, person_key))
    return None


def tell(naming: Naming, record: EraseUser) -> Sequence[UserId]:
    """Tell copies that a person's object changes, and return the ids under which they may have it.

    The caller owns the transaction. Also ids are told that may have been parted from the person since.

    Raises:
        UserNotFound: the id is not known.
    """
    fold_pending(naming.connection, naming.settings)
    _find(naming, suppressing.as_known(record))
    return tell_touched(naming.connection)


def erase(naming: Naming, space: str, record: EraseUser, number: int) -> tuple[Erasure, Sequence[UserId]]:
    """Take away all that is known of a person of whom was told; keep a receipt, and return it with his ids.

    The caller owns the transaction.

    Raises:
        UserNotFound: the id is not known.
    """
    connection = naming.connection
    record = suppressing.as_known(record)
    keys = _find(naming, record)
    asked = erasures.hash_of(naming, naming.as_stored(record.user, is_hashed=record.is_hashed))
    receipt = Erasure(
        number=number,
        space=space,
        erased_at=record.erased_at,
        id_hash=asked,
        id_hashes=erasures.hashes(connection) or [asked],
        amount=_counted(connection, keys),
        is_suppressed=record.suppresses,
    )
    if record.suppresses:
        suppressing.suppress(naming, record, number, is_known=bool(keys))
    ids = _ids_of(connection, keys)
    _forget(naming)
    erasures.note(connection, receipt)
    return receipt, ids


def tell_again(naming: Naming, space: str, record: EraseAgain) -> Sequence[UserId]:
    """Tell copies that the object of who is erased again changes; return his ids.

    The caller owns the transaction.
    """
    fold_pending(naming.connection, naming.settings)
    _find_again(naming, space, record)
    return tell_touched(naming.connection)


def erase_again(naming: Naming, space: str, record: EraseAgain, number: int) -> Erasure | None:
    """Take away the person of whom was told, and keep a receipt of this number; None: it is there already.

    The caller owns the transaction.
    """
    connection = naming.connection
    if erasures.is_known(connection, space, record):
        return None
    keys = _find_again(naming, space, record)
    receipt = Erasure(
        number=number,
        space=space,
        erased_at=record.erased_at,
        id_hash=record.id_hash,
        id_hashes=record.id_hashes,
        amount=_counted(connection, keys),
        is_suppressed=record.is_suppressed,
    )
    if record.is_suppressed:
        suppressing.suppress_again(connection, record, number)
    _forget(naming)
    erasures.note(connection, receipt)
    return receipt


def _find_again(naming: Naming, space: str, record: EraseAgain) -> Sequence[int]:
    """Return the keys of the ids whose hashes these are, with all that are one person with them."""
    is_known = erasures.is_known(naming.connection, space, record)
    found = erasures.keys(naming.connection, [] if is_known else record.id_hashes)
    keys = sorted({key for one in found for key in _keys_of_person_of(naming.connection, one)})
    run(naming.connection, "erasing.erased", keys=keys)
    run(naming.connection, "erasing.beside")
    return keys


def _keys_of_person_of(connection: duckdb.DuckDBPyConnection, key: int) -> list[int]:
    return [one for (one,) in run(connection, "erasing.same_person", user_key=key)]


def _forget(naming: Naming) -> None:
    """Let nothing stay of the ids in `erased`, not even in temporary tables."""
    connection, settings = naming.connection, naming.settings
    run(connection, "erasing.forget_mentions", hash_ids=settings.hash_ids, salt=settings.hash_salt)
    erase_rows(connection)
    release(naming)
    for (name,) in run(connection, "erasing.temporary"):
        connection.execute(f"DROP TABLE temp.{name}")


def tell_touched(connection: duckdb.DuckDBPyConnection) -> Sequence[UserId]:
    """Tell copies that what the ids in `erased` and `beside` have may become another; return those ids."""
    run(connection, "erasing.tell")
    run(connection, "fold.number", touched_max=limits.TOUCHED_MAX)
    return [UserId(*row) for row in run(connection, "erasing.ids")]


def erase_rows(connection: duckdb.DuckDBPyConnection) -> tuple[int, int]:
    """Delete the rows of the ids in `erased`; return how many events and sessions those were."""
    ((events,),) = run(connection, "erasing.erase_events")
    ((closed,),) = run(connection, "erasing.erase_sessions")
    ((opened,),) = run(connection, "erasing.erase_open_sessions")
    run(connection, "erasing.erase_rest")
    return events, closed + opened


def release(naming: Naming) -> None:
    """Decide anew who the ids in `erased` and `beside` are, and forget those that nothing names any more."""
    run(naming.connection, "erasing.release")
    fold_pending(naming.connection, naming.settings)
    forget_unnamed(naming.connection)
    run(naming.connection, "erasing.forget_touched")


def _find(naming: Naming, record: EraseUser) -> Sequence[int]:
    """Return the keys of the person's ids; they are put into `erased`, others beside them into `beside`.

    There are none where nothing is known of an id that is to stay out.
    """
    user = naming.as_stored(record.user, is_hashed=record.is_hashed)
    found = run(naming.connection, "read.person", id=user.id, is_anonymous=user.is_anonymous)
    if not found and not record.suppresses:
        raise UserNotFound(
            f"there is no user {record.user.id!r}: nothing is known of him",
            hint=OTHER_ID,
        )
    keys = _keys_of(naming.connection, found[0][0]) if found else []
    run(naming.connection, "erasing.erased", keys=keys)
    run(naming.connection, "erasing.beside")
    return keys


def _keys_of(connection: duckdb.DuckDBPyConnection, person_key: int) -> list[int]:
    return [key for (key,) in run(connection, "erasing.person_keys", person_key=person_key)]


def _counted(connection: duckdb.DuckDBPyConnection, keys: Sequence[int]) -> Erased:
    each = [column.splices() for column in columns(connection)]
    return Erased(*run_spliced(connection, "erasing.counted", each, keys=keys)[0])
