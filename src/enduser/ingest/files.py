"""Files of events as chunks that an engine can take: opened, decompressed, split, bad lines marked."""

from __future__ import annotations

import re
from collections.abc import Generator, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import BinaryIO

from enduser import limits
from enduser.core.outcomes import RejectReason
from enduser.errors import InputError
from enduser.ingest import csv_rows
from enduser.ingest.compression import BLOCK_BYTES, BrokenStreamError, compression_of, decompressed
from enduser.ingest.csv_rows import BAD
from enduser.ingest.messages import is_utf8
from enduser.stores.records import Chunk, Form

CHUNK_ROWS = 500_000
"""Lines that are taken in one transaction: several row groups, so that all cores have work."""

CHUNK_BYTES = 256 * 1_048_576
"""Decompressed bytes that are taken in one transaction, where lines are long."""

PARQUET_ROWS = 1_000_000
"""Rows of a Parquet file that are taken in one transaction."""

_LOG_LINE = re.compile(rb'^\S+ \S+ .+? \[[^\]]+\] "')
_NO_TEXT = (b"\x00", b"\x01", b"\x02")
"""Bytes that no line of text holds; two of them mark what the engine is told."""

_BOM = b"\xef\xbb\xbf"


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
        file, head = _look(name, path, wanted)
    except OSError as error:
        raise InputError(
            f"{name} cannot be read: {error.strerror}", hint="check the path and the rights"
        ) from None
    if not head.removeprefix(_BOM).strip():
        raise InputError(f"{name} is empty", hint="nothing was imported; check how the file was made")
    if wanted == "auto":
        file.format = _detect(name, head)
    if file.format != "parquet":
        _check_text(name, head)
    elif file.compression != "none":
        raise InputError(f"{name} is compressed Parquet", hint="decompress it first")
    if file.format == "csv":
        csv_rows.read_header(name, (line.decode() for line in next(lines(file), b"").splitlines()))
    file.bytes_read = 0
    return file


def _look(name: str, path: Path, wanted: str) -> tuple[EventFile, bytes]:
    with path.open("rb") as raw:
        compression = compression_of(raw.read(4))
    file = EventFile(name, path, wanted, compression, path.stat().st_size)
    return file, _head(file)


def _head(file: EventFile) -> bytes:
    try:
        return next(content(file), b"")[:65_536]
    except BrokenStreamError as error:
        raise InputError(
            f"{file.name} cannot be decompressed: {error}", hint="make or copy the file again"
        ) from None


def _detect(name: str, head: bytes) -> str:
    text = head.removeprefix(_BOM).lstrip()
    if head.startswith(b"PAR1"):
        return "parquet"
    if text.startswith(b"{"):
        return "jsonl"
    _check_text(name, head)
    rows = [line for line in text.split(b"\n")[:100] if line.strip()]
    if sum(bool(_LOG_LINE.match(row)) for row in rows) * 2 > len(rows):
        return "access-log"
    columns = {cell.strip().strip(b'"') for cell in re.split(rb"[,;\t|]", rows[0].strip())}
    if columns & {name.encode() for name in csv_rows.COLUMNS}:
        return "csv"
    raise InputError(
        f"{name} is of no known format",
        hint="give --format jsonl, csv, parquet or access-log; docs/file-formats.md shows each",
    )


def _check_text(name: str, head: bytes) -> None:
    """Refuse text whose lines could not even be told apart."""
    if head[:2] in (b"\xff\xfe", b"\xfe\xff"):
        raise InputError(f"{name} is UTF-16 text", hint="save it as UTF-8")
    if b"\n" not in head and b"\x00" not in head and b"\r" in head.strip():
        raise InputError(
            f"the lines of {name} end with carriage returns alone", hint="save it with line feeds"
        )


# --- bytes


def content(file: EventFile) -> Iterator[bytes]:
    """Yield the decompressed content in blocks.

    Raises:
        BrokenStreamError: the compressed stream ends too early or is damaged.
    """
    with file.path.open("rb") as raw:
        yield from decompressed(_counted(raw, file), file.compression)


def _counted(raw: BinaryIO, file: EventFile) -> Iterator[bytes]:
    while block := raw.read(BLOCK_BYTES):
        file.bytes_read += len(block)
        yield block


# --- lines


def lines(file: EventFile) -> Iterator[bytes]:
    """Yield a file as `whole_lines`."""
    return whole_lines(content(file))


def whole_lines(blocks: Iterable[bytes]) -> Iterator[bytes]:
    """Yield blocks of whole lines, each of valid UTF-8 within the limits, in place of a text's lines.

    A bad line is replaced by chr(2) + reason, so that lines keep their numbers. A stream that breaks
    ends with such a line.
    """
    carry = b""
    is_first = True
    try:
        for block in blocks:
            carry += block.removeprefix(_BOM) if is_first else block
            is_first = False
            end = carry.rfind(b"\n") + 1
            if end:
                yield clean(carry[:end])
                carry = carry[end:]
            elif len(carry) > limits.LINE_BYTES_MAX:
                carry = carry[: limits.LINE_BYTES_MAX + 2]  # refused whatever follows, even a line end
    except BrokenStreamError:
        yield BAD + RejectReason.TRUNCATED_FILE.encode() + b"\n"
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
        len(block) <= limits.LINE_BYTES_MAX and not any(byte in block for byte in _NO_TEXT) and is_utf8(block)
    )


def _clean_line(line: bytes) -> bytes:
    if len(line) > limits.LINE_BYTES_MAX:
        return BAD + RejectReason.LINE_TOO_LONG.encode()
    if any(byte in line for byte in _NO_TEXT) or not is_utf8(line):
        return BAD + RejectReason.MALFORMED_LINE.encode()
    return line


# --- chunks


def chunks(file: EventFile, folder: Path, parquet_rows: int = 0) -> Generator[Chunk, None, None]:
    """Yield the file as chunks; those of lines are files in `folder` that live until the next one.

    The next chunk is made ready while the engine takes this one.
    """
    if file.format == "parquet":
        yield from _ranges(file, parquet_rows)
    else:
        yield from _ahead(_written(file, folder))


def _ranges(file: EventFile, parquet_rows: int) -> Iterator[Chunk]:
    for first in range(0, parquet_rows, PARQUET_ROWS):
        rows = min(PARQUET_ROWS, parquet_rows - first)
        file.bytes_read = file.size * (first + rows) // parquet_rows
        yield Chunk(file.path, Form.PARQUET, first + 1, rows)


def _written(file: EventFile, folder: Path) -> Iterator[Chunk]:
    is_csv = file.format == "csv"
    form = Form.NUMBERED_JSON_LINES if is_csv else Form(file.format)
    blocks = csv_rows.json_lines(file.name, lines(file)) if is_csv else lines(file)
    first_row = 1
    for number, first in enumerate(blocks):
        path = folder / f"chunk-{number % 2}"
        rows = _fill(path, chain([first], blocks))
        yield Chunk(path, form, first_row)
        first_row += rows


def _fill(path: Path, blocks: Iterator[bytes]) -> int:
    """Write blocks of whole lines to a file until they are a chunk; return the count of lines."""
    rows = size = 0
    with path.open("wb") as target:
        for block in blocks:
            target.write(block)
            rows += block.count(b"\n")
            size += len(block)
            if rows >= CHUNK_ROWS or size >= CHUNK_BYTES:
                break
    return rows


def _ahead(chunks: Iterator[Chunk]) -> Iterator[Chunk]:
    """Yield what `chunks` yields, made one step ahead on a thread of its own."""
    with ThreadPoolExecutor(1, "read-ahead") as reader:
        waiting = reader.submit(next, chunks, None)
        while chunk := waiting.result():
            waiting = reader.submit(next, chunks, None)
            yield chunk
