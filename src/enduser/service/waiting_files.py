"""Files that wait to be taken, and lists of what was not taken: which of them name somebody."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import Literal

from enduser import limits
from enduser.core.mentions import WORD, Mentions
from enduser.ingest.compression import BrokenStreamError, compression_of
from enduser.ingest.files import EventFile, content
from enduser.sources import inbox
from enduser.sources.csv_form import certain_encoding
from enduser.stores.control import ControlStore
from enduser.stores.data_folder import REJECTED
from enduser.stores.uploads import Upload, forget_upload, list_uploads

_WIDE = ("utf-16-le", "utf-16-be")
_BESIDE = frozenset(map(ord, WORD))
_ASCII_MAX = 0x7F


@dataclass(frozen=True, slots=True)
class FileMentions:
    """Files that name somebody, by what is in them or by their name."""

    uploads: Sequence[Upload] = field(default_factory=list)
    """Files that were sent, and are there whole."""
    inbox: Sequence[Path] = field(default_factory=list)
    """Files of the inbox, which is the operator's own."""
    rejected: Sequence[Path] = field(default_factory=list)
    """Lists of rows that were rejected; they tell the names of files."""
    unread: Sequence[Path] = field(default_factory=list)
    """What cannot be read to its end: up to there it names nobody."""


def find_mentions(folder: Path, control: ControlStore, space: str, ids: Collection[str]) -> FileMentions:
    """Return which files that a space may take, and which lists of rejected rows, name one of some ids.

    An id counts where it stands as a word of its own (`enduser.core.mentions`), in whatever encoding and
    compression sources take. Ids that a space stores hashed are found only if they are given as people write
    them. A gigabyte takes about a second for each id.
    """
    search = _Search(ids)
    uploads = [one for one in list_uploads(control, space) if search.is_named(one.path(folder), one.name)]
    return FileMentions(
        uploads,
        search.named_below(folder / inbox.FOLDER),
        search.lists_naming(folder / REJECTED),
        search.unread,
    )


def forget_uploads_naming(
    folder: Path, control: ControlStore, space: str, ids: Collection[str]
) -> FileMentions:
    """Delete the uploads and the lists of rejected rows that name one of some ids; return what named one.

    A job that was to take such a file fails, as it is not there any more. The inbox is left as it is.
    """
    found = find_mentions(folder, control, space, ids)
    for upload in found.uploads:
        forget_upload(control, folder, upload)
    for path in found.rejected:
        path.unlink(missing_ok=True)
    return found


class _Search:
    """Searches files for ids."""

    def __init__(self, ids: Collection[str]) -> None:
        self._mentions = Mentions(ids)
        self.unread: list[Path] = []

    def named_below(self, folder: Path) -> list[Path]:
        """Return the files below a folder that name somebody, hidden ones too, inside of it."""
        found = []
        for path in sorted(folder.rglob("*")):
            is_own = path.is_file() and path.resolve().is_relative_to(folder.resolve())
            if is_own and self.is_named(path, path.relative_to(folder).as_posix()):
                found.append(path)
        return found

    def lists_naming(self, folder: Path) -> list[Path]:
        """Return the lists of rejected rows that tell the name of a file that names somebody."""
        found = []
        for path in sorted(folder.glob("*.csv")):
            with suppress(FileNotFoundError), path.open(encoding="utf-8", errors="replace") as lines:
                if any(map(self._mentions.are_in, lines)):
                    found.append(path)
        return found

    def is_named(self, path: Path, name: str) -> bool:
        """Return whether a file names somebody; one that is gone does not."""
        if self._mentions.are_in(name):
            return True
        try:
            with path.open("rb") as raw:
                compression = compression_of(raw.read(4))
            file = EventFile(name, path, "csv", compression, path.stat().st_size)
            return self._is_in(_bounded(content(file)))
        except FileNotFoundError:
            return False
        except (OSError, BrokenStreamError):
            self.unread.append(path)
            return False

    def _is_in(self, blocks: Iterator[bytes]) -> bool:
        first = next(blocks, b"")
        bom, certain = certain_encoding(first)
        encoding = certain or "utf-8"
        words = _words(self._mentions.ids, encoding)
        return has_word(chain([first[len(bom) :]], blocks), words, encoding)


def _words(ids: Collection[str], encoding: str) -> Collection[bytes]:
    """Return how ids may be written in a CSV file: quotes are doubled there, and few bytes are no UTF-8."""
    texts = {form for text in ids for form in (text, text.replace('"', '""'))}
    encodings = [encoding] if encoding in _WIDE else ["utf-8", "windows-1252"]
    return {word for text in texts for one in encodings if (word := _encoded(text, one))}


def _encoded(text: str, encoding: str) -> bytes:
    try:
        return text.encode(encoding)
    except UnicodeEncodeError:  # then it cannot stand there
        return b""


def _bounded(blocks: Iterator[bytes]) -> Iterator[bytes]:
    size = 0
    for block in blocks:
        size += len(block)
        if size > limits.UNPACKED_BYTES_MAX:  # no source takes it either
            raise BrokenStreamError("it is too long")
        yield block


def has_word(blocks: Iterable[bytes], words: Collection[bytes], encoding: str) -> bool:
    """Return whether one of some words stands in bytes that come in blocks, as a word of its own."""
    # `bytes.find` takes ten times as long where the ends of words are frequent.
    patterns = [re.compile(re.escape(word)) for word in words]
    window = _Window(encoding, max(map(len, words), default=0))
    for block in blocks:
        window.follow(block)
        if any(window.has(pattern, is_end=False) for pattern in patterns):
            return True
    return any(window.has(pattern, is_end=True) for pattern in patterns)


class _Window:
    """The last bytes of a stream, with so many before a block as a word that ends in it may need."""

    def __init__(self, encoding: str, word_bytes: int) -> None:
        self._width = 2 if encoding in _WIDE else 1
        self._order: Literal["big", "little"] = "big" if encoding == "utf-16-be" else "little"
        self._kept = word_bytes + 2 * self._width
        self._bytes = b""
        self._at = 0
        """How many bytes of the stream came before the window."""

    def follow(self, block: bytes) -> None:
        """Go on to the next block."""
        passed = max(0, len(self._bytes) - self._kept)
        self._bytes = self._bytes[passed:] + block
        self._at += passed

    def has(self, pattern: re.Pattern[bytes], *, is_end: bool) -> bool:
        """Return whether a word stands in the window, with what is beside it; at the end nothing need be."""
        known = len(self._bytes) - (0 if is_end else self._width)
        found = pattern.search(self._bytes)
        while found and found.end() <= known:
            if self._is_alone(*found.span()):
                return True
            found = pattern.search(self._bytes, found.start() + 1)
        return False

    def _is_alone(self, start: int, end: int) -> bool:
        if self._at and start < self._width:  # what is before it is not there any more: it was looked at then
            return False
        is_whole = (self._at + start) % self._width == 0
        return is_whole and not self._is_word(start - self._width) and not self._is_word(end)

    def _is_word(self, at: int) -> bool:
        """Return whether a character that words are made of stands here."""
        unit = self._bytes[max(0, at) : at + self._width]
        number = int.from_bytes(unit, self._order)
        return len(unit) == self._width and (number > _ASCII_MAX or number in _BESIDE)
