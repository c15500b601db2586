"""Files of events as chunks that an engine can take: opened, decompressed, split, bad lines marked."""

from __future__ import annotations

import csv
import json
import re
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import zstandard

from enduser import limits
from enduser.core.outcomes import RejectReason
from enduser.errors import InputError
from enduser.stores.contract import Chunk, Form, require_columns

CHUNK_BYTES = 64 * 1_048_576
"""Decompressed bytes that are taken in one transaction: some 160,000 to 500,000 lines."""

PARQUET_ROWS = 1_000_000
"""Rows of a Parquet file that are taken in one transaction."""

FORMATS = ("auto", "jsonl", "csv", "parquet", "access-log")
CSV_COLUMNS = frozenset(
    "user_id anonymous_id occurred_at message_id type name active ip user_agent "
    "country region city url properties traits".split()
)

_READ_BYTES = 262_144
"""Small, since compressed bytes can grow a thousandfold."""

_CSV_BATCH = 20_000
_BAD = b"\x02"
_LOG_LINE = re.compile(rb'^\S+ \S+ .+? \[[^\]]+\] "')
_NO_TEXT = (b"\x00", b"\x01", b"\x02")
"""Bytes that no line of text holds; two of them mark what the engine is told."""

_BOM = b"\xef\xbb\xbf"


class BrokenStreamError(Exception):
    """A compressed file ends too early or is damaged; what came before is good."""


@dataclass(slots=True)
class EventFile:
    """One file of events, checked to be of a known format before anything is applied."""

    name: str
    path: Path
    format: str
    compression: str
    size: int
    bytes_read: int = 0
    """How much of the file itself has been read, for progress."""


def open_file(name: str, path: Path, wanted: str) -> EventFile:
    """Look at the beginning of a file and say what it is.

    Raises:
        InputError: it is missing, unreadable, empty, or of no known format.
    """
    try:
        with path.open("rb") as raw:
            compression = _compression(raw.read(4))
        file = EventFile(name, path, wanted, compression, path.stat().st_size)
        head = _head(file)
    except OSError as error:
        raise InputError(
            f"{name} cannot be read: {error.strerror}", hint="check the path and the rights"
        ) from None
    if not head.strip():
        raise InputError(f"{name} is empty", hint="nothing was imported; check how the file was made")
    if wanted == "auto":
        file.format = _detect(name, head)
    file.bytes_read = 0
    return file


def _compression(magic: bytes) -> str:
    if magic[:2] == b"\x1f\x8b":
        return "gzip"
    return "zstd" if magic == b"\x28\xb5\x2f\xfd" else "none"


def _head(file: EventFile) -> bytes:
    try:
        return next(_blocks(file), b"")[:65_536]
    except BrokenStreamError as error:
        raise InputError(
            f"{file.name} cannot be decompressed: {error}", hint="make or copy the file again"
        ) from None


def _detect(name: str, head: bytes) -> str:
    text = head.removeprefix(_BOM).lstrip()
    if head.startswith(b"PAR1"):
        return "parquet"
    if head[:2] in (b"\xff\xfe", b"\xfe\xff"):
        raise InputError(f"{name} is UTF-16 text", hint="save it as UTF-8")
    if text.startswith(b"{"):
        return "jsonl"
    lines = text.split(b"\n")[:100]
    if sum(bool(_LOG_LINE.match(line)) for line in lines) * 2 > len([line for line in lines if line.strip()]):
        return "access-log"
    columns = {cell.strip().strip(b'"') for cell in re.split(rb"[,;\t|]", lines[0].strip())}
    if b"\x00" not in head and columns & {name.encode() for name in CSV_COLUMNS}:
        return "csv"
    raise InputError(
        f"{name} is of no known format",
        hint="give --format jsonl, csv, parquet or access-log; docs/file-formats.md shows each",
    )


# --- bytes


def _blocks(file: EventFile) -> Iterator[bytes]:
    """Yield the decompressed content in blocks.

    Raises:
        BrokenStreamError: the compressed stream ends too early or is damaged.
    """
    with file.path.open("rb") as raw:
        reader = {"gzip": _gunzip, "zstd": _unzstd, "none": _plain}[file.compression]
        yield from reader(_counted(raw, file))


def _counted(raw: BinaryIO, file: EventFile) -> Iterator[bytes]:
    while block := raw.read(_READ_BYTES):
        file.bytes_read += len(block)
        yield block


def _plain(blocks: Iterator[bytes]) -> Iterator[bytes]:
    yield from blocks


def _gunzip(blocks: Iterator[bytes]) -> Iterator[bytes]:
    return _inflate(blocks, lambda: zlib.decompressobj(zlib.MAX_WBITS | 16))


def _unzstd(blocks: Iterator[bytes]) -> Iterator[bytes]:
    return _inflate(blocks, lambda: zstandard.ZstdDecompressor().decompressobj())


def _inflate(blocks: Iterator[bytes], make: Callable[[], Any]) -> Iterator[bytes]:
    """Decompress a sequence of frames; one that does not end is an error."""
    inflater, is_open = make(), False
    for block in blocks:
        rest = block
        while rest:
            try:
                data, is_open = inflater.decompress(rest), True
            except (zlib.error, zstandard.ZstdError) as error:
                raise BrokenStreamError(str(error)) from None
            for at in range(0, len(data), _READ_BYTES):
                yield data[at : at + _READ_BYTES]
            if not inflater.eof:
                break
            rest = inflater.unused_data.lstrip(b"\x00")
            inflater, is_open = make(), False
    if is_open:
        raise BrokenStreamError("it ends too early")


# --- lines


def lines(file: EventFile) -> Iterator[bytes]:
    """Yield blocks of whole lines, each of valid UTF-8 within the limits, in place of the file's lines.

    A bad line is replaced by chr(2) + reason, so that lines keep their numbers. A stream that breaks
    ends with such a line.
    """
    carry = b""
    is_first = True
    try:
        for block in _blocks(file):
            carry += block.removeprefix(_BOM) if is_first else block
            is_first = False
            end = carry.rfind(b"\n") + 1
            if end:
                yield clean(carry[:end])
                carry = carry[end:]
            elif len(carry) > limits.LINE_BYTES_MAX:
                carry = carry[: limits.LINE_BYTES_MAX + 1]  # it is refused; the rest of it need not be kept
    except BrokenStreamError:
        yield _BAD + RejectReason.TRUNCATED_FILE.encode() + b"\n"
        return
    if carry:
        yield clean(carry + b"\n")


def clean(block: bytes) -> bytes:
    """Return a block of whole lines with line ends made plain and bad lines marked."""
    if b"\r" in block:
        block = block.replace(b"\r\n", b"\n").replace(b"\r", b" ")
    if _is_clean(block):
        return block
    return b"".join(_clean_line(line) + b"\n" for line in block[:-1].split(b"\n"))


def _is_clean(block: bytes) -> bool:
    """Return whether no line of a block needs a look of its own; nearly all blocks are so."""
    return (
        len(block) <= limits.LINE_BYTES_MAX
        and not any(byte in block for byte in _NO_TEXT)
        and _is_utf8(block)
    )


def _clean_line(line: bytes) -> bytes:
    if len(line) > limits.LINE_BYTES_MAX:
        return _BAD + RejectReason.LINE_TOO_LONG.encode()
    if any(byte in line for byte in _NO_TEXT) or not _is_utf8(line):
        return _BAD + RejectReason.MALFORMED_LINE.encode()
    return line


def _is_utf8(text: bytes) -> bool:
    if text.isascii():
        return True
    try:
        text.decode()
    except UnicodeDecodeError:
        return False
    return True


# --- CSV


def csv_lines(file: EventFile) -> Iterator[bytes]:
    """Yield blocks of JSON lines, one per row of a CSV file, with the line where the row ends.

    Raises:
        InputError: the header has duplicate, too many or not the needed columns.
    """
    texts = _csv_texts(file)
    header_line = next(texts, "")
    delimiter = max(",;\t|", key=header_line.count)
    reader = csv.reader(texts, delimiter=delimiter, strict=True)
    header = [cell.strip() for cell in next(csv.reader([header_line], delimiter=delimiter), [])]
    _check_header(file.name, header)
    batch: list[str] = []
    while True:
        try:
            row = next(reader)
        except StopIteration:
            break
        except csv.Error:
            row = []
            batch.append(_bad_row(reader.line_num + 1, RejectReason.MALFORMED_LINE))
        if len(row) > 1 or (row and row[0].strip()):
            batch.append(_csv_row(row, header, reader.line_num + 1))
        if len(batch) >= _CSV_BATCH:
            yield ("\n".join(batch) + "\n").encode()
            batch = []
    if batch:
        yield ("\n".join(batch) + "\n").encode()


def _csv_texts(file: EventFile) -> Iterator[str]:
    """Yield the lines of a CSV file with their ends; a bad one as the sign of it, which no cell holds."""
    for block in lines(file):
        for line in block[:-1].split(b"\n"):
            yield line.decode() + "\n"


def _csv_row(row: Sequence[str], header: Sequence[str], line_number: int) -> str:
    if row[0].startswith("\x02"):
        return _bad_row(line_number, row[0][1:].strip())
    if len(row) != len(header):
        return _bad_row(line_number, RejectReason.MALFORMED_LINE)
    cells = {name: cell for name, cell in zip(header, row, strict=True) if cell and name in CSV_COLUMNS}
    return json.dumps({"line_number": line_number, **cells}, ensure_ascii=False)


def _bad_row(line_number: int, reason: str) -> str:
    return json.dumps({"line_number": line_number, "problem": str(reason)})


def _check_header(name: str, header: Sequence[str]) -> None:
    if len(header) > limits.CSV_COLUMNS_MAX:
        raise InputError(
            f"{name} has {len(header)} columns; the limit is {limits.CSV_COLUMNS_MAX}",
            hint="check that the header is on the first line",
        )
    twice = sorted({column for column in header if column and header.count(column) > 1})
    if twice:
        raise InputError(f"{name} has the column {', '.join(twice)} twice", hint="rename one of them")
    require_columns(name, header)


# --- chunks


def chunks(file: EventFile, folder: Path, parquet_rows: int = 0) -> Iterator[Chunk]:
    """Yield the file as chunks; those of lines are files in `folder` that live until the next one."""
    if file.format == "parquet":
        for first in range(0, parquet_rows, PARQUET_ROWS):
            rows = min(PARQUET_ROWS, parquet_rows - first)
            file.bytes_read = file.size * (first + rows) // parquet_rows
            yield Chunk(file.path, Form.PARQUET, first + 1, rows)
        return
    is_csv = file.format == "csv"
    form = Form.NUMBERED_JSON_LINES if is_csv else Form(file.format)
    path = folder / "chunk"
    first_row = 1
    for content in _gather(csv_lines(file) if is_csv else lines(file)):
        path.write_bytes(content)
        yield Chunk(path, form, first_row)
        first_row += content.count(b"\n")
    path.unlink(missing_ok=True)


def _gather(blocks: Iterator[bytes]) -> Iterator[bytes]:
    """Join blocks to chunks of about CHUNK_BYTES."""
    waiting: list[bytes] = []
    size = 0
    for block in blocks:
        waiting.append(block)
        size += len(block)
        if size >= CHUNK_BYTES:
            yield b"".join(waiting)
            waiting, size = [], 0
    if waiting:
        yield b"".join(waiting)
