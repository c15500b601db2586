"""The embedded store: one DuckDB file in a data folder, owned by this process."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Self

import duckdb

from enduser import limits
from enduser.core.end_user import STANDARD_ATTRIBUTES
from enduser.core.events import ANALYTICS_PROPERTIES, hashed_id
from enduser.core.settings import (
    SETTING_RULES,
    SpaceSettings,
    parse_setting,
    setting_text,
    settings_from_text,
)
from enduser.errors import InvalidSetting, InvalidSpace, LimitExceeded, StoreError, UsageError
from enduser.stores.contract import (
    Applied,
    ChangeSetting,
    Chunk,
    CloseHistory,
    Difference,
    EventChunk,
    Form,
    ImportRules,
    Record,
    SpaceStatus,
)
from enduser.stores.embedded import database, parquet
from enduser.stores.embedded.fold import fold_pending
from enduser.stores.embedded.folder import FolderLock
from enduser.stores.embedded.ingest import EventTaker, Taking, read_rows
from enduser.stores.embedded.statements import run, statements

DEFAULT_SPACE = "default/production"
MEMORY_LIMIT_MB = 1_200
"""Default for DuckDB's memory; alone it would take 80 % of the machine's."""

USER_COLUMNS = ("user_id", "is_anonymous", *STANDARD_ATTRIBUTES, *ANALYTICS_PROPERTIES)
_CATALOG = Path(database.DATABASE_FILE).stem
_ROWS_PER_FETCH = 10_000
_SPACE_NAME = re.compile(r"[a-z0-9][a-z0-9_-]*/[a-z0-9][a-z0-9_-]*")


class EmbeddedStore:
    """See `enduser.stores.contract.Store` for what each method means."""

    def __init__(
        self,
        folder: Path,
        *,
        now_us: int,
        memory_limit_mb: int = MEMORY_LIMIT_MB,
        user_key_sql: str = database.USER_KEY_SQL,
    ) -> None:
        """Take the data folder, creating it with the space `default/production` if it is new.

        Raises:
            DataFolderInUse: another process holds it.
            StoreError: it cannot be read or written.
        """
        if memory_limit_mb < limits.MEMORY_LIMIT_MB_MIN:
            raise LimitExceeded(
                f"a memory limit of {memory_limit_mb} MB is too small",
                hint=f"give at least {limits.MEMORY_LIMIT_MB_MIN} MB",
            )
        self.folder = folder
        self._lock = FolderLock(folder, now_us)
        try:
            self._connection = database.connect(
                folder, memory_limit_mb=memory_limit_mb, user_key_sql=user_key_sql
            )
            self._takers: dict[str, EventTaker] = {}
            if not database.spaces(self._connection):
                self.create_space(DEFAULT_SPACE, now_us)
        except BaseException:
            self._lock.close()
            raise

    def close(self) -> None:
        """Release the data folder."""
        self._connection.close()
        self._lock.close()

    def __enter__(self) -> Self:
        """Return the store, to be closed at the end of the block."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close the store."""
        self.close()

    # --- spaces and settings

    def spaces(self) -> Sequence[str]:
        """Return the names of all spaces."""
        return [space for space, _ in database.spaces(self._connection)]

    def create_space(self, space: str, now_us: int) -> None:
        """Create a space named `system/environment`.

        Raises:
            InvalidSpace: the name is malformed or taken.
            LimitExceeded: there are as many spaces as there may be.
        """
        longest = max(map(len, space.split("/")))
        if not _SPACE_NAME.fullmatch(space) or longest > limits.SPACE_NAME_CHARACTERS_MAX:
            raise InvalidSpace(
                f"{space!r} is no name of a space",
                hint="write system/environment in a-z, 0-9, _ and -, such as acme/production",
            )
        existing = self.spaces()
        if space in existing:
            raise InvalidSpace(f"the space {space} exists already")
        if len(existing) >= limits.SPACES_MAX:
            raise LimitExceeded(f"there are {len(existing)} spaces", hint=f"the limit is {limits.SPACES_MAX}")
        with self._transaction("main"):
            database.create_space(self._connection, space, now_us)

    def settings(self, space: str) -> SpaceSettings:
        """Return the settings of a space."""
        rows = self._execute("SELECT name, value FROM main.settings WHERE space = $1", [space])
        return settings_from_text(dict(rows))

    def secret(self, space: str) -> str:
        """Return the key of the space's hashes; never shown to anybody."""
        rows = self._execute("SELECT secret FROM main.spaces WHERE space = $1", [space])
        return str(rows[0][0])

    # --- records

    def apply(self, space: str, record: Record) -> Applied:
        """Apply one record in one transaction."""
        with self._transaction(self._schema(space)):
            match record:
                case EventChunk():
                    taker = self._taker(space)
                    try:
                        return taker.take(record, self.settings(space), self.secret(space))
                    except BaseException:
                        self._takers.pop(space, None)
                        raise
                case ChangeSetting(name, text):
                    self._change_setting(space, name, text)
                case CloseHistory():
                    window = self.settings(space).window_us
                    self._execute(
                        "UPDATE state SET clock_at = greatest(clock_at, greatest_event_at + $1)", [window]
                    )
        return Applied()

    def _taker(self, space: str) -> EventTaker:
        if space not in self._takers:
            self._takers = {space: EventTaker(self._connection)}
        return self._takers[space]

    def _change_setting(self, space: str, name: str, text: str) -> None:
        value = parse_setting(name, text)
        if getattr(self.settings(space), name) == value:
            return
        rule = SETTING_RULES[name]
        if rule.needs_no_users and self._execute("SELECT count(*) FROM user_ids")[0][0]:
            raise InvalidSetting(
                f"{name} cannot change while the space {space} has users",
                hint="set it before the first import, or use another space",
            )
        self._execute("DELETE FROM main.settings WHERE space = $1 AND name = $2", [space, name])
        self._execute("INSERT INTO main.settings VALUES ($1, $2, $3)", [space, name, setting_text(value)])
        if rule.recomputes:
            self._recompute(self.settings(space))

    def fold(self, space: str) -> None:
        """Bring sessions and End User Objects up to all applied records."""
        with self._transaction(self._schema(space)):
            fold_pending(self._connection, self.settings(space))

    def rebuild(self, space: str) -> None:
        """Recompute everything from events; readers see the old until it is done."""
        with self._transaction(self._schema(space)):
            self._recompute(self.settings(space))

    def _recompute(self, settings: SpaceSettings) -> None:
        run(self._connection, "rebuild.clear")
        self._execute("UPDATE state SET folded_batch = 0")
        run(self._connection, "rebuild.property_events", after=0, properties=list(ANALYTICS_PROPERTIES))
        fold_pending(self._connection, settings)

    def verify(self, space: str) -> Sequence[Difference]:
        """Recompute into a file beside the database and compare."""
        schema = f"{_CATALOG}.{self._schema(space)}"
        settings = self.settings(space)
        shadow = self.folder / "tmp" / "verify.duckdb"
        shadow.parent.mkdir(exist_ok=True)
        shadow.unlink(missing_ok=True)
        self._execute(f"ATTACH '{shadow}' AS shadow")
        try:
            self._execute("CREATE SCHEMA shadow.space")
            self._execute(f"SET search_path = '{schema}'")
            run(self._connection, "rebuild.shadow")
            self._execute(f"SET search_path = 'shadow.space,{schema}'")
            self._recompute(settings)
            self._execute(f"SET search_path = '{schema}'")
            rows = run(self._connection, "rebuild.differences")
            return [Difference(kind, side, user_id, text) for kind, side, user_id, text in rows]
        finally:
            self._execute(f"SET search_path = '{_CATALOG}.main'")
            self._execute("DETACH shadow")
            shadow.unlink(missing_ok=True)

    # --- looking at files before taking them

    def infer_time_unit(self, chunk: Chunk) -> tuple[int, str] | None:
        """Return µs per unit of the numeric times of a chunk, and a sample; None if it has none.

        The unit is the one that puts the middle time nearest to our century: seconds below 1e11,
        milliseconds below 1e14, microseconds above.
        """
        if chunk.form is Form.ACCESS_LOG:
            return None
        if chunk.form is Form.PARQUET:
            columns = parquet.columns_of(self._connection, chunk.path)
            self._execute(f"CREATE OR REPLACE TEMP VIEW rows AS {parquet.times_query(chunk, columns)}")
        else:
            read_rows(self._connection, Taking(chunk, ImportRules(0), SpaceSettings(), "", is_first=True))
        middle, sample = run(self._connection, "rows.time_sample")[0]
        if middle is None:
            return None
        unit = 1_000_000 if middle < 1e11 else 1_000 if middle < 1e14 else 1  # noqa: PLR2004
        return unit, str(sample)

    def count_parquet_rows(self, path: Path) -> int:
        """Return the rows of a Parquet file, checking that it has the columns of events."""
        parquet.columns_of(self._connection, path)
        return parquet.count_rows(self._connection, path)

    # --- reading

    def status(self, space: str) -> SpaceStatus:
        """Return sizes and the clock."""
        with self._schema_path(self._schema(space)):
            clock, events, users, sessions, opened = run(self._connection, "read.status")[0]
        return SpaceStatus(space, clock, events, users, sessions, opened)

    def users(
        self, space: str, *, sort: str = "last_seen", limit: int | None = None, user_id: str | None = None
    ) -> Iterator[Mapping[str, object]]:
        """Yield End User Objects, the greatest of the sort attribute first; ids and texts ascending.

        Raises:
            UsageError: `sort` is no attribute.
        """
        name = sort.removeprefix("-")
        if name not in USER_COLUMNS:
            raise UsageError(f"there is no attribute {name!r}", hint=f"sort by: {', '.join(USER_COLUMNS)}")
        order = "DESC" if sort.startswith("-") else "ASC"
        query = statements("read")["users"][0]
        if user_id is not None:
            query += " AND user_ids.id = $id"
        query += f' ORDER BY "{name}" {order} NULLS LAST, user_id, is_anonymous'
        if limit is not None:
            query += f" LIMIT {int(limit)}"
        return self._read(space, query, {} if user_id is None else {"id": user_id})

    def find_user(self, space: str, user_id: str, id_kind: str | None = None) -> Mapping[str, object] | None:
        """Return the End User Object of an id, None if there is none.

        `id_kind` is `plain`, `hashed` (as stored with `hash_ids`) or `anonymous`; None tries plain, then
        anonymous.
        """
        settings = self.settings(space)
        wanted: list[tuple[str, bool]] = []
        if id_kind in (None, "plain"):
            text = hashed_id(settings.hash_salt, user_id) if settings.hash_ids else user_id
            wanted.append((text, False))
        if id_kind == "hashed":
            wanted.append((user_id, False))
        if id_kind in (None, "anonymous"):
            wanted.append((user_id, True))
        for text, is_anonymous in wanted:
            for row in self.users(space, user_id=text):
                if row["is_anonymous"] == is_anonymous:
                    return row
        return None

    def sessions(self, space: str) -> Iterator[Mapping[str, object]]:
        """Yield all sessions by user and start."""
        query = statements("read")["sessions"][0] + " ORDER BY user_id, is_anonymous, started_at"
        return self._read(space, query, {})

    def export(self, space: str, what: str, path: Path, form: str) -> int:
        """Write all `users` or `sessions` to a file as `csv`, `jsonl` or `parquet`; return the rows.

        Times are ISO 8601 UTC with microseconds (in Parquet: timestamps), durations seconds.
        """
        times = ("first_seen", "last_seen") if what == "users" else ("started_at", "ended_at")
        written = {
            name: f"make_timestamp({name})::TIMESTAMPTZ"
            if form == "parquet"
            else f"strftime(make_timestamp({name}), '%Y-%m-%dT%H:%M:%S.%fZ')"
            for name in times
        }
        replaced = ", ".join(f"{text} AS {name}" for name, text in written.items())
        order = "user_id, is_anonymous" if what == "users" else "user_id, is_anonymous, started_at"
        query = f"SELECT * REPLACE ({replaced}) FROM ({statements('read')[what][0]}) ORDER BY {order}"
        style = {"csv": "FORMAT csv, HEADER", "jsonl": "FORMAT json", "parquet": "FORMAT parquet"}[form]
        target = str(path).replace("'", "''")
        with self._schema_path(self._schema(space)):
            try:
                rows = self._execute(f"COPY ({query}) TO '{target}' ({style})")
            except duckdb.Error as error:
                raise StoreError(
                    f"cannot write {path}: {error}", hint="name another file with --output"
                ) from None
        return int(rows[0][0])

    def _read(self, space: str, query: str, parameters: dict[str, object]) -> Iterator[Mapping[str, object]]:
        with self._schema_path(self._schema(space)):
            cursor = self._connection.cursor()
            cursor.execute(f"SET search_path = '{self._schema(space)}'")
            cursor.execute(query, parameters)
        names = [column[0] for column in cursor.description]
        while rows := cursor.fetchmany(_ROWS_PER_FETCH):
            for row in rows:
                yield dict(zip(names, row, strict=True))

    # --- plumbing

    def _schema(self, space: str) -> str:
        for name, schema in database.spaces(self._connection):
            if name == space:
                return schema
        known = ", ".join(self.spaces())
        raise InvalidSpace(f"there is no space {space!r}", hint=f"the spaces are: {known}")

    def _execute(self, query: str, parameters: Sequence[object] = ()) -> list[tuple]:  # type: ignore[type-arg]
        return self._connection.execute(query, list(parameters)).fetchall()

    @contextmanager
    def _schema_path(self, schema: str) -> Iterator[None]:
        self._execute(f"SET search_path = '{schema}'")
        try:
            yield
        finally:
            self._execute("SET search_path = 'main'")

    @contextmanager
    def _transaction(self, schema: str) -> Iterator[None]:
        """Run a block whole or not at all, durably, in the tables of a schema."""
        with self._schema_path(schema):
            self._execute("BEGIN")
            try:
                yield
                self._execute("COMMIT")
            except duckdb.Error as error:
                self._rollback()
                raise StoreError(
                    f"the database refused a change, and nothing of it was applied: {error}",
                    hint="see whether the disk is full; then run the command again",
                ) from error
            except BaseException:
                self._rollback()
                raise

    def _rollback(self) -> None:
        try:
            self._execute("ROLLBACK")
        except duckdb.Error:
            return  # the failed statement has rolled back already
