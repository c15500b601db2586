"""Facts: what rules of decisions ask for of persons, for the serving copy to keep."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from enduser import limits
from enduser.core.rules.demands import Demand
from enduser.core.rules.tree import Changes, Events, InList, Sessions
from enduser.stores.answers import Fact
from enduser.stores.embedded.asking import HAPPENINGS_AT_ONCE, conditions
from enduser.stores.embedded.conditions import Conditions, Tables
from enduser.stores.embedded.reading import KEYS, Look
from enduser.stores.embedded.statements import spliced, statements, used

_ROWS_PER_FETCH = 10_000
_NARROWED_BY_KIND = {
    Sessions: "sessions",
    Events: "events",
    Changes: "candidates",
    InList: "list_members",
}
"""Which table each kind of thing is looked for in."""
_NAMES = ("users", "sessions", "open_sessions", "events", "candidates", "list_members")
NARROWED = Tables(**{name: f"asked_{name}" for name in _NAMES})
"""The tables that `narrow` makes."""


def changed_facts(look: Look, wanted: Sequence[Demand], since: int) -> Iterator[Fact]:
    """Yield the facts of all persons of whom something is another since a fold."""
    look.run("facts.changed", since=since)
    return _facts(look, wanted)


def some_facts(look: Look, wanted: Sequence[Demand], part: int, parts: int) -> Iterator[Fact]:
    """Yield the facts of the persons of one of `parts` equal parts of a space, the first is 0."""
    first, behind = (KEYS * number // parts for number in (part, part + 1))
    look.run("facts.some", first=first, last=behind - 1)
    return _facts(look, wanted)


def count_narrowed(look: Look, wanted: Sequence[Demand]) -> int:
    """Return how many rows were gathered of what happened."""
    names = {_NARROWED_BY_KIND[type(demand.what)] for demand in wanted}
    tables = [f"SELECT count(*) FROM asked_{name}" for name in names]
    return sum(look.connection.execute(table).fetchall()[0][0] for table in tables)


def of_persons(look: Look, wanted: Sequence[Demand]) -> Iterator[tuple[Demand, int, Sequence[int]]]:
    """Yield what demands ask for of the persons of whom was gathered, by their keys, all times."""
    for demand in wanted:
        writer = conditions(look, NARROWED)
        query = f"SELECT person_key, happened_at FROM ({_happened(writer, demand)}) ORDER BY happened_at"
        look.connection.execute(query, used(query, writer.parameters))
        times: dict[int, list[int]] = {}
        for key, at in look.connection.fetchall():
            times.setdefault(key, []).append(at)
        for key, told in times.items():
            yield demand, key, told


def _facts(look: Look, wanted: Sequence[Demand]) -> Iterator[Fact]:
    narrow(look, wanted)
    for first in range(0, len(wanted), HAPPENINGS_AT_ONCE):
        writer = conditions(look, NARROWED)
        some = enumerate(wanted[first : first + HAPPENINGS_AT_ONCE], first)
        found = [_found(writer, demand, number) for number, demand in some]
        query = spliced(statements("facts")["facts"][0], (), {"found": " UNION ALL ".join(found)})
        look.connection.execute(query, writer.parameters)
        while rows := look.connection.fetchmany(_ROWS_PER_FETCH):
            for id_, is_anonymous, number, times in rows:
                yield Fact(id_, is_anonymous, wanted[number], _times(times))


def narrow(look: Look, wanted: Sequence[Demand]) -> None:
    """Gather what demands look at of the persons in `asked_ids`, as far back as they do."""
    clock = conditions(look)
    since: dict[type, int] = {}
    for demand in wanted:
        begins, kind = demand.begins(clock.now, clock.zone), type(demand.what)
        least = limits.OCCURRED_AT_MIN_US if begins is None else begins
        since[kind] = min(since.get(kind, least), least)
    look.run("facts.narrow")
    for kind, name in _NARROWED_BY_KIND.items():
        if kind in since:
            look.run(f"facts.narrow_{name}", since=since[kind])


def _found(writer: Conditions, demand: Demand, number: int) -> str:
    """Return the query of when something happened to persons; the number says what."""
    is_listed = isinstance(demand.what, InList)
    splices = {
        "number": str(number),
        "times": str(limits.FACT_TIMES_MAX + 1),
        "is_listed": str(is_listed),
        "happened": _happened(writer, demand),
    }
    return f"({spliced(statements('facts')['found'][0], (), splices)})"


def _happened(writer: Conditions, demand: Demand) -> str:
    """Return the query of when what a demand asks for happened, as far back as it does."""
    if isinstance(demand.what, InList):
        return writer.in_list(demand.what)
    begins = demand.begins(writer.now, writer.zone)
    return writer.happened_within(demand.what, begins, None)


def _times(newest: Sequence[int]) -> Sequence[int] | None:
    """Return times, the earliest first; None: they are too many to be kept."""
    return None if len(newest) > limits.FACT_TIMES_MAX else sorted(newest)
