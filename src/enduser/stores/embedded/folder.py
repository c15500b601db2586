"""The lock of a data folder: one process holds it, and says which it is."""

from __future__ import annotations

import fcntl
import json
import os
from pathlib import Path
from typing import IO

from enduser.errors import DataFolderInUse
from enduser.stores.data_folder import make_data_folder, unusable


class FolderLock:
    """Holds a data folder for this process until closed; the kernel frees it if the process dies."""

    def __init__(self, folder: Path, started_at: int, command: str) -> None:
        """Take the folder, creating it if it is missing.

        Args:
            folder: the data folder.
            started_at: the time in µs.
            command: who takes it. Others read that, and of a killed process it stays: it names nobody.

        Raises:
            DataFolderInUse: another process holds it.
            StoreError: the folder cannot be made or written.
        """
        make_data_folder(folder)
        try:
            self._file: IO[str] = (folder / "lock").open("a+", encoding="utf-8")
        except OSError as error:
            raise unusable(folder, error) from None
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            holder = self._holder()
            self._file.close()
            raise DataFolderInUse(
                f"the data folder {folder} is in use by {holder}",
                hint="wait until it has finished, or stop it",
            ) from None
        self._file.truncate(0)
        json.dump({"pid": os.getpid(), "command": command, "started_at": started_at}, self._file)
        self._file.flush()

    def _holder(self) -> str:
        self._file.seek(0)
        try:
            holder = json.load(self._file)
            return f"process {holder['pid']} ({holder['command']})"
        except (ValueError, KeyError):
            return "another process"

    def close(self) -> None:
        """Give the folder back."""
        self._file.truncate(0)
        self._file.close()
