"""Files of ids, one on each line."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from enduser.core.outcomes import RejectReason
from enduser.errors import InputError
from enduser.ingest.csv_rows import BAD
from enduser.ingest.files import EventFile, lines

_BROKEN = (BAD + RejectReason.TRUNCATED_FILE.encode()).decode()


def id_lines(files: Iterable[EventFile]) -> Iterator[str]:
    """Yield the lines of files that are not blank.

    In place of one that is no text, or too long, comes one that is nobody's id.

    Raises:
        InputError: a compressed file is damaged or ends too early.
    """
    for file in files:
        for block in lines(file):
            for line in block.decode().split("\n"):
                if line == _BROKEN:
                    raise InputError(
                        f"{file.name} is damaged, or ends too early", hint="make or copy the file again"
                    )
                if line.strip():
                    yield line
