"""Collectors go on, whatever fails beside them."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import pytest
from waiting import until

from enduser.api.owner import collectors
from enduser.api.owner.collectors import Collectors, public_listeners
from enduser.errors import StoreError

pytestmark = pytest.mark.anyio


async def test_a_collector_is_begun_again_also_where_the_store_refused_it_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(collectors, "_RESPAWN_S", 0.01)
    asked = asyncio.Event()
    answers = [StoreError("the disk is full"), OSError("no more processes")]

    async def new_series() -> int:
        if len(answers) == 1:
            asked.set()
        raise answers[0] if len(answers) == 1 else answers.pop(0)

    listeners = public_listeners("127.0.0.1", 0, 1)
    kept = Collectors(tmp_path, listeners, new_series, trusted_hops=0, spool_bytes_max=2**30)
    kept.start()
    async with asyncio.timeout(10):
        await asked.wait()
        await kept.end()
    for listener in listeners:
        listener.close()


async def test_a_collector_that_tells_nonsense_is_begun_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(collectors, "_RESPAWN_S", 0.01)
    begun: list[asyncio.subprocess.Process] = []

    async def begin(_: object) -> asyncio.subprocess.Process:
        program = "import time; print('{', flush=True); time.sleep(3_600)"
        begun.append(
            await asyncio.create_subprocess_exec(
                *(sys.executable, "-c", program), stdout=asyncio.subprocess.PIPE
            )
        )
        return begun[-1]

    async def new_series() -> int:
        return 1

    listeners = public_listeners("127.0.0.1", 0, 1)
    kept = Collectors(tmp_path, listeners, new_series, trusted_hops=0, spool_bytes_max=2**30)
    monkeypatch.setattr(kept, "_begin", begin)
    kept.start()
    await until(lambda: len(begun) > 2)
    await kept.end()
    for listener in listeners:
        listener.close()


async def test_what_collectors_told_before_they_ended_stays_counted_and_nothing_else_of_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(collectors, "_RESPAWN_S", 0.01)
    program = 'import time; print(\'{"refused":{"unauthorized":2}}\', flush=True)'
    begun = 0
    three = asyncio.Event()

    async def begin(_: object) -> asyncio.subprocess.Process:
        nonlocal begun
        begun += 1
        if begun > 3:
            three.set()
            await asyncio.Event().wait()  # for ever
        return await asyncio.create_subprocess_exec(
            *(sys.executable, "-c", program), stdout=asyncio.subprocess.PIPE
        )

    async def new_series() -> int:
        return 1

    listeners = public_listeners("127.0.0.1", 0, 1)
    kept = Collectors(tmp_path, listeners, new_series, trusted_hops=0, spool_bytes_max=2**30)
    monkeypatch.setattr(kept, "_begin", begin)
    kept.start()
    async with asyncio.timeout(20):
        await three.wait()
    assert kept.figures().refused == {"unauthorized": 6}
    assert (kept._figures, kept._told) == ({}, {})
    kept._keeping[0].cancel()
    for listener in listeners:
        listener.close()
