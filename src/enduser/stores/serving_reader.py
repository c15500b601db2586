"""Reading the serving copy, in any process, while the owner of the data folder writes it."""

from __future__ import annotations

import sqlite3
from array import array
from collections.abc import Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import msgspec

from enduser.core.events import UserId
from enduser.errors import StoreError
from enduser.stores.serving import FILE

_OBJECT = "SELECT object FROM objects WHERE space = ? AND id = ? AND is_anonymous = ?"
_KEPT = "SELECT number, key FROM demands WHERE space = ? AND part >= parts"
_SHARES = "SELECT key, min(part, parts) * 1.0 / parts FROM demands WHERE space = ?"
_WAITING = "SELECT space, sum(part < parts) FROM demands GROUP BY space"
_FOLD = "SELECT fold, clock_at FROM folds WHERE space = ?"
_FACTS = "SELECT demand, times FROM facts WHERE space = ? AND id = ? AND is_anonymous = ?"


class Served(NamedTuple):
    """What the copy has of one id, all at one moment."""

    fold: int
    """Up to which fold the copy is."""
    clock_at: int
    """What the clock of the space showed, in µs."""
    found: Mapping[str, object] | None
    """The object; None: there is none."""
    times: Mapping[str, Sequence[int] | None]
    """What demands ask for, by their keys, the earliest first, where there is something. None: they are too
    many to be kept."""
    demands: AbstractSet[str]
    """The keys of the demands that are kept."""


class Lookups(NamedTuple):
    """How far what decisions ask for is looked up, in a space that has a copy."""

    fold: int
    """Up to which fold the copy is."""
    shares: Mapping[str, float]
    """Of each demand by its key, for which share of the users; 1: it is kept."""


class ServingReader:
    """Reads the copy beside its writer, from any thread, on connections of its own."""

    def __init__(self, folder: Path) -> None:
        """Read the copy of a data folder, which is there."""
        self._uri = f"{(folder / FILE).absolute().as_uri()}?mode=ro"
        self._idle: list[_Reading] = []

    def find(self, space: str, user_id: str, *, is_anonymous: bool) -> Mapping[str, object] | None:
        """Return the object of an id as stored, as in `Store.users`; None: there is none.

        Raises:
            StoreError: the copy cannot be read.
        """
        with self._reading() as reading:
            row = reading.connection.execute(_OBJECT, [space, user_id, is_anonymous]).fetchone()
        return msgspec.json.decode(row[0], type=dict[str, object]) if row else None

    def find_served(self, space: str, user: UserId | None) -> Served | None:
        """Return what decisions need of an id as stored, or of nobody; None: there is no copy of the space.

        Raises:
            StoreError: the copy cannot be read.
        """
        with self._reading() as reading:
            reading.connection.execute("BEGIN")
            try:
                return reading.served(space, user)
            finally:
                reading.connection.execute("COMMIT")

    def lookups(self, space: str) -> Lookups | None:
        """Return how far what decisions ask for is looked up; None: there is no copy of the space.

        Raises:
            StoreError: the copy cannot be read.
        """
        with self._reading() as reading:
            row = reading.connection.execute(_FOLD, [space]).fetchone()
            shares = dict(reading.connection.execute(_SHARES, [space]).fetchall())
        return Lookups(row[0], shares) if row else None

    def waiting(self) -> dict[str, int]:
        """Return by space how many demands are not kept yet; of spaces that have some.

        Raises:
            StoreError: the copy cannot be read.
        """
        with self._reading() as reading:
            return dict(reading.connection.execute(_WAITING).fetchall())

    @contextmanager
    def _reading(self) -> Iterator[_Reading]:
        """Let a block have a connection for itself."""
        try:
            reading = self._taken()
            try:
                yield reading
            finally:
                self._idle.append(reading)
        except sqlite3.Error as error:
            raise StoreError(
                f"the serving copy cannot be read: {error}",
                hint="see whether too many files are open; a damaged copy is made anew at the next start",
            ) from error

    def _taken(self) -> _Reading:
        try:
            return self._idle.pop()
        except IndexError:
            connection = sqlite3.connect(self._uri, uri=True, isolation_level=None, check_same_thread=False)
            return _Reading(connection)

    def close(self) -> None:
        """Close all connections; nobody may be reading."""
        while self._idle:
            self._idle.pop().connection.close()


class _Kept(NamedTuple):
    """The demands of a space that are kept: their keys by number, and all keys."""

    by_number: Mapping[int, str]
    keys: AbstractSet[str]


class _Reading:
    """A connection, and what it has read that stays until somebody writes."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self.connection = connection
        self._version: object = None
        self._kept: dict[str, _Kept] = {}

    def served(self, space: str, user: UserId | None) -> Served | None:
        """Return what there is of an id, within a transaction."""
        kept = self._demands(space)  # first of all: with what it reads a moment begins
        for fold, clock_at in self.connection.execute(_FOLD, [space]).fetchall():
            found, times = (None, {}) if user is None else self._of_user(space, user, kept.by_number)
            return Served(fold, clock_at, found, times, kept.keys)
        return None

    def _demands(self, space: str) -> _Kept:
        """Return the demands that are kept, which seldom are others."""
        (version,) = self.connection.execute("PRAGMA data_version").fetchone()
        if version != self._version:
            self._version = version
            self._kept.clear()
        if space not in self._kept:
            by_number = dict(self.connection.execute(_KEPT, [space]).fetchall())
            self._kept[space] = _Kept(by_number, frozenset(by_number.values()))
        return self._kept[space]

    def _of_user(
        self, space: str, user: UserId, kept: Mapping[int, str]
    ) -> tuple[Mapping[str, object] | None, Mapping[str, Sequence[int] | None]]:
        row = self.connection.execute(_OBJECT, [space, *user]).fetchone()
        facts = self.connection.execute(_FACTS, [space, *user]).fetchall()
        times = {kept[number]: _unpacked(packed) for number, packed in facts if number in kept}
        return msgspec.json.decode(row[0], type=dict[str, object]) if row else None, times


def _unpacked(packed: bytes | None) -> Sequence[int] | None:
    if packed is None:
        return None
    times = array("q")
    times.frombytes(packed)
    return times
