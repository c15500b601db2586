"""Jobs and timers beside the server: they go on whatever fails, and end when it ends."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path
from typing import Any, cast

import pytest
from structlog.testing import capture_logs
from waiting import until

from enduser import timers
from enduser.api.owner import working
from enduser.api.owner.working import Working
from enduser.service.source_jobs import SourceJobs
from enduser.stores.control import ControlStore

pytestmark = pytest.mark.anyio


class Jobs:
    """Jobs of which each does something; what is done is remembered."""

    def __init__(self, *jobs: object) -> None:
        self.waiting = list(jobs)
        self.done: list[object] = []
        self.stopped = threading.Event()

    def perform_next(self) -> bool:
        if not self.waiting:
            return False
        job = self.waiting.pop(0)
        if isinstance(job, Exception):
            raise job
        if job == "long":
            assert self.stopped.wait(20)
        self.done.append(job)
        return True

    def stop(self) -> None:
        self.stopped.set()


@pytest.fixture(autouse=True)
def at_pace(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(working, "_PACE_S", 0.01)
    monkeypatch.setattr(working, "TIMERS", ())


def begun(jobs: Jobs, folder: Path) -> tuple[asyncio.Task[None], asyncio.Event]:
    stopping = asyncio.Event()
    control = ControlStore(folder)
    work = Working(cast("SourceJobs", jobs), control, folder, stopping)
    return asyncio.create_task(work.run()), stopping


async def test_jobs_are_done_one_after_the_other_whatever_fails(tmp_path: Path) -> None:
    jobs = Jobs(1, OSError("the disk"), 2)
    with capture_logs() as lines:
        task, stopping = begun(jobs, tmp_path)
        await until(lambda: jobs.done == [1, 2])
    jobs.waiting.append(3)
    await until(lambda: jobs.done == [1, 2, 3])
    stopping.set()
    await task
    assert [line["event"] for line in lines if line["log_level"] == "error"] == ["jobs cannot be done"]


async def test_a_server_that_ends_tells_the_job_that_is_done_and_waits_for_it(tmp_path: Path) -> None:
    jobs = Jobs("long", "next")
    task, stopping = begun(jobs, tmp_path)
    await until(lambda: jobs.waiting == ["next"])
    stopping.set()
    await asyncio.wait_for(task, 20)
    assert (jobs.done, jobs.waiting) == (["long"], ["next"])


async def test_a_timer_that_fails_is_told_and_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    times: list[int] = []

    def fails_once(_: ControlStore, folder: Path, now_us: int) -> None:
        times.append(now_us)
        assert folder == tmp_path
        if len(times) == 1:
            raise OSError("the disk")

    monkeypatch.setattr(working, "TIMERS", (timers.Timer(0.01, fails_once),))
    with capture_logs() as lines:
        task, stopping = begun(Jobs(), tmp_path)
        await until(lambda: len(times) >= 3)
    stopping.set()
    await task
    assert times == sorted(times)
    told: list[Any] = [line["timer"] for line in lines if line["event"] == "timer failed"]
    assert told == ["fails_once"]


async def test_a_long_job_holds_up_no_timer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    times: list[int] = []

    def notes(_: ControlStore, __: Path, now_us: int) -> None:
        times.append(now_us)

    monkeypatch.setattr(working, "TIMERS", (timers.Timer(0.01, notes),))
    jobs = Jobs("long")
    task, stopping = begun(jobs, tmp_path)
    await until(lambda: not jobs.waiting)
    seen = len(times)
    await until(lambda: len(times) > seen + 2)
    assert not jobs.done
    stopping.set()
    await task
