"""Rules as conditions of SQL: what the tables say."""

from __future__ import annotations

import json
import random
import re
from collections.abc import Iterator
from typing import Any
from zoneinfo import ZoneInfo

import duckdb
import pytest
from naive_rules import NaivePerson
from random_rules import pools_of, random_segments
from rule_cases import ATTRIBUTE_TABLES, CUSTOM_TYPES, PERSON_TABLES, TYPES, RuleCase, cases_of
from rule_persons import LISTS, vocabulary
from tiers import tries

from enduser import limits
from enduser.core.attributes import Attribute, AttributeType
from enduser.core.rules.reading import read_rule
from enduser.core.rules.tree import Combinator, Condition, Contains, Field, Group, InList, Rule, Sessions
from enduser.stores.embedded.conditions import Conditions, portions_of_happenings
from enduser.stores.embedded.database import migrations, prepare
from enduser.stores.embedded.registry import Column, add_column
from enduser.stores.embedded.statements import bound, used

WITHOUT_A_BEGINNING = {"from unknown is not from a value", "numbers: 0 is not unknown"}
"""Persons of whom a value is told but not how it came: in a store that is a change, too."""
CASES = [
    (f"{table}: {case.name}", case)
    for table in (*ATTRIBUTE_TABLES, *PERSON_TABLES)
    for case in cases_of(table)
    if case.name not in WITHOUT_A_BEGINNING
]
COLUMNS = [
    Column(number, Attribute(name, AttributeType(kind)))
    for number, (name, kind) in enumerate(CUSTOM_TYPES.items(), 1)
]
PERSON = 7
LONG_AGO = -(10**15)
NOW = 10**15


@pytest.fixture(scope="module")
def space() -> Iterator[duckdb.DuckDBPyConnection]:
    """An empty space of the newest schema, with the custom attributes of the tables."""
    connection = duckdb.connect()
    prepare(connection)
    for kind in ("main", "space"):
        for _, text in migrations(kind):
            connection.execute(text)
    for column in COLUMNS:
        add_column(connection, "main", column)
    yield connection
    connection.close()


@pytest.mark.parametrize("case", [case for _, case in CASES], ids=[name for name, _ in CASES])
def test_a_condition_holds_where_the_tables_say_so(case: RuleCase, space: duckdb.DuckDBPyConnection) -> None:
    words = vocabulary(TYPES, time_zone=case.time_zone, lists=(*LISTS, "Staff"), segments=case.segments)
    rule = read_rule(case.rule, words)
    zone = ZoneInfo(case.time_zone)
    writer = Conditions({one.attribute.name: one for one in COLUMNS}, [1, 2, 3], case.now, zone, months=6)
    condition = writer.of(rule)
    space.execute("BEGIN")
    try:
        put(space, case.person)
        meant = f"SELECT count(*) FROM users WHERE total_sessions > 0 AND {condition}"
        found = space.execute(meant, used(meant, writer.parameters)).fetchall()
        if rule.is_of_lists and not case.person.has_object:
            meant = f"SELECT count(*) FROM ({writer.persons_of_lists(rule)}) AS users WHERE {condition}"
            found = space.execute(meant, used(meant, writer.parameters)).fetchall()
    finally:
        space.execute("ROLLBACK")
    assert (found[0][0] > 0) is case.holds


LOOKUP = re.compile(r"FROM (?:places|browsers|user_ids|lists) |IN \(SELECT unnest")
"""A look into another table, as it is written."""


def lookups_written(rule: Rule) -> int:
    named = {one.attribute.name: one for one in COLUMNS}
    return len(LOOKUP.findall(Conditions(named, [1], 0, ZoneInfo("UTC"), months=6).of(rule)))


@pytest.mark.parametrize("case", [case for _, case in CASES], ids=[name for name, _ in CASES])
def test_as_many_looks_are_written_as_the_tables_rules_are_said_to_take(case: RuleCase) -> None:
    rule = read_rule(case.rule, vocabulary(TYPES, lists=(*LISTS, "Staff"), segments=case.segments))
    assert lookups_written(rule) == rule.lookups


def with_more_values(rule: Any, rng: random.Random) -> Any:
    """Return a rule in which some lists of values are long, and some fields must be one of many."""
    if isinstance(rule, list):
        parts = [with_more_values(part, rng) for part in rule]
        return [*parts, *(more for part in parts if rng.random() < 0.5 for more in others(part))]
    if not isinstance(rule, dict):
        return rule
    if rule.get("operator") in ("in", "not_in") and rng.random() < 0.5:
        many = range(rng.choice([20, 21, 30]))
        return {**rule, "value": [f"v{k}" for k in many] if isinstance(rule["value"][0], str) else [*many]}
    return {name: part if name == "value" else with_more_values(part, rng) for name, part in rule.items()}


def others(condition: Any) -> list[Any]:
    """Return twenty conditions with other values, which can be one with a condition that asks for one."""
    if not isinstance(condition, dict) or condition.get("operator") not in ("is", "is_not"):
        return []
    return [{**condition, "value": f"v{number}"} for number in range(20)]


@pytest.mark.parametrize("seed", range(tries(100, 1_000)))
def test_as_many_looks_are_written_as_random_rules_are_said_to_take(
    seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("RULE_LOOKUPS_MAX", "RULE_WEIGHT_MAX", "RULE_HISTORIES_MAX"):
        monkeypatch.setattr(limits, name, 1_000_000)
    rng = random.Random(f"lookups/{seed}")
    pools = random_segments(rng, pools_of(NOW, "UTC", LISTS), 8)
    rules = with_more_values(pools.segments, rng)
    named = [{"kind": "segment", "id": name} for name in rules]
    rule = read_rule({"combinator": "or", "rules": named}, vocabulary(TYPES, segments=rules))
    assert lookups_written(rule) == rule.lookups


def test_many_values_of_one_field_are_one_look() -> None:
    cities = [{"field": "city", "operator": "contains", "value": f"c{number}"} for number in range(100)]
    assert lookups_written(read_rule({"combinator": "or", "rules": cities}, vocabulary(TYPES))) == 100
    cities = [{"field": "city", "operator": "is", "value": f"c{number}"} for number in range(1_000)]
    assert lookups_written(read_rule({"combinator": "or", "rules": cities}, vocabulary(TYPES))) == 2


@pytest.mark.parametrize("form", ["users", "sessions", "events"])
def test_many_conditions_that_must_hold_are_one_to_the_engine(form: str) -> None:
    def written(count: int) -> str:
        field = {"users": "plan", "sessions": "browser_version", "events": "name"}[form]
        texts = [{"field": field, "operator": "contains", "value": f"c{number}"} for number in range(count)]
        inner = {"combinator": "and", "rules": texts}
        rule = inner if form == "users" else {"kind": form.removesuffix("s"), **inner}
        return Conditions(named, [1], 0, ZoneInfo("UTC"), months=6).of(read_rule(rule, vocabulary(TYPES)))

    named = {one.attribute.name: one for one in COLUMNS}
    assert "IS TRUE" not in written(99)
    assert written(100).count("IS TRUE") == 1


def put(space: duckdb.DuckDBPyConnection, person: NaivePerson) -> None:
    """Store a person as a fold would."""
    values = dict(person.values)
    insert(
        space,
        "user_ids",
        user_key=PERSON,
        base_key=PERSON,
        id_check=0,
        is_anonymous=values["is_anonymous"],
        id=values["user_id"],
    )
    place = [values.get(name) for name in ("country", "region", "city")]
    browser = [values.get(name) for name in ("browser_name", "browser_version")]
    space.execute("INSERT INTO places VALUES (1, $1, $2, $3)", place)
    space.execute("INSERT INTO browsers VALUES (1, $1, $2)", browser)
    first, last = values.get("first_seen", 0), values.get("last_seen", 0)
    insert(
        space,
        "users",
        person_key=PERSON,
        total_sessions=int(values.get("total_sessions", 1)) if person.has_object else 0,
        first_seen=values.get("first_seen"),
        last_seen=values.get("last_seen"),
        duration_us=round(values.get("total_session_duration", 0) * 1e6),
        place_id=1 if any(place) else None,
        browser_id=1 if any(browser) else None,
        is_anonymous=values["is_anonymous"],
        life_started_at=LONG_AGO if first == 0 else first,
        last_visit_at=10**16 if last == 0 else last,
        **{name: values.get(name) for name in ("name", "role", "type", "status", "info")},
        **{column.name: plain(values.get(column.attribute.name)) for column in COLUMNS},
    )
    for number, session in enumerate(person.sessions, 2):
        put_session(space, number, session)
    for event in person.events:
        put_event(space, event)
    put_changes(space, person)
    for number, list_id in enumerate(sorted(person.lists), 1):
        insert(space, "lists", list=number, id=list_id, name="", created_at=0, changed_at=0)
        insert(space, "list_members", list=number, user_key=PERSON, added_at=0)


def put_session(space: duckdb.DuckDBPyConnection, number: int, session: Any) -> None:
    space.execute(
        "INSERT INTO places VALUES ($1, $2, $3, $4)",
        [number, *(session.get(name) for name in ("country", "region", "city"))],
    )
    space.execute(
        "INSERT INTO browsers VALUES ($1, $2, $3)",
        [number, session.get("browser_name"), session.get("browser_version")],
    )
    views = session["page_views"]
    insert(
        space,
        "sessions",
        person_key=PERSON,
        started_at=session["started_at"],
        ended_at=session["ended_at"],
        events=session["events"],
        page_views=views,
        acts=session["interactions"] - max(views - 1, 0),
        place_id=number,
        browser_id=number,
        continues=False,
        is_cut_off=False,
    )


def put_event(space: duckdb.DuckDBPyConnection, event: Any) -> None:
    at = event["occurred_at"]
    insert(
        space,
        "events",
        user_key=PERSON,
        client_at=at,
        message_key=1,
        occurred_at=at,
        received_at=at,
        batch=1,
        is_visit=True,
        is_page_view=event["type"] == "page",
        is_act=event["type"] == "track",
        type=event["type"],
        name=event["name"],
        page_url=event["page_url"],
        properties=json.dumps(event["properties"]) if event["properties"] else None,
    )


def put_changes(space: duckdb.DuckDBPyConnection, person: NaivePerson) -> None:
    """Store what was said so that values changed as they did."""
    run = 0
    for column in COLUMNS:
        changes = person.changes.get(column.attribute.name, ())
        said = [(at, after) for at, _, after in changes]
        if changes and changes[0][1] is not None:
            said.insert(0, (changes[0][0] - 10**12, changes[0][1]))
        for at, value in said:
            run += 1
            cleared = [column.number] if value is None else None
            insert(
                space,
                "candidates",
                user_key=PERSON,
                source=2,
                run=run,
                row=1,
                effective_at=at,
                written_at=at,
                cleared=cleared,
                **{column.name: plain(value)},
            )


def plain(value: object) -> object:
    return list(value) if isinstance(value, tuple) else value


def insert(space: duckdb.DuckDBPyConnection, table: str, /, **values: object) -> None:
    names, places = ", ".join(values), ", ".join(f"${name}" for name in values)
    told = {name: bound(value) for name, value in values.items()}
    space.execute(f"INSERT INTO {table} ({names}) VALUES ({places})", told)


def visits_from(places: int, name: str = "City") -> Sessions:
    """Return sessions in one of so many places, each of which is looked up."""
    parts = tuple(
        Condition(Field("city", AttributeType.STRING), Contains(f"{name} {k}")) for k in range(places)
    )
    return Sessions(Group(Combinator.OR, parts))


def test_things_that_happened_are_looked_for_at_once_each_as_large_as_a_rule_may_be(
    space: duckdb.DuckDBPyConnection,
) -> None:
    writer = Conditions({}, [1], NOW, ZoneInfo("UTC"), months=6)
    each = {k: (visits_from(limits.RULE_LOOKUPS_MAX, f"Town {k}"), [(None, NOW)]) for k in range(2)}
    query = writer.each_happened(each)
    assert space.execute(query, writer.parameters).fetchall() == []


def test_a_thing_that_happened_is_found_under_its_number_within_any_of_its_spans(
    space: duckdb.DuckDBPyConnection,
) -> None:
    writer = Conditions({}, [1], NOW, ZoneInfo("UTC"), months=6)
    anything = Sessions(Group(Combinator.AND, ()))
    spans = {4: [(10, 20), (30, 40)], 9: [(None, 11)], 5: [(None, None)]}
    query = writer.each_happened({number: (anything, those) for number, those in spans.items()})
    space.execute("BEGIN")
    try:
        for at in (9, 10, 19, 20, 35, 40):
            space.execute(
                "INSERT INTO sessions BY NAME SELECT 7 AS person_key, $1 AS started_at, $1 AS ended_at, "
                "0 AS acts, 0 AS page_views, 1 AS events, false AS is_cut_off, false AS continues",
                [at],
            )
        rows = space.execute(query, writer.parameters).fetchall()
    finally:
        space.execute("ROLLBACK")
    found = {number: sorted(at for one, _, at in rows if one == number) for number in spans}
    assert found == {4: [10, 19, 35], 9: [9, 10], 5: [9, 10, 19, 20, 35, 40]}


def test_what_is_asked_of_at_once_is_as_much_as_a_statement_takes() -> None:
    few, many = visits_from(1), visits_from(limits.RULE_LOOKUPS_MAX)
    asked = [few, few, few, many, many, InList("friends")]
    found = [list(some) for some in portions_of_happenings([(what, []) for what in asked], at_once=2)]
    assert found == [[0, 1], [2, 3], [4, 5]]


def test_conditions_beyond_what_one_statement_takes_are_asked_of_by_another() -> None:
    largest = visits_from(4 * limits.RULE_LOOKUPS_MAX)
    asked = [visits_from(1), largest, visits_from(1)]
    assert [list(some) for some in portions_of_happenings([(what, []) for what in asked], at_once=50)] == [
        [0],
        [1],
        [2],
    ]
