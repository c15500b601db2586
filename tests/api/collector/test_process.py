"""A collector goes on, whatever fails beside it."""

from __future__ import annotations

import asyncio
import fcntl
import os
import socket
import threading
from contextlib import closing
from io import FileIO
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from collecting import Site
from structlog.testing import capture_logs
from waiting import until

from enduser.api.collector import process, series
from enduser.api.collector.process import CollectorOptions
from enduser.api.collector.series import Series
from enduser.ingest.doors import Doors
from enduser.ingest.spool import SpoolReader, SpoolWriter
from enduser.limits import SPOOL_BYTES_MAX

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
    monkeypatch.setattr(site.series, "mark", lambda _: loop.call_soon_threadsafe(marked.set))
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


async def test_the_time_that_is_marked_is_none_after_what_came_before_it_was_written(
    tmp_path: Path, told: tuple[FileIO, FileIO], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(process, "sys", SimpleNamespace(stdout=told[1]))
    monkeypatch.setattr(process, "TICK_S", 0.01)
    is_free, watermarks = threading.Event(), []
    async with Site(tmp_path) as site:

        def append(frames: list[bytes]) -> None:
            watermarks.append(SpoolReader(tmp_path, {}).read(10**6).watermark)
            site.series.append(frames)

        site.append = append
        site.commit._thread.submit(is_free.wait, 10)
        ticking = asyncio.create_task(
            process._tick(site.figures, Doors(tmp_path), site.keys, site.commit, site.series)
        )
        await until(lambda: not site.commit.is_idle)
        posting = asyncio.create_task(site.post())
        await until(lambda: site.commit._waiting)
        ticking.cancel()
        is_free.set()
        assert (await posting).status_code == 200
    (event,) = SpoolReader(tmp_path, {}).read(10**6).frames
    assert watermarks[0] <= event.received_at


async def test_a_series_begins_on_the_event_loop_so_that_nothing_is_received_meanwhile(
    tmp_path: Path, told: tuple[FileIO, FileIO], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(process, "sys", SimpleNamespace(stdout=told[1]))
    monkeypatch.setattr(process, "TICK_S", 0.01)
    begun_on: list[int] = []

    def begin(*options: Any) -> SpoolWriter:
        begun_on.append(threading.get_ident())
        return SpoolWriter(*options)

    monkeypatch.setattr(series, "SpoolWriter", begin)
    async with Site(tmp_path) as site:
        with closing(Series(tmp_path, 2, SPOOL_BYTES_MAX)) as late:
            ticking = asyncio.create_task(
                process._tick(site.figures, Doors(tmp_path), site.keys, site.commit, late)
            )
            await until(lambda: late.has_begun)
            ticking.cancel()
            await until(lambda: site.commit.is_idle)
    assert begun_on[-1] == threading.get_ident()


async def nobody(_: object) -> None:
    """End with no owner."""


@pytest.mark.parametrize("work", ["_tick", "sweep"])
async def test_a_collector_of_which_a_part_has_ended_ends_so_that_another_is_begun(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, work: str
) -> None:
    async def fail(*_: object) -> None:
        raise ZeroDivisionError("a mistake")

    monkeypatch.setattr(process, "_end_with_owner", nobody)
    monkeypatch.setattr(process, "_tick", nothing_to_do)
    monkeypatch.setattr(process, work, fail)
    listener = socket.create_server(("127.0.0.1", 0))
    options = CollectorOptions(str(tmp_path), 1, listener.detach(), 0, SPOOL_BYTES_MAX)
    with capture_logs() as lines:
        async with asyncio.timeout(10):
            await process.collect(options)
    assert [line["event"] for line in lines] == ["a part of the process has ended"]


async def nothing_to_do(*_: object) -> None:
    """Go on for ever."""
    await asyncio.Event().wait()


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
