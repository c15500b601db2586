"""What stays in the spool of events that are applied: their files go a little later."""

from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from enduser import limits
from enduser.ingest.spool.folder import (
    disk_errors,
    end_file,
    series_folders,
    spool_file_path,
    spool_files_of,
)
from enduser.ingest.spool.frames import scan
from enduser.ingest.spool.reader import Position, SpoolReader

_BLOCK_BYTES = limits.FRAME_BYTES_MAX
"""Bytes that are read at once, so that a whole frame is among them."""


def spool_files_with_events(data_folder: Path) -> frozenset[Path]:
    """Return the files that hold anything but marks, applied or not. For any process.

    No file is named as one before it. While a server runs, each of these is deleted once it has ended and
    is applied: `SPOOL_FILE_AGE_S_MAX` after its first events, or soon after `end_spool_files`. What was
    accepted before this call is gone from the spool when none of the files is there any more.

    Raises:
        SpoolError: a file cannot be read.
    """
    found = set()
    with disk_errors("the spool cannot be read"):
        for folder in series_folders(data_folder).values():
            with suppress(FileNotFoundError):  # the series is over, and was deleted meanwhile
                for spool_file in spool_files_of(folder):
                    path = spool_file_path(folder, spool_file.number)
                    if _holds_more_than_marks(path):
                        found.add(path)
    return frozenset(found)


def end_spool_files(data_folder: Path) -> None:
    """Ask the writers of all series to end their files: each does with its next write, or within a second.

    Raises:
        SpoolError: that cannot be said.
    """
    with disk_errors("the spool cannot be written"):
        path = end_file(data_folder)
        path.parent.mkdir(exist_ok=True)
        unfinished = path.with_suffix(".new")
        unfinished.write_bytes(b"")
        unfinished.replace(path)


def _holds_more_than_marks(path: Path) -> bool:
    """Return whether there are events, or bytes that are no frame: those may be of events."""
    with suppress(FileNotFoundError), path.open("rb") as file:
        while block := file.read(_BLOCK_BYTES):
            found = scan(block, len(block), is_end=False)
            if found.frames or found.gaps or not found.at:
                return True
            file.seek(found.at - len(block), 1)
    return False


def clear_applied(data_folder: Path, positions: Mapping[int, Position]) -> bool:
    """Delete the files that are applied, where no server runs; return whether nothing else is there.

    Args:
        data_folder: the data folder, which the caller owns.
        positions: up to which each series is applied, as the store says.

    What is not applied waits for the next server; what was applied of the same file stays with it.

    Raises:
        SpoolError: a file cannot be read or deleted.
    """
    reader = SpoolReader(data_folder, positions)
    reader.delete_applied()
    while True:
        batch = reader.read(limits.BATCH_BYTES_MAX)
        if batch.frames or batch.damages:
            return False
        reader.advance(batch)
        if not batch.is_behind:
            return not batch.positions.keys() - set(batch.over)
