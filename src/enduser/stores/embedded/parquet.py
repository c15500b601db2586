"""Typed rows from a range of a Parquet file."""

from __future__ import annotations

import math
from glob import escape
from pathlib import Path

import duckdb

from enduser import limits
from enduser.errors import InputError
from enduser.stores.embedded.statements import text_literal
from enduser.stores.records import Chunk, require_columns

_TEXT: tuple[str, ...] = ("user_id", "anonymous_id", "message_id", "type", "name", "ip", "user_agent")
_TEXT += ("country", "region", "city")
_OBJECTS = ("properties", "traits")
_TIMES = {"TIMESTAMP", "TIMESTAMP_NS", "TIMESTAMP_MS", "TIMESTAMP_S", "TIMESTAMP WITH TIME ZONE", "DATE"}
_WHOLE = {"BIGINT", "INTEGER", "UBIGINT", "UINTEGER"}


ROW_NUMBER = "file_row_number"
"""What the engine calls the number of a row that it is asked for."""


def columns_of(connection: duckdb.DuckDBPyConnection, path: Path) -> dict[str, str]:
    """Return name -> type of a Parquet file's columns.

    Raises:
        InputError: it is no Parquet file, or lacks the columns that an event needs.
    """
    try:
        rows = connection.execute("DESCRIBE FROM read_parquet($1)", [escape(str(path))]).fetchall()
    except duckdb.Error as error:
        raise InputError(
            f"{path} cannot be read as Parquet: {str(error).splitlines()[0]}",
            hint="give the right --format, or write the file again",
        ) from None
    columns = {row[0]: row[1] for row in rows}
    require_columns(str(path), columns)
    _refuse_unreadable(path, columns)
    return columns


def _refuse_unreadable(path: Path, columns: dict[str, str]) -> None:
    """Refuse columns of which nobody could say what their values mean as text.

    Raises:
        InputError: names the column and its type.
    """
    if ROW_NUMBER in columns:
        raise InputError(
            f"{path} has a column {ROW_NUMBER}, which the engine takes for its own", hint="rename the column"
        )
    raw = [name for name in (*_TEXT, "occurred_at", "url", *_OBJECTS) if columns.get(name) == "BLOB"]
    if raw:
        raise InputError(
            f"in {path} the column {raw[0]} holds bytes, not text",
            hint="write it as a text column (UTF8 or STRING in Parquet)",
        )
    nested = [name for name in (*_TEXT, "occurred_at", "url") if _is_nested(columns.get(name, ""))]
    if nested:
        raise InputError(
            f"in {path} the column {nested[0]} is of the type {columns[nested[0]]}",
            hint="write it as text, a number or a time; only properties and traits can be nested",
        )


def _is_nested(kind: str) -> bool:
    return kind.startswith(("STRUCT", "MAP", "UNION")) or kind.endswith("]")


def count_rows(connection: duckdb.DuckDBPyConnection, path: Path) -> int:
    """Return the number of rows that a Parquet file's footer says it has."""
    rows = connection.execute(
        "SELECT sum(num_rows) FROM parquet_file_metadata($1)", [escape(str(path))]
    ).fetchall()
    return int(rows[0][0] or 0)


def rows_query(
    chunk: Chunk, columns: dict[str, str], unit: int, plausible: tuple[float, float] = (0, math.inf)
) -> str:
    """Return the SELECT that yields typed rows of a chunk, numbered by their row in the file."""
    fields = [f"file_row_number + 1 AS line, {_time(columns['occurred_at'], unit, plausible)}"]
    fields += [f"{_text(name, columns)} AS {name}" for name in _TEXT if name != "type"]
    fields.append(f"lower(coalesce({_text('type', columns)}, 'track')) AS type")
    fields.append(f"lower({_text('active', columns)}) AS active_text")
    fields.append(f"{_text('url', columns)} AS page_url")
    fields += [f"object_of({_json(name, columns)}) AS {name}" for name in _OBJECTS]
    fields.append("NULL::VARCHAR AS client_text, NULL::VARCHAR AS previous_id, NULL::VARCHAR AS left_out")
    fields.append("NULL::BIGINT AS client_at, NULL::BIGINT AS received_at")
    fields.append("false AS is_hashed, false AS is_server")
    fields.append(f"{_problem(columns)} AS problem")
    path = _literal(chunk.path)
    first, rows = chunk.first_row - 1, chunk.rows or 0
    return (
        f"SELECT {', '.join(fields)} FROM read_parquet({path}, file_row_number = true) "
        f"WHERE file_row_number BETWEEN {first} AND {first + rows - 1}"
    )


def _problem(columns: dict[str, str]) -> str:
    """Return the SQL of what is wrong with the form of a row, NULL where nothing is."""
    texts = [_text(name, columns) for name in (*_TEXT, "url", *_OBJECTS) if name in columns]
    size = " + ".join(f"coalesce(strlen({text}), 0)" for text in texts)
    wrong = [f"WHEN {size} > {limits.LINE_BYTES_MAX} THEN 'line_too_long'"]
    wrong += [
        f"WHEN is_no_object({_json(name, columns)}) THEN 'invalid_{name}'"
        for name in _OBJECTS
        if name in columns
    ]
    return f"CASE {' '.join(wrong)} END"


def times_query(chunk: Chunk, columns: dict[str, str]) -> str:
    """Return the SELECT that yields the first times of a file as text, to infer their unit from."""
    path = _literal(chunk.path)
    return (
        f"SELECT CAST(NULL AS BIGINT) AS occurred_at, {_time_text(columns['occurred_at'])} AS time_text "
        f"FROM read_parquet({path}) WHERE occurred_at IS NOT NULL LIMIT 10000"
    )


def _literal(path: Path) -> str:
    """Return the path as an SQL text; without escape DuckDB would read it as a pattern."""
    return text_literal(escape(str(path)))


def _text(name: str, columns: dict[str, str]) -> str:
    if name not in columns:
        return "CAST(NULL AS VARCHAR)"
    return f"nullif({name}, '')" if columns[name] == "VARCHAR" else f"nullif(CAST({name} AS VARCHAR), '')"


def _json(name: str, columns: dict[str, str]) -> str:
    kind = columns.get(name)
    if kind is None:
        return "CAST(NULL AS JSON)"
    if kind in ("VARCHAR", "JSON"):
        return (
            f"CASE WHEN json_valid({name}) THEN CAST({name} AS JSON) "
            f"WHEN {name} <> '' THEN to_json({name}) END"
        )
    return f"to_json({name})"


def _time(kind: str, unit: int, plausible: tuple[float, float]) -> str:
    if kind in _TIMES:
        whole = (
            "(epoch_ns(occurred_at) - (epoch_ns(occurred_at) % 1000 + 1000) % 1000) // 1000"
            if kind == "TIMESTAMP_NS"
            else "epoch_us(occurred_at)"
        )
        endless = "CASE WHEN NOT isfinite(occurred_at) THEN 'infinity' END"
        return f"{whole} AS occurred_at, {endless} AS time_text"
    time_text = f"{_time_text(kind)} AS time_text"
    if kind in _WHOLE:
        at = f"try_cast(CAST(occurred_at AS HUGEINT) * {unit} AS BIGINT)"
        if plausible != (0, math.inf):
            low, high = (min(int(bound), 2**63 - 1) if bound < math.inf else 2**63 - 1 for bound in plausible)
            at = f"CASE WHEN abs(CAST(occurred_at AS HUGEINT)) BETWEEN {low} AND {high - 1} THEN {at} END"
        return f"{at} AS occurred_at, {time_text}"
    return f"CAST(NULL AS BIGINT) AS occurred_at, {time_text}"


def _time_text(kind: str) -> str:
    if kind in ("DOUBLE", "FLOAT"):  # as text they could be written with an exponent
        return (
            "coalesce(CAST(TRY_CAST(occurred_at AS DECIMAL(27, 9)) AS VARCHAR), CAST(occurred_at AS VARCHAR))"
        )
    if kind == "VARCHAR":  # as in the other formats: trimmed, and empty is absent
        return "nullif(trim(occurred_at), '')"
    return "CAST(occurred_at AS VARCHAR)"
