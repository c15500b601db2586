"""Whatever process is killed under load: every acknowledged event is applied exactly once."""

from __future__ import annotations

import os
import random
import shutil
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from loaded import Senders, assert_each_once, stored
from running import process
from serving import Server, wait_until
from tiers import some_daily, tries

from enduser.clock import now_us
from enduser.ingest.spool import EVENTS, frame

ROUNDS = tries(6, 200)


@pytest.fixture
def server(serve: Callable[..., Server]) -> Server:
    """A running server with two collectors."""
    return serve("--collectors", 2)


def test_every_acknowledged_event_is_applied_once_whatever_is_killed(server: Server) -> None:
    rng = random.Random(7)
    senders = Senders(server)
    senders.start()
    victims: dict[str, int] = {"owner": 0, "collector": 0}
    for _ in range(ROUNDS):
        time.sleep(rng.uniform(0.05, 0.6))  # at whatever it is then: no condition is to choose the moment
        victims[server.kill_one(rng)] += 1
    senders.stop()
    server.stop()
    assert_each_once(server.data, senders)
    done = process("verify", data=server.data)
    assert done.returncode == 0, done.stdout
    print(f"killed {victims}: {len(senders.acknowledged):,} acknowledged events, each stored once")


@pytest.mark.parametrize("cut", some_daily([1, 11, 40], [40]))
def test_a_torn_last_record_is_passed_over_and_everything_before_it_applied(
    serve: Callable[..., Server], cut: int
) -> None:
    server = serve("--collectors", 1)
    senders = Senders(server, threads=1)
    senders.start()
    wait_until(lambda: len(senders.acknowledged) > 100)
    server.kill()
    (segment,) = max((server.data / "spool").iterdir()).glob("*.seg")
    with segment.open("ab") as file:
        file.write(frame(EVENTS, 1, now_us(), b"{}\n" * 20)[:cut])
    server.restart()
    senders.stop()
    server.stop()
    assert_each_once(server.data, senders)


def test_a_copy_of_the_folder_taken_at_any_moment_holds_what_was_acknowledged_before(
    server: Server, serve: Callable[..., Server], tmp_path: Path
) -> None:
    senders = Senders(server)
    senders.start()
    wait_until(lambda: len(senders.acknowledged) > 500)
    for pid in server.pids():
        os.kill(pid, signal.SIGSTOP)  # all at one instant, as a snapshot of the disk sees it
    before = list(senders.acknowledged)
    shutil.copytree(
        server.data,
        tmp_path / "copy" / "data",
        ignore=lambda _, names: [n for n in names if n.endswith(".sock")],
    )
    for pid in server.pids():
        os.kill(pid, signal.SIGCONT)
    senders.stop()
    server.stop()
    copied = serve(data=tmp_path / "copy" / "data")
    copied.stop()
    found = stored(copied.data)
    assert len(found) == len(set(found))
    assert set(before) <= set(found)
    assert process("verify", data=copied.data).returncode == 0
