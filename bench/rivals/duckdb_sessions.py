"""Bare DuckDB: integer Parquet → sessions and users, two tables of a database file.

python duckdb_sessions.py EVENTS OUT WINDOW_US THREADS MEMORY_LIMIT_MB
"""

from __future__ import annotations

import json
import sys
import time

import duckdb

SESSIONS = """
CREATE TABLE sessions AS
WITH marked AS (
    SELECT *, coalesce(occurred_at - lag(occurred_at) OVER earlier >= {window}, true) AS is_first
    FROM read_parquet('{events}')
    WINDOW earlier AS (PARTITION BY user_id ORDER BY occurred_at)
),
numbered AS (
    SELECT *, count_if(is_first) OVER (PARTITION BY user_id ORDER BY occurred_at) AS number FROM marked
)
SELECT
    user_id, min(occurred_at) AS started_at, max(occurred_at) AS ended_at,
    count(*) AS events, count_if(is_page_view) AS page_views, count_if(is_act) AS acts,
    arg_max(place_id, occurred_at) AS place_id, arg_max(browser_id, occurred_at) AS browser_id
FROM numbered GROUP BY user_id, number
"""

USERS = """
CREATE TABLE users AS
SELECT
    user_id, count(*) AS sessions, min(started_at) AS first_seen, max(ended_at) AS last_seen,
    sum(ended_at - started_at)::BIGINT AS duration_us,
    arg_max(place_id, ended_at) AS place_id, arg_max(browser_id, ended_at) AS browser_id
FROM sessions GROUP BY user_id
"""


def main(events: str, out: str, window_us: str, threads: str, memory_limit_mb: str) -> None:
    """Write both tables and print the seconds that it took, the final checkpoint included."""
    began = time.perf_counter()
    connection = duckdb.connect(
        out,
        config={
            "threads": int(threads),
            "memory_limit": f"{memory_limit_mb}MB",
            "preserve_insertion_order": "false",
        },
    )
    connection.execute(SESSIONS.format(events=events, window=window_us))
    connection.execute(USERS)
    connection.close()
    print(json.dumps({"work_s": time.perf_counter() - began}))


if __name__ == "__main__":
    main(*sys.argv[1:])
