"""The SQL of this engine: named statements in `sql/*.sql`, run with only the parameters they name."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import Any

import duckdb

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
    code = re.sub(r"'(?:[^']|'')*'", "", re.sub(r"--.*", "", statement))
    return frozenset(re.findall(r"\$([a-z_0-9]+)", code))


Rows = list[tuple[Any, ...]]


def run(connection: duckdb.DuckDBPyConnection, name: str, **parameters: object) -> Rows:
    """Run the statement `file.name` and return the rows of its last part."""
    file, _, statement = name.partition(".")
    rows: Rows = []
    for text in statements(file)[statement]:
        given = {name: parameters[name] for name in _parameters(text)}
        rows = connection.execute(text, given).fetchall()
    return rows
