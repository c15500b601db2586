"""The serving copy: one person's End User Object by id, in a SQLite file that any process may read.

It follows the truth fold by fold and can be made anew at any time. How it is written into another file, and
goes on there: `enduser.stores.serving_anew`.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from itertools import islice
from pathlib import Path
from typing import NamedTuple

import msgspec

from enduser import limits
from enduser.core.events import UserId
from enduser.errors import StoreError
from enduser.stores import serving_files
from enduser.stores.answers import ChangedObject
from enduser.stores.contract import OwnedStore
from enduser.stores.data_folder import make_durable
from enduser.stores.serving_facts import FACT_TABLES, ServedFacts

_ROWS_PER_INSERT = 10_000
_LOG_BYTES_MAX = 67_108_864
"""To which SQLite cuts its log off once it is in the file; a step of a copy made anew writes 500 MB of it."""
_BUSY_S = 5.0
"""How long to wait for another who writes."""
_TAKE_OUT_KB = 262_144
"""Memory for pages that change while many ids are taken out: with SQLite's 2 MB each is written often."""
_EDITION = 4
"""Another one, and copies of before are made anew."""

# An index beside the objects, not a table by id: ids come in no order, and only the small index is written
# here and there (half the time for 1.5 million, November 2026).
_TABLES = """
CREATE TABLE IF NOT EXISTS folds (
    space TEXT PRIMARY KEY, fold INTEGER NOT NULL, clock_at INTEGER NOT NULL
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS making (
    space TEXT PRIMARY KEY, fold INTEGER NOT NULL, part INTEGER NOT NULL, parts INTEGER NOT NULL
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS objects (
    space TEXT NOT NULL,
    id TEXT NOT NULL,
    is_anonymous INTEGER NOT NULL,
    object BLOB NOT NULL
);
CREATE UNIQUE INDEX IF NOT EXISTS objects_by_id ON objects (space, id, is_anonymous);
"""


def forget(folder: Path, space: str) -> None:
    """Take the objects of a space out of the copy in a data folder, if there is one, and overwrite them.

    The copy can be open elsewhere; with its next fold it has everything anew.
    """
    if serving_files.newest(folder) is None:
        return
    with closing(ServingCopy(folder)) as copy:
        copy.forget(space)


def take_out(folder: Path, space: str, users: Iterable[UserId]) -> None:
    """Take what some ids have out of the copy in a data folder, if there is one, durably, and overwrite it.

    No read of the copy finds it from then on. Its bytes may still stand there, until it is written anew.

    Raises:
        StoreError: it cannot be done.
    """
    if serving_files.newest(folder) is None:
        return
    with telling(), closing(ServingCopy(folder)) as copy:
        copy.take_out(space, users)


@contextmanager
def telling() -> Iterator[None]:
    """Run a block that changes the copy, and say what it means if that fails."""
    try:
        yield
    except sqlite3.Error as error:
        raise StoreError(
            f"the serving copy cannot be changed: {error}", hint="see whether the disk is full, and try again"
        ) from error


_DELETE = "DELETE FROM objects WHERE space = ? AND id = ? AND is_anonymous = ?"
_NOTED = "CREATE TABLE taken_out (space TEXT NOT NULL, id TEXT NOT NULL, is_anonymous INTEGER NOT NULL)"
_IS_NOTING = "SELECT EXISTS (SELECT 1 FROM sqlite_master WHERE name = 'taken_out')"
_NOTE_NO_MORE = "DROP TABLE IF EXISTS taken_out"
_CLEAR = """
DELETE FROM objects WHERE rowid IN (SELECT rowid FROM objects WHERE space = ? LIMIT ?)
"""


class _Making(NamedTuple):
    """How far a copy that is made anew is."""

    fold: int
    """The fold from which on changes are taken at the end."""
    part: int
    """The part that comes next; -1: the old copy is cleared before."""
    parts: int


class ServingCopy:
    """The copy in a data folder. One process writes it, on one thread; readers open it themselves."""

    def __init__(self, folder: Path, path: Path | None = None) -> None:
        """Open the copy, making it anew if it is missing, damaged or of another edition.

        It is the one in use, if no other `path` is given.

        Raises:
            StoreError: it cannot be opened or made.
        """
        self._path = path or serving_files.newest(folder) or serving_files.first(folder)
        with telling():
            self._connection = self._opened_or_anew()
        self._facts = ServedFacts(self._connection)

    @property
    def path(self) -> Path:
        """The file of the copy."""
        return self._path

    def _opened_or_anew(self) -> sqlite3.Connection:
        try:
            return self._opened()
        except sqlite3.DatabaseError as error:
            code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_CORRUPT)  # one that we raise has none
            if code & 0xFF not in {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}:
                raise  # nothing is wrong with it
            serving_files.remove(self._path)
            return self._opened()

    def _opened(self) -> sqlite3.Connection:
        """Return the file opened.

        Raises:
            sqlite3.DatabaseError: it is damaged, or of another edition.
        """
        is_new = not self._path.exists()
        connection = sqlite3.connect(
            self._path, timeout=_BUSY_S, isolation_level=None, check_same_thread=False
        )
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = NORMAL")
            connection.execute("PRAGMA secure_delete = ON")
            connection.execute(f"PRAGMA journal_size_limit = {_LOG_BYTES_MAX}")
            (edition,) = connection.execute("PRAGMA user_version").fetchone()
            if not is_new and edition != _EDITION:
                raise sqlite3.DatabaseError("another edition")  # noqa: TRY301 - to be closed, and made anew
            connection.execute(f"PRAGMA user_version = {_EDITION}")
            connection.executescript(_TABLES + FACT_TABLES)
        except BaseException:
            connection.close()
            raise
        return connection

    def close(self) -> None:
        """Close the file."""
        self._connection.close()

    def move_to(self, new: Path) -> None:
        """Go on with another file in place of this one, which goes with its bytes; readers follow.

        The process may be killed at any time: the one or the other is there then, whole.
        """
        path = serving_files.after(self._path)
        new.replace(path)
        try:
            make_durable(path.parent)
            other = ServingCopy(path.parent, path)
        except BaseException:
            serving_files.remove(path)  # there must be one only
            raise
        self._connection.close()
        self._path, self._connection, self._facts = other._path, other._connection, other._facts
        serving_files.remove_others(path.parent)

    def fold(self, space: str) -> int:
        """Return up to which fold the copy of a space is; 0: there is none."""
        row = self._execute("SELECT fold FROM folds WHERE space = ?", space).fetchone()
        return row[0] if row else 0

    def forget(self, space: str) -> None:
        """Take out the objects of a space, and leave no trace of them."""
        with self._changing():
            self._execute("DELETE FROM objects WHERE space = ?", space)
            self._execute("DELETE FROM folds WHERE space = ?", space)
            self._execute("DELETE FROM making WHERE space = ?", space)
            self._facts.forget(space)
            self._execute(_NOTE_NO_MORE)  # what is written anew just now has them: it is worth nothing
        # What is deleted is overwritten where it stands, but not where it stood before: when SQLite parts
        # a page in two, that keeps the bytes of what moved (3.40). A file that is written anew has none.
        self._execute("VACUUM")
        self._cut_log()

    def take_out(self, space: str, users: Iterable[UserId]) -> None:
        """Take out what some ids have, durably; a copy that is written anew after it has no trace of it."""
        self._execute("PRAGMA synchronous = FULL")
        self._execute(f"PRAGMA cache_size = {-_TAKE_OUT_KB}")
        rows = [(space, *user) for user in users]
        is_noting = self.is_noting
        with self._changing():
            self._take_out(rows)
            if is_noting:
                self._connection.executemany("INSERT INTO taken_out VALUES (?, ?, ?)", rows)
        if not is_noting:  # else somebody reads for minutes, and the log goes with the file
            self._cut_log()

    def _take_out(self, rows: Sequence[tuple[str, str, bool]]) -> None:
        self._connection.executemany(_DELETE, rows)
        self._facts.take_out(rows)
        self._facts.forget_places(rows)

    @property
    def is_noting(self) -> bool:
        """Whether it is noted what is taken out."""
        return bool(self._execute(_IS_NOTING).fetchone()[0])

    def note(self) -> None:
        """Note from now on what is taken out: a copy that is written anew must lose it too."""
        with telling(), self._changing():
            self._execute(_NOTE_NO_MORE)
            self._execute(_NOTED)

    def note_no_more(self) -> None:
        """Forget what was noted, and note nothing more."""
        with telling(), self._changing():
            self._execute(_NOTE_NO_MORE)

    def lose_noted(self, new: ServingCopy) -> None:
        """Let another copy lose what was noted since the last time."""
        with telling():
            rows = self._execute("SELECT space, id, is_anonymous FROM taken_out").fetchall()
            with new._changing():
                new._take_out(rows)
            self._execute("DELETE FROM taken_out")

    def _cut_log(self) -> None:
        """Bring the log into the file and leave nothing of it, unless somebody reads for too long."""
        self._execute("PRAGMA wal_checkpoint(TRUNCATE)")

    def follow(self, space: str, store: OwnedStore) -> bool:
        """Take a step towards the store, and return whether the copy of a space has all that the store has.

        A step lasts some seconds at most. A copy that must be made anew takes many: what was there is
        cleared, the objects are copied part by part, and at last what changed since the first step; before
        that it is no copy. A crash between two steps repeats none.

        Raises:
            StoreError: the copy cannot be changed, or the store cannot be read; nothing of the step was done.
        """
        with telling(), self._changing():
            making = self._making(space)
            if making is not None and making.part < making.parts:
                self._make(space, making, store)
                return False
            since = making.fold if making else self.fold(space)
            changes = store.changes(space, since)
            if changes.is_everything:
                self._begin(space, changes.fold, store.status(space).users)
                return False
            self._take(space, changes.users, with_facts=True)
            self._facts.follow(space, store, since)
            self._execute("DELETE FROM making WHERE space = ?", space)
            told = (space, changes.fold, changes.clock_at or 0)
            self._execute("INSERT OR REPLACE INTO folds VALUES (?, ?, ?)", *told)
            return True

    def fill(self, space: str, store: OwnedStore) -> bool:
        """Take a step towards all facts that decisions ask for, and return whether they are there.

        The copy must have all that the store has. A step lasts some seconds at most.

        Raises:
            StoreError: as of `follow`.
        """
        with telling(), self._changing():
            return self._facts.fill(space, store)

    def _making(self, space: str) -> _Making | None:
        row = self._execute("SELECT fold, part, parts FROM making WHERE space = ?", space).fetchone()
        return _Making(*row) if row else None

    def begin_anew(self, space: str) -> None:
        """Have no copy of a space, until it is made anew."""
        with telling(), self._changing():
            self._execute("DELETE FROM folds WHERE space = ?", space)
            self._execute("DELETE FROM making WHERE space = ?", space)

    def _begin(self, space: str, fold: int, users: int) -> None:
        self._execute("DELETE FROM folds WHERE space = ?", space)
        self._facts.begin(space)
        parts = users // limits.SERVED_AT_ONCE + 1
        self._execute("INSERT OR REPLACE INTO making VALUES (?, ?, -1, ?)", space, fold, parts)

    def _make(self, space: str, making: _Making, store: OwnedStore) -> None:
        """Clear a part of what was there, else copy the next part."""
        if making.part < 0:
            if self._execute(_CLEAR, space, limits.SERVED_AT_ONCE).rowcount or not self._facts.clear(space):
                return
        else:
            self._take(space, store.objects(space, making.part, making.parts))
        self._execute("UPDATE making SET part = part + 1 WHERE space = ?", space)

    def _take(self, space: str, users: Iterator[ChangedObject], *, with_facts: bool = False) -> None:
        """Take objects; with their facts, which are to be taken anew, the old ones go."""
        while rows := list(islice(users, _ROWS_PER_INSERT)):
            gone = [(space, id_, is_anonymous) for id_, is_anonymous, row in rows if row is None]
            there = [
                (space, id_, is_anonymous, msgspec.json.encode(row))
                for id_, is_anonymous, row in rows
                if row is not None
            ]
            self._connection.executemany("INSERT OR REPLACE INTO objects VALUES (?, ?, ?, ?)", there)
            self._connection.executemany(_DELETE, gone)
            if with_facts:
                self._facts.take_out((space, id_, is_anonymous) for id_, is_anonymous, _ in rows)

    @contextmanager
    def _changing(self) -> Iterator[None]:
        """Run a block whole or not at all."""
        self._execute("BEGIN IMMEDIATE")
        try:
            yield
            self._execute("COMMIT")
        except BaseException:
            self._execute("ROLLBACK")
            raise

    def _execute(self, query: str, *parameters: object) -> sqlite3.Cursor:
        return self._connection.execute(query, parameters)
