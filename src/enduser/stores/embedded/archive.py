"""All that is held on one person: tables as files of CSV, and what is told beside them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from enduser.core.candidates import winner
from enduser.core.events import UserId
from enduser.core.rules.explaining import judge
from enduser.core.rules.programs import Person
from enduser.core.rules.tree import Rule
from enduser.errors import InvalidRule, RuleTooLarge
from enduser.stores.answers import HeldLife, HeldLink, HeldPerson, HeldValue, NamedId, ToldOf
from enduser.stores.embedded import candidates
from enduser.stores.embedded.asking import OF_PERSON, conditions, rules_of
from enduser.stores.embedded.engine import told
from enduser.stores.embedded.reading import Look, object_of, persons
from enduser.stores.embedded.segments import every_segment
from enduser.stores.embedded.statements import spliced, statements, text_literal, used

FILES = ("events", "sessions", "values", "properties", "links", "lists", "feed")
"""The tables; each is a query of `sql/archive.sql`."""


def write_person(look: Look, user_id: str, id_kind: str, folder: Path) -> HeldPerson | None:
    """Write what is held on the person of an id; see `Reader.write_person`."""
    for person_key in persons(look, user_id, id_kind):
        hash_ids = look.settings().hash_ids
        ids = look.run("archive.archived", person_key=person_key, hash_ids=hash_ids)
        look.run("archive.gather_links")
        rows = {name: _write(look, name, folder / f"{name}.csv") for name in FILES}
        return _held(look, person_key, [UserId(*row) for row in ids], rows)
    return None


def _write(look: Look, name: str, path: Path) -> int:
    """Write a table of the person; return the count of rows."""
    query = spliced(statements("archive")[name][0], [column.splices("csv") for column in look.columns()])
    copy = f"COPY ({query}) TO {text_literal(path)} (FORMAT csv, HEADER)"
    with told(f"cannot write {path}", "see whether the disk is full, or name another file"):
        return int(look.connection.execute(copy, used(copy, {})).fetchall()[0][0])


def _held(look: Look, person_key: int, ids: list[UserId], rows: Mapping[str, int]) -> HeldPerson:
    lists = [NamedId(*row) for row in look.run("archive.lists_of_person")]
    closed = object_of(look, person_key, include_open=False)
    status, settings = look.run("read.status")[0], look.settings()
    return HeldPerson(
        shown=UserId(*look.run("read.shown_id", person_key=person_key)[0]),
        is_hashed=settings.hash_ids,
        ids=ids,
        links=[_link(*row) for row in look.run("archive.held_links")],
        user=closed,
        user_with_open=object_of(look, person_key, include_open=True),
        life=HeldLife(*look.run("archive.life", person_key=person_key)[0]),
        values=dict(_values(look)),
        segments=list(_segments(look, person_key, {one.id for one in lists}, is_seen=closed is not None)),
        lists=lists,
        told=[ToldOf(UserId(*row[:2]), *row[2:]) for row in look.run("archive.told")],
        rows=rows,
        clock_at=status[0],
        live_since=status[1],
        retention_months=settings.retention_months,
    )


def _link(*row: Any) -> HeldLink:
    return HeldLink(UserId(*row[0:2]), UserId(*row[2:4]), *row[4:])


def _values(look: Look) -> Iterator[tuple[str, HeldValue]]:
    """Yield the values that hold, by the reference model: of each source its last word is enough for that."""
    inputs: dict[int, str] = dict(look.run("archive.inputs"))
    order = candidates.source_order(look)
    for column in look.columns():
        attribute, query = column.attribute, statements("archive")["latest"][0]
        rows = look.rows(spliced(query, (), column.splices("core")), {})
        said = [candidates.candidate(row, attribute.type, row["value"]) for row in rows]
        held = winner(said, attribute.conflict_rule, order)
        if held is not None and held.value is not None:
            yield attribute.name, HeldValue(held, attribute.type, inputs.get(held.run))


def _segments(look: Look, person_key: int, lists: set[str], *, is_seen: bool) -> Iterator[NamedId]:
    """Yield the segments that hold for the person. One whose rule cannot be any more holds for nobody.

    Of somebody with an object the engine says it: what happened may be more than memory has room for.
    """
    rules = dict(_rules(look))
    if is_seen and rules:
        look.run("asking.gather_person", person_key=person_key)
    writer = conditions(look)
    for segment, rule in rules.items():
        look.check_time()
        if not is_seen:
            holds = judge(rule, Person(None, {}, lists), writer.now, writer.zone).holds
        else:
            asked = replace(writer, parameters={}, tables=OF_PERSON)
            splices = {"users": OF_PERSON.users, "condition": asked.of(rule)}
            query = spliced(statements("archive")["segment"][0], (), splices)
            held: Any = look.rows(query, asked.parameters)[0]["held"]
            holds = held > 0
        if holds:
            yield segment


def _rules(look: Look) -> Iterator[tuple[NamedId, Rule]]:
    """Yield the segments that are in use, with their rules."""
    if look.settings().unique_user == "none":
        return
    reader = rules_of(look)
    for saved in every_segment(look.connection):
        if not saved.segment.is_archived:
            try:
                yield NamedId(saved.segment.id, saved.segment.name), reader.require(saved.segment.id)
            except (InvalidRule, RuleTooLarge):
                continue
