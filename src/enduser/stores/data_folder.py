"""Making a data folder."""

from __future__ import annotations

from pathlib import Path

from enduser.errors import StoreError


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


def unusable(folder: Path, error: OSError) -> StoreError:
    """Return what an error of the system means for a data folder."""
    return StoreError(
        f"the data folder {folder} cannot be used: {error.strerror}",
        hint="name a folder that this user may write, with --data",
    )
