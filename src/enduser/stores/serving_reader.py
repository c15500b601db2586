"""Reading the serving copy, in any process, while the owner of the data folder writes it."""

from __future__ import annotations

import sqlite3
from array import array
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import msgspec

from enduser.core.events import UserId
from enduser.errors import StoreError
from enduser.stores.serving import FILE

_OBJECT = "SELECT object FROM objects WHERE space = ? AND id = ? AND is_anonymous = ?"
_FACTS = "SELECT demand, times FROM facts WHERE space = ? AND id = ? AND is_anonymous = ?"


class Served(NamedTuple):
    """What the copy has of one id, all at one moment."""

    clock_at: int
    """What the clock of the space showed, in µs."""
    found: Mapping[str, object] | None
    """The object; None: there is none."""
    times: Mapping[str, Sequence[int] | None]
    """What demands ask for, by their keys, the earliest first, where there is something. None: they are too
    many to be kept."""
    demands: Collection[str]
    """The keys of the demands that are kept."""


class ServingReader:
    """Reads the copy beside its writer, from any thread, on connections of its own."""

    def __init__(self, folder: Path) -> None:
        """Read the copy of a data folder, which is there."""
        self._uri = f"{(folder / FILE).absolute().as_uri()}?mode=ro"
        self._idle: list[sqlite3.Connection] = []

    def find(self, space: str, user_id: str, *, is_anonymous: bool) -> Mapping[str, object] | None:
        """Return the object of an id as stored, as in `Store.users`; None: there is none.

        Raises:
            StoreError: the copy cannot be read.
        """
        with self._reading() as connection:
            row = connection.execute(_OBJECT, [space, user_id, is_anonymous]).fetchone()
        return msgspec.json.decode(row[0], type=dict[str, object]) if row else None

    def find_served(self, space: str, user: UserId) -> Served | None:
        """Return what decisions need of an id as stored; None: there is no copy of the space.

        Raises:
            StoreError: the copy cannot be read.
        """
        with self._reading() as connection:
            connection.execute("BEGIN")
            try:
                return _served(connection, space, user)
            finally:
                connection.execute("COMMIT")

    @contextmanager
    def _reading(self) -> Iterator[sqlite3.Connection]:
        """Let a block have a connection for itself."""
        try:
            connection = self._taken()
            try:
                yield connection
            finally:
                self._idle.append(connection)
        except sqlite3.Error as error:
            raise StoreError(
                f"the serving copy cannot be read: {error}",
                hint="see whether too many files are open; a damaged copy is made anew at the next start",
            ) from error

    def _taken(self) -> sqlite3.Connection:
        try:
            return self._idle.pop()
        except IndexError:
            return sqlite3.connect(self._uri, uri=True, isolation_level=None, check_same_thread=False)

    def close(self) -> None:
        """Close all connections; nobody may be reading."""
        while self._idle:
            self._idle.pop().close()


def _served(connection: sqlite3.Connection, space: str, user: UserId) -> Served | None:
    clock = connection.execute("SELECT clock_at FROM folds WHERE space = ?", [space]).fetchone()
    if clock is None:
        return None
    kept = "SELECT number, key FROM demands WHERE space = ? AND part >= parts"
    keys = dict(connection.execute(kept, [space]).fetchall())
    row = connection.execute(_OBJECT, [space, *user]).fetchone()
    facts = connection.execute(_FACTS, [space, *user]).fetchall()
    times = {keys[number]: _unpacked(packed) for number, packed in facts if number in keys}
    found = msgspec.json.decode(row[0], type=dict[str, object]) if row else None
    return Served(clock[0], found, times, keys.values())


def _unpacked(packed: bytes | None) -> Sequence[int] | None:
    if packed is None:
        return None
    times = array("q")
    times.frombytes(packed)
    return times
