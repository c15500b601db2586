"""A collector goes on, whatever fails beside it."""

from __future__ import annotations

import asyncio
import fcntl
import os
import threading
from io import FileIO
from pathlib import Path
from types import SimpleNamespace

import pytest
from collecting import Site

from enduser.api.collector import process
from enduser.ingest.doors import Doors

pytestmark = pytest.mark.anyio


@pytest.fixture
def told():
    """Give the pipe by which a collector tells its owner something."""
    reading, writing = os.pipe()
    with os.fdopen(reading, "rb", buffering=0) as owner, os.fdopen(writing, "wb", buffering=0) as own:
        yield owner, own


async def marks(site: Site, doors: Doors, own: FileIO, monkeypatch: pytest.MonkeyPatch) -> bool:
    """Let a collector tick, with the pipe as its output, until it marks the time; return whether it does."""
    monkeypatch.setattr(process, "sys", SimpleNamespace(stdout=own))
    monkeypatch.setattr(process, "TICK_S", 0.01)
    marked = asyncio.Event()
    loop = asyncio.get_running_loop()
    monkeypatch.setattr(site.series, "mark", lambda: loop.call_soon_threadsafe(marked.set))
    ticking = asyncio.create_task(process._tick(site.figures, doors, site.keys, site.commit, site.series))
    waiting = asyncio.create_task(marked.wait())
    async with asyncio.timeout(10):
        await asyncio.wait([ticking, waiting], return_when="FIRST_COMPLETED")
    ticking.cancel()
    waiting.cancel()
    return marked.is_set()


async def test_an_idle_collector_marks_the_time_though_its_doors_cannot_be_read(
    tmp_path: Path, told: tuple[FileIO, FileIO], monkeypatch: pytest.MonkeyPatch
) -> None:
    async with Site(tmp_path) as site:
        doors = Doors(tmp_path)

        def refuse() -> None:
            raise OSError("too many open files")

        monkeypatch.setattr(doors, "refresh", refuse)
        assert await marks(site, doors, told[1], monkeypatch)
    os.set_blocking(told[0].fileno(), False)
    assert told[0].read(1) is None, "the owner was told that the doors are known"


async def test_a_collector_goes_on_though_its_owner_hears_nothing(
    tmp_path: Path, told: tuple[FileIO, FileIO], monkeypatch: pytest.MonkeyPatch
) -> None:
    owner, own = told
    size = fcntl.fcntl(own, fcntl.F_GETPIPE_SZ)
    own.write(bytes(size))
    heard: list[bytes] = []
    late = threading.Timer(5, lambda: heard.append(owner.read(size)))
    late.start()
    async with Site(tmp_path) as site:
        assert await marks(site, Doors(tmp_path), own, monkeypatch)
    late.cancel()
    late.join()
    assert not heard, "it waited until somebody read"
