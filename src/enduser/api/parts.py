"""The parts of a process that go on as long as it does: none ends unnoticed."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterable
from typing import Any

import structlog

log = structlog.get_logger()


def begin_part(work: Coroutine[Any, Any, None], end: Callable[[], object]) -> asyncio.Task[None]:
    """Begin a part; if it fails, that is told in the log, and `end` is to end the process.

    A process without one of its parts would seem to be well; whoever keeps it begins another.
    """

    def look(task: asyncio.Task[None]) -> None:
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error(
                "a part of the process has ended", part=getattr(work, "__qualname__", None), exc_info=error
            )
            end()

    task = asyncio.create_task(work)
    task.add_done_callback(look)
    return task


async def all_ended(parts: Iterable[asyncio.Task[None]]) -> BaseException | None:
    """Wait until parts have ended, each for itself; return why one failed, None if none did."""
    ended = await asyncio.gather(*parts, return_exceptions=True)
    return next((error for error in ended if error is not None), None)
