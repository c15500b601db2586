"""Persons of the tables of rules as a program gets them."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any
from zoneinfo import ZoneInfo

from naive_rules import NaivePerson

from enduser.core.attributes import AttributeType
from enduser.core.rules.fields import PAGE_PATH, PROPERTIES, USER_FIELDS
from enduser.core.rules.programs import Person, Program
from enduser.core.rules.reading import Vocabulary, read_rule
from enduser.core.rules.tree import (
    Anything,
    Changes,
    Condition,
    Equals,
    Events,
    Group,
    Happening,
    Known,
    Node,
    Rule,
    Sessions,
    Unknown,
)
from enduser.core.times import iso_instant

LISTS = ("staff", "testers", "silent", "Vertrieb «Süd» 'x' \"y\"")
"""The static lists of the tables."""


def vocabulary(
    types: Mapping[str, str],
    *,
    time_zone: str = "UTC",
    lists: Sequence[str] = LISTS,
    segments: Mapping[str, object] | None = None,
) -> Vocabulary:
    """Return what words mean in a space of a table."""
    known = segments or {}

    def segment_of(name: str) -> Rule | None:
        return read_rule(known[name], words) if name in known else None

    custom = {name: AttributeType(kind) for name, kind in types.items() if name not in USER_FIELDS}
    words = Vocabulary(custom, ZoneInfo(time_zone), lists, segment_of)
    return words


def answer(rule: Rule, person: NaivePerson, now: int, zone: ZoneInfo) -> bool:
    """Return what a program of one rule says of a person."""
    program = Program([rule])
    times = {what: times_of(what, person, now, zone) for what in program.happenings}
    known = Person(person.values if person.has_object else None, times, person.lists)
    return program.answers(known, program.edges(now, zone))[0]


def times_of(what: Happening, person: NaivePerson, now: int, zone: ZoneInfo) -> Sequence[int]:
    """Return when something happened to a person."""
    match what:
        case Sessions(rules):
            return sorted(
                int(one["started_at"])
                for one in person.sessions
                if _fits(rules, dict(one), now, zone)  # type: ignore[call-overload]
            )
        case Events(name, rules):
            return sorted(
                int(one["occurred_at"])  # type: ignore[call-overload]
                for one in person.events
                if name in (None, one.get("name")) and _fits_event(rules, one, now, zone)
            )
        case Changes(of, before, after):
            changes = person.changes.get(of.name, ())
            return [at for at, was, became in changes if _is(before, was) and _is(after, became)]


def _fits(rules: Group, values: Mapping[str, Any], now: int, zone: ZoneInfo) -> bool:
    program = Program([Rule(rules, 1, 1, 0, 1, 0, is_of_lists=False)])
    return program.answers(Person(values), program.edges(now, zone))[0]


def _fits_event(rules: Group, event: Mapping[str, Any], now: int, zone: ZoneInfo) -> bool:
    """Return whether a rule holds for an event."""
    values = dict(event)
    if event.get("page_url") is not None:
        found = re.match(PAGE_PATH, event["page_url"])
        values["page_path"] = (found and found[1]) or "/"
    typed = _typed(rules)
    assert isinstance(typed, Group)
    for condition in _conditions(typed):
        if condition.field.name.startswith(PROPERTIES):
            name = condition.field.name.removeprefix(PROPERTIES).rpartition(" as ")[0]
            values[condition.field.name] = _property(event.get("properties", {}).get(name), condition)
    return _fits(typed, values, now, zone)


def _typed(node: Node) -> Node:
    """Return a rule in which a property of two types, which is known by one of them, is two fields."""
    if isinstance(node, Group):
        return replace(node, parts=tuple(_typed(part) for part in node.parts))
    if not isinstance(node, Condition) or not node.field.name.startswith(PROPERTIES):
        return node
    kind = "any" if isinstance(node.test, Known) else node.field.type
    return replace(node, field=replace(node.field, name=f"{node.field.name} as {kind}"))


def _conditions(node: Node) -> list[Condition]:
    if isinstance(node, Condition):
        return [node]
    return [one for part in node.parts for one in _conditions(part)] if isinstance(node, Group) else []


def _property(value: Any, condition: Condition) -> Any:
    if isinstance(condition.test, Known) or value is None:
        return value
    match condition.field.type:
        case AttributeType.STRING:
            return value if isinstance(value, str) else None
        case AttributeType.NUMBER:
            return value if isinstance(value, int | float) and not isinstance(value, bool) else None
        case AttributeType.BOOLEAN:
            return value if isinstance(value, bool) else None
        case AttributeType.LIST:
            is_list = isinstance(value, list) and all(isinstance(one, str) for one in value)
            return tuple(value) if is_list else None
        case _:
            return iso_instant(value) if isinstance(value, str) else None


def _is(state: Equals | Known | Unknown | Anything, value: object) -> bool:
    match state:
        case Anything():
            return True
        case Known():
            return value is not None
        case Unknown():
            return value is None
        case Equals(values):
            return value in [one if isinstance(one, str | float | int) else one.isoformat() for one in values]
