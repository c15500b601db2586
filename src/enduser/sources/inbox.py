"""Files that programs put into `inbox/` of the data folder; each is taken once, and again if it changes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path, PurePosixPath
from typing import Any

from enduser import limits
from enduser.errors import InputError, InvalidSource
from enduser.stores.jobs import SourceInput

KIND = "inbox"
FOLDER = "inbox"


def check(connection: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return how the files are reached: by a pattern of their names within the inbox.

    Raises:
        InvalidSource: it is none, or leads elsewhere.
    """
    pattern = connection.get("pattern")
    if not isinstance(pattern, str) or set(connection) != {"pattern"}:
        raise InvalidSource(
            "a source of the inbox has a pattern of file names, and no more",
            hint='write {"pattern": "crm-*.csv"}',
            field="connection",
        )
    parts = PurePosixPath(pattern).parts
    is_inside = bool(parts) and not pattern.startswith("/") and ".." not in parts and "**" not in pattern
    if not is_inside or not pattern.isprintable() or len(pattern) > limits.INPUT_NAME_CHARACTERS_MAX:
        raise InvalidSource(
            f"{pattern[: limits.INPUT_NAME_CHARACTERS_MAX]!r} is no pattern of files in the inbox",
            hint="write names and folders within it, with * and ?, such as crm-*.csv",
            field="connection",
        )
    return {"pattern": pattern}


def inputs(connection: Mapping[str, Any], folder: Path) -> Sequence[SourceInput]:
    """Return the files of the inbox that fit, the one that was changed first before the others.

    Those whose name begins with a dot are left out: programs write there what is not whole yet. So are links
    that lead out of the inbox: whoever may write there need not be allowed to read what this server can.
    """
    inbox = folder / FOLDER
    found = []
    for path in inbox.glob(connection["pattern"]):
        name = path.relative_to(inbox).as_posix()
        is_hidden = any(part.startswith(".") for part in PurePosixPath(name).parts)
        if not is_hidden and _is_there(inbox, path):
            with suppress(FileNotFoundError):  # it may be taken away just now
                status = path.stat()
                found.append((status.st_mtime_ns, name, f"{status.st_mtime_ns}-{status.st_size}"))
    return [SourceInput(name, version) for _, name, version in sorted(found)]


def bring(_: Mapping[str, Any], folder: Path, wanted: SourceInput, __: Path) -> Path:
    """Return where a file of the inbox is.

    Raises:
        InputError: it is not there any more.
    """
    path = folder / FOLDER / wanted.name
    if not _is_there(folder / FOLDER, path):
        raise InputError(f"{wanted.name} is not in the inbox any more", hint="put it there again")
    return path


def _is_there(inbox: Path, path: Path) -> bool:
    return path.is_file() and path.resolve().is_relative_to(inbox.resolve())
