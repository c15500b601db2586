"""Scratch room in the data folder: whole folders, each for one use."""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

FOLDER = "tmp"
_PREFIX = "work-"


@contextmanager
def scratch_folder(data: Path) -> Iterator[Path]:
    """Lend an empty folder inside a data folder; what killed processes left in theirs goes.

    Threads, and commands beside a running server, each get one of their own. It is in use as long as it is
    locked: the kernel lets go of the lock when the process ends, however it ends.
    """
    room = data / FOLDER
    room.mkdir(exist_ok=True)
    folder, held = _make(room)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        os.close(held)


def clear_scratch(data: Path) -> Sequence[Path]:
    """Remove what killed processes left of their folders; return the folders that somebody uses now.

    Folders have names at random: who waits until these are gone waits for nobody who comes later.
    """
    room = data / FOLDER
    if not room.exists():
        return []
    with _alone(room):
        return sorted(left for left in room.glob(f"{_PREFIX}*") if not _remove_if_left(left))


@contextmanager
def _alone(room: Path) -> Iterator[None]:
    """Run a block one at a time, so that nobody takes a folder that is not locked yet for left."""
    with (room / "work.lock").open("w") as alone:
        fcntl.flock(alone, fcntl.LOCK_EX)
        yield


def _make(room: Path) -> tuple[Path, int]:
    """Make a folder and lock it."""
    with _alone(room):
        for left in room.glob(f"{_PREFIX}*"):
            _remove_if_left(left)
        folder = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=room))
        held = os.open(folder, os.O_RDONLY)
        fcntl.flock(held, fcntl.LOCK_EX)
    return folder, held


def _remove_if_left(folder: Path) -> bool:
    """Remove a folder unless somebody uses it; return whether it is gone."""
    with suppress(FileNotFoundError):  # its user may be done with it just now
        held = os.open(folder, os.O_RDONLY)
        try:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(folder, ignore_errors=True)
        except BlockingIOError:
            return False
        finally:
            os.close(held)
    return not folder.exists()
