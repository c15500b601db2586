"""The reader of all series: what is not applied yet, in order, and what can be deleted once it is."""

import os
import shutil
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from enduser import limits
from enduser.ingest.spool.damage import Damage, kept
from enduser.ingest.spool.folder import (
    SpoolFile,
    disk_errors,
    is_live,
    series_folders,
    spool_file_path,
    spool_files_of,
    spool_of,
)
from enduser.ingest.spool.frames import EVENTS, Frame, Scan, scan
from enduser.stores.data_folder import make_durable

Position = tuple[int, int]
"""File and byte up to which a series is applied; (0, 0) is its beginning."""

_BLOCK_BYTES = 4 * 1_048_576
"""Bytes that are read at once; at least a whole frame, so that every block goes on."""


@dataclass(frozen=True, slots=True)
class Batch:
    """What one read brought, and what is true once it is applied."""

    frames: list[Frame]
    """In order within a series; marks are not among them."""
    positions: dict[int, Position]
    """How far each series is read then."""
    marks: dict[int, int]
    """The receipt of the last frame of each series, µs since 1970; of those that had one."""
    over: list[int]
    """Series whose writer is dead and of which nothing is left."""
    watermark: int | None
    """Everything that was received before it (µs since 1970) is read then: the least mark of the series that
    are not over. None: nothing is known, for one of them had no frame yet, or there is none."""
    is_behind: bool
    """Whether more is waiting than was read."""
    damages: list[Damage]


@dataclass(frozen=True, slots=True)
class _Series:
    """One series as it was found."""

    number: int
    folder: Path
    is_live: bool
    spool_files: Sequence[SpoolFile]

    def bytes_behind(self, position: Position) -> int:
        spool_file, byte = position
        sizes = {found.number: found.size for found in self.spool_files if found.number >= spool_file}
        applied = min(byte, sizes.get(spool_file, 0))
        return sum(sizes.values()) - applied


@dataclass(slots=True)
class _Reading:
    """How far a read has come in one series."""

    series: _Series
    position: Position
    mark: int | None
    bytes_max: int
    bytes_read: int = 0
    frames: list[Frame] = field(default_factory=list)
    damages: list[Damage] = field(default_factory=list)
    is_behind: bool = False

    @property
    def is_over(self) -> bool:
        return not (self.series.is_live or self.is_behind)

    def run(self) -> None:
        """Read on up to the bound, or up to what is not there yet."""
        for spool_file in self.series.spool_files:
            if spool_file.number < self.position[0]:
                continue
            if spool_file.number > self.position[0]:
                self.position = spool_file.number, 0
            self._read_spool_file(is_open=self.series.is_live and spool_file is self.series.spool_files[-1])
            if self.is_behind:
                break
        self.damages = [kept(damage, self.series.folder) for damage in self.damages]

    def _read_spool_file(self, *, is_open: bool) -> None:
        with spool_file_path(self.series.folder, self.position[0]).open("rb", buffering=0) as file:
            size = os.fstat(file.fileno()).st_size
            while (byte := self.position[1]) < size:
                if self.bytes_read >= self.bytes_max:
                    self.is_behind = True
                    return
                block = os.pread(file.fileno(), max(_BLOCK_BYTES, limits.FRAME_BYTES_MAX), byte)
                is_last = byte + len(block) >= size
                found = scan(block, self.bytes_max - self.bytes_read, is_end=is_last and not is_open)
                self._take(found)
                if self.is_behind or is_last or not found.at:
                    return

    def _take(self, found: Scan) -> None:
        spool_file, byte = self.position
        for gap in found.gaps:
            self._report(
                Damage(self.series.number, spool_file, byte + gap.start, byte + gap.stop, gap.is_torn)
            )
        self.frames += found.frames
        if found.received_at is not None:
            self.mark = found.received_at
        self.position = spool_file, byte + found.at
        self.bytes_read += found.at
        self.is_behind = found.is_spent

    def _report(self, damage: Damage) -> None:
        last = self.damages.pop() if self.damages else None
        self.damages += [damage] if last is None else last.followed_by(damage)


class SpoolReader:
    """Reads all series from where the store stands. For one thread of the process that owns the folder."""

    def __init__(self, folder: Path, positions: Mapping[int, Position]) -> None:
        """Take up where the store stands.

        Args:
            folder: the data folder.
            positions: of each series that the store knows; the file may be shorter since, for the store's
                commit may have outlived a power cut that the last bytes did not.
        """
        self._folder = folder
        self._positions = dict(positions)
        self._marks: dict[int, int] = {}

    def bytes_waiting(self) -> int:
        """Return the bytes of all series that are not applied yet. For any thread.

        Raises:
            SpoolError: the folder cannot be read.
        """
        positions = self._positions
        with disk_errors("the spool cannot be read"):
            found = self._look(set())
        return sum(series.bytes_behind(positions.get(series.number, (0, 0))) for series in found)

    def read(self, bytes_max: int) -> Batch:
        """Return what comes next, without moving on: before `advance`, the next read begins there again.

        Args:
            bytes_max: bytes of frames, divided fairly among the series; a first frame that is longer comes
                all the same, so that no series stands still.

        Raises:
            SpoolError: a file cannot be read.
        """
        readings: dict[int, _Reading] = {}
        with disk_errors("the spool cannot be read"):
            # A series that began while others were read may hold what is older than their last frames.
            while found := self._look(readings.keys()):
                bytes_left = bytes_max - sum(reading.bytes_read for reading in readings.values())
                readings |= self._read_fairly(found, bytes_left)
        return _batch([readings[number] for number in sorted(readings)])

    def advance(self, batch: Batch) -> None:
        """Move on behind a batch that the store has committed, and delete what is applied.

        A batch without frames and damages may be advanced over without a commit.

        Raises:
            SpoolError: something cannot be deleted. The reader has moved on all the same; the next call
                tries again.
        """
        self._positions = {**batch.positions}
        self._marks = {**batch.marks}
        self.delete_applied(batch.over)

    def delete_applied(self, over: Sequence[int] = ()) -> None:
        """Delete the files before those where the reader stands, and the series that are over.

        Raises:
            SpoolError: something cannot be deleted.
        """
        with disk_errors("what was applied cannot be deleted from the spool"):
            folders = series_folders(self._folder)
            for number in self._positions.keys() & folders.keys():
                self._delete_applied(number, folders[number], is_over=number in over)

    def _look(self, known: AbstractSet[int]) -> list[_Series]:
        found = []
        for number, folder in series_folders(self._folder).items():
            if number not in known:
                with suppress(FileNotFoundError):  # `advance` on its thread has just deleted it
                    found.append(_found(number, folder))
        return found

    def _read_fairly(self, found: Sequence[_Series], bytes_max: int) -> dict[int, _Reading]:
        """Read series so that each gets as much, or all that it has."""
        starts = {series.number: self._positions.get(series.number, (0, 0)) for series in found}
        # Those with the least to read come first: what they leave of their share, the others get.
        waiting = sorted(found, key=lambda series: series.bytes_behind(starts[series.number]))
        readings = {}
        for place, series in enumerate(waiting):
            number = series.number
            share = max(1, bytes_max // (len(waiting) - place))
            reading = _Reading(series, starts[number], self._marks.get(number), share)
            reading.run()
            bytes_max -= reading.bytes_read
            readings[number] = reading
        return readings

    def _delete_applied(self, number: int, folder: Path, *, is_over: bool) -> None:
        if is_over:
            shutil.rmtree(folder)
            # The store forgets the position next: a folder that a power cut brings back would be read anew.
            make_durable(spool_of(self._folder))
            return
        for spool_file in spool_files_of(folder):
            if spool_file.number < self._positions[number][0]:
                spool_file_path(folder, spool_file.number).unlink()


def events_waiting(folder: Path, positions: Mapping[int, Position]) -> int:
    """Return how many events are accepted and not applied yet, by reading them all.

    Args:
        folder: the data folder.
        positions: of each series that the store knows.

    Raises:
        SpoolError: a file cannot be read.
    """
    count, is_behind = 0, True
    while is_behind:
        batch = SpoolReader(folder, positions).read(limits.BATCH_BYTES_MAX)
        count += sum(bytes(frame.payload).count(b"\n") for frame in batch.frames if frame.kind == EVENTS)
        positions, is_behind = batch.positions, batch.is_behind
    return count


def _found(number: int, folder: Path) -> _Series:
    # In this order: what a dead writer wrote is all there, what a live one writes comes next time.
    return _Series(number, folder, is_live(folder), spool_files_of(folder))


def _batch(readings: Sequence[_Reading]) -> Batch:
    """Return what readings in the order of their series brought."""
    marks = {reading.series.number: reading.mark for reading in readings}
    holding = [reading.mark for reading in readings if not reading.is_over]
    known = [mark for mark in holding if mark is not None]
    return Batch(
        frames=[frame for reading in readings for frame in reading.frames],
        positions={reading.series.number: reading.position for reading in readings},
        marks={number: mark for number, mark in marks.items() if mark is not None},
        over=[reading.series.number for reading in readings if reading.is_over],
        watermark=min(known) if known and len(known) == len(holding) else None,
        is_behind=any(reading.is_behind for reading in readings),
        damages=[damage for reading in readings for damage in reading.damages],
    )
