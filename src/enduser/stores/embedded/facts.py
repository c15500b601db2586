"""Facts: what rules of decisions ask for of persons, for the serving copy to keep."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from enduser import limits
from enduser.core.rules.demands import Demand
from enduser.core.rules.tree import Changes, Events, InList, Sessions
from enduser.stores.answers import Fact
from enduser.stores.embedded.asking import HAPPENINGS_AT_ONCE, conditions
from enduser.stores.embedded.conditions import Conditions, Tables, portions_of_happenings
from enduser.stores.embedded.reading import KEYS, Look
from enduser.stores.embedded.statements import run_spliced, spliced, statements

_ROWS_PER_FETCH = 10_000
_LIVES = "person_key, total_sessions, life_started_at, last_visit_at, begins_after"
"""What conditions on what happened look at of users."""
_GATHERED_BY_KIND = {
    Sessions: "sessions",
    Events: "events",
    Changes: "candidates",
    InList: "list_members",
}
"""Which table each kind of thing is looked for in."""
_NAMES = ("users", "sessions", "open_sessions", "events", "candidates", "list_members")
OF_ASKED = Tables(**{name: f"asked_{name}" for name in _NAMES})
"""The tables that `gather_asked` makes."""


def changed_facts(look: Look, wanted: Sequence[Demand], since: int) -> Iterator[Fact]:
    """Yield the facts of all persons of whom something is another since a fold."""
    look.run("facts.changed", since=since)
    return _facts(look, wanted)


def some_facts(look: Look, wanted: Sequence[Demand], part: int, parts: int) -> Iterator[Fact]:
    """Yield the facts of the persons of one of `parts` equal parts of a space, the first is 0."""
    first, behind = (KEYS * number // parts for number in (part, part + 1))
    look.run("facts.some", first=first, last=behind - 1)
    return _facts(look, wanted)


def _facts(look: Look, wanted: Sequence[Demand]) -> Iterator[Fact]:
    clock = conditions(look)
    gather_asked(look, clock, wanted)
    listed = [str(number) for number, demand in enumerate(wanted) if isinstance(demand.what, InList)]
    splices = {"times": str(limits.FACT_TIMES_MAX + 1), "listed": ", ".join(listed) or "NULL"}
    for writer, happened in _happened(clock, wanted):
        query = spliced(statements("facts")["facts"][0], (), {**splices, "happened": happened})
        look.connection.execute(query, writer.parameters)
        while rows := look.connection.fetchmany(_ROWS_PER_FETCH):
            for id_, is_anonymous, number, times in rows:
                yield Fact(id_, is_anonymous, wanted[number], _times(times))


def gather_asked(look: Look, clock: Conditions, wanted: Sequence[Demand], of_users: str = _LIVES) -> None:
    """Gather what demands look at of the persons in `asked_ids`, as far back as they do.

    `of_users` are the columns that are wanted of them.
    """
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
    run_spliced(look.connection, "facts.gather", (), {"columns": of_users})
    for kind, name in _GATHERED_BY_KIND.items():
        if kind in since:
            bounds = {"since": since[kind], "names": sorted(names)}
            run_spliced(look.connection, f"facts.gather_{name}", each, None, **bounds)


def _happened(clock: Conditions, wanted: Sequence[Demand]) -> Iterator[tuple[Conditions, str]]:
    """Yield queries of when what demands ask for happened, as far back as they do; numbers say which."""
    asked = [(demand.what, [(demand.begins(clock.now, clock.zone), None)]) for demand in wanted]
    for some in portions_of_happenings(asked, HAPPENINGS_AT_ONCE):
        writer = replace(clock, tables=OF_ASKED, parameters={})
        yield writer, writer.each_happened(some)


def _times(newest: Sequence[int]) -> Sequence[int] | None:
    """Return times, the earliest first; None: they are too many to be kept."""
    return None if len(newest) > limits.FACT_TIMES_MAX else sorted(newest)
