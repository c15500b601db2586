"""Making a data folder."""

from __future__ import annotations

import os
from pathlib import Path

from enduser.errors import StoreError

REJECTED = "rejected"
"""The folder of the lists of what was not taken, in a data folder."""


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


def unusable(folder: Path, error: OSError) -> StoreError:
    """Return what an error of the system, with the folder or a file in it, means for a data folder."""
    which = "" if error.filename is None or Path(error.filename) == folder else f"{error.filename}: "
    return StoreError(
        f"the data folder {folder} cannot be used: {which}{error.strerror}",
        hint="let this user write there, or name another folder with --data",
    )
