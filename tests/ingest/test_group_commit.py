"""What gathers while the last write reaches the disk goes with the next; each hears of its own."""

from __future__ import annotations

import asyncio
import threading

import pytest

from enduser import limits
from enduser.errors import SpoolError, SpoolFull
from enduser.ingest.group_commit import GroupCommit

pytestmark = pytest.mark.anyio


class Disk:
    """A disk that can be held up, and that can refuse."""

    def __init__(self) -> None:
        self.written: list[list[bytes]] = []
        self.is_free = threading.Event()
        self.is_free.set()
        self.refuses = False

    def append(self, frames: list[bytes]) -> None:
        self.is_free.wait(10)
        if self.refuses:
            raise SpoolError("no room", hint="make some")
        self.written.append(list(frames))


@pytest.fixture
async def disk():
    return Disk()


@pytest.fixture
async def commit(disk: Disk):
    opened = GroupCommit(disk.append)
    yield opened
    disk.is_free.set()
    await opened.close()


async def test_one_request_waits_for_nobody(disk: Disk, commit: GroupCommit) -> None:
    await commit.add(b"a")
    assert disk.written == [[b"a"]]
    await commit.add(b"b")
    assert disk.written == [[b"a"], [b"b"]]


async def test_what_comes_during_a_write_goes_together_and_in_order(disk: Disk, commit: GroupCommit) -> None:
    disk.is_free.clear()
    futures = [commit.add(b"0")]
    await asyncio.sleep(0)
    futures += [commit.add(b"%d" % number) for number in range(1, 20)]
    assert not any(future.done() for future in futures)
    disk.is_free.set()
    await asyncio.gather(*futures)
    assert [len(batch) for batch in disk.written] == [1, 19]
    assert [frame for batch in disk.written for frame in batch] == [b"%d" % number for number in range(20)]


async def test_a_refused_write_is_told_to_those_it_was_for_and_no_others(
    disk: Disk, commit: GroupCommit
) -> None:
    disk.refuses = True
    with pytest.raises(SpoolError, match="no room"):
        await commit.add(b"a")
    disk.refuses = False
    await commit.add(b"b")
    assert disk.written == [[b"b"]]


async def test_a_request_that_is_gone_does_not_hinder_the_others(disk: Disk, commit: GroupCommit) -> None:
    disk.is_free.clear()
    gone, stays = commit.add(b"a"), commit.add(b"b")
    gone.cancel()
    disk.is_free.set()
    await stays
    assert disk.written == [[b"a", b"b"]]


@pytest.mark.parametrize(("size", "fits"), [(-1, True), (0, True), (1, False)])
async def test_what_waits_is_bounded(
    disk: Disk, commit: GroupCommit, monkeypatch: pytest.MonkeyPatch, size: int, fits: bool
) -> None:
    monkeypatch.setattr(limits, "COMMIT_BYTES_MAX", 100)
    disk.is_free.clear()
    first = commit.add(b"x" * 60)
    await asyncio.sleep(0.05)
    waiting = [first, commit.add(b"x" * 60)]
    if fits:
        waiting.append(commit.add(b"x" * (40 + size)))
    else:
        with pytest.raises(SpoolFull, match="wait for the disk"):
            commit.add(b"x" * (40 + size))
    disk.is_free.set()
    await asyncio.gather(*waiting)
    await commit.add(b"x" * 100)


async def test_other_work_on_the_spool_is_done_between_two_writes(disk: Disk, commit: GroupCommit) -> None:
    await commit.add(b"a")
    assert commit.is_idle
    await commit.run(lambda: disk.written.append([b"mark"]))
    assert disk.written == [[b"a"], [b"mark"]]


async def test_closing_writes_what_waits(disk: Disk) -> None:
    commit = GroupCommit(disk.append)
    future = commit.add(b"a")
    await commit.close()
    assert future.done()
    assert disk.written == [[b"a"]]
