"""What gathers while the last write reaches the disk goes with the next; each hears of its own."""

from __future__ import annotations

import asyncio
import threading

import pytest
from structlog.testing import capture_logs
from waiting import until

from enduser import limits
from enduser.errors import SpoolError, SpoolFull
from enduser.ingest import group_commit
from enduser.ingest.group_commit import GroupCommit

pytestmark = pytest.mark.anyio


slow = pytest.mark.parametrize("commit", ["slow"], indirect=True)


class Disk:
    """A disk that can be held up, and that can refuse."""

    def __init__(self) -> None:
        self.written: list[list[bytes]] = []
        self.is_free = threading.Event()
        self.is_free.set()
        self.refuses = False
        self.threads: set[int] = set()

    def append(self, frames: list[bytes]) -> None:
        self.threads.add(threading.get_ident())
        self.is_free.wait(10)
        if self.refuses:
            raise SpoolError("no room", hint="make some")
        self.written.append(list(frames))


def added(commit: GroupCommit, frame: bytes) -> asyncio.Future[None]:
    """Add a frame; return what is done when it is on disk, or has the error why it is not."""
    future = asyncio.get_running_loop().create_future()

    def done(error: Exception | None) -> None:
        if error is None:
            future.set_result(None)
        else:
            future.set_exception(error)

    commit.add(frame, done)
    return future


@pytest.fixture
async def disk():
    return Disk()


@pytest.fixture(params=["quick", "slow"])
async def commit(disk: Disk, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest):
    """A group commit before whose disk every write is quick, or none is."""
    monkeypatch.setattr(group_commit, "QUICK_S", 10 if request.param == "quick" else -1)
    opened = GroupCommit(disk.append)
    await added(opened, b"")
    disk.written.clear()
    disk.threads.clear()
    yield opened
    disk.is_free.set()
    await opened.close()


async def test_one_request_waits_for_nobody(disk: Disk, commit: GroupCommit) -> None:
    await added(commit, b"a")
    assert disk.written == [[b"a"]]
    await added(commit, b"b")
    assert disk.written == [[b"a"], [b"b"]]


@slow
async def test_what_comes_during_a_write_goes_together_and_in_order(disk: Disk, commit: GroupCommit) -> None:
    disk.is_free.clear()
    futures = [added(commit, b"0")]
    await asyncio.sleep(0)
    futures += [added(commit, b"%d" % number) for number in range(1, 20)]
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
        await added(commit, b"a")
    disk.refuses = False
    await added(commit, b"b")
    assert disk.written == [[b"b"]]


async def test_a_request_that_cannot_be_answered_keeps_no_other_from_its_answer(
    disk: Disk, commit: GroupCommit
) -> None:
    def fail(_: Exception | None) -> None:
        raise ZeroDivisionError("a mistake")

    with capture_logs() as lines:
        commit.add(b"a", fail)
        async with asyncio.timeout(10):
            await added(commit, b"b")
    assert disk.written == [[b"a", b"b"]]
    assert [line["event"] for line in lines] == ["call was not answered"]


async def test_a_quick_disk_is_written_from_the_event_loop(disk: Disk) -> None:
    commit = GroupCommit(disk.append)
    await asyncio.gather(*(added(commit, b"%d" % number) for number in range(5)))
    assert [len(batch) for batch in disk.written] == [5]
    assert disk.threads == {threading.get_ident()}
    await commit.close()


@slow
async def test_a_slow_disk_holds_nobody_up(disk: Disk, commit: GroupCommit) -> None:
    disk.is_free.clear()
    future = added(commit, b"a")
    await until(lambda: disk.threads)
    assert not future.done()
    disk.is_free.set()
    await future
    assert threading.get_ident() not in disk.threads


async def test_a_disk_that_was_slow_just_now_is_not_believed_to_be_quick(
    disk: Disk, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 0.0
    monkeypatch.setattr(group_commit, "elapsed_s", lambda: now)
    commit, own = GroupCommit(disk.append), threading.get_ident()

    async def is_written_from_the_loop(frame: bytes) -> bool:
        disk.threads.clear()
        await added(commit, frame)
        return disk.threads == {own}

    assert await is_written_from_the_loop(b"a")
    monkeypatch.setattr(group_commit, "QUICK_S", -1)
    assert await is_written_from_the_loop(b"slow, as is known afterwards")
    monkeypatch.setattr(group_commit, "QUICK_S", 1)
    now = group_commit.CALM_S
    assert not await is_written_from_the_loop(b"b")
    now += 0.1
    assert await is_written_from_the_loop(b"c")
    await commit.close()


async def test_nothing_is_written_while_other_work_is_done_on_the_spool(
    disk: Disk, commit: GroupCommit
) -> None:
    disk.is_free.clear()
    working = asyncio.create_task(commit.run(lambda: disk.append([b"mark"])))
    await until(lambda: disk.threads)
    future = added(commit, b"a")
    await asyncio.sleep(0)  # in this turn of the loop a write would begin
    assert disk.written == []
    disk.is_free.set()
    await asyncio.gather(working, future)
    assert disk.written == [[b"mark"], [b"a"]]


async def test_work_whose_caller_is_cancelled_is_done_before_anything_is_written(
    disk: Disk, commit: GroupCommit
) -> None:
    disk.is_free.clear()
    working = asyncio.create_task(commit.run(lambda: disk.append([b"mark"])))
    await asyncio.sleep(0)
    future = added(commit, b"a")
    working.cancel()
    with pytest.raises(asyncio.CancelledError):
        await working
    assert not commit.is_idle
    asyncio.get_running_loop().call_later(0.05, disk.is_free.set)
    await future
    assert disk.written == [[b"mark"], [b"a"]]


@slow
@pytest.mark.parametrize(("size", "fits"), [(-1, True), (0, True), (1, False)])
async def test_what_waits_is_bounded(
    disk: Disk, commit: GroupCommit, monkeypatch: pytest.MonkeyPatch, size: int, fits: bool
) -> None:
    monkeypatch.setattr(limits, "COMMIT_BYTES_MAX", 100)
    disk.is_free.clear()
    first = added(commit, b"x" * 60)
    await until(lambda: disk.threads)
    waiting = [first, added(commit, b"x" * 60)]
    if fits:
        waiting.append(added(commit, b"x" * (40 + size)))
    else:
        with pytest.raises(SpoolFull, match="wait for the disk"):
            added(commit, b"x" * (40 + size))
    disk.is_free.set()
    await asyncio.gather(*waiting)
    await added(commit, b"x" * 100)


async def test_other_work_on_the_spool_is_done_between_two_writes(disk: Disk, commit: GroupCommit) -> None:
    await added(commit, b"a")
    assert commit.is_idle
    await commit.run(lambda: disk.written.append([b"mark"]))
    assert disk.written == [[b"a"], [b"mark"]]


async def test_closing_writes_what_waits(disk: Disk) -> None:
    commit = GroupCommit(disk.append)
    future = added(commit, b"a")
    await commit.close()
    assert future.done()
    assert disk.written == [[b"a"]]
