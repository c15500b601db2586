"""Making a data folder, and what is in each."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from enduser.errors import NoRoom, StoreError

DEFAULT_SPACE = "default/production"
"""The space that a data folder begins with."""
REJECTED = "rejected"
"""The folder of the lists of what was not taken, in a data folder."""
ROOM_BYTES = 67_108_864
"""So much more than an old file must be free for a new one: what is written meanwhile needs some."""


def make_data_folder(folder: Path) -> None:
    """Make a data folder that only its owner sees into; one that is there keeps its mode.

    Raises:
        StoreError: it cannot be made.
    """
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except FileExistsError:
        raise StoreError(
            f"the data folder {folder} cannot be used: it is a file", hint="name a folder with --data"
        ) from None
    except OSError as error:
        raise unusable(folder, error) from None


def make_durable(path: Path) -> None:
    """Bring a file, or the names of a folder, to the disk.

    Raises:
        OSError: the disk refuses.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def require_room(what: str, size: int, folder: Path) -> None:
    """Check that the disk has room for a file that is written anew, of up to a size, beside the old one.

    Raises:
        NoRoom: it has not.
    """
    wanted, free = size + ROOM_BYTES, shutil.disk_usage(folder).free
    if free < wanted:
        raise NoRoom(
            f"{what} is to be written into a new file of up to {wanted:,} bytes, and the disk of the data "
            f"folder has {free:,} bytes free",
            hint="make room; it is tried again, and until then bytes of what was deleted stay",
        )


def unusable(folder: Path, error: OSError) -> StoreError:
    """Return what an error of the system, with the folder or a file in it, means for a data folder."""
    which = "" if error.filename is None or Path(error.filename) == folder else f"{error.filename}: "
    return StoreError(
        f"the data folder {folder} cannot be used: {which}{error.strerror}",
        hint="let this user write there, or name another folder with --data",
    )
