"""Who takes events into the spaces, from one chunk to the next."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from enduser.errors import StoreError
from enduser.stores.answers import Applied
from enduser.stores.embedded.database import Database
from enduser.stores.embedded.reading import Look
from enduser.stores.embedded.taking import EventTaker
from enduser.stores.records import EventChunk, Lookups


class Intake:
    """Takes chunks of events, and keeps who takes them while the space is the same.

    He must be forgotten where settings are others, or his tables are gone.
    """

    def __init__(self, database: Database, lookups: Lookups) -> None:
        """Take into a database."""
        self._database = database
        self._lookups = lookups
        self._taker: tuple[str, EventTaker] | None = None
        self._cut_files: set[str] = set()
        """Spaces into which a file was being taken, perhaps, when the database was opened anew."""

    def taker(self, space: str) -> EventTaker:
        """Return who takes events into a space whose tables are in sight."""
        if self._taker is None or self._taker[0] != space:
            naming = Look(self._database.connection, space).naming()
            self._taker = (space, EventTaker(space, naming, self._lookups))
        return self._taker[1]

    def take(self, space: str, record: EventChunk) -> Applied:
        """Take a chunk of a file into a space whose tables are in sight.

        Raises:
            StoreError: the database was opened anew since the file was begun.
            InputError, LimitExceeded: as `EventTaker.take`.
        """
        self._require_whole_file(space, is_first=record.is_first)
        return self.taker(space).take(record)

    def _require_whole_file(self, space: str, *, is_first: bool) -> None:
        """Check that what was counted of a file is still known; rows without an id are told apart by it."""
        if is_first:
            self._cut_files.discard(space)
        elif space in self._cut_files:
            raise StoreError(
                f"the database was opened anew within an import into {space}",
                hint="run the same command again to finish: nothing is taken twice",
            )

    def forget(self) -> None:
        """Forget who takes events: another must take the next."""
        self._taker = None

    @contextmanager
    def forgets_on_failure(self) -> Iterator[None]:
        """Run a transaction; with it the tables of who takes are rolled back too."""
        try:
            yield
        except BaseException:
            self.forget()
            raise

    def cut_files(self) -> None:
        """Let no file go on that was begun: the database is opened anew."""
        self.forget()
        self._cut_files = {space for space, _ in self._database.spaces()}

    def mend_files(self) -> None:
        """Let files go on: what was counted of them is there again."""
        self._cut_files = set()
