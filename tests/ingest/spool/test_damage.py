"""Bytes that are no frames: reported, copied for the operator, and no reason to stop."""

from __future__ import annotations

from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from spooling import drained, events, number_of

from enduser import limits
from enduser.ingest.spool import Damage, SpoolReader, SpoolWriter
from enduser.ingest.spool.damage import kept

FRAME = len(events(1))
NOW = 1_700_000_000_000_000


def spooled(data: Path, numbers: range) -> Path:
    """Write events to a series that ends; return its only file."""
    with closing(SpoolWriter(data, 1)) as writer:
        writer.append([events(number) for number in numbers], now_us=NOW)
    return data / "spool" / "00000001" / "00000001.seg"


def change(path: Path, byte: int, content: bytes = b"") -> bytes:
    """Change a byte, or put in some; return the content that was there before."""
    before = path.read_bytes()
    put = content or bytes([before[byte] ^ 0x10])
    path.write_bytes(before[:byte] + put + before[byte + len(put) :])
    return before


@pytest.mark.parametrize("byte", range(FRAME, 2 * FRAME))
def test_a_changed_byte_is_reported_and_its_frame_is_copied_before_the_spool_file_goes(
    tmp_path: Path, byte: int
) -> None:
    path = spooled(tmp_path, range(3))
    change(path, byte)
    damaged = path.read_bytes()[FRAME : 2 * FRAME]
    reader = SpoolReader(tmp_path, {})
    batch = reader.read(1_000_000)
    reader.advance(batch)
    copy = tmp_path / "damaged" / f"00000001-00000001-{FRAME}-{2 * FRAME}"
    assert [number_of(frame) for frame in batch.frames] == [0, 2]
    assert batch.damages == [Damage(1, 1, FRAME, 2 * FRAME, is_torn=False, kept_as=copy)]
    assert copy.read_bytes() == damaged
    assert not path.exists()


@pytest.mark.parametrize("field", ["crc", "payload"])
def test_a_whole_last_frame_that_was_changed_is_damaged_and_not_torn(tmp_path: Path, field: str) -> None:
    path = spooled(tmp_path, range(2))
    change(path, FRAME + {"crc": 5, "payload": 30}[field])
    (damage,) = SpoolReader(tmp_path, {}).read(1_000_000).damages
    assert (damage.byte_from, damage.byte_to, damage.is_torn) == (FRAME, 2 * FRAME, False)


def test_a_damage_that_is_read_in_pieces_is_reported_as_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "FRAME_BYTES_MAX", 400)
    monkeypatch.setattr("enduser.ingest.spool.reader._BLOCK_BYTES", 400)
    path = spooled(tmp_path, range(100, 200))
    frame = len(events(100))
    change(path, frame, bytes(50 * frame))
    batch = SpoolReader(tmp_path, {}).read(1_000_000)
    assert [number_of(frame) for frame in batch.frames] == [100, *range(151, 200)]
    assert [(damage.byte_from, damage.byte_to) for damage in batch.damages] == [(frame, 51 * frame)]


def test_two_damages_are_two(tmp_path: Path) -> None:
    path = spooled(tmp_path, range(5))
    change(path, FRAME)
    change(path, 3 * FRAME)
    frames, damages = drained(SpoolReader(tmp_path, {}))
    assert ([number_of(frame) for frame in frames], damages) == ([0, 2, 4], [False, False])


def test_what_was_never_acknowledged_is_not_copied(tmp_path: Path) -> None:
    path = spooled(tmp_path, range(2))
    path.write_bytes(path.read_bytes()[:-1])
    assert drained(SpoolReader(tmp_path, {}))[1] == [True]
    assert not (tmp_path / "damaged").exists()


def test_reading_again_copies_nothing_twice(tmp_path: Path) -> None:
    change(spooled(tmp_path, range(3)), FRAME)
    reader = SpoolReader(tmp_path, {})
    first = reader.read(1_000_000)
    inode = first.damages[0].kept_as.stat().st_ino
    again = reader.read(1_000_000)
    assert (again.damages, again.damages[0].kept_as.stat().st_ino) == (first.damages, inode)


def test_no_room_for_a_copy_is_no_reason_to_stop(tmp_path: Path) -> None:
    change(spooled(tmp_path, range(3)), FRAME)
    (tmp_path / "damaged").write_text("a file where the folder should be")
    batch = SpoolReader(tmp_path, {}).read(1_000_000)
    assert [number_of(frame) for frame in batch.frames] == [0, 2]
    assert [damage.kept_as for damage in batch.damages] == [None]


@pytest.mark.parametrize(("more", "is_kept"), [(-1, False), (0, True), (1, True)])
def test_copies_have_a_bound_together(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, more: int, is_kept: bool
) -> None:
    path = spooled(tmp_path, range(3))
    monkeypatch.setattr(limits, "DAMAGED_BYTES_MAX", 2 * FRAME + more)
    first = Damage(1, 1, 0, FRAME, is_torn=False)
    assert kept(first, path.parent).kept_as
    second = kept(replace(first, byte_from=FRAME, byte_to=2 * FRAME), path.parent)
    assert (second.kept_as is not None) is is_kept
    assert len(list((tmp_path / "damaged").iterdir())) == 1 + is_kept


def test_a_copy_that_was_left_unfinished_is_made_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = spooled(tmp_path, range(3))
    monkeypatch.setattr(limits, "DAMAGED_BYTES_MAX", FRAME)
    (tmp_path / "damaged").mkdir()
    (tmp_path / "damaged" / "unfinished").write_bytes(b"half a co")
    copy = kept(Damage(1, 1, 0, FRAME, is_torn=False), path.parent).kept_as
    assert copy.read_bytes() == path.read_bytes()[:FRAME]
    assert list((tmp_path / "damaged").iterdir()) == [copy]
