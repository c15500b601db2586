"""What collectors know of the spaces: a small file that the owner of the data folder writes."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import msgspec

from enduser.stores.answers import Door

FILE = "doors.json"


def write_doors(folder: Path, doors: Sequence[Door]) -> None:
    """Tell collectors which write keys lead to which spaces, and the settings that matter at the door.

    The file is for this user alone: it holds salts.
    """
    path = folder / FILE
    unfinished = path.with_suffix(".new")
    unfinished.unlink(missing_ok=True)
    descriptor = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(msgspec.json.encode(doors))
    unfinished.replace(path)


class Doors:
    """The spaces by write key, as the owner last told."""

    def __init__(self, folder: Path) -> None:
        """Read the file of a data folder; where there is none yet, no key is known."""
        self._path = folder / FILE
        self._edition: object = None
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
        try:
            told = self._path.stat()
            edition = (told.st_ino, told.st_mtime_ns)
            if edition == self._edition:
                return
            doors = msgspec.json.decode(self._path.read_bytes(), type=list[Door])
        except FileNotFoundError:
            return
        self._by_space = {door.space: door for door in doors}
        self._by_key = {key.write_key: (door, key.ends_at) for door in doors for key in door.keys}
        self._edition = edition  # at last: another thread that sees it has what it says
