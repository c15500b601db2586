"""Natural group commit: what gathers while the last write reaches the disk goes with the next."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

from enduser import limits
from enduser.errors import SpoolFull


class GroupCommit:
    """Frames of many requests, written durably by one thread. There is no waiting for company: it comes."""

    def __init__(self, append: Callable[[Sequence[bytes]], None]) -> None:
        """Write with `append`: it returns once all it was given is on disk, or raises and wrote nothing."""
        self._append = append
        self._thread = ThreadPoolExecutor(1, "commit")
        self._waiting: list[tuple[bytes, asyncio.Future[None]]] = []
        self._waiting_bytes = 0
        self._task: asyncio.Task[None] | None = None

    @property
    def is_idle(self) -> bool:
        """Whether nothing is written and nothing waits."""
        return self._task is None

    def add(self, frame: bytes) -> asyncio.Future[None]:
        """Take a frame; the future is done when it is on disk, or has the error why it is not.

        Frames are written in the order of these calls.

        Raises:
            SpoolFull: more waits for the disk than may.
        """
        if self._waiting_bytes + len(frame) > limits.COMMIT_BYTES_MAX:
            raise SpoolFull(
                f"{self._waiting_bytes:,} bytes wait for the disk",
                hint=f"the limit is {limits.COMMIT_BYTES_MAX:,} bytes (COMMIT_BYTES_MAX); send again later",
            )
        future = asyncio.get_running_loop().create_future()
        self._waiting.append((frame, future))
        self._waiting_bytes += len(frame)
        if self._task is None:
            self._task = asyncio.create_task(self._write())
        return future

    async def run(self, work: Callable[[], None]) -> None:
        """Do something else with the spool, on the thread that writes it."""
        await asyncio.get_running_loop().run_in_executor(self._thread, work)

    async def _write(self) -> None:
        loop = asyncio.get_running_loop()
        while self._waiting:
            batch, self._waiting = self._waiting, []
            self._waiting_bytes = 0
            frames = [frame for frame, _ in batch]
            try:
                await loop.run_in_executor(self._thread, self._append, frames)
            except Exception as error:  # noqa: BLE001 - it is each request's answer
                _fail(batch, error)
            else:
                for _, future in batch:
                    if not future.done():
                        future.set_result(None)
        self._task = None

    async def close(self) -> None:
        """Write what waits, then end the thread."""
        if self._task is not None:
            await self._task
        self._thread.shutdown()


def _fail(batch: Sequence[tuple[bytes, asyncio.Future[None]]], error: Exception) -> None:
    for _, future in batch:
        if not future.done():
            future.set_exception(error)
            future.exception()  # one whose request is gone would be complained about
