"""A collector's series: it begins when the disk lets it, and refuses until then."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
import structlog
from disks import Mount, needs_root, small_disk

from enduser.api.collector.series import Series
from enduser.clock import now_us
from enduser.errors import SpoolError
from enduser.ingest.spool import EVENTS, SpoolReader, frame
from enduser.limits import SPOOL_BYTES_MAX

LINE = b'{"event":"Clicked"}\n'


@pytest.fixture
def mount(tmp_path: Path) -> Iterator[Mount]:
    with small_disk(tmp_path / "disk") as mounted:
        yield mounted


def received() -> bytes:
    return frame(EVENTS, 1, now_us(), LINE)


def waiting(data: Path) -> list[bytes]:
    return [bytes(one.payload) for one in SpoolReader(data, {}).read(10**6).frames]


def test_what_was_received_before_the_series_has_begun_is_refused(tmp_path: Path) -> None:
    with closing(Series(tmp_path, 1, SPOOL_BYTES_MAX)) as series:
        with pytest.raises(SpoolError, match="has not begun"):
            series.append([received()])
        series.mark(now_us())
        series.append([received()])
    assert waiting(tmp_path) == [LINE]


@needs_root
@pytest.mark.parametrize("room", range(5))
def test_a_series_begins_as_soon_as_the_disk_has_room_and_refuses_until_then(mount: Mount, room: int) -> None:
    """However far it comes: the spool's folder, the series' folder, its lock, its first segment."""
    data = mount("nr_inodes=100")
    taken = sum(1 for _ in data.rglob("*")) + 1
    mount(f"nr_inodes={taken + room}")
    with closing(Series(data, 1, SPOOL_BYTES_MAX)) as series, structlog.testing.capture_logs() as logged:
        for _ in range(2):
            series.mark(now_us())
            if room < 4:
                with pytest.raises(SpoolError, match="No space left on device"):
                    series.append([received()])
        assert [entry["event"] for entry in logged] == ["spool refused"] * (room < 4), "told once"
        mount("nr_inodes=100")
        series.mark(now_us())
        series.append([received()])
    assert waiting(data) == [LINE]
