"""`enduser sessions export`."""

from __future__ import annotations

import json
from pathlib import Path

import duckdb
from running import enduser, event, exported, write_lines

COLUMNS = (
    "user_id is_anonymous started_at ended_at duration_s events page_views interactions is_empty is_closed "
    "country region city browser_name browser_version"
).split()


def folder_of(tmp_path: Path) -> Path:
    """Return a data folder with an empty session, a full one, an anonymous one and an open one."""
    closed = [
        event("a", "2026-01-01T10:00:00.25Z", type="page"),
        event("b", "2026-01-01T10:00:00Z", type="page", country="NO", city="Oslo"),
        event("b", "2026-01-01T10:00:01Z", type="page"),
        event("b", "2026-01-01T10:02:00.000001Z", name="Click"),
        event(None, "2026-01-01T10:00:00Z", anonymous_id="a", name="$heartbeat"),
    ]
    data = tmp_path / "data"
    enduser("import", "events", write_lines(tmp_path / "1", *closed), "--close", data=data)
    last = event("c", "2026-01-01T10:40:00Z", user_agent="Mozilla/5.0 (X11; rv:127.0) Gecko Firefox/127.0")
    enduser("import", "events", write_lines(tmp_path / "2", last), data=data)
    return data


def test_every_session_is_a_row_with_exactly_these_columns(tmp_path: Path) -> None:
    rows = exported("sessions", folder_of(tmp_path))
    assert list(rows[0]) == COLUMNS
    assert [list(row.values()) for row in rows] == [
        [
            *("a", "false", "2026-01-01T10:00:00.250000Z", "2026-01-01T10:00:00.250000Z", "0.0"),
            *("1", "1", "0", "true", "true", "", "", "", "", ""),
        ],
        [
            *("a", "true", "2026-01-01T10:00:00.000000Z", "2026-01-01T10:00:00.000000Z", "0.0"),
            *("1", "0", "0", "true", "true", "", "", "", "", ""),
        ],
        [
            *("b", "false", "2026-01-01T10:00:00.000000Z", "2026-01-01T10:02:00.000001Z", "120.000001"),
            *("3", "2", "2", "false", "true", "NO", "", "Oslo", "", ""),
        ],
        [
            *("c", "false", "2026-01-01T10:40:00.000000Z", "2026-01-01T10:40:00.000000Z", "0.0"),
            *("1", "0", "1", "false", "false", "", "", "", "Firefox", "127.0"),
        ],
    ]


def test_the_other_formats_have_the_same_rows(tmp_path: Path) -> None:
    data = folder_of(tmp_path)
    lines = enduser("sessions", "export", "--format", "jsonl", data=data).stdout.splitlines()
    assert [list(json.loads(line)) for line in lines] == [COLUMNS] * 4
    target = tmp_path / "sessions.parquet"
    result = enduser("sessions", "export", "--format", "parquet", "--output", target, data=data)
    assert result.stderr == f"4 sessions written to {target}\n"
    counts = duckdb.execute(f"SELECT sum(events), count_if(is_closed) FROM '{target}'").fetchall()
    assert counts == [(6, 3)]
