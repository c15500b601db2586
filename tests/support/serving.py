"""A server as its operator runs it: `enduser serve` in a process of its own, and what tests ask of it."""

from __future__ import annotations

import json
import os
import random
import re
import signal
import ssl
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

import duckdb
import httpx
from forking import forked
from running import DEADLINE_S, enduser

from enduser.stores.data_folder import DEFAULT_SPACE

Found = TypeVar("Found")

LISTENS = re.compile(r"^enduser listens on (http://\S+)$", re.MULTILINE)
NO_TLS = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
"""For who asks often: httpx would read all certificates for each call, also where none is needed."""
PAUSE_S = 0.05
"""How long is waited before it is asked again, at first; then longer and longer, since asking takes time."""
PAUSE_S_MAX = 0.3


def wait_until(condition: Callable[[], Found], deadline_s: float = 20) -> Found:
    """Ask again and again until the answer is true, and return it.

    The one place where tests wait that have no event loop; those that have one wait by `waiting.until`.

    Raises:
        AssertionError: it was not true within the deadline; says what it was.
    """
    until, pause_s = time.monotonic() + deadline_s, PAUSE_S
    while not (found := condition()):
        assert time.monotonic() < until, f"still {found!r} after {deadline_s} s"
        time.sleep(pause_s)
        pause_s = min(pause_s * 1.2, PAUSE_S_MAX)
    return found


class Server:
    """A running server on a data folder; what it says is kept in files beside the folder."""

    def __init__(self, data: Path, *options: object, port: int = 0, logs: Path | None = None) -> None:
        """Start it, and wait until it answers. With `port` 0 it takes any that is free.

        What it says is kept in the folder `logs`, else beside the data folder.
        """
        self.data = data
        self._options = options
        logs = logs or data.parent
        logs.mkdir(parents=True, exist_ok=True)
        self._said = logs / f"{data.name}-stdout.txt"
        self._logged = logs / f"{data.name}-stderr.txt"
        self._logged.write_bytes(b"")
        self._start(port)

    def _start(self, port: int) -> None:
        self._said.write_bytes(b"")
        words = ("serve", "--data", self.data, "--port", port, *self._options)
        self.process = forked(*words, stdout=self._said, stderr=self._logged)
        try:
            self.url: str = wait_until(self._listening)
            wait_until(self._is_healthy)
        except AssertionError as error:
            self.kill()
            raise AssertionError(f"the server does not answer: {self.log[-2_000:]}") from error

    def _listening(self) -> str | None:
        assert self.process.exitcode is None, "it ended"
        found = LISTENS.search(self._said.read_text(encoding="utf-8"))
        return found and found.group(1)

    def _is_healthy(self) -> bool:
        try:
            return httpx.get(f"{self.url}/healthz", verify=NO_TLS).status_code == httpx.codes.OK
        except httpx.TransportError:
            return False

    @property
    def port(self) -> int:
        """The port that it listens on."""
        return int(self.url.rsplit(":", 1)[1])

    def pids(self) -> list[int]:
        """Return the owner's process id, then those of its collectors."""
        owner = self.process.pid
        children = Path(f"/proc/{owner}/task/{owner}/children").read_text().split()
        return [owner, *map(int, children)]

    def kill_one(self, rng: random.Random) -> str:
        """Kill one of the processes, begin the owner again if it was that; return which it was."""
        _, *collectors = self.pids()
        if collectors and rng.random() < 0.5:
            os.kill(rng.choice(collectors), signal.SIGKILL)
            return "collector"
        self.kill_owner()
        self.restart()
        return "owner"

    def kill_owner(self) -> None:
        """Kill the owner alone; its collectors end by themselves."""
        self.process.kill()
        self.process.join(DEADLINE_S)

    def restart(self) -> None:
        """Start it again, on the port that it had."""
        self._start(self.port)

    @property
    def log(self) -> str:
        """What it wrote on standard error."""
        return self._logged.read_text(encoding="utf-8")

    @property
    def write_key(self) -> str:
        """The write key of the space that every folder begins with."""
        key: str = json.loads(self.cli("systems", "list", "--format", "json"))[0]["write_key"]
        return key

    def cli(self, *arguments: object, exit_code: int = 0) -> str:
        """Run a command beside the server; return what it prints."""
        done = enduser(*arguments, data=self.data)
        assert done.exit_code == exit_code, done.output
        return done.stdout

    def users(self, space: str = DEFAULT_SPACE) -> dict[str, dict[str, object]]:
        """Return the End User Objects of a space by their ids."""
        rows = self.cli("users", "export", "--format", "jsonl", "--space", space).splitlines()
        return {user["user_id"]: user for user in map(json.loads, rows)}

    def sessions(self, user_id: str) -> list[dict[str, object]]:
        """Return the sessions of a user, open ones too, in order."""
        rows = map(json.loads, self.cli("sessions", "export", "--format", "jsonl").splitlines())
        return sorted((r for r in rows if r["user_id"] == user_id), key=lambda row: str(row["started_at"]))

    def wait_for_user(self, user_id: str, space: str = DEFAULT_SPACE) -> dict[str, object]:
        """Wait until a session of the user has closed by itself, and return the End User Object."""
        return wait_until(lambda: self.users(space).get(user_id))

    def stop(self, *, is_hurt: bool = False) -> None:
        """End it as an operator does; it finishes what it accepted, leaves nothing running, fails nowhere.

        With `is_hurt` its log may tell of failures.
        """
        self.process.terminate()
        self.process.join(DEADLINE_S)
        assert self.process.exitcode == 0, self.log[-2_000:]
        assert not self._is_group_alive(), "a process of the server outlived it"
        assert is_hurt or "Traceback" not in self.log, self.log

    def kill(self) -> None:
        """End all its processes where they stand."""
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.join(DEADLINE_S)
        wait_until(lambda: not self._is_group_alive())

    @property
    def is_running(self) -> bool:
        """Whether it has not ended yet."""
        return self.process.exitcode is None

    def _is_group_alive(self) -> bool:
        try:
            os.killpg(self.process.pid, 0)
        except ProcessLookupError:
            return False
        return True


def stop_all(servers: list[Server]) -> None:
    """Stop those that still run; where one cannot be stopped, end it and the others too."""
    try:
        for one in servers:
            if one.is_running:
                one.stop()
    finally:
        for one in servers:
            one.kill()


def memory_mb(pid: int) -> int:
    """Return the memory that a process has of its own, in megabytes."""
    told = Path(f"/proc/{pid}/status").read_text(encoding="utf-8")
    return int(re.findall(r"(?m)^RssAnon:\s+(\d+)", told)[0]) // 1_000


def events_of(data: Path) -> Iterator[dict[str, object]]:
    """Yield the events of the first space, in order of their times. The folder must be nobody's."""
    with duckdb.connect(str(data / "enduser.duckdb"), read_only=True) as connection:
        connection.execute("""
            SELECT * EXCLUDE (user_key, base_key, id_check)
            FROM space_1.events JOIN space_1.user_ids USING (user_key) ORDER BY occurred_at, message_id
        """)
        names = [column[0] for column in connection.description or ()]
        for row in connection.fetchall():
            yield dict(zip(names, row, strict=True))


def outcomes_of(data: Path) -> dict[tuple[str, str], int]:
    """Return how many events had which outcome, for which reason. The folder must be nobody's."""
    with duckdb.connect(str(data / "enduser.duckdb"), read_only=True) as connection:
        rows = connection.execute("SELECT outcome, reason, events FROM outcomes WHERE events > 0").fetchall()
    return {(outcome, reason): events for outcome, reason, events in rows}
