"""A server under load, by senders that remember what was acknowledged."""

from __future__ import annotations

import base64
import http.client
import json
import random
import threading
import time
from pathlib import Path

import duckdb
from serving import Server

DEADLINE_S = 60


class Senders:
    """Threads that send batches and send each again until it is acknowledged, as an SDK does."""

    def __init__(self, server: Server, threads: int = 4) -> None:
        self._port = server.port
        basic = base64.b64encode(f"{server.write_key}:".encode()).decode()
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
                    connection = connection or http.client.HTTPConnection("127.0.0.1", self._port, timeout=10)
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
