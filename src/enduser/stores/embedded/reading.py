"""End User Objects and sessions as rows, and as files."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

import duckdb

from enduser.core.end_user import STANDARD_ATTRIBUTES
from enduser.core.events import ANALYTICS_PROPERTIES, hashed_id
from enduser.core.settings import SpaceSettings
from enduser.errors import StoreError, UsageError
from enduser.stores.contract import Changes, SpaceStatus
from enduser.stores.embedded.database import Database
from enduser.stores.embedded.statements import run, statements, text_literal
from enduser.stores.embedded.taking import stored_outcomes

USER_COLUMNS = ("user_id", "is_anonymous", *STANDARD_ATTRIBUTES, *ANALYTICS_PROPERTIES)
_ROWS_PER_FETCH = 10_000
_TIMES = {"users": ("first_seen", "last_seen"), "sessions": ("started_at", "ended_at")}
_ORDER = {"users": "user_id, is_anonymous", "sessions": "user_id, is_anonymous, started_at"}
_STYLES = {"csv": "FORMAT csv, HEADER", "jsonl": "FORMAT json", "parquet": "FORMAT parquet"}


def status(database: Database, space: str) -> SpaceStatus:
    """Return sizes and the clock of a space."""
    with database.looking_at(database.schema(space)):
        clock, live_since, events, users, sessions, opened = run(database.connection, "read.status")[0]
    outcomes = stored_outcomes(database.connection, space)
    return SpaceStatus(space, clock, live_since, events, users, sessions, opened, outcomes)


def users(
    database: Database, space: str, *, sort: str, limit: int | None = None, user_id: str | None = None
) -> Iterator[Mapping[str, object]]:
    """Yield End User Objects by an attribute; with a `-` before it the greatest come first.

    Raises:
        UsageError: `sort` is no attribute.
    """
    name = sort.removeprefix("-")
    if name not in USER_COLUMNS:
        raise UsageError(f"there is no attribute {name!r}", hint=f"sort by: {', '.join(USER_COLUMNS)}")
    direction = "DESC" if sort.startswith("-") else "ASC"
    query = statements("read")["users"][0]
    if user_id is not None:
        query += " AND user_ids.id = $id"
    query += f' ORDER BY "{name}" {direction} NULLS LAST, {_ORDER["users"]}'
    if limit is not None:
        query += f" LIMIT {int(limit)}"
    return _rows(database, space, query, {} if user_id is None else {"id": user_id})


def find_user(
    database: Database, space: str, settings: SpaceSettings, user_id: str, id_kind: str | None
) -> Mapping[str, object] | None:
    """Return the End User Object of an id of a kind; None tries `plain`, then `anonymous`."""
    wanted: list[tuple[str, bool]] = []
    if id_kind in (None, "plain"):
        text = hashed_id(settings.hash_salt, user_id) if settings.hash_ids else user_id
        wanted.append((text, False))
    if id_kind == "hashed" and settings.hash_ids:
        wanted.append((user_id, False))
    if id_kind in (None, "anonymous"):
        wanted.append((user_id, True))
    for text, is_anonymous in wanted:
        for row in users(database, space, sort="user_id", user_id=text):
            if row["is_anonymous"] == is_anonymous:
                return row
    return None


def changes(database: Database, space: str, since: int) -> Changes:
    """Return which objects changed after the fold `since`, or all where that is not remembered."""
    with database.looking_at(database.schema(space)):
        fold, touched_since = database.execute("SELECT last_fold, touched_since FROM state")[0]
    is_everything = since < touched_since
    which = "all_users" if is_everything else "changed_users"
    query = statements("read")[which][0].replace("(users)", f"({statements('read')['users'][0]})")
    rows = _rows(database, space, query, {} if is_everything else {"since": since})
    return Changes(fold, is_everything, map(_change, rows))


def _change(row: Mapping[str, object]) -> tuple[str, bool, Mapping[str, object] | None]:
    object_row = {name: value for name, value in row.items() if name in USER_COLUMNS}
    return (
        str(row["own_id"]),
        bool(row["own_is_anonymous"]),
        object_row if row["user_id"] is not None else None,
    )


def sessions(database: Database, space: str) -> Iterator[Mapping[str, object]]:
    """Yield all sessions, open ones too, by user and start."""
    query = f"{statements('read')['sessions'][0]} ORDER BY {_ORDER['sessions']}"
    return _rows(database, space, query, {})


def export(database: Database, space: str, what: str, path: Path, form: str) -> int:
    """Write all `users` or `sessions` to a file as `csv`, `jsonl` or `parquet`; return the count of rows.

    Times are ISO 8601 UTC with microseconds (in Parquet: timestamps), durations seconds.

    Raises:
        StoreError: the file cannot be written.
    """
    time = "make_timestamp({0})::TIMESTAMPTZ AS {0}"
    if form != "parquet":
        time = "strftime(make_timestamp({0}), '%Y-%m-%dT%H:%M:%S.%fZ') AS {0}"
    replaced = ", ".join(time.format(name) for name in _TIMES[what])
    query = f"SELECT * REPLACE ({replaced}) FROM ({statements('read')[what][0]}) ORDER BY {_ORDER[what]}"
    with database.looking_at(database.schema(space)):
        try:
            rows = database.execute(f"COPY ({query}) TO {text_literal(path)} ({_STYLES[form]})")
        except duckdb.Error as error:
            raise StoreError(
                f"cannot write {path}: {error}", hint="name another file with --output"
            ) from None
    return int(rows[0][0])


def _rows(
    database: Database, space: str, query: str, parameters: dict[str, object]
) -> Iterator[Mapping[str, object]]:
    cursor = database.connection.cursor()
    cursor.execute(f"SET search_path = '{database.schema(space)}'")
    cursor.execute(query, parameters)
    names = [column[0] for column in cursor.description]
    while rows := cursor.fetchmany(_ROWS_PER_FETCH):
        for row in rows:
            yield dict(zip(names, row, strict=True))
