"""Whether the files of a data folder say something: their bytes are searched, whatever the files are."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote


@dataclass(frozen=True)
class Found:
    """Where a text stands."""

    file: str
    """Its path within the folder."""
    at: int | None
    """The offset of the first byte; None: it stands in the path."""
    text: str
    form: str
    """How it is written: one of `forms`."""


def forms(text: str) -> dict[bytes, str]:
    """Return the bytes as which a text may be written, each with the first way that gives them."""
    written = {
        "utf-8": text.encode(),
        "json": json.dumps(text)[1:-1].encode(),
        "percent": quote(text, safe="").encode(),
        "utf-16": text.encode("utf-16-le"),
    }
    return {told: form for form, told in reversed(written.items())}


def found_in(folder: Path, *texts: str) -> list[Found]:
    """Return where texts stand in the files of a folder, hidden ones and logs of databases too.

    Sockets and what vanishes meanwhile are left out. A database that this process has open loses its locks
    when its file is read: it is to be closed, or at rest.
    """
    files = (path for path in folder.rglob("*") if path.is_file())
    return [found for path in sorted(files) for found in _found(path, folder, texts)]


def _found(path: Path, folder: Path, texts: tuple[str, ...]) -> Iterator[Found]:
    name = path.relative_to(folder).as_posix()
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return
    for text in texts:
        for told, form in forms(text).items():
            if told in name.encode():
                yield Found(name, None, text, form)
            at = content.find(told)
            while at >= 0:
                yield Found(name, at, text, form)
                at = content.find(told, at + 1)
