"""Data folders that are made once in a process and copied: making one takes longer than most tests.

The code that makes them is not left out: it runs once in each process of tests, in each server that a test
starts, and for every folder of a test that asks for `made_anew`.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable
from functools import cache
from pathlib import Path

import duckdb
import pytest

from enduser.stores.control import ControlStore
from enduser.stores.embedded import database

_CREATE = database._create
_MIGRATE = ControlStore._migrate


def copy_ready_made(patch: pytest.MonkeyPatch) -> None:
    """Have new databases and control files of this process be copies, for as long as a patch lasts."""
    patch.setattr(database, "_create", _copy_database)
    patch.setattr(ControlStore, "_migrate", _copy_control)


def make_anew(patch: pytest.MonkeyPatch) -> None:
    """Have them be made as they are where no test runs, for as long as a patch lasts."""
    patch.setattr(database, "_create", _CREATE)
    patch.setattr(ControlStore, "_migrate", _MIGRATE)


Files = dict[str, bytes]
"""The content of a folder, by the names of its files."""


def files_of(make: Callable[[Path], None]) -> Files:
    """Return the files that something makes in a new folder."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "data"
        make(folder)
        return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


def write_files(folder: Path, files: Files) -> None:
    """Write files into a folder that is not there yet."""
    folder.mkdir(mode=0o700)
    for name, content in files.items():
        (folder / name).write_bytes(content)


def copied(made: Path, to: Path) -> Path:
    """Copy a data folder into another folder, and return the copy."""
    shutil.copytree(made, to / "data")
    return to / "data"


def _copy_database(path: Path) -> None:
    path.write_bytes(_database())


def _copy_control(control: ControlStore) -> None:
    if not control._path.stat().st_size:
        control._path.write_bytes(_control())
    _MIGRATE(control)


@cache
def _database() -> bytes:
    """Return a database with all tables of a folder and of its first space, which nobody has created yet."""

    def make(folder: Path) -> None:
        folder.mkdir()
        _CREATE(folder / database.DATABASE_FILE)
        with duckdb.connect(str(folder / database.DATABASE_FILE)) as connection:
            database.prepare(connection)
            database._migrate_main(connection)
            connection.execute("CREATE SCHEMA space_1")
            database._migrate(connection, "space", "space_1")

    return files_of(make)[database.DATABASE_FILE]


@cache
def _control() -> bytes:
    def make(folder: Path) -> None:
        with pytest.MonkeyPatch.context() as patch:
            make_anew(patch)
            ControlStore(folder).close()

    return files_of(make)["control.sqlite"]
