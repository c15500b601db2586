"""Values on a running server: commands and calls beside each other, and what a kill leaves."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest
from running import command, enduser, process, write_lines
from serving import Server
from tiers import tries

from enduser.stores.control import ControlStore

USERS = 3_000


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A data folder with users who were seen."""
    from running import event

    folder = tmp_path / "data"
    events = [event(f"u{number}", "2026-01-01T10:00:00Z") for number in range(USERS)]
    enduser("import", "events", write_lines(tmp_path / "e.jsonl", *events), "--close", data=folder)
    return folder


def table(path: Path, plan: str, rows: int = USERS) -> Path:
    path.write_text("user_id,plan\n" + "".join(f"u{number},{plan}\n" for number in range(rows)))
    return path


def plans(data: Path) -> set[str]:
    lines = process("users", "export", data=data).stdout.splitlines()[1:]
    return {line.rpartition(",")[2] for line in lines}


def test_a_file_is_run_through_the_server_that_owns_the_folder(
    serve: Callable[..., Server], data: Path, tmp_path: Path
) -> None:
    server = serve(data=data)
    file = table(tmp_path / "crm.csv", "vip")
    assert process("sources", "map", "crm", file, "--yes", data=data).returncode == 0
    dry = process("sources", "run", "crm", file, "--dry-run", data=data)
    assert (dry.returncode, f"{USERS:,}" in dry.stdout) == (0, True), dry.stderr
    assert plans(data) == {""}
    assert process("sources", "run", "crm", file, data=data).returncode == 0
    assert plans(data) == {"vip"}
    with ControlStore(data) as control:
        key = control.create_key("", "admin", 0)
    users = f"{server.url}/api/v1/users"
    headers = {"Authorization": f"Bearer {key}"}
    rows = [{"user_id": f"u{number}", "attributes": {"plan": "free"}} for number in range(USERS)]
    written = httpx.post(users, json={"rows": rows}, headers=headers, timeout=30)
    assert {result["status"] for result in written.json()["results"]} == {"applied"}
    shown = httpx.get(f"{users}/u7", params={"provenance": "true"}, headers=headers).json()
    assert (shown["attributes"], shown["provenance"]["plan"]["source"]) == ({"plan": "free"}, "api")
    assert process("sources", "undo", "1", "--yes", data=data).returncode == 0
    assert plans(data) == {"free"}


def test_a_run_that_is_killed_is_there_whole_or_not_at_all_and_can_be_run_again(
    data: Path, tmp_path: Path
) -> None:
    file = table(tmp_path / "crm.csv", "vip", rows=200_000)
    enduser("sources", "map", "crm", file, "--yes", data=data)
    was_running = 0
    for attempt in range(tries(2, 30)):
        with subprocess.Popen(
            command("sources", "run", "crm", file, "--data", data), stdout=subprocess.DEVNULL
        ) as running:
            time.sleep(0.5 + attempt * 0.15)  # somewhere within it, or behind it
            was_running += running.poll() is None
            running.kill()
        assert plans(data) in ({""}, {"vip"})
    assert was_running, "each was over before it was killed"
    assert process("sources", "run", "crm", file, data=data).returncode == 0
    assert plans(data) == {"vip"}
    assert process("verify", data=data).returncode == 0
