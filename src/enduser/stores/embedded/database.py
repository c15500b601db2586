"""Opening the DuckDB file of a data folder: macros, variables, migrations, spaces."""

from __future__ import annotations

import os
import re
import secrets
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from importlib.resources import files
from pathlib import Path

import duckdb

from enduser import limits
from enduser.core.events import BLANKS, JUNK_IDS
from enduser.errors import InvalidSpace, SchemaTooNew, StoreError
from enduser.stores.data_folder import make_durable
from enduser.stores.embedded import registry
from enduser.stores.embedded.engine import ANSWER, CHANGE, told
from enduser.stores.embedded.statements import Rows, run

USER_KEY_SQL = "(id_hash >> 65)::BIGINT"
"""The key of an id: 63 bits of its keyed hash; tests inject a weak one to see keys collide."""

DATABASE_FILE = "enduser.duckdb"
CATALOG = Path(DATABASE_FILE).stem
"""What the engine calls the database."""

CHECKPOINT_THRESHOLD = "128MB"
"""How long the write-ahead log may grow: a checkpoint at 10M users takes half a second, and replaying this
much after a crash about one."""

VACUUM_TASKS_MAX = 25
"""How often a checkpoint may close up row groups of a table that have gaps, two or three at once. By default,
100, some took 3.4 s at 10M users, and the file grew by 12 % for room; like this 1.5 s and 5 %, and deleted
rows still go as fast as they come (November 2026)."""


class Database:
    """The database of a data folder, and the two ways to work in it: looking, and changing in one piece."""

    def __init__(self, folder: Path, *, memory_limit_mb: int, user_key_sql: str = USER_KEY_SQL) -> None:
        """Open it, brought to the newest schema.

        Raises:
            SchemaTooNew: a later version of enduser wrote it.
            StoreError: the file cannot be opened.
        """
        self.folder = folder
        self._open = partial(connect, folder, memory_limit_mb=memory_limit_mb, user_key_sql=user_key_sql)
        self.connection = self._open()

    def close(self) -> None:
        """Close the file, writing what is only in the log so far."""
        self.connection.close()

    def is_usable(self) -> bool:
        """Return whether the engine still answers; it may not after the disk was full."""
        try:
            self.connection.execute("SELECT 1").fetchall()
        except duckdb.Error:
            return False
        return True

    def reopen(self) -> None:
        """Open the file again; what was temporary is gone.

        Raises:
            StoreError: the file cannot be opened.
        """
        self.connection.close()
        self.connection = self._open()

    def replace(self, new: Path) -> None:
        """Go on with a file that was written anew, in place of the one that is open.

        The process may be killed at any time: the file of the name is the old one, whole, or the new one.

        Raises:
            StoreError: somebody has the old file open still, so it stays; or no file can be opened.
        """
        path = self.folder / DATABASE_FILE
        self.connection.close()  # what was only in its log is in the file then, and the log is gone
        try:
            if path.with_name(f"{path.name}.wal").exists() or _is_open(path):
                raise StoreError("the database is in use, and cannot be replaced", hint="it is tried again")
            new.replace(path)
            make_durable(self.folder)
        finally:
            self.connection = self._open()

    def checkpoint(self) -> None:
        """Write into the file what is only in its log, if that can be done now; else it is done later."""
        with suppress(StoreError):
            self.execute("CHECKPOINT")

    def execute(self, query: str, parameters: Sequence[object] = ()) -> Rows:
        """Run one statement and return its rows.

        Raises:
            StoreError: the engine failed.
        """
        with told(ANSWER):
            return self.connection.execute(query, list(parameters)).fetchall()

    def spaces(self) -> list[tuple[str, str]]:
        """Return (space, schema) of all spaces, oldest first."""
        with told(ANSWER):
            return spaces(self.connection)

    def schema(self, space: str) -> str:
        """Return the schema in which the tables of a space stand.

        Raises:
            InvalidSpace: there is no such space.
        """
        with told(ANSWER):
            return schema_of(self.connection, space)

    def columns(self) -> Sequence[registry.Column]:
        """Return the custom attributes with their columns, the oldest first."""
        with told(ANSWER):
            return registry.columns(self.connection)

    @contextmanager
    def looking_at(self, schema: str) -> Iterator[None]:
        """Run a block with the tables of a schema in sight.

        Raises:
            StoreError: the engine failed.
        """
        self.execute(f"SET search_path = '{schema}'")
        try:
            with told(ANSWER):
                yield
        except BaseException:
            with suppress(StoreError):  # in a failed transaction: who began it rolls back, and sets it
                self.execute("SET search_path = 'main'")
            raise
        self.execute("SET search_path = 'main'")

    @contextmanager
    def changing(self, schema: str) -> Iterator[None]:
        """Run a block whole or not at all, durably, in the tables of a schema.

        Raises:
            StoreError: the engine refused something; nothing of the block was applied.
        """
        with self.looking_at(schema):
            self.execute("BEGIN")
            try:
                with told(CHANGE):
                    yield
                    self._commit()
            except BaseException:
                with suppress(StoreError):  # the failed statement may have rolled back already
                    self.execute("ROLLBACK")
                raise

    def _commit(self) -> None:
        self.connection.execute("COMMIT")


def connect(folder: Path, *, memory_limit_mb: int, user_key_sql: str) -> duckdb.DuckDBPyConnection:
    """Open the database file of `folder`, brought to the newest schema.

    Raises:
        SchemaTooNew: a later version of enduser wrote it.
        StoreError: the file cannot be opened.
    """
    config: dict[str, str | bool | int | float | list[str]] = {
        "memory_limit": f"{memory_limit_mb}MB",
        "temp_directory": str(folder / "tmp"),
        "TimeZone": "UTC",
        "checkpoint_threshold": CHECKPOINT_THRESHOLD,
        "max_vacuum_tasks": VACUUM_TASKS_MAX,
        "autoinstall_known_extensions": "false",
    }
    path = folder / DATABASE_FILE
    with told(
        f"the database {path} cannot be opened", "restore it from a backup, or move it away to begin anew"
    ):
        if not path.exists():
            _create(path)
        connection = duckdb.connect(str(path), config=config)
    for left in (*(folder / "tmp").glob("duckdb_temp_*"), *folder.glob(f"{new_file_of(folder).name}*")):
        left.unlink(missing_ok=True)  # gigabytes, by a process that was killed
    with told(f"the database {path} cannot be brought to the newest schema"):
        prepare(connection, user_key_sql)
        _migrate_main(connection)
    return connection


def _is_open(path: Path) -> bool:
    """Return whether this process has a file open: the engine would go on with it, whatever replaced it."""
    wanted = path.stat()
    for entry in Path("/proc/self/fd").iterdir():
        with suppress(FileNotFoundError):
            if os.path.samestat(entry.stat(), wanted):
                return True
    return False


def new_file_of(folder: Path) -> Path:
    """Return where the database of a folder is written whole before it gets its name."""
    return folder / f"{DATABASE_FILE}.new"


def _create(path: Path) -> None:
    """Create an empty database whole or not at all: DuckDB cannot open a file that it did not finish."""
    unfinished = new_file_of(path.parent)
    unfinished.unlink(missing_ok=True)
    duckdb.connect(str(unfinished)).close()
    unfinished.replace(path)


def prepare(connection: duckdb.DuckDBPyConnection, user_key_sql: str = USER_KEY_SQL) -> None:
    """Give a connection the macros and variables that the statements use."""
    connection.execute("SET enable_progress_bar = false")
    connection.execute("SET VARIABLE junk_id = $1", ["|".join(map(_in_any_case, sorted(JUNK_IDS)))])
    connection.execute("SET VARIABLE blanks = $1", [BLANKS])
    connection.execute("SET VARIABLE property_characters_max = $1", [limits.PROPERTY_CHARACTERS_MAX])
    connection.execute("SET VARIABLE blank_edge = $1", [f"^[{BLANKS}]|[{BLANKS}]$"])
    connection.execute(f"CREATE OR REPLACE TEMP MACRO user_key_of(id_hash) AS {user_key_sql}")
    run(connection, "functions.functions")
    run(connection, "taking.file_rows")


def _in_any_case(word: str) -> str:
    """Return the expression of an ASCII word in any case; `(?i)` would also fold other letters into it."""
    return "".join(f"[{c}{c.upper()}]" if c.isalpha() else re.escape(c) for c in word)


def migrations(kind: str) -> list[tuple[int, str]]:
    """Return the migrations of `main` or `space` as (number, SQL), in order."""
    folder = files(__package__).joinpath("migrations")
    named = sorted(f.name for f in folder.iterdir() if f.name.startswith(f"{kind}_"))
    return [
        (int(re.findall(r"\d+", name)[0]), folder.joinpath(name).read_text(encoding="utf-8"))
        for name in named
    ]


def _migrate_main(connection: duckdb.DuckDBPyConnection) -> None:
    connection.execute("BEGIN")
    connection.execute("CREATE TABLE IF NOT EXISTS main.schema_versions (scope VARCHAR, version INTEGER)")
    _migrate(connection, "main", "main")
    for _, schema in spaces(connection):
        _migrate(connection, "space", schema)
    connection.execute("COMMIT")
    connection.execute("SET search_path = 'main'")


def _migrate(connection: duckdb.DuckDBPyConnection, kind: str, schema: str) -> None:
    rows = connection.execute(
        "SELECT max(version) FROM main.schema_versions WHERE scope = $1", [schema]
    ).fetchall()
    version = rows[0][0] or 0
    steps = migrations(kind)
    if version > steps[-1][0]:
        raise SchemaTooNew(
            f"the data folder has schema version {version} of {schema}; "
            f"this enduser knows up to {steps[-1][0]}",
            hint="use the version of enduser that wrote it, or a later one",
        )
    for number, text in steps:
        if number > version:
            connection.execute(f"SET search_path = '{schema}'")
            connection.execute(text)
            connection.execute("INSERT INTO main.schema_versions VALUES ($1, $2)", [schema, number])


def spaces(connection: duckdb.DuckDBPyConnection) -> list[tuple[str, str]]:
    """Return (space, schema) of all spaces, oldest first."""
    return connection.execute(
        "SELECT space, schema_name FROM main.spaces ORDER BY created_at, schema_name"
    ).fetchall()


def guids(connection: duckdb.DuckDBPyConnection) -> dict[str, str]:
    """Return the GUID of each space, the oldest first."""
    query = "SELECT space, guid FROM main.spaces ORDER BY created_at, schema_name"
    return dict(connection.execute(query).fetchall())


def secret_of(connection: duckdb.DuckDBPyConnection, space: str) -> str:
    """Return the secret by which the ids of a space that is there are hashed to keys."""
    ((secret,),) = connection.execute("SELECT secret FROM main.spaces WHERE space = $1", [space]).fetchall()
    return str(secret)


def schema_of(connection: duckdb.DuckDBPyConnection, space: str) -> str:
    """Return the schema in which the tables of a space stand.

    Raises:
        InvalidSpace: there is no such space.
    """
    known = dict(spaces(connection))
    if space not in known:
        wanted = space if space.count("/") == 1 else "SYSTEM/ENVIRONMENT"
        raise InvalidSpace(
            f"there is no space {space!r}",
            hint=f"the spaces are: {', '.join(known)}; to have another: enduser systems create {wanted}",
        )
    return known[space]


def create_space(connection: duckdb.DuckDBPyConnection, space: str, now_us: int) -> str:
    """Create the tables of a new space and return its schema."""
    schema = f"space_{len(spaces(connection)) + 1}"
    connection.execute(f"CREATE SCHEMA IF NOT EXISTS {schema}")
    _migrate(connection, "space", schema)
    for column in registry.columns(connection):
        registry.add_column(connection, schema, column)
    connection.execute(
        "INSERT INTO main.spaces VALUES ($1, $2, $3, $4, $5)",
        [space, schema, secrets.token_hex(16), now_us, str(uuid.uuid4())],
    )
    create_write_key(connection, space, now_us)
    return schema


def space_number(schema: str) -> int:
    """Return the number by which the spool names the space of a schema."""
    return int(schema.removeprefix("space_"))


def create_write_key(connection: duckdb.DuckDBPyConnection, space: str, now_us: int) -> str:
    """Give a space another write key."""
    key = secrets.token_hex(16)
    connection.execute("INSERT INTO main.write_keys VALUES ($1, $2, $3, NULL)", [space, key, now_us])
    return key
