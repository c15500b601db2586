"""The file of the database: opened again, written anew, and whether it has bytes of what was forgotten."""

from __future__ import annotations

from enduser.stores import scratch
from enduser.stores.answers import BytesDue
from enduser.stores.contract import NewFile
from enduser.stores.embedded import rewriting
from enduser.stores.embedded.database import Database
from enduser.stores.embedded.engine import ANSWER, told
from enduser.stores.embedded.looks import Looks
from enduser.stores.embedded.parts.part import Part
from enduser.stores.embedded.statements import run
from enduser.stores.records import Lookups

_SWAP_PATIENCE_S = 5.0
"""So long reads may go on when the database is about to be replaced; others wait meanwhile."""


class DatabaseFile(Part):
    """See `enduser.stores.contract` for what each method means."""

    def __init__(self, database: Database, looks: Looks, lookups: Lookups) -> None:
        """Have begun no other file."""
        super().__init__(database, looks, lookups)
        self._new_file: rewriting.NewFile | None = None
        """The last file that was begun beside the database."""

    def heal(self) -> None:
        """Make the store usable again after it failed, if that can be done."""
        if self._database.is_usable():
            return
        if self._new_file is not None:
            self._new_file.stop()
        self.looks.close()  # the engine forgets a database only when nobody holds it
        self._database.reopen()
        self.looks.begin(self._database.connection)
        self._intake.cut_files()

    def require_room(self) -> None:
        """Check that the disk has room for the database a second time."""
        rewriting.require_room_for_database(self._database)

    def new_file(self) -> rewriting.NewFile:
        """Begin to write the database into a new file."""
        self._new_file = rewriting.NewFile(self._database)
        return self._new_file

    def replace_file(self, new: NewFile) -> None:
        """Go on with a new file."""
        assert isinstance(new, rewriting.NewFile)
        new.finish()
        rows = self._database.folder / scratch.FOLDER / "file-rows.parquet"
        rows.parent.mkdir(exist_ok=True)
        try:
            is_importing = rewriting.keep_file_rows(self._database, rows)
            self.looks.close(_SWAP_PATIENCE_S)
            self._intake.cut_files()
            self._database.replace(new.path)
            if is_importing:
                rewriting.bring_file_rows(self._database, rows)
            self._intake.mend_files()
        finally:
            if self._database.is_usable():  # else reads wait until it is, see `heal`
                self.looks.begin(self._database.connection)
            rewriting.remove(new.path)
            rows.unlink(missing_ok=True)

    def lasting_reads(self) -> int:
        """Return how many reads are made now that may last."""
        return self.looks.lasting

    def bytes_due(self) -> BytesDue | None:
        """Return what is forgotten of which files may have bytes still."""
        with told(ANSWER):
            erased = run(self._database.connection, "erasures.due")
            runs = run(self._database.connection, "erasures.due_runs")
        since = [at for *_, at in (*erased, *runs)]
        numbers = tuple(number for number, _ in erased)
        return BytesDue(min(since), numbers, {n: amount for n, amount, _ in runs}) if since else None

    def note_gone(self, due: BytesDue, now: int) -> None:
        """Note that no file has a byte of what was due any more."""
        with self._database.changing("main"):
            run(
                self._database.connection,
                "erasures.note_gone",
                erasures=list(due.erasures),
                runs=list(due.runs),
                amounts=list(due.runs.values()),
                now=now,
            )
