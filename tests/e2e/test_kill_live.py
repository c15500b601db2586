"""Whatever process is killed under load: every acknowledged event is applied exactly once."""

from __future__ import annotations

import os
import random
import shutil
import time
from pathlib import Path

import pytest
from loaded import Processes, Senders, assert_each_once, stored
from running import process

ROUNDS = 200 if os.environ.get("ENDUSER_TEST_PROFILE") == "full" else 10


def test_every_acknowledged_event_is_applied_once_whatever_is_killed(processes: Processes) -> None:
    rng = random.Random(7)
    processes.start()
    senders = Senders(processes, processes.write_key())
    senders.start()
    victims: dict[str, int] = {"owner": 0, "collector": 0}
    for _ in range(ROUNDS):
        time.sleep(rng.uniform(0.05, 0.6))
        victims[processes.kill(rng)] += 1
    senders.stop()
    assert processes.stop() == 0
    assert_each_once(processes.data, senders)
    done = process("verify", data=processes.data)
    assert done.returncode == 0, done.stdout
    print(f"killed {victims}: {len(senders.acknowledged):,} acknowledged events, each stored once")


@pytest.mark.parametrize("cut", [1, 11, 40])
def test_a_torn_last_record_is_passed_over_and_everything_before_it_applied(
    processes: Processes, cut: int
) -> None:
    processes.collectors = 1
    processes.start()
    senders = Senders(processes, processes.write_key(), threads=1)
    senders.start()
    while len(senders.acknowledged) < 100:
        time.sleep(0.01)
    for pid in reversed(processes.pids()):
        os.kill(pid, 9)
    processes.owner.wait()
    (segment,) = max((processes.data / "spool").iterdir()).glob("*.seg")
    with segment.open("ab") as file:
        file.write(b"EUS1" + bytes(cut))
    processes.start()
    senders.stop()
    assert processes.stop() == 0
    assert_each_once(processes.data, senders)


def test_a_copy_of_the_folder_taken_at_any_moment_holds_what_was_acknowledged_before(
    processes: Processes, tmp_path: Path
) -> None:
    processes.start()
    senders = Senders(processes, processes.write_key())
    senders.start()
    time.sleep(1)
    for pid in processes.pids():
        os.kill(pid, 19)  # all at one instant, as a snapshot of the disk sees it
    before = list(senders.acknowledged)
    shutil.copytree(
        processes.data,
        tmp_path / "copy" / "data",
        ignore=lambda _, names: [n for n in names if n.endswith(".sock")],
    )
    for pid in processes.pids():
        os.kill(pid, 18)
    senders.stop()
    assert processes.stop() == 0
    copied = Processes(tmp_path / "copy" / "data", tmp_path / "serve.log")
    copied.start()
    assert copied.stop() == 0
    copied.end()
    found = stored(copied.data)
    assert len(found) == len(set(found))
    assert set(before) <= set(found)
    assert process("verify", data=copied.data).returncode == 0
