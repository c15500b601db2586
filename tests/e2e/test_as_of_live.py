"""The object as of a time on a running server: over HTTP, and for a command that asks through it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import httpx
from running import enduser, event, process, write_lines
from serving import Server


def test_a_call_and_a_command_show_the_same_as_of_a_time(
    serve: Callable[..., Server], tmp_path: Path
) -> None:
    server = serve()
    days = [event("ada", f"2026-01-0{day}T10:00:00Z", traits={"role": f"r{day}"}) for day in (1, 2, 3)]
    path = write_lines(tmp_path / "events.jsonl", *days)
    assert enduser("import", "events", path, data=server.data).exit_code == 0
    at = "2026-01-03T10:29:59Z"
    found = httpx.get(
        f"{server.url}/api/v1/users/ada",
        params={"as_of": at},
        headers={"Authorization": f"Bearer {server.cli('keys', 'create', '--role', 'admin').strip()}"},
    ).json()
    assert (found["total_sessions"], found["role"]) == (2, "r2")
    told = process("users", "show", "ada", "--as-of", at, data=server.data)
    assert told.returncode == 0, told.stderr
    shown = dict(line.split(maxsplit=1) for line in told.stdout.splitlines())
    assert {name: shown[name] for name in ("last_seen", "role")} == {
        name: found[name] for name in ("last_seen", "role")
    }
