"""Statements are run with their parameters, and cost no more than that."""

from __future__ import annotations

import importlib
import sys

import duckdb
import pytest

from enduser.stores.embedded.statements import _NoNumpy, bound


def test_a_whole_number_is_bound_as_bigint_and_nowhere_is_looked_for_numpy(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    looked_for = []

    class Looks:
        @staticmethod
        def find_spec(name: str, *_: object) -> None:
            looked_for.append(name)

    at = sys.meta_path.index(_NoNumpy)
    monkeypatch.setattr(sys, "meta_path", [*sys.meta_path[: at + 1], Looks, *sys.meta_path[at + 1 :]])
    with duckdb.connect() as connection:
        rows = connection.execute("SELECT typeof($small)", {"small": bound(1)}).fetchall()
    assert (rows, looked_for) == ([("BIGINT",)], [])


def test_who_needs_numpy_is_told_that_there_is_none() -> None:
    with pytest.raises(ModuleNotFoundError, match="numpy"):
        importlib.import_module("numpy")
