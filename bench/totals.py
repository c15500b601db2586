"""Whether several engines wrote the same sessions and users: one line of sums and hashes for each.

python bench/totals.py KIND PATH, where KIND says who wrote it: enduser (its exports), duckdb or parquet.
A hash over all rows, in any order, makes "the same totals" mean "the same rows".
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from datasets import CITY

SESSION = "user_id started_at ended_at events page_views acts place_id browser_id".split()
USER = "user_id sessions first_seen last_seen duration_us place_id browser_id".split()

_NAMED = f"""
    replace(city, '{CITY}', '')::BIGINT AS place_id,
    split_part(browser_version, '.', 1)::BIGINT - 100 AS browser_id
"""
_EXPORTED_SESSIONS = f"""
    SELECT user_id, epoch_us(started_at) AS started_at, epoch_us(ended_at) AS ended_at, events, page_views,
           interactions - greatest(page_views - 1, 0) AS acts, {_NAMED}
    FROM '{{path}}/sessions.parquet'
"""
_EXPORTED_USERS = f"""
    SELECT user_id, total_sessions AS sessions, epoch_us(first_seen) AS first_seen,
           epoch_us(last_seen) AS last_seen, round(total_session_duration * 1e6) AS duration_us, {_NAMED}
    FROM '{{path}}/users.parquet'
"""
SOURCES = {
    "enduser": (_EXPORTED_SESSIONS, _EXPORTED_USERS),
    "duckdb": ("FROM written.sessions", "FROM written.users"),
    "parquet": ("FROM '{path}/sessions.parquet{inside}'", "FROM '{path}/users.parquet{inside}'"),
}


def totals(kind: str, path: Path) -> dict[str, int]:
    """Return what must be equal."""
    import duckdb

    connection = duckdb.connect()
    if kind == "duckdb":
        connection.execute(f"ATTACH '{path}' AS written (READ_ONLY)")
    inside = "/*.parquet" if (path / "sessions.parquet").is_dir() else ""
    sessions, users = (text.format(path=path, inside=inside) for text in SOURCES[kind])
    found = connection.execute(
        f"SELECT count(*) AS sessions, sum(ended_at - started_at)::BIGINT AS duration_us, "
        f"sum(events)::BIGINT AS events, {_all_rows(SESSION)} FROM ({sessions})"
    ).fetchall()[0]
    of_users = connection.execute(f"SELECT count(*), {_all_rows(USER)} FROM ({users})").fetchall()[0]
    names = ("sessions", "duration_us", "events", "hash of sessions", "users", "hash of users")
    return dict(zip(names, found + of_users, strict=True))


def _all_rows(columns: list[str]) -> str:
    return f"bit_xor(hash({', '.join(f'{name}::BIGINT' for name in columns)}))"


if __name__ == "__main__":
    print(json.dumps(totals(sys.argv[1], Path(sys.argv[2]))))
