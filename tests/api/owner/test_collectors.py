"""Collectors go on, whatever fails beside them."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

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
