"""Facts in the serving copy: what rules of decisions ask for of persons, under each of their ids."""

from __future__ import annotations

import sqlite3
from array import array
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from itertools import islice

from enduser import limits
from enduser.core.rules.demands import Demand
from enduser.stores.answers import Fact
from enduser.stores.contract import OwnedStore

FACT_TABLES = """
CREATE TABLE IF NOT EXISTS demands (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    space TEXT NOT NULL,
    key TEXT NOT NULL,
    part INTEGER NOT NULL,
    parts INTEGER NOT NULL
);
CREATE TABLE IF NOT EXISTS facts (
    space TEXT NOT NULL,
    id TEXT NOT NULL,
    is_anonymous INTEGER NOT NULL,
    demand INTEGER NOT NULL,
    times BLOB,
    PRIMARY KEY (space, id, is_anonymous, demand)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS sweeping (
    space TEXT PRIMARY KEY, id TEXT NOT NULL, is_anonymous INTEGER NOT NULL, demand INTEGER NOT NULL
) WITHOUT ROWID;
"""
"""A demand is kept when all its parts are looked up. `sweeping` says up to which fact those of demands that
are gone are taken out."""

_ROWS_PER_INSERT = 10_000
_DELETE = "DELETE FROM facts WHERE space = ? AND id = ? AND is_anonymous = ?"
_UNFILLED = (
    "SELECT number, key, part, parts FROM demands WHERE space = ? AND part < parts ORDER BY part, parts"
)
_CLEAR = """
DELETE FROM facts WHERE space = ?1 AND (id, is_anonymous, demand) IN (
    SELECT id, is_anonymous, demand FROM facts WHERE space = ?1 LIMIT ?2)
"""
_LAST_OF_SWEEP = """
SELECT id, is_anonymous, demand FROM facts
WHERE space = ? AND (id, is_anonymous, demand) > (?, ?, ?)
ORDER BY id, is_anonymous, demand LIMIT 1 OFFSET ?
"""
_SWEEP = """
DELETE FROM facts
WHERE space = ?1 AND (id, is_anonymous, demand) > (?2, ?3, ?4) {until}
  AND demand NOT IN (SELECT number FROM demands WHERE space = ?1)
"""
_UNTIL = "AND (id, is_anonymous, demand) <= (?5, ?6, ?7)"
_FIRST = ("", -1, -1)
_SWEEP_AGAIN = "UPDATE sweeping SET id = ?, is_anonymous = ?, demand = ? WHERE space = ? AND id = ?"


class ServedFacts:
    """The facts of a serving copy, which owns the transactions."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        """Work on a connection to the copy."""
        self._connection = connection

    def begin(self, space: str) -> None:
        """Know of no demand any more: all facts are to be cleared."""
        for table in ("demands", "sweeping"):
            self._execute(f"DELETE FROM {table} WHERE space = ?", space)

    def clear(self, space: str) -> bool:
        """Take out some facts of a space, whatever they are; return whether there were none."""
        return not self._execute(_CLEAR, space, limits.SERVED_AT_ONCE).rowcount

    def forget(self, space: str) -> None:
        """Take out all facts of a space."""
        self.begin(space)
        self._execute("DELETE FROM facts WHERE space = ?", space)

    def take_out(self, users: Iterable[tuple[str, str, bool]]) -> None:
        """Take out the facts of ids, each given with its space."""
        self._connection.executemany(_DELETE, users)

    def forget_places(self, users: Iterable[tuple[str, str, bool]]) -> None:
        """Name none of some ids as the place up to which a sweep is: it begins again."""
        self._connection.executemany(_SWEEP_AGAIN, [(*_FIRST, space, id_) for space, id_, _ in users])

    def follow(self, space: str, store: OwnedStore, since: int) -> None:
        """Take the facts of all persons who changed after a fold; those of before are taken out already."""
        numbers = self._numbers(space)
        demands = [demand for demand in store.demands(space) if demand.key in numbers]
        if demands:
            with closing(store.changed_facts(space, demands, since)) as facts:
                self._take(space, facts, numbers)

    def fill(self, space: str, store: OwnedStore) -> bool:
        """Take a step towards all facts that are asked for, and none else; return whether they are there.

        Those of new demands are looked up part by part, of as many demands at once as are as far.
        """
        wanted = {demand.key: demand for demand in store.demands(space)}
        self._know(space, wanted, store)
        waiting = self._execute(_UNFILLED, space).fetchall()
        if not waiting:
            return self._sweep(space)
        _, _, part, parts = waiting[0]
        numbers = {key: number for number, key, *where in waiting if where == [part, parts]}
        demands = [wanted[key] for key in numbers]
        with closing(store.facts(space, demands, part, parts)) as facts:
            self._take(space, facts, numbers)
        each = [(number,) for number in numbers.values()]
        self._connection.executemany("UPDATE demands SET part = part + 1 WHERE number = ?", each)
        return False

    def _know(self, space: str, wanted: Mapping[str, Demand], store: OwnedStore) -> None:
        """Write down which demands there are."""
        known = self._numbers(space)
        fresh, gone = wanted.keys() - known.keys(), known.keys() - wanted.keys()
        parts = store.status(space).users // limits.FACTS_AT_ONCE + 1 if fresh else 0
        self._connection.executemany(
            "INSERT INTO demands (space, key, part, parts) VALUES (?, ?, 0, ?)",
            [(space, key, parts) for key in sorted(fresh)],
        )
        self._connection.executemany("DELETE FROM demands WHERE number = ?", [(known[key],) for key in gone])
        if gone:
            self._execute("INSERT OR REPLACE INTO sweeping VALUES (?, ?, ?, ?)", space, *_FIRST)

    def _sweep(self, space: str) -> bool:
        """Take out some facts of demands that are gone; return whether there are none."""
        place = self._execute(
            "SELECT id, is_anonymous, demand FROM sweeping WHERE space = ?", space
        ).fetchone()
        if place is None:
            return True
        last = self._execute(_LAST_OF_SWEEP, space, *place, limits.SERVED_AT_ONCE - 1).fetchone()
        if last is None:
            self._execute(_SWEEP.format(until=""), space, *place)
            self._execute("DELETE FROM sweeping WHERE space = ?", space)
            return True
        self._execute(_SWEEP.format(until=_UNTIL), space, *place, *last)
        self._execute("INSERT OR REPLACE INTO sweeping VALUES (?, ?, ?, ?)", space, *last)
        return False

    def _numbers(self, space: str) -> Mapping[str, int]:
        return dict(self._execute("SELECT key, number FROM demands WHERE space = ?", space).fetchall())

    def _take(self, space: str, facts: Iterator[Fact], numbers: Mapping[str, int]) -> None:
        while some := list(islice(facts, _ROWS_PER_INSERT)):
            rows = [
                (space, one.id, one.is_anonymous, numbers[one.demand.key], _packed(one.times)) for one in some
            ]
            self._connection.executemany("INSERT OR REPLACE INTO facts VALUES (?, ?, ?, ?, ?)", rows)

    def _execute(self, query: str, *parameters: object) -> sqlite3.Cursor:
        return self._connection.execute(query, parameters)


def _packed(times: Sequence[int] | None) -> bytes | None:
    return None if times is None else array("q", times).tobytes()
