"""What the owner does beside applying and answering: jobs, one after the other, and what happens by time."""

from __future__ import annotations

import asyncio
import contextlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import structlog

from enduser.clock import now_us
from enduser.service.source_jobs import SourceJobs
from enduser.stores.control import ControlStore
from enduser.timers import TIMERS, Timer

_PACE_S = 0.5
"""How often it is looked whether there is a job; one that was there is followed by the next at once."""
log = structlog.get_logger()


class Working:
    """Jobs and timers, each on a thread of its own; a failure is told, and tried again at the next time."""

    def __init__(
        self, jobs: SourceJobs, control: ControlStore, folder: Path, stopping: asyncio.Event
    ) -> None:
        """Do `jobs`, and what timers do with the control data, until the server is `stopping`."""
        self._jobs = jobs
        self._control = control
        self._folder = folder
        self._stopping = stopping
        self._jobs_thread = ThreadPoolExecutor(1, "jobs")
        self._timers_thread = ThreadPoolExecutor(1, "timers")

    async def run(self) -> None:
        """Work until the server ends; what is done then ends first, or is left for the next start."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._do_jobs())
            for timer in TIMERS:
                tasks.create_task(self._repeat(timer))
            await self._stopping.wait()
            self._jobs.stop()
        self._jobs_thread.shutdown()
        self._timers_thread.shutdown()

    async def _do_jobs(self) -> None:
        loop = asyncio.get_running_loop()
        while not self._stopping.is_set():
            was_one = False
            try:
                was_one = await loop.run_in_executor(self._jobs_thread, self._jobs.perform_next)
            except Exception:
                log.exception("jobs cannot be done")
            if not was_one:
                await self._pause(_PACE_S)

    async def _repeat(self, timer: Timer) -> None:
        loop = asyncio.get_running_loop()
        while not self._stopping.is_set():
            try:
                await loop.run_in_executor(
                    self._timers_thread, timer.do, self._control, self._folder, now_us()
                )
            except Exception:
                log.exception("timer failed", timer=timer.do.__name__)
            await self._pause(timer.every_s)

    async def _pause(self, seconds: float) -> None:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._stopping.wait(), seconds)
