"""Rows of files of `enduser.stores.row_file`: whose ids they have, and which of them cannot be taken."""

from __future__ import annotations

from collections.abc import Sequence

import duckdb

from enduser import limits
from enduser.stores.answers import Rejection
from enduser.stores.embedded import suppressing
from enduser.stores.embedded.claiming import Naming
from enduser.stores.embedded.registry import know_types
from enduser.stores.embedded.statements import Splices, run, run_spliced, spliced, statements, text_literal
from enduser.stores.row_file import ANONYMOUS, RowFile


def read_rows(naming: Naming, rows: RowFile, written_at: int) -> None:
    """Read all that rows have but values, each good or with its reason, into the table `read_rows`.

    The ids of the good ones are in `batch_ids` then, as `Naming.key_new_ids` takes them. A row without a time
    of its own holds from `written_at` (µs) on.
    """
    know_types(naming.connection)
    run_spliced(
        naming.connection,
        "given_rows.read",
        [],
        cells(rows),
        paths=[str(path) for path in rows.paths],
        written_at=written_at,
        tolerance_us=limits.FUTURE_TOLERANCE_S * 1_000_000,
        id_bytes_max=limits.ID_BYTES_MAX,
        hash_ids=naming.settings.hash_ids,
        salt=naming.settings.hash_salt,
        secret=naming.secret,
    )
    suppressing.reject(naming.connection)
    run(naming.connection, "given_rows.ids")


def rejected_rows(connection: duckdb.DuckDBPyConnection, listed_max: int | None) -> Sequence[Rejection]:
    """Return the first rows that `read_rows` found bad; None: all."""
    return [Rejection(*row) for row in run(connection, "given_rows.rejected", listed_max=listed_max)]


def cells(rows: RowFile) -> Splices:
    """Return what statements need to read rows of a file."""
    kinds = ", ".join(f"'k{number}': 'VARCHAR'" for number in range(rows.cells))
    return {
        "file": spliced(statements("given_rows")["file"][0], (), {"columns": kinds}),
        "id_at": str(rows.id_at),
        "kind_cell": _kind_cell(rows),
        "effective_cell": "NULL::VARCHAR" if rows.effective_at is None else f"k{rows.effective_at}",
        "blank_clears": str(rows.blank_clears).lower(),
    }


def _kind_cell(rows: RowFile) -> str:
    if rows.kind_at is not None:
        return f"k{rows.kind_at}"
    return text_literal(ANONYMOUS) if rows.is_anonymous else "NULL"
