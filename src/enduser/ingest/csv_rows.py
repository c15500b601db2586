"""Rows of a CSV file as lines of JSON, each with the line of the file on which it begins.

A row that cannot be read costs that row alone: what an unclosed quote has swallowed is read again from
the next line.
"""

from __future__ import annotations

import csv
import json
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from enduser import limits
from enduser.core.outcomes import RejectReason
from enduser.errors import InputError
from enduser.stores.records import require_columns

COLUMNS = frozenset(
    "user_id anonymous_id occurred_at message_id type name active ip user_agent "
    "country region city url properties traits".split()
)

BAD = b"\x02"
"""Begins a line that stands for a bad one; the reason follows."""

_BLOCK_BYTES = 262_144
_JSON_BYTES_MAX = 2 * limits.LINE_BYTES_MAX - 1_024
"""What the engine reads as one line; only a row full of control characters grows beyond it."""

_to_json = json.JSONEncoder(ensure_ascii=False).encode
csv.field_size_limit(2 * limits.LINE_BYTES_MAX)  # the row is bounded below


@dataclass(frozen=True, slots=True)
class Header:
    """The first line of a CSV file that is not blank."""

    delimiter: str
    columns: tuple[str, ...]


class _BrokenRowError(Exception):
    """A row goes on over a bad line, or beyond the limit of a line."""


class _Lines:
    """The lines of a file for `csv.reader`, which remembers those of the row that is being read."""

    def __init__(self, blocks: Iterable[bytes]) -> None:
        self._source = enumerate((line for block in blocks for line in block[:-1].split(b"\n")), 1)
        self._again: deque[tuple[int, bytes]] = deque()
        self._row: list[tuple[int, bytes]] = []
        self._row_bytes = 0

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        line = self._again.popleft() if self._again else next(self._source)
        self._row.append(line)
        self._row_bytes += len(line[1]) + (len(self._row) > 1)
        if len(self._row) > 1 and (line[1].startswith(BAD) or self._row_bytes > limits.LINE_BYTES_MAX):
            raise _BrokenRowError
        return line[1].decode() + "\n"

    @property
    def first_line(self) -> int:
        """The line on which the row begins."""
        return self._row[0][0]

    def begin_row(self) -> None:
        """Forget the row before."""
        self._row, self._row_bytes = [], 0

    def give_up_row(self) -> None:
        """Read the lines of the row again, but for its first."""
        self._again.extendleft(reversed(self._row[1:]))


def read_header(name: str, lines: Iterable[str]) -> Header:
    """Return the header of the file `name`.

    Raises:
        InputError: it has duplicate, too many or not the needed columns.
    """
    first = next((line for line in lines if line.strip()), "")
    delimiter = max(",;\t|", key=first.count)
    columns = tuple(cell.strip() for cell in next(csv.reader([first], delimiter=delimiter), []))
    if first.startswith(BAD.decode()):
        raise InputError(f"the first line of {name} is no header: {first[1:].strip()}", hint=_HINT)
    if len(columns) > limits.CSV_COLUMNS_MAX:
        raise InputError(
            f"{name} has {len(columns):,} columns; the limit is {limits.CSV_COLUMNS_MAX:,}", hint=_HINT
        )
    twice = sorted({column for column in columns if column and columns.count(column) > 1})
    if twice:
        raise InputError(f"{name} has the column {', '.join(twice)} twice", hint="rename one of them")
    require_columns(name, columns)
    return Header(delimiter, columns)


_HINT = "check that the file is CSV with a header on its first line"


def json_lines(name: str, blocks: Iterable[bytes]) -> Iterator[bytes]:
    """Yield blocks of JSON lines, one for each row of a CSV file.

    `blocks` are the file's lines as `enduser.ingest.files.lines` has them.

    Raises:
        InputError: see `read_header`.
    """
    waiting, size = [], 0
    for row in _rows(name, blocks):
        waiting.append(row)
        size += len(row)
        if size >= _BLOCK_BYTES:
            yield b"".join(waiting)
            waiting, size = [], 0
    if waiting:
        yield b"".join(waiting)


def _rows(name: str, blocks: Iterable[bytes]) -> Iterator[bytes]:
    lines = _Lines(blocks)
    header = read_header(name, lines)
    reader = csv.reader(lines, delimiter=header.delimiter, strict=True)
    while True:
        lines.begin_row()
        try:
            cells = next(reader)
        except StopIteration:
            return
        except (csv.Error, _BrokenRowError):
            lines.give_up_row()
            yield _bad_row(lines.first_line, RejectReason.MALFORMED_LINE)
            continue
        if len(cells) > 1 or (cells and cells[0].strip()):
            yield _row(cells, header.columns, lines.first_line)


def _row(cells: Sequence[str], columns: Sequence[str], line_number: int) -> bytes:
    if cells[0].startswith("\x02"):
        return _bad_row(line_number, cells[0][1:].strip())
    if len(cells) != len(columns):
        return _bad_row(line_number, RejectReason.MALFORMED_LINE)
    named = {name: cell for name, cell in zip(columns, cells, strict=True) if cell and name in COLUMNS}
    row = (_to_json({"line_number": line_number, **named}) + "\n").encode()
    return row if len(row) <= _JSON_BYTES_MAX else _bad_row(line_number, RejectReason.LINE_TOO_LONG)


def _bad_row(line_number: int, reason: str) -> bytes:
    return (_to_json({"line_number": line_number, "problem": str(reason)}) + "\n").encode()
