"""Waiting on an event loop; `serving.wait_until` is for tests without one."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

DEADLINE_S = 20
_PAUSE_S = 0.001


async def until(condition: Callable[[], object]) -> None:
    """Let everything else go on until a condition is true.

    Raises:
        TimeoutError: it was not true within the deadline.
    """
    async with asyncio.timeout(DEADLINE_S):
        while not condition():  # noqa: ASYNC110 - what is waited for tells nobody
            await asyncio.sleep(_PAUSE_S)
