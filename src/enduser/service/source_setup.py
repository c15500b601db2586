"""Setting up sources of files: look at one, say which of its columns are taken, and as what."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec

from enduser.core.attributes import Attribute
from enduser.errors import InputError, InvalidMapping
from enduser.ingest.compression import BrokenStreamError, compression_of
from enduser.ingest.files import EventFile, content
from enduser.sources.csv_form import CsvForm, CsvHead, check_form, read_head
from enduser.sources.inferring import Inferred, infer
from enduser.sources.kinds import KINDS, kind_of
from enduser.sources.mapping import SourceMapping, flags, require_no_flags
from enduser.stores.contract import Store
from enduser.stores.control import ControlStore
from enduser.stores.source_configs import SourceConfig, change_source, create_source, find_source

_HEAD_BYTES = 1_048_576


class CsvMapping(msgspec.Struct, frozen=True):
    """What a CSV source takes, and how its files are written; kept as JSON."""

    mapping: SourceMapping
    encoding: str
    delimiter: str


@dataclass(frozen=True, slots=True)
class Looked:
    """A file, and what its beginning says."""

    file: EventFile
    head: CsvHead

    @property
    def columns(self) -> Mapping[str, Inferred]:
        """What the columns seem to hold, by name; those without a name are left out."""
        names = self.head.form.columns
        return {
            name: infer([row[number] for row in self.head.rows]) for number, name in enumerate(names) if name
        }


def look_at(name: str, path: Path, known: CsvMapping | None = None) -> Looked:
    """Look at the beginning of a CSV file, written as is known or as it seems.

    Raises:
        InputError: it cannot be read, or is no CSV with a header.
    """
    try:
        with path.open("rb") as raw:
            compression = compression_of(raw.read(4))
        file = EventFile(name, path, "csv", compression, path.stat().st_size)
        blocks = content(file)
        head = b""
        while len(head) < _HEAD_BYTES and (block := next(blocks, b"")):
            head += block
    except BrokenStreamError as error:
        raise InputError(
            f"{name} cannot be decompressed: {error}", hint="make or copy the file again"
        ) from None
    except OSError as error:
        raise InputError(
            f"{name} cannot be read: {error.strerror}", hint="check the path and the rights"
        ) from None
    looked = Looked(file, _head(name, head, known))
    file.bytes_read = 0
    return looked


def _head(name: str, head: bytes, known: CsvMapping | None) -> CsvHead:
    """Return what the beginning of a file says, which must be written as is known, if it is."""
    is_whole = len(head) < _HEAD_BYTES
    if known is None:
        return read_head(name, head, is_whole=is_whole)
    try:
        found = read_head(name, head, is_whole=is_whole, fixed=(known.encoding, known.delimiter))
    except InputError:
        _require_form(name, known, read_head(name, head, is_whole=is_whole).form)
        raise
    if not set(known.mapping.named) <= set(found.form.columns):
        _require_form(name, known, read_head(name, head, is_whole=is_whole).form)
    return found


def _require_form(name: str, known: CsvMapping, seems: CsvForm) -> None:
    """Refuse a file that seems to be written otherwise than its source says."""
    said = CsvForm(known.encoding, known.delimiter, ())
    if seems.shown != said.shown:
        raise InputError(
            f"{name} is not written as its source says ({said.shown}); it seems to be {seems.shown}",
            hint="save it as before, or map it again: enduser sources map",
        )


def save_mapping(
    store: Store,
    control: ControlStore,
    config: SourceConfig,
    known: CsvMapping,
    columns: Collection[str],
    *,
    is_new: bool = False,
) -> Sequence[Attribute]:
    """Keep what a source takes; make the attributes that are not there yet, and return them.

    `columns` are those that its files have.

    Raises:
        InvalidMapping: a column cannot be taken like this, or no file is written so.
        InvalidSource: the source takes no files, cannot have this name, or is there although it must be new.
    """
    kind_of(config)  # it must be one that takes files
    mapping, attributes = known.mapping, store.attributes()
    check_form(known.encoding, known.delimiter)
    require_no_flags(list(flags(mapping, config.name, columns, attributes)))
    if is_new:
        create_source(control, config)
    there = {attribute.name for attribute in attributes}
    made = [Attribute(one.attribute, one.type) for one in mapping.columns if one.attribute not in there]
    for attribute in made:
        store.create_attribute(attribute)
    change_source(control, config.space, config.name, mapping=known)
    return made


def mapping_of(control: ControlStore, space: str, name: str) -> CsvMapping:
    """Return what a source takes from files.

    Raises:
        SourceNotFound: there is none of this name.
        InvalidSource: it takes no files.
        InvalidMapping: nobody has said yet what it takes.
    """
    config = find_source(control, space, name)
    kind_of(config)  # it must be one that takes files
    known = known_mapping(config)
    if known is None:
        raise InvalidMapping(
            f"nobody has said yet what the source {name!r} takes from files",
            hint=f"run: enduser sources map {name} FILE",
        )
    return known


def known_mapping(config: SourceConfig) -> CsvMapping | None:
    """Return what a source takes from files; None: nobody has said it yet, or it takes none."""
    if config.kind not in KINDS or config.mapping is None:
        return None
    return msgspec.convert(config.mapping, CsvMapping)
