"""The tables of what rules mean (tests/conformance/rules), as rules, persons and answers."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from naive_rules import NaivePerson

from enduser.core.times import iso_instant

FOLDER = Path(__file__).parents[1] / "conformance" / "rules"
NOW = "2026-03-15T12:00:00Z"
CUSTOM_TYPES = {
    "plan": "string",
    "seats": "number",
    "is_beta": "boolean",
    "renews_on": "date",
    "signed_at": "datetime",
    "products": "list",
}
"""The custom attributes of all tables."""
TYPES = {
    **dict.fromkeys(("user_id", "country", "region", "city", "browser_name", "browser_version"), "string"),
    **dict.fromkeys(("name", "role", "type", "status", "info"), "string"),
    "is_anonymous": "boolean",
    **dict.fromkeys(("first_seen", "last_seen"), "datetime"),
    **dict.fromkeys(("total_sessions", "total_session_duration", "average_session_duration"), "number"),
    "average_time_between_sessions": "number",
    **CUSTOM_TYPES,
}
"""The type of every attribute that rules of the tables can name."""
ATTRIBUTE_TABLES = {
    "strings": "plan",
    "numbers": "seats",
    "booleans": "is_beta",
    "dates": "renews_on",
    "datetimes": "signed_at",
    "lists": "products",
}
"""Tables of conditions on one attribute, and which it is."""
PERSON_TABLES = ("groups", "sessions", "events", "changes", "lists_and_segments")


@dataclass(frozen=True)
class RuleCase:
    """A rule, a person, and whether the rule holds for the person. `now` is µs."""

    name: str
    rule: Mapping[str, Any]
    person: NaivePerson
    holds: bool
    now: int
    time_zone: str = "UTC"
    segments: Mapping[str, object] = field(default_factory=dict)


def rows_of(table: str) -> list[dict[str, Any]]:
    """Return the rows of a table as they stand in its file."""
    found: list[dict[str, Any]] = json.loads((FOLDER / f"{table}.json").read_text(encoding="utf-8"))
    return found


def cases_of(table: str) -> list[RuleCase]:
    """Return the cases of a table; of all but `refused`."""
    if table in ATTRIBUTE_TABLES:
        return [_attribute_case(ATTRIBUTE_TABLES[table], row) for row in rows_of(table)]
    return [_person_case(row) for row in rows_of(table)]


def instant(text: str) -> int:
    """Return an instant of a table in µs."""
    at = iso_instant(text)
    assert at is not None, text
    return at


def read_value(name: str, value: Any) -> object:
    """Return the value of an attribute as a person has it."""
    if TYPES[name] == "datetime":
        return instant(value)
    return tuple(value) if TYPES[name] == "list" else value


def _attribute_case(name: str, row: Mapping[str, Any]) -> RuleCase:
    values = {} if row["value"] is None else {name: row["value"]}
    rule = {"combinator": "and", "rules": [{"field": name, **row["condition"]}]}
    return _case(row, rule, person_of({"values": values}))


def _person_case(row: Mapping[str, Any]) -> RuleCase:
    return _case(row, row["rule"], person_of(row.get("person", {})))


def _case(row: Mapping[str, Any], rule: Mapping[str, Any], person: NaivePerson) -> RuleCase:
    now, zone = instant(row.get("now", NOW)), row.get("time_zone", "UTC")
    return RuleCase(row["case"], rule, person, row["holds"], now, zone, row.get("segments", {}))


def person_of(told: Mapping[str, Any]) -> NaivePerson:
    """Return a person as a table tells of one: of what it does not tell there is the plainest."""
    values = {name: read_value(name, value) for name, value in told.get("values", {}).items()}
    return NaivePerson(
        values={"user_id": "ada", "is_anonymous": False, **values},
        sessions=[_session(one) for one in told.get("sessions", [])],
        events=[_event(one) for one in told.get("events", [])],
        changes={name: _changes(name, found) for name, found in told.get("changes", {}).items()},
        lists=frozenset(told.get("lists", [])),
        has_object=told.get("has_object", True),
    )


def _session(told: Mapping[str, Any]) -> dict[str, object]:
    """Return a session: of one `track` event, unless told otherwise."""
    started_at = instant(told["started_at"])
    ended_at = instant(told.get("ended_at", told["started_at"]))
    plain = {"events": 1, "page_views": 0, "interactions": 1, "is_empty": False, "is_closed": True}
    times = {"started_at": started_at, "ended_at": ended_at, "duration_s": (ended_at - started_at) / 1e6}
    return {**plain, **told, **times}


def _event(told: Mapping[str, Any]) -> dict[str, object]:
    plain = {"type": "track", "name": None, "page_url": None, "properties": {}}
    return {**plain, **told, "occurred_at": instant(told["occurred_at"])}


def _changes(name: str, told: Sequence[Sequence[Any]]) -> list[tuple[int, object, object]]:
    return [
        (instant(at), *(None if value is None else read_value(name, value) for value in values))
        for at, *values in told
    ]
