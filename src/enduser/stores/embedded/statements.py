"""The SQL of this engine: named statements in `sql/*.sql`, run with only the parameters they name."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import Any

import duckdb
from duckdb.value.constant import LongValue

_NAME = re.compile(r"^-- name: (\w+)\n", re.MULTILINE)


@cache
def statements(file: str) -> Mapping[str, tuple[str, ...]]:
    """Return the statements of `sql/<file>.sql` by name; one name can hold several in order."""
    text = files(__package__).joinpath("sql", f"{file}.sql").read_text(encoding="utf-8")
    _, *parts = _NAME.split(text)
    return {
        name: tuple(part.strip() for part in re.split(r";\n", body) if _without_comments(part))
        for name, body in zip(parts[::2], parts[1::2], strict=True)
    }


def _without_comments(text: str) -> str:
    return re.sub(r"--.*", "", text).strip(" \n;")


@cache
def _parameters(statement: str) -> frozenset[str]:
    return named(statement)


def named(statement: str) -> frozenset[str]:
    """Return the names of the parameters of a statement."""
    code = re.sub(r"'(?:[^']|'')*'", "", re.sub(r"--.*", "", statement))
    return frozenset(re.findall(r"\$([a-z_0-9]+)", code))


_BIGINT_MAX = 9_223_372_036_854_775_807

Rows = list[tuple[Any, ...]]


def run(connection: duckdb.DuckDBPyConnection, name: str, **parameters: object) -> Rows:
    """Run the statement `file.name` and return the rows of its last part."""
    file, _, statement = name.partition(".")
    rows: Rows = []
    for text in statements(file)[statement]:
        given = {name: bound(parameters[name]) for name in _parameters(text)}
        rows = connection.execute(text, given).fetchall()
    return rows


def used(statement: str, parameters: Mapping[str, object]) -> dict[str, object]:
    """Return those parameters that a statement names: DuckDB refuses others."""
    return {name: parameters[name] for name in named(statement)}


def bound(value: object) -> object:
    """Return a whole number as BIGINT: DuckDB would bind a small one as INTEGER, and sums would overflow."""
    is_long = isinstance(value, int) and not isinstance(value, bool) and abs(value) <= _BIGINT_MAX
    return LongValue(value) if is_long else value


def text_literal(text: object) -> str:
    """Return a text as SQL writes it, for the places where DuckDB binds no parameter."""
    return "'" + str(text).replace("'", "''") + "'"
