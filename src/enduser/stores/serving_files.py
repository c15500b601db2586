"""The files of the serving copy: a number tells which is in use, so that one can take the place of another.

A database is never renamed over one that somebody reads: SQLite finds the log of a database by its name, and
who has the old one open would take the log of the new one for its own.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

_BESIDE = re.compile(r"-(wal|journal|shm)$")
"""How the names end of what SQLite keeps beside a database."""
_NUMBERED = re.compile(r"serving-(\d+)\.sqlite")


def newest(folder: Path) -> Path | None:
    """Return the file of the copy in a data folder; None: there is none."""
    return max(_numbered(folder), key=_number, default=None)


def first(folder: Path) -> Path:
    """Return the name of the first copy in a data folder."""
    return folder / "serving-1.sqlite"


def after(path: Path) -> Path:
    """Return the name of the copy that takes the place of another."""
    return path.with_name(f"serving-{_number(path) + 1}.sqlite")


def unfinished(folder: Path) -> Path:
    """Return where a copy is written that is to take the place of the one in use."""
    return folder / "serving.sqlite.new"


def remove(path: Path) -> None:
    """Remove a copy, if it is there; its bytes go at once, even if somebody has it open still.

    First the names go: who reads what is gone by then sees that, and reads the copy that took its place.
    """
    names = [path.with_name(path.name + end) for end in ("", "-wal", "-journal")]
    open_files = [file for file in map(_opened, names) if file is not None]
    for name in (*names, path.with_name(f"{path.name}-shm")):
        name.unlink(missing_ok=True)
    for file in open_files:
        os.ftruncate(file, 0)
        os.close(file)


def _opened(path: Path) -> int | None:
    try:
        return os.open(path, os.O_WRONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return None


def remove_others(folder: Path) -> None:
    """Remove all that is left of copies that are not in use, as by a process that was killed."""
    copies = {path.with_name(_BESIDE.sub("", path.name)) for path in folder.glob("serving*")}
    for path in copies - {newest(folder)}:
        remove(path)


def size(path: Path) -> int:
    """Return how many bytes a copy has on the disk, with its log."""
    return sum(name.stat().st_size for name in (path, _log(path)) if name.exists())


def has_log(path: Path) -> bool:
    """Return whether not all of a copy is in its file."""
    return _log(path).exists()


def _log(path: Path) -> Path:
    return path.with_name(f"{path.name}-wal")


def _numbered(folder: Path) -> list[Path]:
    return [path for path in folder.glob("serving-*.sqlite") if _NUMBERED.fullmatch(path.name)]


def _number(path: Path) -> int:
    found = _NUMBERED.fullmatch(path.name)
    assert found is not None
    return int(found[1])
