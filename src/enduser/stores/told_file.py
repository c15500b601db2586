"""A small file by which the owner of the data folder tells its collectors something."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Generic, TypeVar

import msgspec

Told = TypeVar("Told")


def tell(path: Path, told: Sequence[object]) -> None:
    """Write a file whole, or leave the one before. It is for this user alone."""
    unfinished = path.with_suffix(".new")
    unfinished.unlink(missing_ok=True)
    descriptor = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(msgspec.json.encode(told))
    unfinished.replace(path)


class ToldFile(Generic[Told]):
    """Such a file, read again when another was written."""

    def __init__(self, path: Path, kind: type[Told]) -> None:
        """Read a file of a list of these when something is asked for."""
        self._path = path
        self._decoder = msgspec.json.Decoder(list[kind])  # type: ignore[valid-type]
        self._read: object = None
        """Which file was read last."""

    def refresh(self, take: Callable[[Sequence[Told]], None]) -> None:
        """Read the file again if another was written; `take` is given what it tells.

        Raises:
            OSError: the file is there, and cannot be read.
        """
        try:
            found = self._path.stat()
            written = (found.st_ino, found.st_mtime_ns)
            if written == self._read:
                return
            told = self._decoder.decode(self._path.read_bytes())
        except FileNotFoundError:
            return
        take(told)
        self._read = written  # at last: another thread that sees it has what was told
