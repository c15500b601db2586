"""The writer of one series: frames to the disk before anybody is told that they are."""

import os
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from enduser import limits
from enduser.errors import SpoolFull
from enduser.ingest.spool.folder import (
    disk_errors,
    end_file,
    spool_error,
    spool_file_path,
    spool_files_of,
    take_series,
)
from enduser.ingest.spool.frames import MARK, frame
from enduser.stores.data_folder import make_durable

_BUFFERS_MAX = os.sysconf("SC_IOV_MAX")
"""Buffers that one call of the system takes."""

_LOOK_EVERY_US = 1_000_000
"""Microseconds for which it is believed which files still exist."""

_SPOOL_FILES_MIN = 4
"""Files that a full share has at least: all but the newest can be applied and deleted, so it empties."""


@dataclass(slots=True)
class _Open:
    """The file that is written."""

    path: Path
    descriptor: int
    size: int = 0
    """Bytes of the appends that succeeded."""
    events_since: int | None = None
    """When its first events came, µs since 1970; None: it holds marks only."""
    asked: object = None
    """What asked writers last to end their files, when it was begun."""
    is_entry_durable: bool = False


class SpoolWriter:
    """Appends to a series of its own until closed. For one thread.

    An append that failed leaves nothing half-written. Its frames may have been read in the meantime all
    the same: what was not acknowledged may be applied, what was acknowledged is.
    """

    def __init__(self, folder: Path, series: int, bytes_max: int = limits.SPOOL_BYTES_MAX) -> None:
        """Begin the series.

        Args:
            folder: the data folder.
            series: a number from `new_series`.
            bytes_max: this writer's share of `SPOOL_BYTES_MAX`.

        Raises:
            SpoolError: the series was used before, or its folder cannot be made.
        """
        self._folder, self._lock = take_series(folder, series)
        self._bytes_max = bytes_max
        self._spool_file_bytes_max = min(limits.SPOOL_FILE_BYTES_MAX, bytes_max // _SPOOL_FILES_MIN)
        self._spool_file: _Open | None = None
        self._last_number = 0
        self._bytes_waiting = 0
        self._looked_at: int | None = None
        self._end_file = end_file(folder)
        self._asked_by: object = None
        self._asked_at: int | None = None
        self._is_closed = False

    def append(self, frames: Sequence[bytes], *, now_us: int) -> None:
        """Write frames in this order, all or none; return when they are on the disk.

        Args:
            frames: frames with events, made by `frame`, in the order of their receipt.
            now_us: µs since 1970, for the age of files.

        Raises:
            SpoolFull: too much waits to be applied.
            SpoolError: the disk refuses, be it full; later it may work again.
        """
        assert not self._is_closed, "the series has ended"
        if not frames:
            return
        size = sum(map(len, frames))
        if self.bytes_waiting(now_us) + size > self._bytes_max:
            raise SpoolFull(
                f"the spool is full: {self._bytes_waiting:,} of {self._bytes_max:,} bytes wait to be applied",
                hint="send more slowly, and again what was refused; nothing of it was kept",
            )
        spool_file = self._write(frames, size, now_us, durable=True)
        if spool_file.events_since is None:
            spool_file.events_since = now_us

    def mark(self, now_us: int) -> None:
        """Say that whatever comes after is received now or later. Not durable, and never refused as too much.

        Raises:
            SpoolError: the disk refuses.
        """
        assert not self._is_closed, "the series has ended"
        mark = frame(MARK, 0, now_us)
        self._write([mark], len(mark), now_us, durable=False)

    def bytes_waiting(self, now_us: int) -> int:
        """Return the bytes of the series whose files still exist; it looks once a second at most.

        Raises:
            SpoolError: the folder cannot be read.
        """
        if self._looked_at is None or not 0 <= now_us - self._looked_at < _LOOK_EVERY_US:
            with disk_errors("the spool cannot be read"):
                self._bytes_waiting = sum(spool_file.size for spool_file in spool_files_of(self._folder))
            self._looked_at = now_us
        return self._bytes_waiting

    def close(self) -> None:
        """End the series."""
        if not self._is_closed:
            self._is_closed = True
            self._end_spool_file()
            os.close(self._lock)

    # --- files

    def _write(self, frames: Sequence[bytes], size: int, now_us: int, *, durable: bool) -> _Open:
        try:
            spool_file = self._spool_file_for(size, now_us)
            _write_all(spool_file.descriptor, frames)
            if durable:
                self._make_durable(spool_file)
        except BaseException as error:
            self._abandon()
            if isinstance(error, OSError):
                raise spool_error("the spool cannot be written", error) from None
            raise
        spool_file.size += size
        self._bytes_waiting += size
        return spool_file

    def _make_durable(self, spool_file: _Open) -> None:
        os.fdatasync(spool_file.descriptor)
        if not spool_file.is_entry_durable:
            make_durable(self._folder)
            spool_file.is_entry_durable = True

    def _spool_file_for(self, size: int, now_us: int) -> _Open:
        if self._spool_file is not None and self._is_done(self._spool_file, size, now_us):
            self._end_spool_file()
        if self._spool_file is None:
            self._spool_file = self._begin_spool_file(self._asked(now_us))
        return self._spool_file

    def _is_done(self, spool_file: _Open, size: int, now_us: int) -> bool:
        if spool_file.size + size > self._spool_file_bytes_max or self._asked(now_us) != spool_file.asked:
            return True
        # A clock that was set back must not keep addresses for longer: no age is as good as too much.
        since = spool_file.events_since
        return since is not None and not 0 <= now_us - since < limits.SPOOL_FILE_AGE_S_MAX * 1_000_000

    def _asked(self, now_us: int) -> object:
        """Return what asked last that files be ended; it looks once a second at most."""
        if self._asked_at is None or not 0 <= now_us - self._asked_at < _LOOK_EVERY_US:
            with suppress(FileNotFoundError):
                told = self._end_file.stat()
                self._asked_by = (told.st_ino, told.st_mtime_ns)
            self._asked_at = now_us
        return self._asked_by

    def _begin_spool_file(self, asked: object) -> _Open:
        number = self._last_number + 1
        path = spool_file_path(self._folder, number)
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC
        spool_file = _Open(path, os.open(path, flags, 0o600), asked=asked)
        self._last_number = number
        return spool_file

    def _end_spool_file(self) -> None:
        spool_file, self._spool_file = self._spool_file, None
        if spool_file is not None:
            with suppress(OSError):  # what was promised is on the disk already
                os.close(spool_file.descriptor)

    def _abandon(self) -> None:
        """Undo what an append wrote, and never write to its file again.

        A reader may have passed the undone bytes, and would then not see others in their place.
        """
        spool_file = self._spool_file
        if spool_file is None:
            return
        with suppress(OSError):
            os.ftruncate(spool_file.descriptor, spool_file.size)
        if not spool_file.size:
            with suppress(OSError):
                spool_file.path.unlink()
        self._end_spool_file()


def _write_all(descriptor: int, frames: Sequence[bytes]) -> None:
    for first in range(0, len(frames), _BUFFERS_MAX):
        part = frames[first : first + _BUFFERS_MAX]
        written = os.writev(descriptor, part)
        if written < sum(map(len, part)):
            rest = memoryview(b"".join(part))[written:]
            while rest:
                rest = rest[os.write(descriptor, rest) :]
