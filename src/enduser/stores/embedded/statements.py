"""The SQL of this engine: named statements in `sql/*.sql`, run with only the parameters they name."""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping, Sequence
from functools import cache, lru_cache
from importlib.resources import files
from importlib.util import find_spec
from typing import Any

import duckdb
from duckdb.value.constant import LongValue

_NAME = re.compile(r"^-- name: (\w+)\n", re.MULTILINE)
_REPEATED = re.compile(r"<<(.*?)>>", re.DOTALL)


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


@lru_cache(maxsize=1_000)
def _parameters(statement: str) -> frozenset[str]:
    return named(statement)


def named(statement: str) -> frozenset[str]:
    """Return the names of the parameters of a statement."""
    code = re.sub(r"'(?:[^']|'')*'", "", re.sub(r"--.*", "", statement))
    return frozenset(re.findall(r"\$([a-z_0-9]+)", code))


_INTEGER_MAX = 2_147_483_647


class _NoNumpy:
    """Says at once that there is no numpy.

    DuckDB tries to import it three times for each number that `bound` makes, each time anew. Where there is
    none, to look through the whole path for it took longer than to run a small statement.
    """

    @staticmethod
    def find_spec(name: str, _path: object = None, _target: object = None) -> None:
        if name == "numpy":
            raise ModuleNotFoundError("No module named 'numpy'", name=name)


if find_spec("numpy") is None:
    sys.meta_path.insert(0, _NoNumpy)

Rows = list[tuple[Any, ...]]


def run(connection: duckdb.DuckDBPyConnection, name: str, /, **parameters: object) -> Rows:
    """Run the statement `file.name` and return the rows of its last part."""
    file, _, statement = name.partition(".")
    rows: Rows = []
    for text in statements(file)[statement]:
        rows = connection.execute(text, _bound_of(text, parameters)).fetchall()
    return rows


def _bound_of(text: str, parameters: Mapping[str, object]) -> dict[str, object]:
    return {name: bound(parameters[name]) for name in _parameters(text)}


Splices = Mapping[str, str]
"""Texts by the names that stand for them in braces."""


def run_spliced(
    connection: duckdb.DuckDBPyConnection,
    name: str,
    each: Sequence[Splices],
    once: Splices | None = None,
    /,
    **parameters: object,
) -> Rows:
    """Run a statement in which what stands between << and >> is repeated, once with each of some splices.

    Splices are names and numbers that this code owns; values are parameters.
    """
    file, _, statement = name.partition(".")
    rows: Rows = []
    for template in statements(file)[statement]:
        text = spliced(template, each, once)
        rows = connection.execute(text, _bound_of(text, parameters)).fetchall()
    return rows


def spliced(template: str, each: Sequence[Splices], once: Splices | None = None) -> str:
    """Return a statement with its splices in place."""
    text = _REPEATED.sub(lambda part: "".join(_filled(part[1], splices) for splices in each), template)
    return _filled(text, once or {})


def _filled(text: str, splices: Splices) -> str:
    for name, splice in splices.items():
        text = text.replace(f"{{{name}}}", splice)
    return text


def used(statement: str, parameters: Mapping[str, object]) -> dict[str, object]:
    """Return those parameters that a statement names: DuckDB refuses others."""
    return {name: parameters[name] for name in named(statement)}


def bound(value: object) -> object:
    """Return a small whole number as BIGINT: DuckDB would bind it as INTEGER, and sums would overflow."""
    is_small = isinstance(value, int) and not isinstance(value, bool) and abs(value) <= _INTEGER_MAX + 1
    return LongValue(value) if is_small else value


def text_literal(text: object) -> str:
    """Return a text as SQL writes it, for the places where DuckDB binds no parameter."""
    return "'" + str(text).replace("'", "''") + "'"
