"""Facts: what rules of decisions ask for of persons, for the serving copy to keep."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from enduser import limits
from enduser.core.contents import Deciding
from enduser.core.rules.demands import Demand, demands_of
from enduser.core.rules.naming import names_of
from enduser.core.rules.programs import Program
from enduser.core.rules.tree import Changes, Events, InList, Window
from enduser.stores.answers import Fact
from enduser.stores.embedded.asking import conditions, rules_of
from enduser.stores.embedded.conditions import Conditions, Tables
from enduser.stores.embedded.contents import every_content
from enduser.stores.embedded.database import space_number
from enduser.stores.embedded.reading import KEYS, Look
from enduser.stores.embedded.segments import Rules, every_segment
from enduser.stores.embedded.statements import spliced, statements

_AT_ONCE = 50
"""Demands of one statement."""
_ROWS_PER_FETCH = 10_000
_NAMES = ("users", "sessions", "open_sessions", "events", "candidates", "list_members")
_NARROWED = Tables(**{name: f"asked_{name}" for name in _NAMES})


def deciding(look: Look, schema: str) -> Deciding:
    """Return what collectors must know to decide in a space: what browsers may learn of, and what it names.

    In a space that tracks no users there are no segments.
    """
    contents = [one.content for one in every_content(look.connection) if one.content.is_public]
    tracks_users = look.settings().unique_user != "none"
    saved = every_segment(look.connection) if tracks_users else []
    segments = {one.segment.id: one.segment for one in saved}
    public = [name for name, segment in segments.items() if segment.is_public and not segment.is_archived]
    wanted = dict.fromkeys([*public, *(one.segment for one in contents if one.segment in segments)])
    rules = rules_of(look)
    return Deciding(
        number=space_number(schema),
        space=look.space,
        contents=contents,
        public_segments=public,
        segments={name: segments[name].rule for name in _closure(rules, [name for name in wanted if name])},
        attributes={column.attribute.name: column.attribute.type for column in look.columns()},
    )


def _closure(rules: Rules, wanted: list[str]) -> Sequence[str]:
    """Return segments and all that they name."""
    found: dict[str, None] = {}
    while wanted:
        name = wanted.pop()
        if name not in found:
            found[name] = None
            wanted += names_of(rules.require(name)).segments
    return list(found)


def demands(look: Look, known: Deciding) -> Sequence[Demand]:
    """Return what is asked for of persons to decide."""
    rules = rules_of(look)
    return demands_of(Program([rules.require(name) for name in known.segments]))


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
    look.run("facts.narrow")
    kinds = {type(demand.what) for demand in wanted}
    for kind, name in ((Events, "events"), (Changes, "candidates"), (InList, "lists")):
        if kind in kinds:
            look.run(f"facts.narrow_{name}")
    for first in range(0, len(wanted), _AT_ONCE):
        writer = conditions(look, _NARROWED)
        some = enumerate(wanted[first : first + _AT_ONCE], first)
        found = [_found(writer, demand, number) for number, demand in some]
        query = spliced(statements("facts")["facts"][0], (), {"found": " UNION ALL ".join(found)})
        look.connection.execute(query, writer.parameters)
        while rows := look.connection.fetchmany(_ROWS_PER_FETCH):
            for id_, is_anonymous, number, times in rows:
                yield Fact(id_, is_anonymous, wanted[number], _times(times))


def _found(writer: Conditions, demand: Demand, number: int) -> str:
    """Return the query of when something happened to persons; the number says what."""
    is_listed = isinstance(demand.what, InList)
    if isinstance(demand.what, InList):
        happened = writer.in_list(demand.what)
    else:
        happened = writer.happened(demand.what, Window())
    begins = demand.begins(writer.now, writer.zone)
    if begins is not None:
        happened = f"FROM ({happened}) AS happened WHERE happened_at >= {writer.bind(begins)}"
    splices = {
        "number": str(number),
        "times": str(limits.FACT_TIMES_MAX + 1),
        "is_listed": str(is_listed),
        "happened": happened,
    }
    return f"({spliced(statements('facts')['found'][0], (), splices)})"


def _times(newest: Sequence[int]) -> Sequence[int] | None:
    """Return times, the earliest first; None: they are too many to be kept."""
    return None if len(newest) > limits.FACT_TIMES_MAX else sorted(newest)
