"""What collectors know of the spaces: a small file that the owner of the data folder writes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from enduser.stores.answers import Door
from enduser.stores.told_file import ToldFile, tell

FILE = "doors.json"


def write_doors(folder: Path, doors: Sequence[Door]) -> None:
    """Tell collectors which write keys lead to which spaces, and the settings that matter at the door.

    The file is for this user alone: it holds salts.
    """
    tell(folder / FILE, doors)


class Doors:
    """The spaces by write key, as the owner last told."""

    def __init__(self, folder: Path) -> None:
        """Read the file of a data folder; where there is none yet, no key is known."""
        self._file = ToldFile(folder / FILE, Door)
        self._by_key: dict[str, tuple[Door, int | None]] = {}
        self._by_space: dict[str, Door] = {}
        self.refresh()

    def find(self, write_key: str, now_us: int) -> Door | None:
        """Return the space that a key leads to now, None if it leads nowhere (any more)."""
        found = self._by_key.get(write_key)
        if found is None:
            self.refresh()  # it may be as new as the owner's last word
            found = self._by_key.get(write_key)
        if found is None:
            return None
        door, ends_at = found
        return door if ends_at is None or now_us < ends_at else None

    def of_space(self, space: str) -> Door | None:
        """Return a space by its name, None if there is none."""
        if space not in self._by_space:
            self.refresh()
        return self._by_space.get(space)

    def refresh(self) -> None:
        """Read the file again if another was written."""
        self._file.refresh(self._take)

    def _take(self, doors: Sequence[Door]) -> None:
        self._by_space = {door.space: door for door in doors}
        self._by_key = {key.write_key: (door, key.ends_at) for door in doors for key in door.keys}
