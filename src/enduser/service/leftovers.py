"""What lies in a data folder and nobody needs: it may name people who are erased."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path

from enduser.ingest.spool.folder import DAMAGED
from enduser.stores.data_folder import unusable
from enduser.stores.scratch import FOLDER, clear_scratch

_UNFINISHED = ("doors.new", "deciding.new", f"{FOLDER}/verify.duckdb", f"{FOLDER}/verify.duckdb.wal")
"""What a process was writing when it was killed; the owner writes each whole, or not at all."""
_LINES = f"{FOLDER}/spool"
"""Lines of a round of the applier: there are none between two rounds, but of one that failed."""
_SPILLED = f"{FOLDER}/duckdb_temp_*"


def clear_leftovers(folder: Path, before_us: int) -> Sequence[Path]:
    """Delete what killed processes left, and pieces of damaged spool that are no younger than a time in µs.

    The caller owns the data folder, and calls on the thread that changes the store. Return what is in use, as
    by an import, and may name anybody: it is gone when its user has ended. Call again until nothing is
    returned that was returned the first time.

    Raises:
        StoreError: a file cannot be deleted.
    """
    try:
        for name in _UNFINISHED:
            (folder / name).unlink(missing_ok=True)
        for path in (folder / _LINES).glob("*"):
            path.unlink(missing_ok=True)
        for path in (folder / DAMAGED).glob("*"):
            with suppress(FileNotFoundError):  # who looks after the server deletes them too
                if path.stat().st_mtime_ns // 1_000 <= before_us:
                    path.unlink()
        return [*clear_scratch(folder), *_spilled(folder)]
    except OSError as error:
        raise unusable(folder, error) from None


def _spilled(folder: Path) -> Iterator[Path]:
    """Yield the files in which the engine has what it has no memory for just now."""
    return (path for path in sorted(folder.glob(_SPILLED)) if path.exists() and path.stat().st_size)
