"""The writer: all or nothing, on the disk before it returns, in files that are not too large or old."""

from __future__ import annotations

import errno
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
import spooling
from disks import Mount, needs_root, small_disk
from running import DEADLINE_S
from spooling import drained, events, number_of, writing

from enduser import limits
from enduser.errors import SpoolError, SpoolFull
from enduser.ingest.spool import SpoolReader, SpoolWriter, writer
from enduser.ingest.spool.folder import spool_files_of

SECOND = 1_000_000
NOW = 1_700_000_000 * SECOND
FRAME = len(events(1))


@pytest.fixture
def spool(tmp_path: Path) -> Iterator[SpoolWriter]:
    with closing(SpoolWriter(tmp_path / "data", 1)) as opened:
        yield opened


@pytest.fixture
def mount(tmp_path: Path) -> Iterator[Mount]:
    with small_disk(tmp_path / "disk") as mounted:
        yield mounted


def sizes(data: Path, series: int = 1) -> dict[int, int]:
    """Return the size of each file."""
    return dict(spool_files_of(data / "spool" / f"{series:08d}"))


def numbers(data: Path) -> list[int]:
    """Return the numbers of all events of the spool; nothing may be damaged."""
    frames, damages = drained(SpoolReader(data, {}))
    assert damages == []
    return [number_of(frame) for frame in frames]


# --- files


def test_no_spool_file_is_made_before_there_is_something_to_write(spool: SpoolWriter, tmp_path: Path) -> None:
    spool.append([], now_us=NOW)
    assert sizes(tmp_path / "data") == {}


def test_more_frames_than_one_call_takes_are_written_in_order(spool: SpoolWriter, tmp_path: Path) -> None:
    spool.append([events(number) for number in range(3_000)], now_us=NOW)
    assert numbers(tmp_path / "data") == list(range(3_000))


@pytest.mark.parametrize(("more", "spool_files"), [(-1, 2), (0, 1), (1, 1)])
def test_a_spool_file_is_ended_before_it_is_larger_than_its_bound(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, more: int, spool_files: int
) -> None:
    monkeypatch.setattr(limits, "SPOOL_FILE_BYTES_MAX", 3 * FRAME + more)
    with closing(SpoolWriter(tmp_path, 1)) as spool:
        for number in range(3):
            spool.append([events(number)], now_us=NOW)
    assert len(sizes(tmp_path)) == spool_files
    assert numbers(tmp_path) == [0, 1, 2]


def test_an_append_that_is_larger_than_a_spool_file_has_one_of_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "SPOOL_FILE_BYTES_MAX", 2 * FRAME)
    with closing(SpoolWriter(tmp_path, 1)) as spool:
        for first in (0, 4, 8):
            spool.append([events(first + place) for place in range(4)], now_us=NOW)
    assert list(sizes(tmp_path)) == [1, 2, 3]
    assert numbers(tmp_path) == list(range(12))


@pytest.mark.parametrize(
    ("after_us", "spool_files"),
    [
        (limits.SPOOL_FILE_AGE_S_MAX * SECOND - 1, 1),
        (limits.SPOOL_FILE_AGE_S_MAX * SECOND, 2),
        (limits.SPOOL_FILE_AGE_S_MAX * SECOND + 1, 2),
        (-1, 2),  # the clock was set back: how old the events are is not known any more
    ],
)
def test_a_spool_file_with_events_is_ended_when_it_is_old(
    spool: SpoolWriter, tmp_path: Path, after_us: int, spool_files: int
) -> None:
    spool.append([events(1)], now_us=NOW)
    spool.mark(NOW + after_us)
    assert len(sizes(tmp_path / "data")) == spool_files


def test_the_age_counts_from_the_first_events(spool: SpoolWriter, tmp_path: Path) -> None:
    spool.mark(NOW)
    spool.append([events(1)], now_us=NOW + 50 * SECOND)
    spool.append([events(2)], now_us=NOW + 100 * SECOND)
    assert len(sizes(tmp_path / "data")) == 1
    spool.append([events(3)], now_us=NOW + 110 * SECOND)
    assert len(sizes(tmp_path / "data")) == 2


def test_a_spool_file_with_marks_alone_is_never_too_old(spool: SpoolWriter, tmp_path: Path) -> None:
    for hour in range(3):
        spool.mark(NOW + hour * 3_600 * SECOND)
    assert len(sizes(tmp_path / "data")) == 1


def test_a_series_that_was_ended_takes_nothing_more(spool: SpoolWriter) -> None:
    spool.close()
    spool.close()
    with pytest.raises(AssertionError):
        spool.append([events(1)], now_us=NOW)
    with pytest.raises(AssertionError):
        spool.mark(NOW)


# --- the bound


def test_the_bound_over_all_collectors_is_a_writers_unless_it_gets_a_share(
    spool: SpoolWriter, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(spool, "_bytes_waiting", limits.SPOOL_BYTES_MAX - FRAME)
    monkeypatch.setattr(spool, "_looked_at", NOW)
    spool.append([events(1)], now_us=NOW)
    with pytest.raises(SpoolFull):
        spool.append([events(1)], now_us=NOW)


@pytest.mark.parametrize(("more", "is_full"), [(-1, True), (0, False), (1, False)])
def test_no_more_is_taken_than_the_share_of_the_spool(tmp_path: Path, more: int, is_full: bool) -> None:
    with closing(SpoolWriter(tmp_path, 1, bytes_max=5 * FRAME + more)) as spool:
        spool.append([events(number) for number in range(4)], now_us=NOW)
        before = sizes(tmp_path)
        if not is_full:
            spool.append([events(4)], now_us=NOW)
            return
        with pytest.raises(SpoolFull, match=f"{4 * FRAME:,} of {5 * FRAME + more:,} bytes"):
            spool.append([events(4)], now_us=NOW)
        assert sizes(tmp_path) == before


def test_a_full_spool_still_takes_marks(tmp_path: Path) -> None:
    with closing(SpoolWriter(tmp_path, 1, bytes_max=FRAME)) as spool:
        spool.append([events(1)], now_us=NOW)
        spool.mark(NOW + 1)
    assert SpoolReader(tmp_path, {}).read(1_000_000).frames


def test_a_full_spool_takes_events_again_when_some_are_applied(tmp_path: Path) -> None:
    with closing(SpoolWriter(tmp_path, 1, bytes_max=20 * len(events(10)))) as spool:
        for number in range(10, 30):
            spool.append([events(number)], now_us=NOW)
        with pytest.raises(SpoolFull):
            spool.append([events(30)], now_us=NOW)
        reader = SpoolReader(tmp_path, {})
        assert [number_of(frame) for frame in drained(reader)[0]] == list(range(10, 30))
        with pytest.raises(SpoolFull):
            spool.append([events(30)], now_us=NOW + SECOND - 1)
        spool.append([events(30)], now_us=NOW + SECOND)
        assert spool.bytes_waiting(NOW + SECOND) == sum(sizes(tmp_path).values()) < 10 * FRAME
        assert [number_of(frame) for frame in drained(reader)[0]] == [30]


def test_what_waits_is_counted_and_looked_up_once_a_second(spool: SpoolWriter, tmp_path: Path) -> None:
    spool.append([events(1), events(2)], now_us=NOW)
    assert spool.bytes_waiting(NOW) == 2 * FRAME
    (tmp_path / "data" / "spool" / "00000001" / "00000001.seg").unlink()
    assert spool.bytes_waiting(NOW + SECOND - 1) == 2 * FRAME
    assert spool.bytes_waiting(NOW + SECOND) == 0


def test_a_series_whose_folder_was_taken_away_is_an_error(spool: SpoolWriter, tmp_path: Path) -> None:
    spool.append([events(1)], now_us=NOW)
    shutil.rmtree(tmp_path / "data" / "spool")
    with pytest.raises(SpoolError, match="No such file or directory"):
        spool.append([events(2)], now_us=NOW + SECOND)


# --- errors of the disk, made by hand: those that no small disk gives

Fails = Callable[[str, int], None]


@pytest.fixture
def fails(monkeypatch: pytest.MonkeyPatch) -> Iterator[Fails]:
    """Let a call of the system fail with EIO from its n-th time on; again to let it work."""
    real = {name: getattr(os, name) for name in ("writev", "write", "fdatasync", "ftruncate", "fsync")}

    def set_up(name: str, good_calls: int) -> None:
        left = iter(range(good_calls))

        def call(*arguments: object) -> object:
            if next(left, None) is None:
                raise OSError(errno.EIO, os.strerror(errno.EIO))
            return real[name](*arguments)

        monkeypatch.setattr(os, name, call)

    yield set_up
    monkeypatch.undo()


@pytest.mark.parametrize("broken", [["writev"], ["fdatasync"], ["fdatasync", "ftruncate"], ["fsync"]])
@pytest.mark.parametrize("appends_before", [0, 1])
def test_after_a_failed_append_the_next_begins_a_new_spool_file(
    tmp_path: Path, fails: Fails, broken: list[str], appends_before: int
) -> None:
    with closing(SpoolWriter(tmp_path, 1)) as spool:
        for number in range(appends_before):
            spool.append([events(number)], now_us=NOW)
        if broken == ["fsync"] and appends_before:
            spool.mark(NOW + 60 * SECOND)  # in a new file, whose name is not durable yet
        before = sizes(tmp_path)
        for name in broken:
            fails(name, 0)
        with pytest.raises(SpoolError, match="Input/output error"):
            spool.append([events(7)], now_us=NOW + 60 * SECOND)
        if "ftruncate" not in broken:
            assert sizes(tmp_path) == before
        for name in broken:
            fails(name, 1_000)
        spool.append([events(8)], now_us=NOW + 60 * SECOND)
        assert max(sizes(tmp_path)) > max(before, default=0)
    assert [n for n in numbers(tmp_path) if n != 7] == [*range(appends_before), 8]


def test_a_reader_that_saw_what_was_undone_misses_nothing(tmp_path: Path, fails: Fails) -> None:
    with closing(SpoolWriter(tmp_path, 1)) as spool:
        spool.append([events(1)], now_us=NOW)
        reader = SpoolReader(tmp_path, {})
        real = writer._write_all

        def read_between(descriptor: int, frames: list[bytes]) -> None:
            real(descriptor, frames)
            batch = reader.read(1_000_000)
            reader.advance(batch)
            assert [number_of(frame) for frame in batch.frames] == [1, 2]
            raise OSError(errno.EIO, "failed after all")

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(writer, "_write_all", read_between)
            with pytest.raises(SpoolError):
                spool.append([events(2)], now_us=NOW)
        spool.append([events(3)], now_us=NOW)
        assert [number_of(frame) for frame in drained(reader)[0]] == [3]


@pytest.mark.parametrize("short", [1, 100, 5_000])
def test_a_write_that_is_cut_short_goes_on(
    spool: SpoolWriter, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, short: int
) -> None:
    write = os.write
    monkeypatch.setattr(os, "writev", lambda fd, frames: write(fd, b"".join(frames)[:short]))
    monkeypatch.setattr(os, "write", lambda fd, rest: write(fd, rest[:1_000]))
    spool.append([events(number, size=300) for number in range(30)], now_us=NOW)
    assert numbers(tmp_path / "data") == list(range(30))


def test_an_interrupted_append_leaves_nothing_half_written(
    spool: SpoolWriter, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spool.append([events(1)], now_us=NOW)

    def interrupted(descriptor: int, frames: list[bytes]) -> None:
        os.write(descriptor, frames[0][:-5])
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(writer, "_write_all", interrupted)
        with pytest.raises(KeyboardInterrupt):
            spool.append([events(2)], now_us=NOW)
    spool.append([events(3)], now_us=NOW)
    assert numbers(tmp_path / "data") == [1, 3]


# --- real small disks


@needs_root
@pytest.mark.parametrize("frames", [1, 50])
def test_a_full_disk_keeps_all_or_nothing_and_with_room_it_goes_on(mount: Mount, frames: int) -> None:
    data = mount("size=256k")
    with closing(SpoolWriter(data, 1)) as spool:
        kept: list[int] = []
        refused = 0
        for first in range(0, 1_000 * frames, frames):
            batch = [events(first + place, size=700) for place in range(frames)]
            try:
                spool.append(batch, now_us=NOW)
                kept += range(first, first + frames)
            except SpoolError:
                refused += 1
            if refused == 20:
                break
        assert refused == 20
        with pytest.raises(SpoolError, match="No space left on device"):
            spool.append([events(0, size=limits.FRAME_BYTES_MAX - 100)], now_us=NOW)
        mount("size=16m")
        spool.append([events(1_000_000)], now_us=NOW)
    assert numbers(data) == [*kept, 1_000_000]


@needs_root
def test_a_full_disk_empties_by_applying(mount: Mount, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "SPOOL_FILE_BYTES_MAX", 50_000)
    data = mount("size=300k")
    reader = SpoolReader(data, {})
    applied: list[int] = []
    kept: list[int] = []
    with closing(SpoolWriter(data, 1)) as spool:
        for number in range(2_000):
            try:
                spool.append([events(number, size=900)], now_us=NOW)
                kept.append(number)
            except SpoolError:
                frames, damages = drained(reader)
                applied += [number_of(frame) for frame in frames]
                assert damages == []
    applied += [number_of(frame) for frame in drained(reader)[0]]
    assert applied == kept
    assert 1_900 < len(kept) < 2_000


@needs_root
def test_a_disk_that_became_read_only_is_an_error_and_when_it_is_not_any_more_it_goes_on(
    mount: Mount,
) -> None:
    data = mount("size=1m")
    first = SpoolWriter(data, 1)
    first.append([events(1)], now_us=NOW)
    first.close()
    second = SpoolWriter(data, 2)
    second.close()
    mount("ro")
    with pytest.raises(SpoolError, match="Read-only file system"):
        SpoolWriter(data, 3)
    assert [number_of(frame) for frame in SpoolReader(data, {}).read(1_000_000).frames] == [1]
    mount("rw")
    with closing(SpoolWriter(data, 3)) as third:
        third.append([events(3)], now_us=NOW)
    assert numbers(data) == [1, 3]


@needs_root
def test_a_spool_file_that_cannot_be_begun_is_an_error_until_it_can(mount: Mount) -> None:
    data = mount("size=1m")
    with closing(SpoolWriter(data, 1)) as spool:
        used = sum(1 for _ in data.rglob("*")) + 1
        mount(f"nr_inodes={used}")
        for _ in range(3):
            with pytest.raises(SpoolError, match="No space left on device"):
                spool.append([events(1)], now_us=NOW)
        with pytest.raises(SpoolError, match="No space left on device"):
            spool.mark(NOW)
        mount(f"nr_inodes={used + 1}")
        spool.append([events(2)], now_us=NOW)
    assert numbers(data) == [2]


# --- processes


def acknowledged(process: subprocess.Popen[bytes], least: int) -> int:
    """Read what a writer acknowledges until it is at least this much."""
    last = -1
    while last < least:
        line = process.stdout.readline()
        assert line, "the writer ended early"
        last = int(line)
    return last


def killed(process: subprocess.Popen[bytes], last: int) -> int:
    """Kill a writer; return the last number that it acknowledged."""
    process.kill()
    rest, _ = process.communicate(timeout=DEADLINE_S)
    lines = rest.split(b"\n")[:-1]
    return int(lines[-1]) if lines else last


@pytest.mark.parametrize("least", [0, 3, 50, 151, 333, 500, 777, 1_000, 1_500, 2_345])
def test_whatever_was_acknowledged_before_a_kill_is_read_in_order(tmp_path: Path, least: int) -> None:
    process = writing(tmp_path, 1)
    last = killed(process, acknowledged(process, least))
    frames, damages = drained(SpoolReader(tmp_path, {}))
    found = [number_of(frame) for frame in frames]
    assert found == list(range(len(found)))
    assert len(found) > last >= least
    assert all(damages)


def test_a_copy_of_the_folder_while_it_is_written_holds_what_was_acknowledged_before(tmp_path: Path) -> None:
    process = writing(tmp_path / "data", 1)
    try:
        for copy in range(8):
            last = acknowledged(process, 150 * copy)
            shutil.copytree(tmp_path / "data", tmp_path / f"copy-{copy}")
            frames, damages = drained(SpoolReader(tmp_path / f"copy-{copy}", {}))
            found = [number_of(frame) for frame in frames]
            assert found == list(range(len(found)))
            assert len(found) > last
            assert all(damages)
    finally:
        killed(process, 0)


def test_two_writers_and_a_reader_at_once(tmp_path: Path) -> None:
    processes = {series: writing(tmp_path, series, 150) for series in (1, 2)}
    reader = SpoolReader(tmp_path, {})
    found: dict[int, list[int]] = {1: [], 2: []}
    is_over = False
    while not is_over:
        is_over = all(process.poll() is not None for process in processes.values())
        frames, damages = drained(reader, 100_000)
        assert damages == []
        for frame in frames:
            found[frame.space].append(number_of(frame))
    last = {series: killed(process, -1) for series, process in processes.items()}
    assert found == {series: list(range(number + 1)) for series, number in last.items()}
    assert list((tmp_path / "spool").iterdir()) == []


def test_a_writer_holds_its_series_until_it_is_dead(tmp_path: Path) -> None:
    process = writing(tmp_path, 1)
    last = acknowledged(process, 10)
    reader = SpoolReader(tmp_path, {})
    assert reader.read(1_000_000).watermark is not None
    killed(process, last)
    drained(reader)
    assert reader.read(1_000_000).watermark is None


@pytest.mark.skipif(shutil.which("strace") is None, reason="strace shows the calls; it is not installed")
def test_the_system_is_told_to_write_before_an_append_returns(tmp_path: Path) -> None:
    trace = tmp_path / "trace"
    watched = "trace=openat,writev,write,fdatasync,fsync"
    command = ["strace", "-qq", "-y", "-e", watched, "-o", trace, sys.executable, spooling.__file__]
    done = subprocess.run(
        [*command, tmp_path / "data", "1", "30"], check=False, timeout=DEADLINE_S, capture_output=True
    )
    if b"ptrace" in done.stderr:
        pytest.skip(f"strace may not trace here: {done.stderr.decode().strip()}")
    assert done.returncode == 0, done.stderr
    synced: set[str] = set()
    named: set[str] = set()
    folders: set[str] = set()
    written: set[str] = set()
    acknowledged_appends = 0
    for line in trace.read_text().splitlines():
        call, path = re.match(r"(\w+)\([^<]*<?([^>,]*)", line).groups()
        if call == "writev" and path.endswith(".seg"):
            written.add(path)
            synced.discard(path)
        elif call == "fdatasync":
            assert line.endswith("= 0")
            synced.add(path)
        elif call == "fsync":
            folders.add(path)
            named |= {spool_file for spool_file in written if path == str(Path(spool_file).parent)}
        elif line.startswith("write(1<"):
            acknowledged_appends += 1
            last = max(written)
            assert {last} <= synced & named, line
            assert {str(tmp_path / "data"), str(tmp_path / "data" / "spool")} <= folders
    assert acknowledged_appends == 30
    assert len(written) > 1
