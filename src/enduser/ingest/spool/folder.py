"""Where the spool's files lie, who holds them, and what an error of the disk means.

`<data folder>/spool/<series>/<file>.seg`, both numbered from 1 in eight digits, and
`<series>/writer.lock`, which the series' writer holds as long as it lives.
"""

import errno
import fcntl
import os
import re
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import NamedTuple

from enduser.errors import SpoolError
from enduser.stores.data_folder import make_durable

DAMAGED = "damaged"
"""The folder of the copies of damaged bytes, in a data folder."""
_LOCK = "writer.lock"
_UNNAMED = "."
"""Stands before the name of a series whose writer does not hold it yet."""
_NO_ROOM = {errno.ENOSPC, errno.EDQUOT}
_SERIES = re.compile(r"\d{8,}")
_SPOOL_FILE = re.compile(r"(\d{8,})\.seg")


class SpoolFile(NamedTuple):
    """One file of a series."""

    number: int
    size: int
    """Bytes."""


def spool_of(data_folder: Path) -> Path:
    """Return the folder of all series."""
    return data_folder / "spool"


def damaged_of(series_folder: Path) -> Path:
    """Return the folder of the copies of damaged bytes, which outlive their series."""
    return series_folder.parents[1] / DAMAGED


def end_file(data_folder: Path) -> Path:
    """Return the file by which writers are asked to end their files: whenever it is another, they do."""
    return spool_of(data_folder) / "end"


def spool_file_path(series_folder: Path, number: int) -> Path:
    """Return where a file of a series lies."""
    return series_folder / f"{number:08d}.seg"


def new_series(data_folder: Path, taken: Iterable[int] = ()) -> int:
    """Return a number for a series that never was: greater than all that exist or are taken.

    Args:
        data_folder: the data folder.
        taken: numbers that the store's positions speak of.

    A number is free until its writer starts; who gives out several names those already given.

    Raises:
        SpoolError: the folder cannot be read.
    """
    with disk_errors("the spool cannot be read"):
        names = [name.removeprefix(_UNNAMED) for name in _names(spool_of(data_folder))]
    return max([*(int(name) for name in names if _SERIES.fullmatch(name)), *taken], default=0) + 1


def series_folders(data_folder: Path) -> dict[int, Path]:
    """Return the folder of every series."""
    spool = spool_of(data_folder)
    return {int(name): spool / name for name in _names(spool) if _SERIES.fullmatch(name)}


def _names(folder: Path) -> list[str]:
    try:
        return os.listdir(folder)  # noqa: PTH208 - names are wanted, not paths
    except FileNotFoundError:
        return []


def spool_files_of(series_folder: Path) -> list[SpoolFile]:
    """Return the files of a series in order."""
    found = []
    with os.scandir(series_folder) as entries:
        for entry in entries:
            if match := _SPOOL_FILE.fullmatch(entry.name):
                try:
                    found.append(SpoolFile(int(match[1]), entry.stat().st_size))
                except FileNotFoundError:  # applied and deleted since
                    continue
    return sorted(found)


# --- who writes


def take_series(data_folder: Path, series: int) -> tuple[Path, int]:
    """Make a series' folder and hold it; return it and the descriptor that holds it until closed.

    What failed leaves nothing, and may be tried again.

    Raises:
        SpoolError: the series was used before, or the folder cannot be made.
    """
    spool = spool_of(data_folder)
    target = spool / f"{series:08d}"
    with disk_errors(f"series {series} of the spool cannot be begun"):
        spool.mkdir(parents=True, exist_ok=True)
        # The folder gets its name when it is held: without a holder a reader would take it for dead.
        made = spool / f"{_UNNAMED}{target.name}"
        with ExitStack() as undo:
            made.mkdir()
            undo.callback(_remove, made)
            lock = os.open(made / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            undo.callback(os.close, lock)
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            made.rename(target)
            undo.callback(_remove, target)
            make_durable(spool)
            make_durable(data_folder)
            undo.pop_all()
    return target, lock


def _remove(folder: Path) -> None:
    (folder / _LOCK).unlink(missing_ok=True)
    if folder.exists():
        folder.rmdir()


def is_live(series_folder: Path) -> bool:
    """Return whether the series' writer still holds it."""
    try:
        lock = os.open(series_folder / _LOCK, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(lock)
    return False


# --- the disk


@contextmanager
def disk_errors(what: str) -> Iterator[None]:
    """Turn an error of the disk into one of the spool that says what cannot be done."""
    try:
        yield
    except OSError as error:
        raise spool_error(what, error) from None


def spool_error(what: str, error: OSError) -> SpoolError:
    """Return what an error of the disk means for the spool."""
    hint = "check the disk of the data folder, and the rights on its folder spool"
    if error.errno in _NO_ROOM:
        hint = "free space on the disk of the data folder; then it goes on by itself"
    return SpoolError(f"{what}: {error.strerror}", hint=hint)
