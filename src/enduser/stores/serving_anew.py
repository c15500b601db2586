"""The serving copy written into a new file, which has no byte of what was taken out before.

SQLite overwrites what is deleted where it stands, but not where it stood before: when it parts a page in two,
it keeps the bytes of what moved (3.40).
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from contextlib import closing
from pathlib import Path

from enduser.errors import StoreError
from enduser.stores import serving_files
from enduser.stores.contract import OwnedStore
from enduser.stores.data_folder import make_durable, require_room
from enduser.stores.serving import ServingCopy, telling

_CACHE_KB = 65_536
_STEPS_AT_ONCE = 1_000_000
"""Of SQLite's machine: after so many it is looked whether to stop."""


class NewCopy:
    """A copy in a new file, that takes the place of the one in use.

    It is written from the copy as it is at one moment, beside all that goes on, and catches up at last.
    """

    def __init__(self, copy: ServingCopy) -> None:
        """Begin, on the thread of the copy in use: it notes from now on what is taken out of it.

        Raises:
            StoreError: it cannot be changed.
        """
        self._copy = copy
        self._path = serving_files.unfinished(copy.path.parent)
        self._new: ServingCopy | None = None
        self._is_stopped = False
        serving_files.remove(self._path)
        copy.note()

    def write(self) -> None:
        """Write the file, for which there must be room; on any thread, for it may take minutes.

        Raises:
            StoreError: the file cannot be written, or it was to `stop`.
        """
        uri = f"{self._copy.path.absolute().as_uri()}?mode=rw"
        with telling(), closing(sqlite3.connect(uri, uri=True, isolation_level=None)) as connection:
            connection.set_progress_handler(lambda: self._is_stopped, _STEPS_AT_ONCE)
            connection.execute(f"PRAGMA cache_size = {-_CACHE_KB}")
            connection.execute("VACUUM INTO ?", [str(self._path)])
        make_durable(self._path)

    def stop(self) -> None:
        """Let `write` end soon, with an error; from any thread."""
        self._is_stopped = True

    def catch_up(self, store: OwnedStore, spaces: Iterable[str]) -> bool:
        """Take a step towards what the store has of some spaces; return whether all is there.

        On the thread of the copy. Of other spaces there is no copy for now, as of one that is made anew.

        Raises:
            StoreError: a file cannot be changed, or the store cannot be read.
        """
        new, followed = self._opened(), set(spaces)
        self._copy.lose_noted(new)
        for space in store.generations().keys() - followed:
            new.begin_anew(space)
        return all(new.follow(space, store) for space in followed)

    def take_place(self) -> None:
        """Let the copy go on with the new file. On its thread.

        Raises:
            StoreError: it cannot.
        """
        new = self._opened()
        self._copy.lose_noted(new)
        new.close()
        with telling():
            if serving_files.has_log(self._path):
                raise sqlite3.OperationalError("its log could not be written into its file")
            self._copy.move_to(self._path)

    def close(self) -> None:
        """End it. Where it has not taken the place of the copy, that goes on, with nothing beside it."""
        if self._new is not None:
            self._new.close()
        serving_files.remove(self._path)
        self._copy.note_no_more()

    def _opened(self) -> ServingCopy:
        if not self._copy.is_noting:
            raise StoreError(
                "the serving copy has lost a space while it was written anew", hint="it is tried again"
            )
        if self._new is None:
            self._new = ServingCopy(self._path.parent, self._path)
            self._new.note_no_more()
        return self._new


def write_anew(folder: Path) -> None:
    """Write the copy of a data folder anew, where nobody else has it open; there must be room for it.

    Raises:
        StoreError: it cannot be written.
    """
    serving_files.remove_others(folder)
    if serving_files.newest(folder) is None:
        return
    with closing(ServingCopy(folder)) as copy:
        new = NewCopy(copy)
        try:
            new.write()
            new.take_place()
        finally:
            new.close()


def require_room_for_copy(folder: Path) -> None:
    """Check that the disk has room for the copy of a data folder a second time.

    Raises:
        NoRoom: it has not.
    """
    if path := serving_files.newest(folder):
        require_room("the serving copy", serving_files.size(path), folder)
