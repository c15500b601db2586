"""End User Objects and sessions as files."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from enduser.core.attributes import AttributeType
from enduser.core.events import ANALYTICS_PROPERTIES
from enduser.stores.embedded.database import Database
from enduser.stores.embedded.engine import told
from enduser.stores.embedded.reading import SESSION_ORDER, users_query
from enduser.stores.embedded.registry import Column
from enduser.stores.embedded.statements import statements, text_literal

_TIMES = {"users": ("first_seen", "last_seen"), "sessions": ("started_at", "ended_at")}
_ORIGINS = ("user_id", "country", "region", "city", "browser_name", "browser_version")
"""The texts of users and of sessions."""
_FORMULA = r"^[=+\-@\t\r]"
"""How a text begins that spreadsheets compute."""
_STYLES = {"csv": "FORMAT csv, HEADER", "jsonl": "FORMAT json", "parquet": "FORMAT parquet"}


def export(database: Database, space: str, what: str, path: Path, form: str, *, is_raw: bool = False) -> int:
    """Write all `users` or `sessions` to a file as `csv`, `jsonl` or `parquet`; return the count of rows.

    Times are ISO 8601 UTC with microseconds (in Parquet: timestamps), durations seconds. In CSV a text that a
    spreadsheet would take for a formula gets a quote before it, unless `is_raw`.

    Raises:
        StoreError: the file cannot be written.
    """
    query = _query(database, what, form)
    if form == "csv" and not is_raw:
        query = _harmless(query, _texts(database, what))
    copy = f"COPY ({query}) TO {text_literal(path)} ({_STYLES[form]})"
    failed = told(f"cannot write {path}", "see whether the disk is full, or name another file")
    with database.looking_at(database.schema(space)), failed:
        return int(database.connection.execute(copy).fetchall()[0][0])


def _texts(database: Database, what: str) -> Sequence[str]:
    """Return the names of the columns that hold any text."""
    if what == "sessions":
        return _ORIGINS
    texts = [c.attribute.name for c in database.columns() if c.attribute.type is AttributeType.STRING]
    return [*_ORIGINS, *ANALYTICS_PROPERTIES, *texts]


def _harmless(query: str, names: Sequence[str]) -> str:
    """Return a query whose texts no spreadsheet takes for formulas."""
    formula, quote = text_literal(_FORMULA), text_literal("'")
    replaced = ", ".join(
        f"CASE WHEN regexp_matches({name}, {formula}) THEN {quote} || {name} ELSE {name} END AS {name}"
        for name in (f'"{name}"' for name in names)
    )
    return f"SELECT * REPLACE ({replaced}) FROM ({query})"


def _query(database: Database, what: str, form: str) -> str:
    time = "make_timestamp({0})::TIMESTAMPTZ AS {0}"
    if form != "parquet":
        time = "strftime(make_timestamp({0}), '%Y-%m-%dT%H:%M:%S.%fZ') AS {0}"
    replaced = ", ".join(time.format(name) for name in _TIMES[what])
    if what == "sessions":
        return f"SELECT * REPLACE ({replaced}) FROM ({statements('read')[what][0]}) ORDER BY {SESSION_ORDER}"
    columns = database.columns()
    rows = users_query(columns, "json" if form == "jsonl" else form)
    shown = _nested(columns, replaced) if form == "jsonl" else _flat(columns, replaced)
    return f"SELECT {shown} FROM ({rows}) ORDER BY user_id, is_anonymous"


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
