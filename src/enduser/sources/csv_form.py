"""How a CSV file is written: found once from its beginning, and fixed in the mapping of its source."""

from __future__ import annotations

import csv
import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice

from enduser import limits
from enduser.errors import InputError, InvalidMapping

DELIMITERS = (",", ";", "\t", "|")
ENCODINGS = ("utf-8", "utf-16-le", "utf-16-be", "windows-1252")
_SNIFFED_LINES = 50
_BLANK = "".join(DELIMITERS) + '" \r\n'
_BOMS = ((b"\xef\xbb\xbf", "utf-8"), (b"\xff\xfe", "utf-16-le"), (b"\xfe\xff", "utf-16-be"))
_HINT = "check that the file is CSV with a header on its first line"


@dataclass(frozen=True, slots=True)
class CsvForm:
    """How a file is written, and what its header says."""

    encoding: str
    """One of `ENCODINGS`."""
    delimiter: str
    columns: tuple[str, ...]

    @property
    def shown(self) -> str:
        """How it is written, for people."""
        return f"{self.encoding}, cells parted by {'tabs' if self.delimiter == chr(9) else self.delimiter}"


@dataclass(frozen=True, slots=True)
class CsvHead:
    """The beginning of a file: its form, and its first rows, each as long as the header."""

    form: CsvForm
    rows: Sequence[Sequence[str]]


def read_head(name: str, head: bytes, *, is_whole: bool, fixed: tuple[str, str] | None = None) -> CsvHead:
    """Return what the first bytes of a file say.

    Args:
        name: of the file, for errors.
        head: its first bytes, decompressed.
        is_whole: whether these are all.
        fixed: its encoding and delimiter, if they are known; else they are found.

    Raises:
        InputError: it is empty, no text, or its header cannot be used; it says why.
    """
    encoding = fixed[0] if fixed else _encoding(head, is_whole=is_whole)
    text = _text(head, encoding, is_whole=is_whole)
    if not text.strip():
        raise InputError(f"{name} is empty", hint="nothing was read; check how the file was made")
    if "\n" not in text and "\r" in text.strip():
        raise InputError(
            f"the lines of {name} end with carriage returns alone", hint="save it with line feeds"
        )
    delimiter = fixed[1] if fixed else _delimiter(text)
    reader = csv.reader(_lines(text), delimiter=delimiter)
    try:
        filled = (record for record in reader if any(cell.strip() for cell in record))
        records = list(islice(filled, limits.SNIFFED_ROWS_MAX + 1))
    except csv.Error as error:
        raise InputError(f"the beginning of {name} is no CSV: {error}", hint=_HINT) from None
    columns = tuple(cell.strip() for cell in records[0]) if records else ()
    if any("\ufffd" in column for column in columns):
        raise InputError(
            f"the header of {name} has characters that {encoding} has not", hint="save the file as UTF-8"
        )
    _check_columns(name, columns)
    rows = [record for record in records[1:] if len(record) == len(columns)]
    return CsvHead(CsvForm(encoding, delimiter, columns), rows)


def check_form(encoding: str, delimiter: str) -> None:
    """Check that files can be written like this.

    Raises:
        InvalidMapping: they cannot.
    """
    for told, known, field in (
        (encoding, ENCODINGS, "encoding"),
        (delimiter, DELIMITERS, "delimiter"),
    ):
        if told not in known:
            raise InvalidMapping(
                f"no file has the {field} {told[:20]!r}",
                hint=f"it is one of: {', '.join(map(repr, known))}",
                field=field,
            )


def certain_encoding(head: bytes) -> tuple[bytes, str | None]:
    """Return the mark a text begins with, and in what it is written; None: neither that nor a NUL says it."""
    for bom, encoding in _BOMS:
        if head.startswith(bom):
            return bom, encoding
    if b"\0" in head[:2]:
        return b"", "utf-16-be" if head.startswith(b"\0") else "utf-16-le"
    return b"", None


def _encoding(head: bytes, *, is_whole: bool) -> str:
    """Return in what a text seems to be written; a few broken characters make UTF-8 nothing else."""
    _, certain = certain_encoding(head)
    if certain is not None:
        return certain
    lines = head if is_whole or b"\n" not in head else head.rpartition(b"\n")[0]
    text = lines.decode(errors="replace")
    known = sum(character > "\x7f" for character in text)
    broken = text.count("\ufffd")
    return "windows-1252" if broken > known - broken else "utf-8"


def _text(head: bytes, encoding: str, *, is_whole: bool) -> str:
    """Return the whole lines of the beginning of a file."""
    text = head.decode(encoding, errors="replace").removeprefix("\ufeff")
    return text if is_whole or "\n" not in text else text[: text.rindex("\n") + 1]


def _lines(text: str) -> Sequence[str]:
    """Return the lines of a text as `enduser.ingest.files.clean` parts them."""
    return re.findall("[^\\n]*\\n|[^\\n]+", text.replace("\r\n", "\n").replace("\r", " "))


def _delimiter(text: str) -> str:
    """Return what parts the cells: most of the first lines have as many as the header then, more than one."""
    lines = list(islice((line for line in _lines(text) if line.strip(_BLANK)), _SNIFFED_LINES))

    def fit(delimiter: str) -> tuple[bool, int, int, int]:
        try:
            rows = [row for row in csv.reader(lines, delimiter=delimiter) if row]
            widths = [len(row) for row in rows]
        except csv.Error:
            return (False, 0, 0, 0)
        header = widths[0] if widths else 0
        quotes = sum('"' in cell for row in rows for cell in row)
        return (header > 1, widths.count(header), -quotes, header)

    return max(DELIMITERS, key=fit)


def _check_columns(name: str, columns: Sequence[str]) -> None:
    if len(columns) > limits.CSV_COLUMNS_MAX:
        raise InputError(
            f"{name} has {len(columns):,} columns; the limit is {limits.CSV_COLUMNS_MAX:,} (CSV_COLUMNS_MAX)",
            hint=_HINT,
        )
    if any("\0" in column for column in columns):
        raise InputError(f"{name} is no text", hint=_HINT)
    twice = sorted({column for column in columns if column and columns.count(column) > 1})
    if twice:
        raise InputError(
            f"{name} has a column twice",  # by which name, only the hint says: it may be the cell of a row
            hint=f"give each column a name of its own, not {', '.join(map(repr, twice))} twice",
        )
    if not any(columns):
        raise InputError(f"{name} has no names in its header", hint=_HINT)
