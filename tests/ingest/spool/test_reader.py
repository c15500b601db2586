"""The reader: every frame once and in order, whatever happens; nothing is deleted too early."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given
from hypothesis import strategies as st
from spooling import drained, events, number_of

from enduser import limits
from enduser.errors import SpoolError
from enduser.ingest.spool import Batch, Position, SpoolReader, SpoolWriter, reader
from enduser.ingest.spool.folder import spool_files_of

SECOND = 1_000_000
NOW = 1_700_000_000 * SECOND
OLD = NOW + limits.SPOOL_FILE_AGE_S_MAX * SECOND
FRAME = len(events(1))
ALL = 1_000_000

Writers = Callable[[int], SpoolWriter]


@pytest.fixture
def writers(tmp_path: Path) -> Iterator[Writers]:
    """Begin a series; it ends with the test at the latest."""
    begun: list[SpoolWriter] = []

    def begin(series: int) -> SpoolWriter:
        begun.append(SpoolWriter(tmp_path, series))
        return begun[-1]

    yield begin
    for writer in begun:
        writer.close()


def numbers(batch: Batch) -> list[int]:
    return [number_of(frame) for frame in batch.frames]


def files(data: Path) -> list[str]:
    """Return the files of the spool, such as 1/2."""
    found = sorted((data / "spool").glob("*/*.seg"))
    return [f"{int(path.parent.name)}/{int(path.stem)}" for path in found]


def append(writer: SpoolWriter, *numbers: int, at: int = NOW) -> None:
    writer.append([events(number, at) for number in numbers], now_us=at)


# --- what comes


def test_an_empty_spool_gives_nothing(tmp_path: Path) -> None:
    assert SpoolReader(tmp_path, {}).read(ALL) == Batch([], {}, {}, [], None, False, [])


def test_frames_come_with_all_that_was_written(tmp_path: Path, writers: Writers) -> None:
    writers(1).append([events(7, 123, space=9)], now_us=NOW)
    (found,) = SpoolReader(tmp_path, {}).read(ALL).frames
    assert (found.kind, found.space, found.received_at, bytes(found.payload)) == (
        *(1, 9, 123),
        b'{"n":7,"x":""}\n',
    )


def test_frames_of_a_series_come_in_order_over_spool_files(tmp_path: Path, writers: Writers) -> None:
    writer = writers(1)
    for place in range(5):
        append(writer, 2 * place, 2 * place + 1, at=NOW + place * 60 * SECOND)
    assert files(tmp_path) == ["1/1", "1/2", "1/3", "1/4", "1/5"]
    assert numbers(SpoolReader(tmp_path, {}).read(ALL)) == list(range(10))


def test_what_is_not_advanced_over_comes_again(tmp_path: Path, writers: Writers) -> None:
    append(writers(1), 1, 2)
    reader = SpoolReader(tmp_path, {})
    assert numbers(reader.read(ALL)) == numbers(reader.read(ALL)) == [1, 2]
    reader.advance(reader.read(ALL))
    assert numbers(reader.read(ALL)) == []


def test_another_reader_goes_on_where_the_store_stands(tmp_path: Path, writers: Writers) -> None:
    writer = writers(1)
    append(writer, 1, 2)
    positions = SpoolReader(tmp_path, {}).read(ALL).positions
    assert positions == {1: (1, 2 * FRAME)}
    append(writer, 3)
    assert numbers(SpoolReader(tmp_path, positions).read(ALL)) == [3]


@pytest.mark.parametrize("position", [(1, 2 * FRAME + 1), (1, 10**9), (2, 0), (2, 57), (9, 9)])
@pytest.mark.parametrize("is_ended", [True, False])
def test_a_position_beyond_what_is_there_is_no_error(
    tmp_path: Path, writers: Writers, position: Position, is_ended: bool
) -> None:
    writer = writers(1)
    append(writer, 1, 2)
    if is_ended:
        writer.close()
    reader = SpoolReader(tmp_path, {1: position})
    assert reader.bytes_waiting() == 0
    assert drained(reader) == ([], [])
    assert (files(tmp_path) == []) is (is_ended or position[0] > 1)


def test_positions_of_series_that_are_gone_are_forgotten(tmp_path: Path, writers: Writers) -> None:
    writers(4)
    assert SpoolReader(tmp_path, {3: (1, 5)}).read(ALL).positions == {4: (0, 0)}


def test_a_gap_in_the_numbers_of_spool_files_is_passed_over(tmp_path: Path, writers: Writers) -> None:
    writer = writers(1)
    for place in range(3):
        append(writer, place, at=NOW + place * 60 * SECOND)
    (tmp_path / "spool" / "00000001" / "00000002.seg").unlink()
    assert numbers(SpoolReader(tmp_path, {1: (1, FRAME)}).read(ALL)) == [2]


def test_a_spool_file_that_cannot_be_read_is_a_clear_error(tmp_path: Path, writers: Writers) -> None:
    writers(1)
    (tmp_path / "spool" / "00000001" / "00000001.seg").mkdir()
    with pytest.raises(SpoolError, match="cannot be read"):
        SpoolReader(tmp_path, {}).read(ALL)


# --- how much


def test_no_more_is_read_than_is_wanted_and_it_is_told_that_there_is_more(
    tmp_path: Path, writers: Writers
) -> None:
    append(writers(1), *range(5))
    reader = SpoolReader(tmp_path, {})
    batch = reader.read(3 * FRAME)
    reader.advance(batch)
    assert (numbers(batch), batch.is_behind) == ([0, 1, 2], True)
    batch = reader.read(2 * FRAME)
    assert (numbers(batch), batch.is_behind) == ([3, 4], False)


def test_a_frame_that_is_longer_than_wanted_comes_all_the_same(tmp_path: Path, writers: Writers) -> None:
    append(writers(1), 1, 2)
    assert numbers(SpoolReader(tmp_path, {}).read(1)) == [1]


def test_more_in_the_next_spool_file_counts_as_more(tmp_path: Path, writers: Writers) -> None:
    writer = writers(1)
    append(writer, 1)
    append(writer, 2, at=OLD)
    batch = SpoolReader(tmp_path, {}).read(FRAME)
    assert (numbers(batch), batch.is_behind) == ([1], True)


def test_each_series_gets_its_share_and_what_one_leaves_the_others_get(
    tmp_path: Path, writers: Writers
) -> None:
    append(writers(1), *range(5), *range(5))
    append(writers(2), 5)
    append(writers(3), *range(5), *range(5))
    batch = SpoolReader(tmp_path, {}).read(9 * FRAME)
    assert batch.positions == {1: (1, 4 * FRAME), 2: (1, FRAME), 3: (1, 4 * FRAME)}


def test_what_is_left_unfinished_by_a_live_writer_is_not_more(tmp_path: Path, writers: Writers) -> None:
    append(writers(1), 1, 2)
    path = tmp_path / "spool" / "00000001" / "00000001.seg"
    os.truncate(path, 2 * FRAME - 1)
    batch = SpoolReader(tmp_path, {}).read(ALL)
    assert (numbers(batch), batch.is_behind, batch.damages) == ([1], False, [])


def test_many_blocks_are_read_to_their_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "FRAME_BYTES_MAX", 3_100)
    monkeypatch.setattr(reader, "_BLOCK_BYTES", 3_100)
    with closing(SpoolWriter(tmp_path, 1)) as writer:
        writer.append([events(n, size=(n * 397) % 3_000) for n in range(300)], now_us=NOW)
    assert numbers(SpoolReader(tmp_path, {}).read(ALL)) == list(range(300))


# --- torn ends


@pytest.mark.parametrize("left", range(FRAME))
@pytest.mark.parametrize("ending", ["live", "dead", "followed"])
def test_an_unfinished_last_frame_is_waited_for_while_it_can_still_come(
    tmp_path: Path, writers: Writers, left: int, ending: str
) -> None:
    writer = writers(1)
    append(writer, 1, 2)
    path = tmp_path / "spool" / "00000001" / "00000001.seg"
    whole = path.read_bytes()
    if ending == "followed":
        append(writer, 3, at=OLD)
    if ending == "dead":
        writer.close()
    os.truncate(path, FRAME + left)
    reader = SpoolReader(tmp_path, {})
    batch = reader.read(ALL)
    reader.advance(batch)
    torn = [(FRAME, FRAME + left, True)] if left and ending != "live" else []
    assert [(d.byte_from, d.byte_to, d.is_torn) for d in batch.damages] == torn
    if ending == "live":
        path.write_bytes(whole)
        assert (numbers(batch), numbers(reader.read(ALL))) == ([1], [2])
    else:
        assert numbers(batch) == ([1, 3] if ending == "followed" else [1])


# --- deletion


def test_applied_spool_files_are_deleted_but_the_newest_of_a_live_series(
    tmp_path: Path, writers: Writers
) -> None:
    writer = writers(1)
    append(writer, 1)
    reader = SpoolReader(tmp_path, {})
    batch = reader.read(ALL)
    append(writer, 2, at=OLD)
    reader.advance(batch)
    assert files(tmp_path) == ["1/1", "1/2"]
    batch = reader.read(ALL)
    assert files(tmp_path) == ["1/1", "1/2"]
    reader.advance(batch)
    assert files(tmp_path) == ["1/2"]


def test_a_series_is_deleted_when_its_writer_is_dead_and_all_is_applied(
    tmp_path: Path, writers: Writers
) -> None:
    writer = writers(1)
    append(writer, 1, 2)
    writer.close()
    reader = SpoolReader(tmp_path, {})
    batch = reader.read(FRAME)
    reader.advance(batch)
    assert (files(tmp_path), batch.over) == (["1/1"], [])
    batch = reader.read(FRAME)
    reader.advance(batch)
    assert (batch.over, list((tmp_path / "spool").iterdir())) == ([1], [])
    assert reader.read(ALL).positions == {}


def test_what_a_writer_writes_before_it_dies_between_read_and_advance_is_not_deleted(
    tmp_path: Path, writers: Writers
) -> None:
    writer = writers(1)
    append(writer, 1)
    reader = SpoolReader(tmp_path, {})
    batch = reader.read(ALL)
    append(writer, 2)
    append(writer, 3, at=OLD)
    writer.close()
    assert reader.bytes_waiting() == 3 * FRAME
    reader.advance(batch)
    assert numbers(reader.read(ALL)) == [2, 3]


def test_what_a_writer_writes_while_it_is_asked_whether_it_lives_is_read(
    tmp_path: Path, writers: Writers, monkeypatch: pytest.MonkeyPatch
) -> None:
    writer = writers(1)
    append(writer, 1)
    is_live = reader.is_live

    def write_die_and_ask(folder: Path) -> bool:
        append(writer, 2, at=OLD)
        writer.close()
        return is_live(folder)

    monkeypatch.setattr(reader, "is_live", write_die_and_ask)
    batch = SpoolReader(tmp_path, {}).read(ALL)
    assert (numbers(batch), batch.over) == ([1, 2], [1])


def test_that_a_series_is_gone_is_durable_before_its_position_is_forgotten(
    tmp_path: Path, writers: Writers, monkeypatch: pytest.MonkeyPatch
) -> None:
    writers(1).close()
    durable: list[tuple[Path, list[Path]]] = []
    monkeypatch.setattr(
        reader, "make_durable", lambda folder: durable.append((folder, list(folder.iterdir())))
    )
    spool = SpoolReader(tmp_path, {})
    spool.advance(spool.read(ALL))
    assert durable == [(tmp_path / "spool", [])]


def test_a_series_that_never_wrote_is_deleted_too(tmp_path: Path, writers: Writers) -> None:
    writers(1).close()
    drained(SpoolReader(tmp_path, {}))
    assert list((tmp_path / "spool").iterdir()) == []


def test_spool_files_that_a_power_cut_brought_back_are_not_read_again(
    tmp_path: Path, writers: Writers
) -> None:
    writer = writers(1)
    append(writer, 1)
    append(writer, 2, at=OLD)
    reader = SpoolReader(tmp_path, {1: (2, 0)})
    batch = reader.read(ALL)
    reader.advance(batch)
    assert (numbers(batch), files(tmp_path)) == ([2], ["1/2"])


def test_what_cannot_be_deleted_is_an_error_but_never_read_again_and_deleted_later(
    tmp_path: Path, writers: Writers, monkeypatch: pytest.MonkeyPatch
) -> None:
    writer = writers(1)
    append(writer, 1)
    append(writer, 2, at=OLD)
    reader = SpoolReader(tmp_path, {})
    batch = reader.read(ALL)

    def refuse(*_: object) -> None:
        raise OSError(30, "Read-only file system")

    with monkeypatch.context() as patch:
        patch.setattr(Path, "unlink", refuse)
        with pytest.raises(SpoolError, match="cannot be deleted"):
            reader.advance(batch)
    batch = reader.read(ALL)
    assert (numbers(batch), files(tmp_path)) == ([], ["1/1", "1/2"])
    reader.advance(batch)
    assert files(tmp_path) == ["1/2"]


def test_a_spool_that_was_taken_away_between_two_reads_is_an_empty_one(
    tmp_path: Path, writers: Writers
) -> None:
    append(writers(1), 1)
    reader = SpoolReader(tmp_path, {})
    batch = reader.read(ALL)
    shutil.rmtree(tmp_path / "spool")
    reader.advance(batch)
    assert (reader.read(ALL).positions, reader.bytes_waiting()) == ({}, 0)


# --- time


def test_the_watermark_is_the_least_of_the_series_that_are_live(tmp_path: Path, writers: Writers) -> None:
    first, second = writers(1), writers(2)
    append(first, 1, at=NOW + 5)
    append(second, 2, at=NOW + 9)
    reader = SpoolReader(tmp_path, {})
    batch = reader.read(ALL)
    assert (batch.watermark, batch.marks) == (NOW + 5, {1: NOW + 5, 2: NOW + 9})
    first.mark(NOW + 20)
    assert reader.read(ALL).watermark == NOW + 9


def test_a_dead_series_that_is_read_does_not_hold_the_watermark(tmp_path: Path, writers: Writers) -> None:
    first, second = writers(1), writers(2)
    append(first, 1, at=NOW + 5)
    append(second, 2, at=NOW + 9)
    first.close()
    reader = SpoolReader(tmp_path, {})
    assert reader.read(ALL).watermark == NOW + 9
    second.close()
    assert reader.read(ALL).watermark is None


def test_a_dead_series_that_is_not_read_yet_holds_the_watermark(tmp_path: Path, writers: Writers) -> None:
    first, second = writers(1), writers(2)
    append(first, 1, at=NOW + 5)
    append(first, 2, at=NOW + 6)
    append(second, 3, at=NOW + 9)
    first.close()
    assert SpoolReader(tmp_path, {}).read(2 * FRAME).watermark == NOW + 5


def test_a_live_series_that_has_said_nothing_yet_leaves_the_watermark_unknown(
    tmp_path: Path, writers: Writers
) -> None:
    append(writers(1), 1)
    second = writers(2)
    reader = SpoolReader(tmp_path, {})
    assert reader.read(ALL).watermark is None
    second.mark(NOW - 3)
    assert reader.read(ALL).watermark == NOW - 3


def test_what_a_series_said_holds_until_it_says_more(tmp_path: Path, writers: Writers) -> None:
    writer = writers(1)
    append(writer, 1, at=NOW + 5)
    reader = SpoolReader(tmp_path, {})
    reader.advance(reader.read(ALL))
    assert reader.read(ALL).watermark == NOW + 5
    writer.mark(NOW + 7)
    assert reader.read(ALL).watermark == NOW + 7


def test_a_series_that_begins_while_another_is_read_is_read_too(
    tmp_path: Path, writers: Writers, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = writers(1)
    scan = reader.scan

    def scan_and_begin(*arguments: object, **options: object) -> object:
        monkeypatch.undo()
        append(writers(2), 2, at=NOW + 4)
        return scan(*arguments, **options)

    append(first, 1, at=NOW + 5)
    monkeypatch.setattr(reader, "scan", scan_and_begin)
    batch = SpoolReader(tmp_path, {}).read(ALL)
    assert (numbers(batch), batch.watermark) == ([1, 2], NOW + 4)


# --- how much waits


def test_bytes_waiting_are_those_that_are_not_applied(tmp_path: Path, writers: Writers) -> None:
    first, second = writers(1), writers(2)
    append(first, 1, 2)
    append(first, 3, at=OLD)
    append(second, 4)
    reader = SpoolReader(tmp_path, {})
    assert reader.bytes_waiting() == 4 * FRAME
    batch = reader.read(2 * FRAME)
    assert reader.bytes_waiting() == 4 * FRAME
    reader.advance(batch)
    assert reader.bytes_waiting() == 2 * FRAME
    drained(reader)
    assert reader.bytes_waiting() == 0


# --- whatever happens

STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("append"), st.integers(0, 1), st.lists(st.integers(0, 90), max_size=6)),
        st.tuples(st.just("mark"), st.integers(0, 1), st.none()),
        st.tuples(st.just("end"), st.integers(0, 1), st.none()),
        st.tuples(st.just("read"), st.integers(1, 600), st.booleans()),
        st.tuples(st.just("restart"), st.none(), st.none()),
    ),
    max_size=40,
)


class Story:
    """Two collectors, a store and a reader; every step is one thing that may happen."""

    def __init__(self, data: Path) -> None:
        self.data = data
        self.writers: dict[int, tuple[int, SpoolWriter]] = {}
        self.series = 0
        self.now = NOW
        self.written: dict[int, list[int]] = {}
        self.stored: dict[int, list[int]] = {}
        self.positions: dict[int, Position] = {}
        self.reader = SpoolReader(data, {})

    def writer(self, collector: int) -> tuple[int, SpoolWriter]:
        if collector not in self.writers:
            self.series += 1
            self.written[self.series] = []
            self.stored[self.series] = []
            self.writers[collector] = self.series, SpoolWriter(self.data, self.series)
        return self.writers[collector]

    def append(self, collector: int, sizes: list[int]) -> None:
        self.now += 7 * SECOND
        series, writer = self.writer(collector)
        first = len(self.written[series])
        frames = [events(first + n, self.now, size, series) for n, size in enumerate(sizes)]
        writer.append(frames, now_us=self.now)
        self.written[series] += range(first, first + len(sizes))

    def mark(self, collector: int, _: None) -> None:
        self.now += 7 * SECOND
        self.writer(collector)[1].mark(self.now)

    def end(self, collector: int, _: None) -> None:
        if collector in self.writers:
            self.writers.pop(collector)[1].close()

    def read(self, bytes_max: int, is_committed: bool) -> None:
        batch = self.reader.read(bytes_max)
        assert batch.damages == []
        if is_committed:
            self.commit(batch)
            self.reader.advance(batch)

    def commit(self, batch: Batch) -> None:
        for frame in batch.frames:
            self.stored[frame.space].append(number_of(frame))
        self.positions = batch.positions

    def restart(self, *_: None) -> None:
        """Lose the reader between the store's commit and its own moving on."""
        self.commit(self.reader.read(150))
        self.reader = SpoolReader(self.data, self.positions)

    def finish(self) -> None:
        for collector in (0, 1):
            self.end(collector, None)
        is_behind = True
        while is_behind:
            batch = self.reader.read(1_000)
            self.commit(batch)
            self.reader.advance(batch)
            is_behind = batch.is_behind


@given(STEPS)
def test_whatever_happens_each_frame_comes_once_and_in_order_and_nothing_is_left(
    steps: list[tuple[str, object, object]],
) -> None:
    with TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setattr(limits, "SPOOL_FILE_BYTES_MAX", 400)
        patch.setattr(reader, "_BLOCK_BYTES", 300)
        patch.setattr(limits, "FRAME_BYTES_MAX", 300)
        story = Story(Path(folder))
        for name, *arguments in steps:
            getattr(story, name)(*arguments)
        story.finish()
        assert story.stored == story.written
        assert list(Path(folder).glob("spool/*")) == []


@given(st.data())
def test_each_single_byte_that_is_lost_at_the_end_of_a_dead_series_costs_only_what_was_there(
    data: st.DataObject,
) -> None:
    with TemporaryDirectory() as folder:
        sizes = data.draw(st.lists(st.integers(0, 60), min_size=1, max_size=8))
        frames = [events(number, size=size) for number, size in enumerate(sizes)]
        with closing(SpoolWriter(Path(folder), 1)) as writer:
            writer.append(frames, now_us=NOW)
        path = Path(folder) / "spool" / "00000001" / "00000001.seg"
        left = data.draw(st.integers(0, spool_files_of(path.parent)[0].size))
        os.truncate(path, left)
        whole = [n for n in range(len(frames)) if sum(map(len, frames[: n + 1])) <= left]
        found, damages = drained(SpoolReader(Path(folder), {}), 100)
        assert [number_of(frame) for frame in found] == whole
        assert damages == ([True] if left > sum(len(frames[n]) for n in whole) else [])
