"""Facts: what rules of decisions ask for of persons, for the serving copy to keep."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from enduser import limits
from enduser.core.rules.demands import Demand
from enduser.core.rules.tree import Changes, Events, InList, Sessions
from enduser.stores.answers import Fact
from enduser.stores.embedded.asking import HAPPENINGS_AT_ONCE, conditions
from enduser.stores.embedded.conditions import Conditions, Tables, portions
from enduser.stores.embedded.reading import KEYS, Look
from enduser.stores.embedded.statements import run_spliced, spliced, statements

_ROWS_PER_FETCH = 10_000
_TOLD_AT_ONCE = 50
"""Things that happened to a few persons of which one statement asks."""
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
    counts = [f"(SELECT count(*) FROM asked_{name})" for name in sorted(names)]
    query = f"SELECT {' + '.join(counts) or '0'}"
    return int(look.connection.execute(query).fetchall()[0][0])


def of_persons(
    look: Look, clock: Conditions, wanted: Sequence[Demand], keys: tuple[int, int]
) -> Iterator[tuple[int, int, Sequence[int]]]:
    """Yield the places of demands, and of persons of whom was gathered their keys and all times.

    `keys` are the first and the last of whom is asked.
    """
    ends = {"first": str(keys[0]), "last": str(keys[1])}
    for writer, happened in _happened(clock, wanted, _TOLD_AT_ONCE):
        query = spliced(statements("facts")["of_persons"][0], (), {**ends, "happened": happened})
        look.connection.execute(query, writer.parameters)
        yield from look.connection.fetchall()


def _facts(look: Look, wanted: Sequence[Demand]) -> Iterator[Fact]:
    clock = conditions(look)
    narrow(look, clock, wanted)
    listed = [str(number) for number, demand in enumerate(wanted) if isinstance(demand.what, InList)]
    splices = {"times": str(limits.FACT_TIMES_MAX + 1), "listed": ", ".join(listed) or "NULL"}
    for writer, happened in _happened(clock, wanted, HAPPENINGS_AT_ONCE):
        query = spliced(statements("facts")["facts"][0], (), {**splices, "happened": happened})
        look.connection.execute(query, writer.parameters)
        while rows := look.connection.fetchmany(_ROWS_PER_FETCH):
            for id_, is_anonymous, number, times in rows:
                yield Fact(id_, is_anonymous, wanted[number], _times(times))


def narrow(look: Look, clock: Conditions, wanted: Sequence[Demand]) -> None:
    """Gather what demands look at of the persons in `asked_ids`, as far back as they do."""
    since: dict[type, int] = {}
    names = set()
    for demand in wanted:
        begins, what = demand.begins(clock.now, clock.zone), demand.what
        if isinstance(what, Events) and what.name is not None and begins is None:
            names.add(what.name)
            begins = clock.now
        least = limits.OCCURRED_AT_MIN_US if begins is None else begins
        since[type(what)] = min(since.get(type(what), least), least)
    columns = {clock.columns[one.what.field.name].number for one in wanted if isinstance(one.what, Changes)}
    each = [{"n": str(number)} for number in sorted(columns)]
    look.run("facts.narrow")
    for kind, name in _NARROWED_BY_KIND.items():
        if kind in since:
            bounds = {"since": since[kind], "names": sorted(names)}
            run_spliced(look.connection, f"facts.narrow_{name}", each, None, **bounds)


def _happened(clock: Conditions, wanted: Sequence[Demand], at_once: int) -> Iterator[tuple[Conditions, str]]:
    """Yield queries of when what demands ask for happened, as far back as they do; numbers say which."""
    asked = [(demand.what, [(demand.begins(clock.now, clock.zone), None)]) for demand in wanted]
    for some in portions(asked, at_once):
        writer = replace(clock, tables=NARROWED, parameters={})
        yield writer, writer.each_happened(some)


def _times(newest: Sequence[int]) -> Sequence[int] | None:
    """Return times, the earliest first; None: they are too many to be kept."""
    return None if len(newest) > limits.FACT_TIMES_MAX else sorted(newest)
