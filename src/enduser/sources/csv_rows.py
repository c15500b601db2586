"""Rows of a CSV file as a file of rows, fast where they are plain, and right where they are not.

A record that cannot be read costs that record alone. Records are counted as a spreadsheet shows them: the
header is row 1.
"""

from __future__ import annotations

import codecs
import csv
import re
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from itertools import repeat
from pathlib import Path

from enduser import limits
from enduser.core.attributes import RowProblem
from enduser.core.outcomes import RejectReason
from enduser.errors import InputError, LimitExceeded
from enduser.ingest.csv_rows import BAD
from enduser.ingest.files import EventFile, content, whole_lines
from enduser.sources.csv_form import CsvForm
from enduser.stores.row_file import CELL_END, bad_row, cell_of

_CONTROLS = bytes(c for c in (*range(0x20), 0x7F) if c not in b"\n")
_BLANKS = tuple(blank.encode() for blank in "\x85\u2028\u2029")
"""Blanks that the engine does not take away, besides control characters."""

_PROBLEMS = {
    RejectReason.LINE_TOO_LONG.encode(): RowProblem.ROW_TOO_LONG,
    RejectReason.TRUNCATED_FILE.encode(): RowProblem.TRUNCATED_FILE,
}
"""What is said of lines that were found bad, as it is said of rows."""

_QUOTE = b'"'
_CELL_END = CELL_END.encode()
_ROW = b"%d" + _CELL_END + b"%b\n"
_NOTHING = b" " + _CELL_END
"""What a blank row has."""
Progress = Callable[[int], None]
"""Called with the count of rows so far."""


def write_rows(file: EventFile, form: CsvForm, target: Path, progress: Progress = lambda _: None) -> int:
    """Write the records of a CSV file as a file of rows; return how many there are.

    Raises:
        InputError: its header cannot be read.
        LimitExceeded: the file has too many bytes, unpacked or as rows.
    """
    rows = _Rows(form)
    text = _utf8(_bounded(content(file), file.name), form.encoding)
    with target.open("wb") as written:
        for block in _bounded(rows.blocks(text), file.name):
            written.write(block)
            progress(rows.count)
    return rows.count


def _bounded(blocks: Iterable[bytes], name: str) -> Iterator[bytes]:
    """Yield blocks of a file as long as it may have the bytes that they have together.

    A row can be longer than its line: it has a number, and all its cells even if nothing stood in them.
    """
    size, bytes_max = 0, limits.UNPACKED_BYTES_MAX
    for block in blocks:
        size += len(block)
        if size > bytes_max:
            raise LimitExceeded(
                f"{name} has more than {bytes_max:,} bytes, unpacked or as rows, so nothing of it was taken",
                hint=f"the limit is {bytes_max:,} (UNPACKED_BYTES_MAX); make several files of it",
                limit=bytes_max,
            )
        yield block


def _utf8(blocks: Iterable[bytes], encoding: str) -> Iterator[bytes]:
    """Yield a text in UTF-8; what its encoding does not know becomes NUL, which spoils its row alone."""
    if encoding == "utf-8":
        yield from blocks
        return
    codecs.register_error("nul", lambda error: ("\0", error.end))  # type: ignore[attr-defined]
    decoder = codecs.getincrementaldecoder(encoding)("nul")
    for block in blocks:
        yield decoder.decode(block).encode(errors="replace")
    yield decoder.decode(b"", final=True).encode(errors="replace")


class _Rows:
    """Makes lines of a CSV file rows, one block after the other."""

    def __init__(self, form: CsvForm) -> None:
        self._delimiter = form.delimiter.encode()
        self._text_delimiter = form.delimiter
        self._width = len(form.columns)
        self._controls = _CONTROLS.replace(self._delimiter, b"")
        self._open: list[bytes] = []
        """The lines of a record whose quotes are not closed yet."""
        self._open_bytes = 0
        """How long they are together."""
        end = rb"(?=" + re.escape(self._delimiter) + rb"|\Z)"
        text = rb'[^"]*(?:""[^"]*)*'
        self._closed = re.compile(rb'"' + text + rb'"' + end)
        self._opens = re.compile(rb'"' + text + rb"\Z")
        self._closes = re.compile(text + rb'"' + end)
        self._stays_open = re.compile(text + rb"\Z")
        """At a quote: a whole cell; one that goes on behind the line. Within an open one: its end; none."""
        self._has_header = False
        self.count = 0
        """How many records there were, the header and blank lines included."""

    def blocks(self, text: Iterable[bytes]) -> Iterator[bytes]:
        """Yield the rows of a whole text."""
        for block in whole_lines(text):
            yield self.take(block)
        if self._open:
            yield self.end()

    def take(self, block: bytes) -> bytes:
        """Return the rows that the lines of a block end; all lines are whole."""
        if not self._open and self._has_header and self._is_plain(block):
            return self._plain_rows(block.replace(self._delimiter, _CELL_END))
        waiting = deque(block[:-1].split(b"\n"))
        rows = []
        while waiting:
            rows.append(self._next(waiting))
        return b"".join(rows)

    def end(self) -> bytes:
        """Return the rows of a record that the file ends within."""
        rows: list[bytes] = []
        while self._open:
            waiting: deque[bytes] = deque()
            rows.append(self._given_up(waiting))
            while waiting:
                rows.append(self._next(waiting))
        return b"".join(rows)

    def _is_open_after(self, line: bytes) -> bool | None:
        """Return whether a line leaves a quote open; None: it is broken."""
        at = 0
        if self._open:
            if self._stays_open.match(line):
                return True
            if not (found := self._closes.match(line)):
                return None
            at = found.end() + 1
        while line.find(_QUOTE, at) >= 0:
            if line.startswith(_QUOTE, at):
                if not (found := self._closed.match(line, at)):
                    return True if self._opens.match(line, at) else None
                at = found.end() + 1
            elif (at := line.find(self._delimiter, at) + 1) == 0:
                break
        return False

    def _is_plain(self, block: bytes) -> bool:
        """Return whether lines have nothing but cells and what parts them; those of most files have not."""
        return (
            _QUOTE not in block
            and len(block.translate(None, self._controls)) == len(block)
            and (block.isascii() or not any(blank in block for blank in _BLANKS))
        )

    def _plain_rows(self, block: bytes) -> bytes:
        """Return the rows of lines whose cells are parted already: at once, if all have their cells."""
        rows = block[:-1].split(b"\n")
        cells = set(map(bytes.count, rows, repeat(_CELL_END)))
        if cells != {self._width - 1} or not all(map(bytes.strip, rows, repeat(_NOTHING))):
            return b"".join(map(self._plain, rows))
        first = self.count + 1
        self.count += len(rows)
        return b"".join(map(_ROW.__mod__, zip(range(first, first + len(rows)), rows, strict=True)))

    def _plain(self, row: bytes) -> bytes:
        """Return a row whose cells are parted already; of a blank one nothing is left."""
        self.count += 1
        if not row.strip(_NOTHING):
            return b""
        if row.count(_CELL_END) == self._width - 1:
            return _ROW % (self.count, row)
        return bad_row(self.count, RowProblem.MALFORMED_ROW, self._width + 1).encode()

    def _bad(self, problem: RowProblem) -> bytes:
        self.count += 1
        return bad_row(self.count, problem, self._width + 1).encode()

    def _next(self, waiting: deque[bytes]) -> bytes:
        """Return the row that the next line ends, if it ends one."""
        line = waiting.popleft()
        if line.startswith(BAD):
            if not self._has_header:
                raise InputError("the header cannot be read", hint="check the first line of the file")
            if self._open:
                waiting.appendleft(line)
                return self._given_up(waiting)
            return self._bad(_PROBLEMS.get(line[1:], RowProblem.MALFORMED_ROW))
        if self._has_header and not self._open and (cells := self._quoted(line)) is not None:
            return self._plain(cells)
        is_open = self._is_open_after(line)
        self._open.append(line)
        self._open_bytes += len(line) + (len(self._open) > 1)
        if is_open is None or self._open_bytes > limits.LINE_BYTES_MAX:
            return self._given_up(waiting)
        if is_open:
            return b""
        record, self._open, self._open_bytes = b"\n".join(self._open), [], 0
        return self._record(record)

    def _given_up(self, waiting: deque[bytes]) -> bytes:
        """Reject the record that never ends, and read what it has swallowed again from its second line on."""
        waiting.extendleft(reversed(self._open[1:]))
        self._open, self._open_bytes = [], 0
        return self._bad(RowProblem.MALFORMED_ROW)

    def _record(self, record: bytes) -> bytes:
        """Return the row of a whole record."""
        if not self._has_header:
            self._has_header = bool(record.replace(_QUOTE, b"").replace(self._delimiter, b"").strip())
            self.count += 1
            return b""
        if self._is_plain(record):
            return self._plain(record.replace(self._delimiter, _CELL_END))
        try:
            (found,) = csv.reader([record.decode()], delimiter=self._text_delimiter, strict=True)
        except (csv.Error, ValueError):
            return self._bad(RowProblem.MALFORMED_ROW)
        return self._plain(CELL_END.join(map(cell_of, found)).encode())

    def _quoted(self, record: bytes) -> bytes | None:
        """Return the cells of a record each of which stands in quotes, and has none within."""
        between = b'"%b"' % self._delimiter
        count = record.count(_QUOTE)
        if (
            count == 2 * self._width
            and record.count(between) == self._width - 1
            and record.startswith(_QUOTE)
            and record.endswith(_QUOTE)
            and self._is_plain(record.replace(_QUOTE, b""))
            and b"\n" not in record
        ):
            return record[1:-1].replace(between, _CELL_END)
        return None
