"""Files that people send: each run names the one that it takes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from enduser.errors import InputError, InvalidSource
from enduser.stores.jobs import SourceInput
from enduser.stores.uploads import FOLDER

KIND = "csv"


def check(connection: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return how the files are reached: nothing is to be known.

    Raises:
        InvalidSource: something is told nevertheless.
    """
    if connection:
        raise InvalidSource(
            "a source of files that are sent has no connection", hint="leave it out", field="connection"
        )
    return {}


def inputs(_: Mapping[str, Any], __: Path) -> Sequence[SourceInput]:
    """Return nothing: there is nothing to take until somebody sends it."""
    return []


def bring(_: Mapping[str, Any], folder: Path, wanted: SourceInput, __: Path) -> Path:
    """Return where a file is that was sent.

    Raises:
        InputError: it is not there any more.
    """
    path = folder / FOLDER / (wanted.upload or "")
    if wanted.upload is None or not path.exists():
        raise InputError(f"{wanted.name} is not there any more", hint="send it again, and run that")
    return path
