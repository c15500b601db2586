"""A long time under load at many users, with processes killed all the while: `make soak`.

python bench/soak.py [--minutes 60] [--users 10000000] [--rate 5000] [--kills 200]

Prints a line a minute, then a table; ends with 1 if an event was lost or stored twice, or objects are wrong.
"""

from __future__ import annotations

import argparse
import base64
import http.client
import itertools
import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
import urllib.request
from array import array
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from folders import cached_folder, copy_of
from measure import ENDUSER, machine, say, table, verdict
from servers import resident_mb, tree, wait_until

EVENTS_PER_USER = 8
EVENTS_A_CALL = 10
SENDERS = 8
COLLECTORS = 2
PATIENCE_S = 120
"""How long a sender tries again before the run has failed."""
GROWTH_MAX = 0.10
LAG_S_MAX = 60
MEMORY_MB_MAX = 2_000


@dataclass
class Sent:
    """What senders remember. A call has a number; its messages are called by it and their place."""

    run: str
    acknowledged: array[int] = field(default_factory=lambda: array("q"))
    refused: int = 0
    failed: list[str] = field(default_factory=list)
    """Why senders gave up."""
    lock: threading.Lock = field(default_factory=threading.Lock)


class Sender(threading.Thread):
    """Sends calls at their times, each until it is acknowledged."""

    def __init__(self, wanted: argparse.Namespace, sent: Sent, numbers: Iterator[int], key: str) -> None:
        super().__init__(daemon=True)
        self._wanted, self._sent, self._numbers = wanted, sent, numbers
        self._headers = {"authorization": "Basic " + base64.b64encode(f"{key}:".encode()).decode()}
        self._began = time.monotonic()
        self._connection: http.client.HTTPConnection | None = None

    def run(self) -> None:
        """Send until the time is over; one that gives up says why, for the run has failed then."""
        try:
            self._send_all()
        except Exception as error:
            self._sent.failed.append(repr(error))

    def _send_all(self) -> None:
        until = self._began + self._wanted.minutes * 60
        while time.monotonic() < until:
            with self._sent.lock:
                number = next(self._numbers)
            due = self._began + number * EVENTS_A_CALL / self._wanted.rate
            time.sleep(max(due - time.monotonic(), 0))
            body = self._body(number)
            self._send(body)
            with self._sent.lock:
                self._sent.acknowledged.append(number)
            if number % 50 == 0:
                self._send(body)  # an SDK that did not hear the answer

    def _body(self, number: int) -> bytes:
        rng = random.Random(number)
        late_s = rng.choice([0] * 18 + [600, 100_000])
        at = datetime.fromtimestamp(time.time() - late_s, UTC).isoformat()
        messages = [
            {
                "type": rng.choice(["page", "track"]),
                "event": "Did something",
                "userId": self._user(rng),
                "messageId": f"{self._sent.run}-{number}-{place}",
                "timestamp": at,
                "properties": {"path": f"/products/{rng.randrange(1_000)}", "price": 12.5},
                "context": {"page": {"url": f"https://www.example.com/products/{rng.randrange(1_000)}"}},
            }
            for place in range(EVENTS_A_CALL)
        ]
        return json.dumps({"batch": messages}).encode()

    def _user(self, rng: random.Random) -> str:
        """Return somebody of the history, or in a tenth of the cases somebody new."""
        if rng.random() < 0.1:
            return f"new-{rng.randrange(1_000_000)}"
        return str(1 + rng.randrange(self._wanted.users))

    def _send(self, body: bytes) -> None:
        until = time.monotonic() + PATIENCE_S
        while time.monotonic() < until:
            try:
                if self._connection is None:
                    self._connection = http.client.HTTPConnection("127.0.0.1", self._wanted.port, timeout=30)
                self._connection.request("POST", "/v1/batch", body, self._headers)
                answer = self._connection.getresponse()
                told = json.loads(answer.read())
                if answer.status == http.client.OK:
                    assert told["rejected"] == [], told
                    return
                self._sent.refused += 1
            except (OSError, http.client.HTTPException):
                if self._connection is not None:
                    self._connection.close()
                self._connection = None
            time.sleep(0.1)
        raise TimeoutError(f"a call was not taken within {PATIENCE_S} s")


class Running:
    """`enduser serve` on a folder, begun again when its owner was killed."""

    def __init__(self, data: Path, wanted: argparse.Namespace) -> None:
        self._data, self._wanted = data, wanted
        self._log = data.with_name("soak.log").open("wb")
        self.killed = {"owner": 0, "collector": 0}
        self.start()

    def start(self) -> None:
        """Start it on the port that it had."""
        command = [ENDUSER, "serve", "--data", self._data, "--port", self._wanted.port]
        self.owner = subprocess.Popen(
            [str(word) for word in (*command, "--collectors", COLLECTORS)],
            stdout=subprocess.PIPE,
            stderr=self._log,
            text=True,
        )
        assert self.owner.stdout is not None
        told = self.owner.stdout.readline()
        self._wanted.port = int(told.rsplit(":", 1)[1])

    def kill(self, rng: random.Random) -> None:
        """Kill one of its processes."""
        _, *collectors = tree(self.owner.pid)
        if collectors and rng.random() < 0.5:
            os.kill(rng.choice(collectors), signal.SIGKILL)
            self.killed["collector"] += 1
            return
        self.owner.kill()
        self.owner.wait()
        self.killed["owner"] += 1
        self.start()

    def stop(self) -> int:
        """Let it finish."""
        self.owner.terminate()
        return self.owner.wait()


class Watcher(threading.Thread):
    """Looks once a second how far the applier is behind, and how much memory is used."""

    def __init__(self, running: Running, wanted: argparse.Namespace) -> None:
        super().__init__(daemon=True)
        self._running, self._wanted = running, wanted
        self.lags: list[float] = []
        self.owner_mb = self.collector_mb = 0.0
        self.is_over = False

    def run(self) -> None:
        """Look until it is over; what is being killed cannot be looked at."""
        while not self.is_over:
            time.sleep(1)
            with suppress(OSError, StopIteration, IndexError, http.client.HTTPException):
                self._look()

    def _look(self) -> None:
        owner, *collectors = [resident_mb(pid) for pid in tree(self._running.owner.pid)]
        self.owner_mb = max(self.owner_mb, owner)
        self.collector_mb = max([self.collector_mb, *collectors])
        url = f"http://127.0.0.1:{self._wanted.port}/metrics"
        with urllib.request.urlopen(url, timeout=30) as answer:
            lines = answer.read().decode().splitlines()
        lag = next(line for line in lines if line.startswith("enduser_applier_lag_seconds "))
        self.lags.append(float(lag.split()[1]))


def main() -> int:
    """Run, and print what was found."""
    parser = argparse.ArgumentParser(description="Hold a load for a long time while processes are killed.")
    parser.add_argument("--minutes", type=float, default=60)
    parser.add_argument("--users", type=int, default=10_000_000, help="in the history before")
    parser.add_argument("--rate", type=int, default=5_000, help="events a second")
    parser.add_argument("--kills", type=int, default=200)
    wanted = parser.parse_args()
    wanted.port = 0
    print(machine())
    # The history ends long ago; lives that do not end go on.
    folder = cached_folder(EVENTS_PER_USER * wanted.users, wanted.users, close=True, retention_months=0)
    with copy_of(folder) as data:
        return soaked(data, wanted)


def soaked(data: Path, wanted: argparse.Namespace) -> int:
    """Run on a folder; return the exit code."""
    running = Running(data, wanted)
    wait_until(f"http://127.0.0.1:{wanted.port}/readyz")
    watcher = Watcher(running, wanted)
    watcher.start()
    sent = Sent(run=f"{time.time_ns():x}")
    numbers = itertools.count()
    key = write_key(data)
    senders = [Sender(wanted, sent, numbers, key) for _ in range(SENDERS)]
    for sender in senders:
        sender.start()
    kill_all_the_while(running, senders, sent, watcher, wanted)
    for sender in senders:
        sender.join()
    watcher.is_over = True
    code = running.stop()
    say("comparing what was acknowledged with what is stored")
    wrong = differences(data, sent)
    say("verify")
    verified = subprocess.run(
        [ENDUSER, "verify", "--data", data], capture_output=True, text=True, check=False
    )
    rows = [
        ("acknowledged events", f"{len(sent.acknowledged) * EVENTS_A_CALL:,}", "", ""),
        ("refused calls, sent again", f"{sent.refused:,}", "", ""),
        ("killed", f"{running.killed['owner']} owners, {running.killed['collector']} collectors", "", ""),
        (
            "senders that gave up",
            " ".join([str(len(sent.failed)), *sent.failed[:1]]),
            "0",
            verdict(met=not sent.failed),
        ),
        ("lost or double events", f"{wrong:,}", "0", verdict(met=wrong == 0)),
        (
            "enduser verify",
            verified.stdout.strip().splitlines()[-1],
            "",
            verdict(met=verified.returncode == 0),
        ),
        *figures(data, watcher),
    ]
    print("\n" + table((f"{wanted.minutes:g} min, {wanted.users:,} users", "measured", "target", ""), rows))
    return int(bool(wrong or sent.failed or verified.returncode or code))


def kill_all_the_while(
    running: Running, senders: list[Sender], sent: Sent, watcher: Watcher, wanted: argparse.Namespace
) -> None:
    """Kill a process now and then, until the senders are done; say every minute how it goes."""
    rng = random.Random(1)
    pause_s = wanted.minutes * 60 / (wanted.kills + 1)
    told_at = time.monotonic()
    for _ in range(wanted.kills):
        time.sleep(pause_s * rng.uniform(0.5, 1.4))
        if not all(sender.is_alive() for sender in senders):
            break
        running.kill(rng)
        if time.monotonic() - told_at > 60:
            told_at = time.monotonic()
            lag = watcher.lags[-1] if watcher.lags else 0
            say(
                f"{len(sent.acknowledged) * EVENTS_A_CALL:,} events, {running.killed} killed, "
                f"{lag:.1f} s behind, owner {watcher.owner_mb:.0f} MB"
            )


def figures(data: Path, watcher: Watcher) -> Iterator[tuple[str, str, str, str]]:
    """Yield rows about lag, memory and the growth of the file."""
    lags = sorted(watcher.lags)
    worst = lags[-1]
    p99 = lags[len(lags) * 99 // 100]
    yield (
        "behind, p99 / worst",
        f"{p99:.1f} / {worst:.1f} s",
        f"{LAG_S_MAX} s",
        verdict(met=worst <= LAG_S_MAX),
    )
    owner = watcher.owner_mb
    yield "owner, most memory", f"{owner:.0f} MB", f"{MEMORY_MB_MAX} MB", verdict(met=owner <= MEMORY_MB_MAX)
    yield "collector, most memory", f"{watcher.collector_mb:.0f} MB", "", ""
    file = data / "enduser.duckdb"
    with fresh_copy(file) as copy:
        growth = file.stat().st_size / copy.stat().st_size - 1
        told = f"{file.stat().st_size / 1e6:,.0f} MB, {growth:+.0%} beside a fresh copy"
    told += f"; {_free_share(file):.0%} is free for what comes"
    yield "database file", told, f"{GROWTH_MAX:+.0%}", verdict(met=growth <= GROWTH_MAX)


def _free_share(file: Path) -> float:
    """Return how much of a database file holds nothing."""
    import duckdb

    with duckdb.connect(str(file), read_only=True) as connection:
        return connection.execute("SELECT free_blocks / total_blocks FROM pragma_database_size()").fetchall()[
            0
        ][0]


@contextmanager
def fresh_copy(file: Path) -> Iterator[Path]:
    """Lend a copy that holds the same and nothing that was deleted."""
    import duckdb

    copy = file.with_suffix(".copy")
    with duckdb.connect() as engine:
        engine.execute(f"ATTACH '{file}' AS old (READ_ONLY); ATTACH '{copy}' AS fresh")
        engine.execute("COPY FROM DATABASE old TO fresh")
    yield copy
    copy.unlink()


def write_key(data: Path) -> str:
    """Return the write key of the first space."""
    key: str = json.loads(_command("systems list --format json", data).stdout)[0]["write_key"]
    return key


def _command(words: str, data: Path) -> subprocess.CompletedProcess[str]:
    command = [ENDUSER, *words.split(), "--data", data]
    return subprocess.run([str(word) for word in command], capture_output=True, text=True, check=False)


def differences(data: Path, sent: Sent) -> int:
    """Return how many acknowledged events are not stored, or stored more than once."""
    import duckdb

    with duckdb.connect(str(data / "enduser.duckdb"), read_only=True) as connection:
        total, distinct = connection.execute(
            "SELECT count(*), count(DISTINCT message_id) FROM space_1.events WHERE message_id LIKE $1",
            [f"{sent.run}-%"],
        ).fetchall()[0]
        whole = connection.execute(
            "SELECT split_part(message_id, '-', 2)::BIGINT AS call FROM space_1.events "
            "WHERE message_id LIKE $1 GROUP BY call HAVING count(DISTINCT message_id) = $2",
            [f"{sent.run}-%", EVENTS_A_CALL],
        ).fetchall()
    lost = set(sent.acknowledged) - {call for (call,) in whole}
    return int(total - distinct) + len(lost) * EVENTS_A_CALL


if __name__ == "__main__":
    sys.exit(main())
