"""Forgetting on a running server: under load, and whatever is killed."""

from __future__ import annotations

import json
import re
import secrets
import shutil
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import killed_serving
import pytest
import serving
from forking import forked
from loaded import Senders, assert_each_once
from running import enduser, event, process, write_lines
from searching import found_in
from serving import Server, outcomes_of, wait_until

from enduser.stores.control import ControlStore
from enduser.stores.embedded.database import DATABASE_FILE

# --- a person who is erased while others come


class Person:
    """Somebody of whom each text is like no other, so that no file has it by chance, or any shorter."""

    def __init__(self, server: Server) -> None:
        self._server, self._write_key = server, server.write_key
        self.id, self.browser, self.page, self.role = (secrets.token_hex(24) for _ in range(4))
        self.texts = (self.id, self.browser, self.page, self.role)
        self.sent = 0

    def is_in(self, name: str) -> bool:
        """Return whether a file of the data folder names him whose name begins so."""
        return any(found.file.startswith(name) for found in found_in(self._server.data, *self.texts))

    def send(self, count: int) -> None:
        """Send events of his, which are accepted when it returns."""
        self.sent += 1
        batch = [
            {
                "type": "identify",
                "userId": self.id,
                "anonymousId": self.browser,
                "messageId": f"of-him-{self.sent}-{number}",
                "traits": {"role": self.role},
                "context": {"page": {"url": f"https://x.example/{self.page}"}},
            }
            for number in range(count)
        ]
        url = f"{self._server.url}/v1/batch"
        httpx.post(url, json={"batch": batch}, auth=(self._write_key, "")).raise_for_status()


def due_s(server: Server) -> float:
    """Return for how long bytes have been due, as `/metrics` says."""
    told = httpx.get(f"{server.url}/metrics").text
    return float(re.findall(r"(?m)^enduser_bytes_due_seconds (\S+)$", told)[0])


def test_no_byte_stays_of_who_is_erased_while_others_come_of_whom_nothing_is_lost(
    serve: Callable[..., Server],
) -> None:
    server = serve("--collectors", 2)
    assert enduser("config", "set", "inactivity_window_s", "1", "--yes", data=server.data).exit_code == 0
    person, senders = Person(server), Senders(server)
    senders.start()
    try:
        person.send(20)
        server.wait_for_user(person.id)
        person.send(20)
        for name in ("spool/", "serving-", DATABASE_FILE):
            wait_until(lambda name=name: person.is_in(name))  # type: ignore[misc]
        told = process("users", "erase", person.id, "--suppress", "--yes", data=server.data)
        found = found_in(server.data, *person.texts)
        assert told.returncode == 0, told.stderr
        assert told.stdout.splitlines()[-1] == "no file of the data folder has a byte of the person any more"
        assert "40 events" in told.stdout
        assert found == []
        person.send(7)
        acknowledged = len(senders.acknowledged)
        wait_until(lambda: len(senders.acknowledged) > acknowledged)
    finally:
        senders.stop()
    server.stop()
    assert_each_once(server.data, senders)
    assert outcomes_of(server.data) == {
        ("stored", ""): len(senders.acknowledged) + 40,
        ("excluded", "suppressed"): 7,
    }
    assert {found.file.partition("/")[0] for found in found_in(server.data, *person.texts)} <= {"spool"}
    assert process("verify", data=server.data).returncode == 0


def test_it_is_told_for_how_long_bytes_are_due_until_they_are_gone(shared_server: Server) -> None:
    server, person = shared_server, Person(shared_server)
    with ControlStore(server.data) as control:
        headers = {"Authorization": f"Bearer {control.create_key('', 'admin', 0)}"}
    person.send(1)
    url = f"{server.url}/api/v1/users/{person.id}?confirmed=true"
    httpx.delete(url, headers=headers, timeout=30).raise_for_status()
    wait_until(lambda: due_s(server) > 0)
    person.send(1)
    assert process("users", "erase", person.id, "--yes", data=server.data).returncode == 0
    assert due_s(server) == 0


# --- a server that is killed while it forgets

OLD, CURRENT = 45, 12


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder of users who are too old, and of others."""
    folder = tmp_path_factory.mktemp("killed")
    old = (event(f"old-{n}", "2025-01-01T10:00:00Z") for n in range(OLD))
    current = (event(f"u{n}", f"2026-01-0{1 + n % 3}T10:00:00Z") for n in range(CURRENT))
    path = write_lines(folder / "events.jsonl", *old, *current)
    assert enduser("import", "events", path, "--close", data=folder / "data").exit_code == 0
    return folder / "data"


def killing(serve: Callable[..., Server], data: Path, where: str) -> Server:
    """Start a server that kills itself; started again it does not."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(serving, "forked", partial(forked, where, main=killed_serving.main))
        return serve("--collectors", 1, data=data)


def receipt(server: Server) -> dict[str, Any]:
    """Return the receipt of the last run."""
    found: list[dict[str, Any]] = json.loads(server.cli("retention", "list", "--format", "json"))
    return found[0]


def assert_whole(server: Server, users: dict[str, dict[str, object]]) -> None:
    """Check that there are these users, that all is as it would be computed, and no unfinished file."""
    assert server.users() == users
    server.stop()
    assert list(server.data.rglob("*.new*")) == []
    assert process("verify", data=server.data).returncode == 0


def test_a_run_of_the_retention_goes_on_when_the_server_was_killed_within_it(
    serve: Callable[..., Server], made: Path, tmp_path: Path
) -> None:
    shutil.copytree(made, tmp_path / "data")
    server = killing(serve, tmp_path / "data", "portion")
    before = server.users()
    told = process("retention", "run", "--yes", data=server.data)
    assert told.returncode == 2, told.stdout
    server.kill()
    server.restart()
    wait_until(lambda: receipt(server)["ended_at"])
    done = receipt(server)
    assert (done["run"], done["amount"]["users"], done["amount"]["events"]) == (1, OLD, OLD)
    assert_whole(server, {user: before[user] for user in before if user.startswith("u")})


def test_bytes_go_when_the_server_was_killed_while_it_wrote_the_database_anew(
    serve: Callable[..., Server], made: Path, tmp_path: Path
) -> None:
    shutil.copytree(made, tmp_path / "data")
    server = killing(serve, tmp_path / "data", "writing")
    before = server.users()
    told = process("users", "erase", "u0", "--yes", data=server.data)
    assert (told.returncode, "erased: 1 id, 1 event" in told.stdout) == (2, True)
    server.kill()
    assert list(server.data.glob("*.new"))
    server.restart()
    wait_until(lambda: due_s(server) > 0)
    told = process("users", "erase", "u1", "--yes", data=server.data)
    assert told.returncode == 0, told.stderr
    assert_whole(server, {user: before[user] for user in before if user not in ("u0", "u1")})
