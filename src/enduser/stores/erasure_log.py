"""The log of erasures: a file by which an older copy of the database can be rid of the same people.

It has a line of JSON for each erasure, with keyed hashes of ids only. What stands in the database is the
truth; the file follows it, and is copied with other files, or by itself.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import BinaryIO

import msgspec

from enduser.errors import InputError
from enduser.stores.answers import Erasure
from enduser.stores.data_folder import make_durable

FILE = "erasures.jsonl"
_BLOCK_BYTES = 65_536


def append(folder: Path, erasures: Sequence[Erasure]) -> None:
    """Add erasures, durably; of one that a killed process left half-written nothing stays.

    Raises:
        OSError: the disk refuses.
    """
    path = folder / FILE
    is_new = not path.exists()
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "r+b") as file:
        file.seek(_behind_last_newline(file, path.stat().st_size))
        file.truncate()
        file.writelines(_line(one) for one in erasures)
        file.flush()
        os.fsync(file.fileno())
    if is_new:
        make_durable(folder)


def _line(one: Erasure) -> bytes:
    """Return an erasure as a line: what becomes of it later is not written down."""
    told = {name: value for name, value in asdict(one).items() if name != "gone_at"}
    return msgspec.json.encode(told) + b"\n"


def _behind_last_newline(file: BinaryIO, end: int) -> int:
    """Return where the byte behind the last newline before `end` is; 0: there is no newline."""
    while end > 0:
        begin = max(end - _BLOCK_BYTES, 0)
        file.seek(begin)
        found = file.read(end - begin).rfind(b"\n")
        if found >= 0:
            return begin + found + 1
        end = begin
    return 0


def last_number(folder: Path) -> int:
    """Return the number of the last erasure of the log; 0: there is none. Only its end is read.

    Raises:
        InputError: the last whole line is none.
    """
    path = folder / FILE
    if not path.exists():
        return 0
    with path.open("rb") as file:
        end = _behind_last_newline(file, path.stat().st_size)
        begin = _behind_last_newline(file, end - 1)
        file.seek(begin)
        line = file.read(end - begin)
    return _erasure(path, line, "the last line").number if line else 0


def read(path: Path) -> Iterator[Erasure]:
    """Yield the erasures of a log; an unfinished last line is passed over.

    Raises:
        InputError: a line is none.
    """
    with path.open("rb") as file:
        for number, line in enumerate(file, 1):
            if not line.endswith(b"\n"):
                return
            yield _erasure(path, line, f"the line {number:,}")


def _erasure(path: Path, line: bytes, which: str) -> Erasure:
    try:
        return msgspec.json.decode(line, type=Erasure)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise InputError(
            f"{path}: {which} is no erasure: {error}", hint=f"name the file {FILE} of a data folder"
        ) from None
