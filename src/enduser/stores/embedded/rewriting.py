"""The database written into a new file: what was deleted is in none of its bytes (docs/decisions/0019).

The engine keeps bytes of deleted rows: in blocks that are free, in the gaps of those that are not, in its
log. Only what is copied has none of them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

import duckdb

from enduser.errors import StoreError
from enduser.stores.data_folder import make_durable, require_room
from enduser.stores.embedded.database import CATALOG, DATABASE_FILE, Database, new_file_of
from enduser.stores.embedded.engine import told
from enduser.stores.embedded.statements import Rows, text_literal

_WHAT = "the database could not be written into a new file"
_HINT = "see whether the disk is full; it is tried again, and until then bytes of what was deleted stay"
_BUCKETS = 65_536
_COLUMNS = (
    "SELECT schema_name, table_name, column_name, data_type FROM duckdb_columns() "
    "WHERE database_name = $1 ORDER BY schema_name, table_name, column_index"
)
_SEQUENCES = "SELECT sequence_oid, last_value FROM duckdb_sequences() WHERE database_name = $1 ORDER BY ALL"
_ATTRIBUTES = f"SELECT rowid, number FROM {CATALOG}.main.attributes ORDER BY ALL"
"""One that is changed is another row: it may have got another type, and then its own again."""
_EMPTIED = f"SELECT number, contents FROM {CATALOG}.main.retention_runs WHERE contents > 0 ORDER BY number"
"""Which content of old events went."""


class Large(NamedTuple):
    """A table that is copied while it changes: rows come at its end, and go; few are changed in place."""

    identity: Sequence[str]
    """The columns that tell its rows apart."""
    changing: Sequence[str] = ()
    """The columns of which statements change values in place."""
    is_parted: bool = False
    """Whether it is compared part by part, so that only those that are others are copied again."""

    @property
    def digest(self) -> str:
        """What is the same as long as the same rows say the same."""
        return f"count(*), sum(hash({', '.join((*self.identity, *self.changing))}))"


LARGE: Mapping[str, Large] = {
    "candidates": Large(("user_key", "run", "row")),
    "events": Large(
        ("user_key", "client_at", "message_key"),
        ("place_id", "browser_id", "anonymous_id", "previous_id"),
        is_parted=True,
    ),
    "sessions": Large(("person_key", "started_at")),
    "user_ids": Large(("user_key",)),
    "users": Large(("person_key",), ("begins_after",)),
}
"""What is not here is small, or changes too much to be copied before. Of events that are too old the content
is changed in place too: then what was copied before is worth nothing."""


class _Table(NamedTuple):
    """A large table of a space, up to its last row when the copy was begun."""

    name: str
    kind: Large
    last: int

    @property
    def old(self) -> str:
        """Its rows of then that are there still."""
        return f"{CATALOG}.{self.name} WHERE rowid <= {self.last}"


class NewFile:
    """A new file beside the database, to take its place.

    The large tables can be copied while all goes on. While one transaction holds the database of when that
    began, the engine moves no row to another place: what came since is behind the last row of then, and what
    went is found by what is left of the rows before.
    """

    def __init__(self, database: Database) -> None:
        """Begin, on the thread that changes the database.

        Raises:
            NoRoom: the disk has no room for both.
            StoreError: the file cannot be written.
        """
        self.path = new_file_of(database.folder)
        self._database = database
        self._is_stopped = False
        self._digests: dict[str, Mapping[int, object]] = {}
        """Of each table that is parted, the digests of its parts, when all is copied."""
        require_room_for_database(database)
        with told(_WHAT, _HINT):
            self._layout = self._layout_now()
            self._attach()
            self._holding, self._copying = self._looking_at_now(), self._looking_at_now()
            self._large = [self._large_table(*names) for names in self._tables() if names[1] in LARGE]

    def write(self) -> None:
        """Copy the large tables, on any thread; what changes meanwhile is brought over later.

        Raises:
            StoreError: the file cannot be written, or it was to `stop`.
        """
        try:
            with told(_WHAT, _HINT):
                for table in self._large:
                    self._require_going_on()
                    self._copying.execute(f"INSERT INTO fresh.{table.name} FROM {CATALOG}.{table.name}")
                self._copying.execute("COMMIT")
                for table in self._large:
                    if table.kind.is_parted:
                        self._require_going_on()
                        self._digests[table.name] = _digests(self._copying, table, f"fresh.{table.name}")
        except duckdb.InterruptException:
            self._require_going_on()
            raise

    def stop(self) -> None:
        """Let `write` end soon, with an error; from any thread. It may not hear the first time."""
        self._is_stopped = True
        with suppress(duckdb.ConnectionException):  # it is closed
            self._copying.interrupt()

    def _require_going_on(self) -> None:
        if self._is_stopped:
            raise StoreError("the new file of the database is given up: it was to be stopped", hint=_HINT)

    def finish(self) -> None:
        """Let the file have all that there is now; on the thread that changes the database.

        Until the file takes its place nothing may change any more. What was copied before is brought up to
        now; where that cannot be done, all is copied now.

        Raises:
            StoreError: the file cannot be written.
        """
        with told(_WHAT, _HINT):
            is_copied = all(table.name in self._digests for table in self._large if table.kind.is_parted)
            if not (is_copied and self._layout_now() == self._layout and self._is_brought_up()):
                self._attach()
                for table in self._names():
                    self._connection.execute(f"INSERT INTO fresh.{table} FROM {CATALOG}.{table}")
            self._holding.close()
            self._copying.close()
            self._connection.execute("CHECKPOINT fresh")
            self._connection.execute("DETACH fresh")
        make_durable(self.path)

    def close(self) -> None:
        """Leave nothing of the file, unless it took the place of the database."""
        self._holding.close()
        self._copying.close()
        if self._database.is_usable():
            with told(_WHAT, _HINT):
                self._detach()
        remove(self.path)

    # --- bringing up to now

    def _is_brought_up(self) -> bool:
        """Bring over what has changed since; return whether the file has the rows of the database then."""
        large = {table.name for table in self._large}
        for name in self._names():
            if name not in large:
                self._connection.execute(f"INSERT INTO fresh.{name} FROM {CATALOG}.{name}")
        for table in self._large:
            if table.kind.is_parted:
                self._renew_changed_parts(table)
            else:
                self._drop_gone(table)
            self._connection.execute(
                f"INSERT INTO fresh.{table.name} FROM {CATALOG}.{table.name} WHERE rowid > {table.last}"
            )
        return all(self._is_same(table) for table in self._large)

    def _drop_gone(self, table: _Table) -> None:
        """Delete the rows that are not there any more."""
        if self._one(f"SELECT count(*) FROM {table.old}") == self._one(
            f"SELECT count(*) FROM fresh.{table.name}"
        ):
            return
        keys = ", ".join(table.kind.identity)
        self._connection.execute(
            f"DELETE FROM fresh.{table.name} WHERE rowid IN ("
            f"SELECT copied.rowid FROM fresh.{table.name} AS copied "
            f"ANTI JOIN (SELECT {keys} FROM {table.old}) AS left_of_then USING ({keys}))"
        )

    def _renew_changed_parts(self, table: _Table) -> None:
        """Copy those parts of a table again of which digests are others."""
        before, now = self._digests[table.name], _digests(self._connection, table, table.old)
        changed = [part for part in before.keys() | now.keys() if before.get(part) != now.get(part)]
        if changed:
            is_changed = f"user_key & {_BUCKETS - 1} IN ({', '.join(map(str, changed))})"
            self._connection.execute(f"DELETE FROM fresh.{table.name} WHERE {is_changed}")
            self._connection.execute(f"INSERT INTO fresh.{table.name} FROM {table.old} AND {is_changed}")

    def _is_same(self, table: _Table) -> bool:
        """Return whether a table has the same rows in both; parts of events are compared already."""
        asked = "count(*)" if table.kind.is_parted else table.kind.digest
        old, new = (f"SELECT {asked} FROM {catalog}.{table.name}" for catalog in (CATALOG, "fresh"))
        return self._connection.execute(old).fetchall() == self._connection.execute(new).fetchall()

    # --- the two databases

    def _attach(self) -> None:
        self._detach()
        remove(self.path)
        self._connection.execute(f"ATTACH {text_literal(self.path)} AS fresh")
        self._connection.execute(f"COPY FROM DATABASE {CATALOG} TO fresh (SCHEMA)")

    def _detach(self) -> None:
        self._connection.execute("DETACH DATABASE IF EXISTS fresh")

    def _layout_now(self) -> Sequence[Rows]:
        """Return what must be the same to the end, if what is copied before is to be of use."""
        return [self._connection.execute(query, [CATALOG]).fetchall() for query in (_COLUMNS, _SEQUENCES)] + [
            self._connection.execute(query).fetchall() for query in (_ATTRIBUTES, _EMPTIED)
        ]

    def _tables(self) -> list[tuple[str, str]]:
        """Return (schema, name) of each table."""
        return self._connection.execute(
            "SELECT schema_name, table_name FROM duckdb_tables() WHERE database_name = $1 ORDER BY ALL",
            [CATALOG],
        ).fetchall()

    def _names(self) -> list[str]:
        return [f'"{schema}"."{table}"' for schema, table in self._tables()]

    def _looking_at_now(self) -> duckdb.DuckDBPyConnection:
        """Return a cursor in a transaction that sees the database as it is now."""
        cursor = self._connection.cursor()
        cursor.execute("BEGIN")
        cursor.execute(f"FROM {CATALOG}.main.spaces").fetchall()  # with what it reads first that begins
        return cursor

    def _large_table(self, schema: str, table: str) -> _Table:
        name = f'"{schema}"."{table}"'
        ((last,),) = self._holding.execute(f"SELECT max(rowid) FROM {CATALOG}.{name}").fetchall()
        return _Table(name, LARGE[table], -1 if last is None else last)

    @property
    def _connection(self) -> duckdb.DuckDBPyConnection:
        return self._database.connection

    def _one(self, query: str) -> Any:
        ((found,),) = self._connection.execute(query).fetchall()
        return found


def _digests(connection: duckdb.DuckDBPyConnection, table: _Table, rows: str) -> Mapping[int, object]:
    """Return a digest of each part of some rows, by the part; a user has all his rows in one."""
    query = f"SELECT user_key & {_BUCKETS - 1} AS part, {table.kind.digest} FROM {rows} GROUP BY part"
    return {part: digest for part, *digest in connection.execute(query).fetchall()}


def require_room_for_database(database: Database) -> None:
    """Check that the disk has room for the database a second time.

    Raises:
        NoRoom: it has not.
    """
    require_room("the database", (database.folder / DATABASE_FILE).stat().st_size, database.folder)


def keep_file_rows(database: Database, path: Path) -> bool:
    """Keep what an import has counted of its file, a temporary table; return whether there is any."""
    with told(_WHAT, _HINT):
        ((is_importing,),) = database.connection.execute("SELECT EXISTS (FROM temp.file_rows)").fetchall()
        if is_importing:
            target = text_literal(path)
            database.connection.execute(f"COPY temp.file_rows TO {target} (FORMAT parquet)")
    return bool(is_importing)


def bring_file_rows(database: Database, path: Path) -> None:
    """Bring back what was kept."""
    with told(_WHAT, _HINT):
        database.connection.execute(f"INSERT INTO temp.file_rows FROM {text_literal(path)}")


def remove(new: Path) -> None:
    """Remove a new file that is not wanted, with its log."""
    for path in (new, new.with_name(f"{new.name}.wal")):
        path.unlink(missing_ok=True)
