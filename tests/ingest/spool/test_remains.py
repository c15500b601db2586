"""What stays in the spool of events that are applied: it is known where, and it goes."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import pytest
from searching import found_in
from spooling import events

from enduser import limits
from enduser.errors import SpoolError
from enduser.ingest.spool import (
    EVENTS,
    MARK,
    SpoolReader,
    SpoolWriter,
    clear_applied,
    end_spool_files,
    frame,
    remains,
    spool_files_with_events,
)

SECOND = 1_000_000
NOW = 1_700_000_000 * SECOND
OLD = NOW + limits.SPOOL_FILE_AGE_S_MAX * SECOND
OF_ADAM = frame(EVENTS, 1, NOW, b'{"user_id":"adam.br"}\n')


def names(data: Path) -> set[str]:
    """Return the files with events, such as 1/2."""
    return {f"{int(path.parent.name)}/{int(path.stem)}" for path in spool_files_with_events(data)}


def test_spool_files_of_events_are_named_and_those_of_marks_are_not(tmp_path: Path) -> None:
    with closing(SpoolWriter(tmp_path, 1)) as writer, closing(SpoolWriter(tmp_path, 2)) as idle:
        idle.mark(NOW)
        writer.mark(NOW)
        writer.append([OF_ADAM], now_us=NOW)
        writer.append([OF_ADAM], now_us=OLD)
        assert names(tmp_path) == {"1/1", "1/2"}
    assert spool_files_with_events(tmp_path / "none") == frozenset()


def test_events_behind_many_marks_are_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remains, "_BLOCK_BYTES", 2 * len(OF_ADAM) + 1)
    with closing(SpoolWriter(tmp_path, 1)) as writer, closing(SpoolWriter(tmp_path, 2)) as idle:
        for _ in range(9):
            writer.mark(NOW)
            idle.mark(NOW)
        writer.append([OF_ADAM], now_us=NOW)
        assert names(tmp_path) == {"1/1"}


@pytest.mark.parametrize("bytes_", [OF_ADAM[:-1], OF_ADAM[1:], b"adam.br", frame(MARK, 0, NOW)[:-1]])
def test_bytes_that_are_no_frame_may_be_of_events(tmp_path: Path, bytes_: bytes) -> None:
    folder = tmp_path / "spool" / "00000001"
    folder.mkdir(parents=True)
    (folder / "00000001.seg").write_bytes(frame(MARK, 0, NOW) + bytes_)
    assert names(tmp_path) == {"1/1"}


def test_what_vanishes_meanwhile_is_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with closing(SpoolWriter(tmp_path, 1)) as writer:
        writer.append([OF_ADAM], now_us=NOW)
    known = remains.spool_files_of

    def and_gone(folder: Path) -> object:
        found = known(folder)
        (folder / "00000001.seg").unlink(missing_ok=True)
        return found

    monkeypatch.setattr(remains, "spool_files_of", and_gone)
    assert names(tmp_path) == set()


def test_spool_files_that_were_there_go_with_the_next_events_once_they_are_applied(tmp_path: Path) -> None:
    reader = SpoolReader(tmp_path, {})
    with closing(SpoolWriter(tmp_path, 1)) as writer:
        writer.append([OF_ADAM], now_us=NOW)
        there = spool_files_with_events(tmp_path)
        reader.advance(reader.read(1_000))
        assert there & spool_files_with_events(tmp_path)
        assert found_in(tmp_path, "adam.br")
        writer.mark(OLD)
        reader.advance(reader.read(1_000))
        assert not there & spool_files_with_events(tmp_path)
        assert found_in(tmp_path, "adam.br") == []


# --- without a server


def test_what_is_applied_is_deleted_where_no_server_runs(tmp_path: Path) -> None:
    with closing(SpoolWriter(tmp_path, 1)) as writer, closing(SpoolWriter(tmp_path, 2)) as idle:
        writer.append([OF_ADAM], now_us=NOW)
        writer.mark(NOW)
        idle.mark(NOW)
        positions = SpoolReader(tmp_path, {}).read(1_000).positions
    assert clear_applied(tmp_path, positions)
    assert list((tmp_path / "spool").iterdir()) == []


def test_what_is_not_applied_stays_and_spool_files_before_it_go(tmp_path: Path) -> None:
    with closing(SpoolWriter(tmp_path, 1)) as writer:
        writer.append([OF_ADAM], now_us=NOW)
        writer.append([events(7)], now_us=OLD)
        size = (tmp_path / "spool" / "00000001" / "00000001.seg").stat().st_size
        positions = {1: (2, 0)}
    assert size == len(OF_ADAM)
    assert not clear_applied(tmp_path, positions)
    assert names(tmp_path) == {"1/2"}
    assert [frame.payload for frame in SpoolReader(tmp_path, positions).read(1_000).frames]


def test_a_series_that_is_written_is_left_to_its_server(tmp_path: Path) -> None:
    with closing(SpoolWriter(tmp_path, 1)) as writer:
        writer.append([OF_ADAM], now_us=NOW)
        assert not clear_applied(tmp_path, {1: (1, len(OF_ADAM))})
        assert names(tmp_path) == {"1/1"}


def test_where_there_is_no_spool_nothing_is_to_be_cleared(tmp_path: Path) -> None:
    assert clear_applied(tmp_path, {})


def test_a_file_that_cannot_be_read_is_an_error(tmp_path: Path) -> None:
    folder = tmp_path / "spool" / "00000001"
    (folder / "00000001.seg").mkdir(parents=True)
    with pytest.raises(SpoolError, match="the spool cannot be read"):
        spool_files_with_events(tmp_path)


def test_writers_that_are_asked_end_their_spool_files_within_a_second_each_time(tmp_path: Path) -> None:
    with closing(SpoolWriter(tmp_path, 1)) as writer:
        writer.append([events(1)], now_us=NOW)
        for at in (NOW + SECOND, NOW + 3 * SECOND):
            end_spool_files(tmp_path)
            writer.append([events(1)], now_us=at + SECOND // 2 - 1)
            writer.append([events(1)], now_us=at + SECOND)
            writer.mark(at + SECOND + 1)
        assert names(tmp_path) == {"1/1", "1/2", "1/3"}


def test_one_who_begins_after_that_was_asked_ends_nothing_for_it(tmp_path: Path) -> None:
    end_spool_files(tmp_path)
    with closing(SpoolWriter(tmp_path, 1)) as writer:
        writer.append([events(1)], now_us=NOW)
        writer.append([events(1)], now_us=NOW + 2 * SECOND)
    assert names(tmp_path) == {"1/1"}
