"""Engines of rules, asked whether each of many segments holds for each of some users.

python rule_engines.py FILE: what `inside_rules.py one_user` wrote. Each engine goes on to the next user until
two seconds are over; a rule is compiled once where the engine can do that.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import cel
import celpy
import duckdb
import jsonlogic_rs
from growthbook.core import evalCondition

SECONDS = 2
_CEL = {"is": "==", "gt": ">", "lt": "<", "ge": ">="}
_MONGO = {"is": "$eq", "in": "$in", "gt": "$gt", "lt": "$lt", "ge": "$gte"}
_JSON_LOGIC = {"is": "==", "in": "in", "gt": ">", "lt": "<", "ge": ">="}

Rule = dict[str, Any]
Answers = Callable[[dict[str, Any]], Iterator[bool]]


def growthbook(rules: list[Rule]) -> Answers:
    """Conditions as MongoDB has them; they are read with each question."""
    conditions = [_mongo(rule) for rule in rules]
    return lambda user: (evalCondition(user, one) for one in conditions)


def _mongo(rule: Rule) -> dict[str, Any]:
    if "rules" in rule:
        return {f"${rule['combinator']}": [_mongo(part) for part in rule["rules"]]}
    if rule["operator"] == "is_true":
        return {rule["field"]: True}
    # A missing number is 0 to it, unlike to the others.
    known = {"$exists": True} if rule["operator"] in ("lt", "ge", "gt") else {}
    return {rule["field"]: {**known, _MONGO[rule["operator"]]: rule["value"]}}


def cel_in_rust(rules: list[Rule]) -> Answers:
    """The Common Expression Language, by common-expression-language (Rust)."""
    programs = [cel.compile(_cel(rule)) for rule in rules]

    def answers(user: dict[str, Any]) -> Iterator[bool]:
        context = cel.Context()
        context.add_variable("user", user)
        return (program.execute(context) for program in programs)

    return answers


def cel_in_python(rules: list[Rule]) -> Answers:
    """The same language, by cel-python."""
    environment = celpy.Environment()
    programs = [environment.program(environment.compile(_cel(rule))) for rule in rules]

    def answers(user: dict[str, Any]) -> Iterator[bool]:
        activation = {"user": celpy.json_to_cel(user)}
        return (bool(program.evaluate(activation)) for program in programs)  # type: ignore[arg-type]

    return answers


def _cel(rule: Rule) -> str:
    if "rules" in rule:
        word = " && " if rule["combinator"] == "and" else " || "
        return f"({word.join(_cel(part) for part in rule['rules'])})"
    field, operator = f"user.{rule['field']}", rule["operator"]
    if operator == "is_true":
        return f"(has({field}) && {field})"
    value = rule["value"]
    if operator == "in":
        return f"(has({field}) && {field} in {json.dumps(value)})"
    text = json.dumps(float(value) if isinstance(value, int) else value)
    return f"(has({field}) && {field} {_CEL[operator]} {text})"


def json_logic(rules: list[Rule]) -> Answers:
    """JsonLogic, by jsonlogic-rs (Rust), which reads rule and user with each question."""
    written = [_json_logic(rule) for rule in rules]
    return lambda user: (bool(jsonlogic_rs.apply(one, user)) for one in written)


def _json_logic(rule: Rule) -> dict[str, Any]:
    if "rules" in rule:
        return {rule["combinator"]: [_json_logic(part) for part in rule["rules"]]}
    value = {"var": rule["field"]}
    if rule["operator"] == "is_true":
        return {"===": [value, True]}
    test = {_JSON_LOGIC[rule["operator"]]: [value, rule["value"]]}
    # Nothing is 0 to it.
    return test if rule["operator"] in ("is", "in") else {"and": [{"!==": [value, None]}, test]}


def duckdb_rows(rules: list[Rule]) -> Answers:
    """A query for each segment on a table with the user as its one row."""
    connection = duckdb.connect(config={"threads": 1})
    wheres = [_sql(rule) for rule in rules]

    def answers(user: dict[str, Any]) -> Iterator[bool]:
        _put(connection, user)
        return (
            bool(connection.execute(f"SELECT count(*) FROM one WHERE {where}").fetchall()[0][0])
            for where in wheres
        )

    return answers


def duckdb_once(rules: list[Rule]) -> Answers:
    """One query for all segments on such a table."""
    connection = duckdb.connect(config={"threads": 1})
    query = f"SELECT {', '.join(_sql(rule) for rule in rules)} FROM one"

    def answers(user: dict[str, Any]) -> Iterator[bool]:
        _put(connection, user)
        return (bool(one) for one in connection.execute(query).fetchall()[0])

    return answers


_COLUMNS = {
    "plan": "VARCHAR",
    "seats": "DOUBLE",
    "language": "VARCHAR",
    "score": "DOUBLE",
    "job": "VARCHAR",
    "opted_in": "BOOLEAN",
    "industry": "VARCHAR",
    "orders": "DOUBLE",
}


def _put(connection: duckdb.DuckDBPyConnection, user: dict[str, Any]) -> None:
    columns = ", ".join(f"{name} {kind}" for name, kind in _COLUMNS.items())
    connection.execute(f"CREATE OR REPLACE TABLE one ({columns})")
    places = ", ".join(f"${name}" for name in _COLUMNS)
    connection.execute(f"INSERT INTO one VALUES ({places})", {name: user.get(name) for name in _COLUMNS})


def _sql(rule: Rule) -> str:
    if "rules" in rule:
        word = " AND " if rule["combinator"] == "and" else " OR "
        return f"({word.join(_sql(part) for part in rule['rules'])})"
    if rule["operator"] == "is_true":
        return str(rule["field"])
    if rule["operator"] == "in":
        return f"{rule['field']} IN ({', '.join(map(_literal, rule['value']))})"
    operator = _CEL[rule["operator"]].replace("==", "=")
    return f"{rule['field']} {operator} {_literal(rule['value'])}"


def _literal(value: object) -> str:
    return f"'{value}'" if isinstance(value, str) else str(value)


ENGINES: dict[str, Callable[[list[Rule]], Answers]] = {
    "CEL in Rust (common-expression-language)": cel_in_rust,
    "GrowthBook": growthbook,
    "JsonLogic in Rust (jsonlogic-rs)": json_logic,
    "CEL in Python (cel-python)": cel_in_python,
    "DuckDB, one row, all segments at once": duckdb_once,
    "DuckDB, one row, a query a segment": duckdb_rows,
}


def measured(make: Callable[[list[Rule]], Answers], rules: list[Rule], persons: list[Rule]) -> dict[str, Any]:
    """Ask of one user after the other; return µs a segment, and of how many segments each user was held."""
    began = time.perf_counter()
    answers = make(rules)
    built_s = time.perf_counter() - began
    held = []
    began = time.perf_counter()
    for user in persons:
        held.append(sum(answers(user)))
        if time.perf_counter() - began > SECONDS:
            break
    us = (time.perf_counter() - began) / len(held) / len(rules) * 1e6
    return {"us": us, "built_s": built_s, "held": held}


def main(file: str) -> None:
    """Measure all engines."""
    asked = json.loads(Path(file).read_text(encoding="utf-8"))
    wanted = [{name: one[name] for name in _COLUMNS if name in one} for one in asked["persons"]]
    print(json.dumps({name: measured(make, asked["rules"], wanted) for name, make in ENGINES.items()}))


if __name__ == "__main__":
    main(*sys.argv[1:])
