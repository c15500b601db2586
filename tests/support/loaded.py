"""A server under load, by senders that remember what was acknowledged."""

from __future__ import annotations

import base64
import contextlib
import http.client
import json
import os
import random
import signal
import subprocess
import threading
import time
from pathlib import Path

import duckdb
from running import command

DEADLINE_S = 60


class Processes:
    """`enduser serve` on a data folder, and its collectors; begun again whenever it is gone."""

    def __init__(self, data: Path, log: Path, collectors: int = 2) -> None:
        self.data, self.log, self.port, self.collectors = data, log, 0, collectors
        self._log = log.open("ab")
        self.owner: subprocess.Popen[str] | None = None

    def start(self) -> None:
        """Start the server and wait until it says where it listens."""
        if self.owner is not None:
            self._close_pipe()
        words = ["serve", "--data", self.data, "--port", self.port, "--collectors", self.collectors]
        self.owner = subprocess.Popen(
            command(*words), stdout=subprocess.PIPE, stderr=self._log, text=True, start_new_session=True
        )
        assert self.owner.stdout is not None
        told = self.owner.stdout.readline()
        assert told, self.log.read_text()[-2_000:]
        self.port = int(told.rsplit(":", 1)[1])

    def pids(self) -> list[int]:
        """Return the owner's process id, then those of its collectors."""
        assert self.owner is not None
        children = Path(f"/proc/{self.owner.pid}/task/{self.owner.pid}/children").read_text().split()
        return [self.owner.pid, *map(int, children)]

    def kill(self, rng: random.Random) -> str:
        """Kill one of the processes, begin the owner again if it was that; return which it was."""
        owner, *collectors = self.pids()
        if collectors and rng.random() < 0.5:
            os.kill(rng.choice(collectors), signal.SIGKILL)
            return "collector"
        os.kill(owner, signal.SIGKILL)
        assert self.owner is not None
        self.owner.wait(DEADLINE_S)
        self.start()
        return "owner"

    def kill_owner(self) -> None:
        """Kill the owner alone."""
        assert self.owner is not None
        self.owner.kill()
        self.owner.wait(DEADLINE_S)

    def end(self) -> None:
        """Leave nothing running, whatever happened."""
        if self.owner is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.owner.pid, signal.SIGKILL)
            self.owner.wait(DEADLINE_S)
            self._close_pipe()
        self._log.close()

    def stop(self) -> int:
        """Let the server finish; return its exit code."""
        assert self.owner is not None
        self.owner.terminate()
        code = self.owner.wait(DEADLINE_S)
        self._close_pipe()
        return code

    def _close_pipe(self) -> None:
        assert self.owner is not None
        assert self.owner.stdout is not None
        self.owner.stdout.close()

    def write_key(self) -> str:
        """Return the write key of the first space."""
        done = subprocess.run(
            command("systems", "list", "--format", "json", "--data", self.data),
            capture_output=True,
            text=True,
            check=True,
        )
        key: str = json.loads(done.stdout)[0]["write_key"]
        return key


class Senders:
    """Threads that send batches and send each again until it is acknowledged, as an SDK does."""

    def __init__(self, processes: Processes, key: str, threads: int = 4) -> None:
        self._processes = processes
        basic = base64.b64encode(f"{key}:".encode()).decode()
        self.headers = {"authorization": f"Basic {basic}", "content-type": "application/json"}
        self._over = threading.Event()
        self.acknowledged: list[str] = []
        self.refused = 0
        self._threads = [threading.Thread(target=self._send, args=[n]) for n in range(threads)]

    def start(self) -> None:
        """Begin to send."""
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Send no more; what is not acknowledged yet is still sent until it is."""
        self._over.set()
        for thread in self._threads:
            thread.join(DEADLINE_S)
            assert not thread.is_alive()

    def _send(self, number: int) -> None:
        rng = random.Random(number)
        batch = 0
        connection: http.client.HTTPConnection | None = None
        while not self._over.is_set():
            ids = [f"{number}-{batch}-{k}" for k in range(rng.choice([1, 3, 40]))]
            body = json.dumps({"batch": [self._message(rng, one) for one in ids]})
            while True:
                try:
                    connection = connection or http.client.HTTPConnection(
                        "127.0.0.1", self._processes.port, timeout=10
                    )
                    connection.request("POST", "/v1/batch", body, self.headers)
                    answer = connection.getresponse()
                    answer.read()
                    if answer.status == 200:
                        break
                    self.refused += 1
                except (OSError, http.client.HTTPException):
                    if connection:
                        connection.close()
                    connection = None
                    time.sleep(0.02)
            self.acknowledged += ids
            batch += 1
        if connection:
            connection.close()

    def _message(self, rng: random.Random, message_id: str) -> dict[str, object]:
        return {
            "type": "track",
            "event": "Something",
            "messageId": message_id,
            "userId": f"user-{rng.randrange(50)}",
            "timestamp": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        }


def stored(data: Path) -> list[str]:
    """Return the message ids of all events."""
    with duckdb.connect(str(data / "enduser.duckdb"), read_only=True) as connection:
        return [row[0] for row in connection.execute("SELECT message_id FROM space_1.events").fetchall()]


def assert_each_once(data: Path, senders: Senders) -> None:
    """Check that every acknowledged event is stored, and none twice."""
    found = stored(data)
    assert len(found) == len(set(found)), "an event was applied twice"
    lost = set(senders.acknowledged) - set(found)
    assert not lost, f"{len(lost)} of {len(senders.acknowledged)} acknowledged events are lost"
