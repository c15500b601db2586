"""One write to the disk for all requests that came while the last one ran. Nobody is waited for.

A quick disk is written from the event loop: to hand over to a thread and back costs more than the disk
takes. After a slow write the next ones go to a thread for a while, so that requests are answered meanwhile: a
disk on which something else writes much is slow again and again, for some milliseconds each time.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

import structlog

from enduser import limits
from enduser.clock import elapsed_s
from enduser.errors import SpoolFull

Done = Callable[[Exception | None], None]
"""Hears that a frame is on disk, or why it is not."""

QUICK_S = 0.001
"""A write that takes no longer is quick."""
CALM_S = 10.0
"""So long after the last slow write the disk is believed to be quick again."""

_Batch = list[tuple[bytes, Done]]
log = structlog.get_logger()


class GroupCommit:
    """Writes what requests add: from the event loop while the disk is quick, else on a thread of its own."""

    def __init__(self, append: Callable[[Sequence[bytes]], None]) -> None:
        """Write with `append`: it returns once all it was given is on disk, or raises and wrote nothing."""
        self._append = append
        self._loop = asyncio.get_running_loop()
        self._thread = ThreadPoolExecutor(1, "commit")
        self._waiting: _Batch = []
        self._waiting_bytes = 0
        self._slow_at_s = -math.inf
        """When a write was slow last."""
        self._idle = asyncio.Event()
        self._idle.set()

    @property
    def is_idle(self) -> bool:
        """Whether nothing is written and nothing waits."""
        return self._idle.is_set()

    def add(self, frame: bytes, done: Done) -> None:
        """Take a frame; `done` hears, on the event loop, what became of it.

        Frames are written in the order of these calls.

        Raises:
            SpoolFull: more waits for the disk than may; the frame was not taken.
        """
        if self._waiting_bytes + len(frame) > limits.COMMIT_BYTES_MAX:
            raise SpoolFull(
                f"{self._waiting_bytes:,} bytes wait for the disk",
                hint=f"the limit is {limits.COMMIT_BYTES_MAX:,} bytes (COMMIT_BYTES_MAX); send again later",
            )
        self._waiting.append((frame, done))
        self._waiting_bytes += len(frame)
        if self._idle.is_set():
            self._idle.clear()
            self._loop.call_soon(self._begin)  # what comes in this turn of the loop goes along

    async def run(self, work: Callable[[], None]) -> None:
        """Do something else with the spool, on the thread, while nothing else is done with it.

        Whoever waits for it may be cancelled; the work is done to its end, and then what came meanwhile.
        """
        assert self.is_idle
        self._idle.clear()
        working = self._loop.run_in_executor(self._thread, work)
        working.add_done_callback(lambda _: self._go_on())
        await asyncio.shield(working)

    async def close(self) -> None:
        """Write what waits, then end the thread."""
        await self._idle.wait()
        self._thread.shutdown()

    def _begin(self) -> None:
        """Write what waits; nothing else is written now."""
        batch, self._waiting = self._waiting, []
        self._waiting_bytes = 0
        if elapsed_s() - self._slow_at_s > CALM_S:
            self._written(batch, self._write(batch))
        else:
            self._thread.submit(self._write_meanwhile, batch)

    def _write(self, batch: _Batch) -> Exception | None:
        began = elapsed_s()
        try:
            self._append([frame for frame, _ in batch])
        except Exception as error:  # noqa: BLE001 - it is each request's answer
            return error
        finally:
            if elapsed_s() - began > QUICK_S:
                self._slow_at_s = elapsed_s()
        return None

    def _write_meanwhile(self, batch: _Batch) -> None:
        """Write a batch on the thread."""
        error = self._write(batch)
        self._loop.call_soon_threadsafe(self._written, batch, error)

    def _written(self, batch: _Batch, error: Exception | None) -> None:
        self._go_on()
        for _, done in batch:
            try:
                done(error)
            except Exception:  # the others are to have their answers
                log.exception("call was not answered")

    def _go_on(self) -> None:
        if self._waiting:
            self._begin()
        else:
            self._idle.set()
