"""What collectors must know to decide: a file that the owner of the data folder writes, and they read."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec

from enduser.core.deciding import Deciding

FILE = "deciding.json"


def write_deciding(folder: Path, spaces: Sequence[Deciding]) -> None:
    """Tell collectors what is decided by in each space. It is for this user alone: rules name values."""
    path = folder / FILE
    unfinished = path.with_suffix(".new")
    unfinished.unlink(missing_ok=True)
    descriptor = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(msgspec.json.encode(spaces))
    unfinished.replace(path)


class DecidingFile:
    """What is decided by in each space, as the owner last told."""

    def __init__(self, folder: Path) -> None:
        """Read the file of a data folder when something is asked for."""
        self._path = folder / FILE
        self._read: object = None
        """Which file was read last."""
        self.spaces: Mapping[str, Deciding] = {}
        self.editions: Counter[str] = Counter()
        """By space a number that is another whenever the owner told something else."""

    def refresh(self) -> None:
        """Read the file again if another was written.

        Raises:
            OSError: it is there, and cannot be read.
        """
        try:
            told = self._path.stat()
            written = (told.st_ino, told.st_mtime_ns)
            if written == self._read:
                return
            spaces = msgspec.json.decode(self._path.read_bytes(), type=list[Deciding])
        except FileNotFoundError:
            return
        before, self.spaces = self.spaces, {one.space: one for one in spaces}
        self.editions.update(name for name, known in self.spaces.items() if known != before.get(name))
        self._read = written
