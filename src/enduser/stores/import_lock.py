"""Whether an import of events is running: there is one at a time, and nobody is deleted by age meanwhile."""

from __future__ import annotations

import fcntl
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from enduser.errors import RetentionRefused, UsageError
from enduser.stores.scratch import FOLDER

_LOCK = "import.lock"
_LOOKS = 20
_LOOK_S = 0.05
"""Who only looks whether there is an import has the lock for a moment; an import waits that long for it."""


@contextmanager
def one_import(folder: Path) -> Iterator[None]:
    """Hold off other imports: the k-th identical row of a file is counted while it is read.

    Raises:
        UsageError: another is running.
    """
    room = folder / FOLDER
    room.mkdir(exist_ok=True)
    with (room / _LOCK).open("w") as lock:
        for _ in range(_LOOKS):
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                time.sleep(_LOOK_S)
        else:
            raise UsageError("another import is running", hint="wait until it has finished")
        yield


def require_no_import(folder: Path) -> None:
    """Check that no import is running: what it has not taken yet could belong to who seems to be idle.

    One that begins after that is applied after what is done now.

    Raises:
        RetentionRefused: one is.
    """
    try:
        with (folder / FOLDER / _LOCK).open("r") as lock:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except FileNotFoundError:
        return
    except BlockingIOError:
        raise RetentionRefused(
            "an import is running: nobody is deleted by age before it is over",
            hint="wait until it has finished; what was deleted so far stays so",
        ) from None
