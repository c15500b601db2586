"""The database written into a new file: what was deleted is in none of its bytes (docs/decisions/0019).

The engine keeps bytes of deleted rows: in blocks that are free, in the gaps of those that are not, in its
log. Only what is copied has none of them.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

from enduser.errors import NoRoom
from enduser.stores.data_folder import make_durable
from enduser.stores.embedded.database import CATALOG, DATABASE_FILE, Database, new_file_of
from enduser.stores.embedded.engine import told
from enduser.stores.embedded.statements import text_literal

_ROOM_BYTES = 67_108_864
"""So much more than the old file must be free: what is written meanwhile needs some."""
_WHAT = "the database could not be written into a new file"
_HINT = "see whether the disk is full; it is tried again, and until then bytes of what was deleted stay"


def write_new_file(database: Database) -> Path:
    """Write all that there is into a new file beside the database, and return where that is.

    Nothing may change meanwhile.

    Raises:
        NoRoom: the disk has not room for both.
        StoreError: the file cannot be written.
    """
    path = database.folder / DATABASE_FILE
    new = new_file_of(database.folder)
    require_room(path)
    remove(new)
    try:
        with told(_WHAT, _HINT):
            _copy(database, new)
        make_durable(new)
    except BaseException:
        remove(new)
        raise
    return new


def _copy(database: Database, new: Path) -> None:
    run = database.connection.execute
    run(f"ATTACH {text_literal(new)} AS fresh")
    try:
        run(f"COPY FROM DATABASE {CATALOG} TO fresh (SCHEMA)")
        for table in _tables(database):
            run(f"INSERT INTO fresh.{table} FROM {CATALOG}.{table}")
        run("CHECKPOINT fresh")
    finally:
        run("DETACH fresh")


def _tables(database: Database) -> Iterator[str]:
    rows = database.connection.execute(
        "SELECT schema_name, table_name FROM duckdb_tables() WHERE database_name = $1 ORDER BY ALL", [CATALOG]
    ).fetchall()
    yield from (f'"{schema}"."{table}"' for schema, table in rows)


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


def require_room(path: Path) -> None:
    """Check that the disk has room for the database a second time.

    Raises:
        NoRoom: it has not.
    """
    wanted, free = path.stat().st_size + _ROOM_BYTES, shutil.disk_usage(path.parent).free
    if free < wanted:
        raise NoRoom(
            f"the database is to be written into a new file of up to {wanted:,} bytes, and the disk of the "
            f"data folder has {free:,} bytes free",
            hint="make room; it is tried again, and until then bytes of what was deleted stay",
        )


def remove(new: Path) -> None:
    """Remove a new file that is not wanted, with its log."""
    for path in (new, new.with_name(f"{new.name}.wal")):
        path.unlink(missing_ok=True)
