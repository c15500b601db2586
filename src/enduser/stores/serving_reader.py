"""Reading the serving copy, in any process, while the owner of the data folder writes it."""

from __future__ import annotations

import os
import sqlite3
from array import array
from collections.abc import Callable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from contextlib import suppress
from functools import cached_property
from pathlib import Path
from typing import NamedTuple, TypeVar

import msgspec

from enduser.core.events import UserId
from enduser.errors import StoreError
from enduser.stores import serving_files

_OBJECT = "SELECT object FROM objects WHERE space = ? AND id = ? AND is_anonymous = ?"
_KEPT = "SELECT number, key FROM demands WHERE space = ? AND part >= parts"
_SHARES = "SELECT key, min(part, parts) * 1.0 / parts FROM demands WHERE space = ?"
_WAITING = "SELECT space, sum(part < parts) FROM demands GROUP BY space"
_FOLD = "SELECT fold, clock_at FROM folds WHERE space = ?"
_FACTS = "SELECT demand, times FROM facts WHERE space = ? AND id = ? AND is_anonymous = ?"

Result = TypeVar("Result")


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
    """Reads the copy beside its writer, from any thread, on connections of its own.

    Another file may take the place of the copy at any time, and the bytes of the old one go. So what is read
    counts only if the file is there still; else it is read again.
    """

    def __init__(self, folder: Path) -> None:
        """Read the copy of a data folder."""
        self._folder = folder
        self._idle: list[_Reading] = []

    def find(self, space: str, user_id: str, *, is_anonymous: bool) -> Mapping[str, object] | None:
        """Return the object of an id as stored, as in `Store.users`; None: there is none.

        Raises:
            StoreError: the copy cannot be read.
        """
        key = [space, user_id, is_anonymous]
        row = self._read(lambda reading: reading.connection.execute(_OBJECT, key).fetchone())
        return msgspec.json.decode(row[0], type=dict[str, object]) if row else None

    def find_served(self, space: str, user: UserId | None) -> Served | None:
        """Return what decisions need of an id as stored, or of nobody; None: there is no copy of the space.

        Raises:
            StoreError: the copy cannot be read.
        """
        return self._read(lambda reading: reading.at_one_moment(lambda: reading.served(space, user)))

    def lookups(self, space: str) -> Lookups | None:
        """Return how far what decisions ask for is looked up; None: there is no copy of the space.

        Raises:
            StoreError: the copy cannot be read.
        """
        return self._read(lambda reading: reading.at_one_moment(lambda: reading.lookups(space)))

    def waiting(self) -> dict[str, int]:
        """Return by space how many demands are not kept yet; of spaces that have some.

        Raises:
            StoreError: the copy cannot be read.
        """
        return dict(self._read(lambda reading: reading.connection.execute(_WAITING).fetchall()))

    def _read(self, ask: Callable[[_Reading], Result]) -> Result:
        """Ask on a connection that nobody else uses meanwhile, of the file that is the copy."""
        while True:
            reading = self._idle_one() or _Reading(self._newest())
            try:
                found = ask(reading)
            except (sqlite3.Error, msgspec.DecodeError) as error:
                reading.close()
                if reading.is_current:
                    raise StoreError(
                        f"the serving copy cannot be read: {error}",
                        hint="see whether too many files are open; a damaged copy is made anew at the next "
                        "start",
                    ) from error
                continue
            if reading.is_current:
                self._idle.append(reading)
                return found
            reading.close()

    def _idle_one(self) -> _Reading | None:
        """Return a connection to the copy; those to one of before are closed."""
        with suppress(IndexError):
            while True:
                reading = self._idle.pop()
                if reading.is_current:
                    return reading
                reading.close()
        return None

    def _newest(self) -> Path:
        path = serving_files.newest(self._folder)
        if path is None:
            raise StoreError("there is no serving copy", hint="enduser serve makes it when it starts")
        return path

    def close(self) -> None:
        """Close all connections; nobody may be reading."""
        while self._idle:
            self._idle.pop().close()


class _Kept(NamedTuple):
    """The demands of a space that are kept: their keys by number, and all keys."""

    by_number: Mapping[int, str]
    keys: AbstractSet[str]


class _Reading:
    """A connection, and what it has read that stays until somebody writes."""

    def __init__(self, path: Path) -> None:
        self._path = str(path)
        self._version: object = None
        self._kept: dict[str, _Kept] = {}

    @cached_property
    def connection(self) -> sqlite3.Connection:
        uri = f"{Path(self._path).absolute().as_uri()}?mode=ro"
        connection = sqlite3.connect(uri, uri=True, isolation_level=None, check_same_thread=False)
        connection.execute("PRAGMA mmap_size = 0")  # the old file is made empty while it may be read
        return connection

    @property
    def is_current(self) -> bool:
        """Whether the file is still that of the copy."""
        return os.path.exists(self._path)  # noqa: PTH110 - half the time, after each read

    def close(self) -> None:
        if "connection" in vars(self):
            self.connection.close()

    def at_one_moment(self, ask: Callable[[], Result]) -> Result:
        self.connection.execute("BEGIN")
        try:
            return ask()
        finally:
            self.connection.execute("COMMIT")

    def served(self, space: str, user: UserId | None) -> Served | None:
        """Return what there is of an id, within a transaction."""
        kept = self._demands(space)  # first of all: with what it reads a moment begins
        for fold, clock_at in self.connection.execute(_FOLD, [space]).fetchall():
            found, times = (None, {}) if user is None else self._of_user(space, user, kept.by_number)
            return Served(fold, clock_at, found, times, kept.keys)
        return None

    def lookups(self, space: str) -> Lookups | None:
        """Return how far what is asked for is looked up, within a transaction."""
        for fold, _ in self.connection.execute(_FOLD, [space]).fetchall():
            return Lookups(fold, dict(self.connection.execute(_SHARES, [space]).fetchall()))
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
