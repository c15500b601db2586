"""The lock of a data folder: one process holds it, and says which it is."""

from __future__ import annotations

import fcntl
import json
import os
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import IO

from enduser.core.settings import SECRET_SETTINGS
from enduser.errors import DataFolderInUse
from enduser.stores.data_folder import make_data_folder, unusable

_COMMAND_CHARACTERS_MAX = 200
"""How much of its command the holder of a folder tells."""
_PRIVATE_AFTER = (*SECRET_SETTINGS, "show")
"""Behind these words of a command comes what is not for everybody: a salt, the id of a user."""


class FolderLock:
    """Holds a data folder for this process until closed; the kernel frees it if the process dies."""

    def __init__(self, folder: Path, started_at: int) -> None:
        """Take the folder, creating it if it is missing.

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
        command = command_line(sys.argv[1:])
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


def command_line(words: Sequence[str]) -> str:
    """Return a command as it was typed, without what is private, and no longer than is read."""
    shown = next((at for at, word in enumerate(words, 1) if word in _PRIVATE_AFTER), len(words))
    line = shlex.join(["enduser", *words[:shown]])
    is_whole = shown == len(words) and len(line) <= _COMMAND_CHARACTERS_MAX
    return line if is_whole else f"{line[:_COMMAND_CHARACTERS_MAX]} …"
