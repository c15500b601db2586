"""End User Objects and sessions as rows."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import duckdb

from enduser.clock import elapsed_s
from enduser.core.end_user import USER_COLUMNS
from enduser.core.events import UserId
from enduser.core.links import stored_ids
from enduser.core.retention import last_to_go
from enduser.core.settings import SpaceSettings, settings_from_text
from enduser.stores.answers import ChangedObject, Changes, SpaceStatus
from enduser.stores.embedded import registry
from enduser.stores.embedded.claiming import Naming
from enduser.stores.embedded.database import Database, secret_of
from enduser.stores.embedded.engine import ANSWER, told
from enduser.stores.embedded.registry import Column
from enduser.stores.embedded.statements import Rows, bound, run, spliced, statements, used
from enduser.stores.embedded.taking import stored_outcomes

_ROWS_PER_FETCH = 10_000
SESSION_ORDER = ("user_id", "is_anonymous", "started_at")


def status(connection: duckdb.DuckDBPyConnection, space: str) -> SpaceStatus:
    """Return sizes and the clock of a space whose schema is in sight."""
    clock, live_since, events, users, sessions, opened = run(connection, "read.status")[0]
    outcomes = stored_outcomes(connection, space)
    last = last_to_go(clock or 0, Look(connection, space).settings().retention_months)
    ((idle_users,),) = run(connection, "read.idle_users", last=last)
    return SpaceStatus(space, clock, live_since, events, users, sessions, opened, outcomes, idle_users)


def users_query(
    columns: Sequence[Column], form: str = "json", *, users: str = "users", beside: str | None = None
) -> str:
    """Return the query of End User Objects, which ends in conditions, with its values in a form.

    `users` is the table of the sums behind them, `beside` an expression that comes first in each row.
    """
    each = [column.splices(form) for column in columns]
    once = {"users": users, "beside": "" if beside is None else f"{beside}, "}
    return spliced(statements("read")["users"][0], each, once)


def with_attributes(
    row: Mapping[str, object], columns: Sequence[Column], names: Sequence[str] = USER_COLUMNS
) -> Mapping[str, object]:
    """Return what these names are in a row of `sql/read.sql`, with the custom attributes that are known."""
    values = {column.attribute.name: row[column.name] for column in columns}
    own = {name: row[name] for name in names}
    return {**own, "attributes": {name: value for name, value in values.items() if value is not None}}


# --- looks at one person

KEYS = 2**63
"""Keys of users are below; being hashes, they lie evenly."""


@dataclass(frozen=True, slots=True)
class Look:
    """One look at a space: all that it reads is true of one moment."""

    connection: duckdb.DuckDBPyConnection
    space: str
    ends_s: float = math.inf
    """When it must be done, by `elapsed_s`."""

    def check_time(self) -> None:
        """Stop a look that takes too long outside the engine as the engine is stopped."""
        if elapsed_s() > self.ends_s:
            raise duckdb.InterruptException("it took too long")

    def run(self, name: str, /, **parameters: object) -> Rows:
        """Run a statement of `sql/*.sql`."""
        return run(self.connection, name, **parameters)

    def rows(self, query: str, parameters: Mapping[str, object]) -> list[Mapping[str, object]]:
        """Run a query with those parameters that it names; return rows with the names of their columns."""
        self.connection.execute(query, used(query, parameters))
        names = [column[0] for column in self.connection.description]
        return [dict(zip(names, row, strict=True)) for row in self.connection.fetchall()]

    def settings(self) -> SpaceSettings:
        """Return the settings of the space."""
        return settings_from_text(dict(self.run("spaces.settings_of", space=self.space)))

    def naming(self) -> Naming:
        """Return how ids of the space are named."""
        return Naming(self.connection, self.settings(), secret_of(self.connection, self.space))

    def columns(self) -> Sequence[Column]:
        """Return the custom attributes."""
        return registry.columns(self.connection)


def find_user(
    look: Look, user_id: str, id_kind: str | None, *, include_open: bool
) -> Mapping[str, object] | None:
    """Return the End User Object of an id, None if there is none; see `Store.find_user`."""
    for person_key in persons(look, user_id, id_kind):
        found = object_of(look, person_key, include_open=include_open)
        if found is not None:
            return found
    return None


def object_of(look: Look, person_key: int, *, include_open: bool) -> Mapping[str, object] | None:
    """Return the End User Object of a person, None if there is none."""
    query, parameters = objects(look, include_open=include_open)
    parameters["person_key"] = bound(person_key)
    for row in look.rows(f"{query} AND person_key = $person_key", parameters):
        return with_attributes(row, look.columns())
    return None


def persons(look: Look, user_id: str, id_kind: str | None) -> Iterator[int]:
    """Yield the persons that an id can mean: of a kind; None means `plain`, then `anonymous`."""
    for text, is_anonymous in stored_ids(look.settings(), user_id, id_kind):
        for (person_key,) in look.run("read.person", id=text, is_anonymous=is_anonymous):
            yield person_key


def objects(
    look: Look, *, include_open: bool, form: str = "json", beside: str | None = None
) -> tuple[str, dict[str, object]]:
    """Return the query of End User Objects as `users_query` does, and its parameters."""
    query = users_query(look.columns(), form, users=sums(look, include_open=include_open), beside=beside)
    return query, {"months": look.settings().retention_months} if include_open else {}


def sums(look: Look, *, include_open: bool) -> str:
    """Return the table of the sums behind the objects, under the name `users`."""
    if not include_open:
        return "users"
    each = [column.splices() for column in look.columns()]
    return f"({spliced(statements('read')['provisional_users'][0], each)}) AS users"


EVERY_LINK: Mapping[str, object] = {"one_key": None, "other_key": None}
"""The parameters of `read.links` that ask for all."""


def find_link(look: Look, one: UserId, other: UserId) -> Mapping[str, object] | None:
    """Return the link of two ids, None if they are not linked; see `Store.find_link`."""
    keys = [look.run("read.key_of_id", id=user.id, is_anonymous=user.is_anonymous) for user in (one, other)]
    if not all(keys):
        return None
    (((one_key,),), ((other_key,),)) = keys
    query = f'FROM ({statements("read")["links"][0]}) ORDER BY since, "by"'
    rows = look.rows(query, {"one_key": bound(one_key), "other_key": bound(other_key)})
    return rows[0] if rows else None


# --- everything


def changes(database: Database, space: str, since: int) -> Changes:
    """Return which objects changed after the fold `since`, or all where that is not remembered.

    A fold that is still to come is of another file, from before a backup was put in its place.
    """
    with database.looking_at(database.schema(space)):
        fold, touched_since, clock_at = database.execute(
            "SELECT last_fold, touched_since, clock_at FROM state"
        )[0]
    is_everything = not touched_since <= since <= fold
    which = "all_users" if is_everything else "changed_users"
    columns = database.columns()
    query = _objects_by_id(which, columns)
    rows = _rows(database, space, query, {} if is_everything else {"since": since})
    return Changes(fold, is_everything, clock_at, (_change(row, columns) for row in rows))


def objects_of_part(database: Database, space: str, part: int, parts: int) -> Iterator[ChangedObject]:
    """Yield the objects of one of `parts` ranges of persons, with each id of each person."""
    first, behind = (KEYS * number // parts for number in (part, part + 1))
    columns = database.columns()
    query = f"{_objects_by_id('all_users', columns)} WHERE objects.person_key BETWEEN $first AND $last"
    rows = _rows(database, space, query, {"first": first, "last": behind - 1})
    return (_change(row, columns) for row in rows)


def _objects_by_id(which: str, columns: Sequence[Column]) -> str:
    """Return the query of objects with each id of each person."""
    query = users_query(columns, beside="users.person_key")
    return spliced(statements("read")[which][0], (), {"objects": query})


def _change(row: Mapping[str, object], columns: Sequence[Column]) -> ChangedObject:
    return (
        str(row["own_id"]),
        bool(row["own_is_anonymous"]),
        with_attributes(row, columns) if row["user_id"] is not None else None,
    )


def sessions(database: Database, space: str) -> Iterator[Mapping[str, object]]:
    """Yield all sessions, open ones too, by user and start."""
    query = f"{statements('read')['sessions'][0]} ORDER BY {', '.join(SESSION_ORDER)}"
    return _rows(database, space, query, {})


def _rows(
    database: Database, space: str, query: str, parameters: dict[str, object]
) -> Iterator[Mapping[str, object]]:
    """Return the rows of a query as they are asked for, which another thread may do.

    Raises:
        InvalidSpace: there is no such space.
        StoreError: the engine failed, perhaps amid the rows.
    """
    return fetched(look_at(database, space), query, parameters)


def look_at(database: Database, space: str) -> Look:
    """Return a look at a space on a connection of its own, which another thread may use.

    Raises:
        InvalidSpace: there is no such space.
        StoreError: the engine failed.
    """
    schema = database.schema(space)
    with told(ANSWER):
        cursor = database.connection.cursor()
        cursor.execute(f"SET search_path = '{schema}'")
    return Look(cursor, space)


def fetched(look: Look, query: str, parameters: Mapping[str, object]) -> Iterator[Mapping[str, object]]:
    """Yield the rows of a query as they are asked for.

    Raises:
        StoreError: the engine failed, perhaps amid the rows.
    """
    with told(ANSWER):
        look.connection.execute(query, used(query, parameters))
        names = [column[0] for column in look.connection.description]
        while rows := look.connection.fetchmany(_ROWS_PER_FETCH):
            for row in rows:
                yield dict(zip(names, row, strict=True))
