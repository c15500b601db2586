"""Receipts of what was forgotten: keyed hashes of ids, and counts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import duckdb

from enduser.core.events import UserId
from enduser.stores.answers import Erased, Erasure
from enduser.stores.embedded.claiming import Naming
from enduser.stores.embedded.statements import run
from enduser.stores.records import EraseAgain

_HALF = 16
"""Digits of each half of a keyed hash: the key of an id, and its check."""


def hashes(connection: duckdb.DuckDBPyConnection) -> Sequence[str]:
    """Return the keyed hashes of the ids that are about to be erased."""
    found = run(connection, "erasures.hashes")[0][0]
    return found or []


def hash_of(naming: Naming, user: UserId) -> str:
    """Return the keyed hash of an id as it is stored."""
    (row,) = run(
        naming.connection,
        "erasures.hash",
        secret=naming.secret,
        is_anonymous=user.is_anonymous,
        id=user.id,
    )
    return str(row[0])


def note(connection: duckdb.DuckDBPyConnection, receipt: Erasure) -> None:
    """Keep the receipt of an erasure. The caller owns the transaction."""
    run(
        connection,
        "erasures.note",
        number=receipt.number,
        space=receipt.space,
        erased_at=receipt.erased_at,
        id_hash=receipt.id_hash,
        id_hashes=list(receipt.id_hashes),
        ids=receipt.amount.ids,
        events=receipt.amount.events,
        sessions=receipt.amount.sessions,
        values=receipt.amount.values,
        is_suppressed=receipt.is_suppressed,
    )


def is_known(connection: duckdb.DuckDBPyConnection, space: str, record: EraseAgain) -> bool:
    """Return whether an erasure is there, under whatever number."""
    known = {"space": space, "id_hash": record.id_hash, "erased_at": record.erased_at}
    return bool(run(connection, "erasures.is_known", **known)[0][0])


def is_free(connection: duckdb.DuckDBPyConnection, number: int) -> bool:
    """Return whether no erasure has a number."""
    return not run(connection, "erasures.is_taken", number=number)[0][0]


def last_number(connection: duckdb.DuckDBPyConnection) -> int:
    """Return the number of the last erasure; 0: there is none."""
    return int(run(connection, "erasures.last_number")[0][0])


def after(connection: duckdb.DuckDBPyConnection, number: int) -> Sequence[Erasure]:
    """Return the erasures of all spaces after a number, the oldest first."""
    return [_receipt(*row) for row in run(connection, "erasures.after", number=number)]


def page(
    connection: duckdb.DuckDBPyConnection, space: str, before: int | None, limit: int
) -> Sequence[Erasure]:
    """Return the last erasures of a space before a number, the newest first."""
    return [
        _receipt(*row) for row in run(connection, "erasures.page", space=space, before=before, limit=limit)
    ]


def _receipt(
    number: int, space: str, erased_at: int, id_hash: str, id_hashes: list[str], *rest: Any
) -> Erasure:
    *amount, is_suppressed, gone_at, guid = rest
    return Erasure(
        number, space, erased_at, id_hash, id_hashes, Erased(*amount), is_suppressed, gone_at, guid
    )


def halves(id_hashes: Sequence[str]) -> tuple[list[int], list[int]]:
    """Return the keys of ids, and their checks, of which these are the keyed hashes."""
    return [int(text[:_HALF], 16) for text in id_hashes], [int(text[_HALF:], 16) for text in id_hashes]


def keys(connection: duckdb.DuckDBPyConnection, id_hashes: Sequence[str]) -> list[int]:
    """Return the keys of those of the current schema's ids whose keyed hashes these are."""
    base_keys, id_checks = halves(id_hashes)
    found = run(connection, "erasures.keys", base_keys=base_keys, id_checks=id_checks)
    return [key for (key,) in found]
