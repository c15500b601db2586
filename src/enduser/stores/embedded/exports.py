"""End User Objects and sessions as files."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from enduser.stores.embedded.database import Database
from enduser.stores.embedded.engine import told
from enduser.stores.embedded.reading import ORDER, users_query
from enduser.stores.embedded.registry import Column
from enduser.stores.embedded.statements import statements, text_literal

_TIMES = {"users": ("first_seen", "last_seen"), "sessions": ("started_at", "ended_at")}
_STYLES = {"csv": "FORMAT csv, HEADER", "jsonl": "FORMAT json", "parquet": "FORMAT parquet"}


def export(database: Database, space: str, what: str, path: Path, form: str) -> int:
    """Write all `users` or `sessions` to a file as `csv`, `jsonl` or `parquet`; return the count of rows.

    Times are ISO 8601 UTC with microseconds (in Parquet: timestamps), durations seconds.

    Raises:
        StoreError: the file cannot be written.
    """
    copy = f"COPY ({_query(database, what, form)}) TO {text_literal(path)} ({_STYLES[form]})"
    failed = told(f"cannot write {path}", "see whether the disk is full, or name another file")
    with database.looking_at(database.schema(space)), failed:
        return int(database.connection.execute(copy).fetchall()[0][0])


def _query(database: Database, what: str, form: str) -> str:
    time = "make_timestamp({0})::TIMESTAMPTZ AS {0}"
    if form != "parquet":
        time = "strftime(make_timestamp({0}), '%Y-%m-%dT%H:%M:%S.%fZ') AS {0}"
    replaced = ", ".join(time.format(name) for name in _TIMES[what])
    if what == "sessions":
        return f"SELECT * REPLACE ({replaced}) FROM ({statements('read')[what][0]}) ORDER BY {ORDER[what]}"
    columns = database.columns()
    rows = users_query(columns, "json" if form == "jsonl" else form)
    shown = _nested(columns, replaced) if form == "jsonl" else _flat(columns, replaced)
    return f"SELECT {shown} FROM ({rows}) ORDER BY {ORDER[what]}"


def _flat(columns: Sequence[Column], replaced: str) -> str:
    """Return what is selected where each custom attribute is a column of its own."""
    names = ", ".join(f'{column.name} AS "{column.attribute.name}"' for column in columns)
    return f"* REPLACE ({replaced})" + (f" RENAME ({names})" if names else "")


def _nested(columns: Sequence[Column], replaced: str) -> str:
    """Return what is selected where the custom attributes are an object of their own, as in the API."""
    if not columns:
        return f"* REPLACE ({replaced}), '{{}}'::JSON AS attributes"
    names = ", ".join(column.name for column in columns)
    values = ", ".join(f"{text_literal(column.attribute.name)}: {column.name}" for column in columns)
    return f"* EXCLUDE ({names}) REPLACE ({replaced}), {{{values}}} AS attributes"
