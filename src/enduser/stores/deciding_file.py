"""What collectors must know to decide: a file that the owner of the data folder writes, and they read."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

from enduser.core.deciding import Deciding
from enduser.stores.told_file import ToldFile, tell

FILE = "deciding.json"


def write_deciding(folder: Path, spaces: Sequence[Deciding]) -> None:
    """Tell collectors what is decided by in each space. It is for this user alone: rules name values."""
    tell(folder / FILE, spaces)


class DecidingFile:
    """What is decided by in each space, as the owner last told."""

    def __init__(self, folder: Path) -> None:
        """Read the file of a data folder when something is asked for."""
        self._file = ToldFile(folder / FILE, Deciding)
        self.spaces: Mapping[str, Deciding] = {}
        self.editions: Counter[str] = Counter()
        """By space a number that is another whenever the owner told something else."""

    def refresh(self) -> None:
        """Read the file again if another was written.

        Raises:
            OSError: it is there, and cannot be read.
        """
        self._file.refresh(self._take)

    def _take(self, spaces: Sequence[Deciding]) -> None:
        before, self.spaces = self.spaces, {one.space: one for one in spaces}
        self.editions.update(name for name, known in self.spaces.items() if known != before.get(name))
