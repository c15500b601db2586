"""Bare DuckDB on our own tables: the questions of rules as SQL by hand, and the tables as Parquet.

python duckdb_rules.py ask DATABASE THREADS MEMORY_LIMIT_MB REPEATS
python duckdb_rules.py write DATABASE THREADS MEMORY_LIMIT_MB FOLDER
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

import duckdb

DAY_US = 86_400_000_000
KINDS = ["string"] * 8 + ["number"] * 8 + ["boolean"] * 3 + ["date"] * 2 + ["datetime"] * 2 + ["list"] * 2
"""The types of the attributes `a1` and so on, as `attributed.py` makes them."""

FIVE = """
    users.total_sessions > 0 AND a1 IN ('team', 'vip') AND a11 > 0.3 AND a12 >= 2
    AND a23 BETWEEN $now - 90 * $day AND $now AND a17
"""
_FOUR = {
    "string": "(contains({0}, 'z{1}')) IS NOT TRUE",
    "number": "{0} IS DISTINCT FROM -1000000 - {1}",
    "list": "(list_contains({0}, 'z{1}')) IS NOT TRUE",
}
_ANY = {
    "boolean": "({0} OR NOT {0} OR {0} IS NULL OR {0} IS NOT NULL)",
    "date": "({0} < '2100-01-01' OR {0} < '2100-01-01' OR {0} IS NULL OR {0} IS NOT NULL)",
    "datetime": "({0} < 4102444800000000 OR {0} < 4102444800000000 OR {0} IS NULL OR {0} IS NOT NULL)",
}
HUNDRED = " AND ".join(
    " AND ".join(_FOUR[kind].format(f"a{number}", k) for k in range(4))
    if kind in _FOUR
    else _ANY[kind].format(f"a{number}")
    for number, kind in enumerate(KINDS, 1)
)
_COUNT = "SELECT count(*) FROM users WHERE total_sessions > 0 AND "
_EVENT = """person_key IN (
    SELECT user_key
    FROM (SELECT user_key, is_visit, occurred_at FROM events
          WHERE name = 'Action 3' AND occurred_at >= $now - 7 * $day {and_amount}) AS said
    ANTI JOIN open_sessions ON open_sessions.person_key = said.user_key AND said.is_visit
        AND said.occurred_at BETWEEN open_sessions.started_at AND open_sessions.ended_at)"""
_AMOUNT = "AND (properties ->> '$.amount')::DOUBLE > 50"

QUESTIONS = {
    "5 attributes": f"SELECT count(*) FROM users WHERE {FIVE}",
    "100 conditions, 25 attributes": _COUNT + HUNDRED,
    "≥ 8 sessions in 30 days": f"""{_COUNT} person_key IN (
        SELECT person_key FROM sessions
        WHERE started_at >= $now - 60 * $day AND started_at < $now - 30 * $day
        GROUP BY person_key HAVING count(*) >= 8)""",
    "event, 7 days": _COUNT + _EVENT.format(and_amount=""),
    "event with a property, 7 days": _COUNT + _EVENT.format(and_amount=_AMOUNT),
    "plan changed, 30 days": f"""{_COUNT} person_key IN (
        SELECT user_key FROM (
            SELECT user_key, effective_at, a1,
                lag(a1) OVER (PARTITION BY user_key ORDER BY effective_at) AS before
            FROM candidates WHERE a1 IS NOT NULL)
        WHERE effective_at >= $now - 30 * $day AND a1 <> before)""",
    "5 attributes, by industry": f"""SELECT a3, count(*) AS many FROM users WHERE {FIVE} AND a3 IS NOT NULL
        GROUP BY a3 ORDER BY many DESC, a3 LIMIT 10""",
    "5 attributes, last 1,000": f"""SELECT last_seen, users.*, user_ids.id, places.*, browsers.*
        FROM users JOIN user_ids ON user_ids.user_key = users.person_key
            LEFT JOIN places USING (place_id) LEFT JOIN browsers USING (browser_id)
        WHERE {FIVE} ORDER BY last_seen DESC, user_ids.id LIMIT 1000""",
}

TABLES = {
    "users": "FROM users",
    "user_ids": "SELECT user_key, id FROM user_ids",
    "places": "FROM places",
    "browsers": "FROM browsers",
    "sessions": "SELECT person_key, started_at FROM sessions",
    "open_sessions": "SELECT person_key, started_at, ended_at FROM open_sessions",
    "events": "SELECT user_key, occurred_at, is_visit, name, properties FROM events",
    "candidates": "SELECT user_key, effective_at, a1 FROM candidates",
}


def main(what: str, database: str, threads: str, memory_limit_mb: str, more: str) -> None:
    """Ask each question once, uncounted, and so often again; or write the tables that they need."""
    config = {"threads": threads, "memory_limit": f"{memory_limit_mb}MB", "temp_directory": f"{database}.tmp"}
    connection = duckdb.connect(database, read_only=True, config=config)
    connection.execute("SET search_path = 'space_1'")
    now = connection.execute("SELECT clock_at FROM state").fetchall()[0][0]
    if what == "write":
        for name, query in TABLES.items():
            connection.execute(f"COPY ({query}) TO '{Path(more) / name}.parquet'")
        print(json.dumps({"now": now}))
        return
    answers = {}
    for name, query in QUESTIONS.items():
        known = {"now": now, "day": DAY_US}
        parameters = {key: value for key, value in known.items() if f"${key}" in query}
        times, cpu_s = [], []
        for _ in range(1 + int(more)):
            began, before = time.perf_counter(), time.process_time()
            rows = connection.execute(query, parameters).fetchall()
            times.append(time.perf_counter() - began)
            cpu_s.append(time.process_time() - before)
        answers[name] = {"seconds": times[1:], "cpu_s": cpu_s[1:], "found": _found(name, rows)}
    print(json.dumps(answers))


def _found(name: str, rows: list[tuple[object, ...]]) -> object:
    """Return what is compared with our own answer."""
    if "by industry" in name:
        return [list(row) for row in rows]
    return [row[0] for row in rows] if "last" in name else rows[0][0]


if __name__ == "__main__":
    main(*sys.argv[1:])
