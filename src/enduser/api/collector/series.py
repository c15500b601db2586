"""The collector's own series of the spool: events, and the time while none come."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import structlog

from enduser.clock import now_us
from enduser.errors import SpoolError
from enduser.ingest.spool import SpoolWriter

log = structlog.get_logger()


class Series:
    """A series that begins as soon as the disk lets it: a collector is there to refuse until it does.

    For one thread at a time.
    """

    def __init__(self, folder: Path, number: int, bytes_max: int) -> None:
        """Name the series of the data folder, and this collector's share of the spool; touch nothing."""
        self._folder = folder
        self._number = number
        self._bytes_max = bytes_max
        self._writer: SpoolWriter | None = None
        self._refused: SpoolError | None = None
        """Why the time could not be written last."""

    def append(self, frames: Sequence[bytes]) -> None:
        """Write frames in the order of their receipt, all or none; return when they are on the disk.

        Raises:
            SpoolFull: too much waits to be applied.
            SpoolError: the disk refuses, or refused the series when the time was to be written last.
        """
        if self._writer is None:
            # Not begun here: the frames were received before, and the series promises none so old.
            raise self._refused or SpoolError(
                "the spool's series has not begun", hint="send again in a second"
            )
        self._writer.append(frames, now_us=now_us())

    @property
    def has_begun(self) -> bool:
        """Whether the disk has let it begin."""
        return self._writer is not None

    def mark(self, at: int) -> None:
        """Write a time (µs since 1970) before which nothing was received that is appended later.

        It begins the series if it has not begun, and nothing may be received while it does: what other series
        promised meanwhile, this one must keep. The log says once that the disk refuses.
        """
        try:
            if self._writer is None:
                self._writer = SpoolWriter(self._folder, self._number, self._bytes_max)
            self._writer.mark(at)
        except SpoolError as error:
            if self._refused is None:
                log.error("spool refused", problem=error.message, hint=error.hint)  # noqa: TRY400 - it is told
            self._refused = error
        else:
            self._refused = None

    def close(self) -> None:
        """End the series."""
        if self._writer is not None:
            self._writer.close()
