"""People who were erased and are to stay out: what names them is not taken, as `core.suppressing` says."""

from __future__ import annotations

from dataclasses import replace

import duckdb

from enduser.core.events import UserId, known_id
from enduser.core.links import OTHER_ID, stored_ids
from enduser.errors import SuppressionNotFound
from enduser.stores.embedded.claiming import Naming, checked_id
from enduser.stores.embedded.erasures import halves
from enduser.stores.embedded.statements import run
from enduser.stores.records import EraseAgain, EraseUser, LiftSuppression


def as_known(record: EraseUser) -> EraseUser:
    """Return a record as it is applied: an id that is to stay out must be one, and has no blanks around it.

    Raises:
        UsageError: it is nobody's.
        LimitExceeded: it is too long.
    """
    return replace(record, user=checked_id(record.user)) if record.suppresses else record


def suppress(naming: Naming, record: EraseUser, erasure: int, *, is_known: bool) -> None:
    """Keep the ids of the person in the table `erased` out, and the one that was given.

    The caller owns the transaction, and erases the person afterwards; `erasure` is the number of that,
    `is_known`: there is one.
    """
    user = naming.as_stored(record.user, is_hashed=record.is_hashed)
    hashing = {"hash_ids": naming.settings.hash_ids, "salt": naming.settings.hash_salt}
    run(
        naming.connection,
        "suppressing.suppress",
        erasure=erasure,
        secret=naming.secret,
        **user._asdict(),
        **hashing,
    )
    if user.is_anonymous and not is_known:
        run(naming.connection, "suppressing.forget_mentions", id=user.id, **hashing)


def suppress_again(connection: duckdb.DuckDBPyConnection, record: EraseAgain, erasure: int) -> None:
    """Keep the ids out whose hashes are given; what would stand for them, were ids hashed, is not known.

    The caller owns the transaction.
    """
    base_keys, id_checks = halves(record.id_hashes)
    run(
        connection,
        "suppressing.suppress_again",
        erasure=erasure,
        base_keys=base_keys,
        id_checks=id_checks,
    )


def lift(naming: Naming, record: LiftSuppression) -> None:
    """Let the person of an id be known again, under all ids that stay out by the same erasures.

    The caller owns the transaction.

    Raises:
        SuppressionNotFound: the id does not stay out.
    """
    known = UserId(known_id(record.user.id) or "", record.user.is_anonymous)
    user = naming.as_stored(known, is_hashed=record.is_hashed)
    if not run(naming.connection, "suppressing.lift", secret=naming.secret, **user._asdict()):
        raise SuppressionNotFound(
            f"{record.user.id!r} is no id that is to stay out",
            hint=OTHER_ID,
        )


def is_suppressed(naming: Naming, user_id: str, id_kind: str) -> bool:
    """Return whether an id is to stay out; see `Reader.is_suppressed`."""
    known = known_id(user_id)
    if known is None:
        return False
    return any(
        run(naming.connection, "suppressing.is_suppressed", secret=naming.secret, **user._asdict())[0][0]
        for user in stored_ids(naming.settings, known, id_kind)
    )


def lost(naming: Naming, salt: str | None) -> int:
    """Return how many suppressed ids would be known no more, were ids hashed with a salt.

    None: with the one that is set.
    """
    meant = naming.settings.hash_salt if salt is None else salt
    return int(run(naming.connection, "suppressing.lost", secret=naming.secret, salt=meant)[0][0])


def is_any(connection: duckdb.DuckDBPyConnection) -> bool:
    """Return whether anybody of the current schema is to stay out."""
    return bool(run(connection, "suppressing.is_any")[0][0])


def keep_out(naming: Naming) -> None:
    """Exclude the rows of events in `judged` that belong to suppressed ids; let others not name such."""
    if not is_any(naming.connection):
        return
    run(naming.connection, "suppressing.keep_out")
    run(
        naming.connection,
        "suppressing.leave_out_mentions",
        secret=naming.secret,
        hash_ids=naming.settings.hash_ids,
        salt=naming.settings.hash_salt,
    )
    run(naming.connection, "suppressing.forget_read_rows")


def reject(connection: duckdb.DuckDBPyConnection) -> None:
    """Reject those of the good rows in `read_rows` that are of suppressed ids."""
    if is_any(connection):
        run(connection, "suppressing.reject")
