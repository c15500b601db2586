"""Collectors go on, whatever fails beside them."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from collecting import Site

from enduser.api import collector, collectors
from enduser.api.collectors import Collectors, public_listeners
from enduser.errors import StoreError
from enduser.ingest.doors import Doors

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


async def test_an_idle_collector_goes_on_marking_the_time_where_its_doors_could_not_be_read_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(collector, "TICK_S", 0.01)
    marked = asyncio.Event()
    loop = asyncio.get_running_loop()
    async with Site(tmp_path) as site:
        doors = Doors(tmp_path)

        def refuse() -> None:
            raise OSError("too many open files")

        monkeypatch.setattr(doors, "refresh", refuse)
        monkeypatch.setattr(site.writer, "mark", lambda _: loop.call_soon_threadsafe(marked.set))
        ticking = asyncio.create_task(
            collector._tick(site.figures, doors, site.keys, site.commit, site.writer)
        )
        async with asyncio.timeout(10):
            await asyncio.wait([ticking, asyncio.create_task(marked.wait())], return_when="FIRST_COMPLETED")
        assert marked.is_set()
        ticking.cancel()
