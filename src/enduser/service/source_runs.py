"""Running sources of files: look at a file, map its columns, see what a run would do, run it."""

from __future__ import annotations

import fcntl
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec

from enduser.core.attributes import Attribute
from enduser.errors import InputError, InvalidMapping, UsageError
from enduser.ingest.compression import BrokenStreamError, compression_of
from enduser.ingest.files import EventFile, content
from enduser.sources.csv_form import CsvForm, CsvHead, read_head
from enduser.sources.csv_rows import write_rows
from enduser.sources.inferring import Inferred, infer
from enduser.sources.mapping import SourceMapping, flags, require_no_flags
from enduser.stores.contract import Store, ValuesPreview, WriteValues, Written
from enduser.stores.control import ControlStore
from enduser.stores.row_file import RowFile, ValueColumn
from enduser.stores.source_configs import SourceConfig, find_source, save_source

CSV = "csv"
"""The kind of a source that is a CSV file."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
Progress = Callable[[int, int], None]
"""Called with the bytes of the file that are read, and the rows so far."""


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
        file = EventFile(name, path, CSV, compression, path.stat().st_size)
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
    fixed = None if known is None else (known.encoding, known.delimiter)
    looked = Looked(file, read_head(name, head, is_whole=len(head) < _HEAD_BYTES, fixed=fixed))
    file.bytes_read = 0
    return looked


_HEAD_BYTES = 1_048_576


def save_mapping(
    store: Store, control: ControlStore, config: SourceConfig, looked: Looked, mapping: SourceMapping
) -> Sequence[Attribute]:
    """Keep what a source takes; make the attributes that are not there yet, and return them.

    Raises:
        InvalidMapping: a column cannot be taken like this.
        InvalidSource: the source cannot have this name.
    """
    form, attributes = looked.head.form, store.attributes()
    require_no_flags(list(flags(mapping, form.columns, attributes)))
    told = msgspec.to_builtins(CsvMapping(mapping, form.encoding, form.delimiter))
    save_source(control, replace(config, mapping=told))
    there = {attribute.name for attribute in attributes}
    made = [Attribute(one.attribute, one.type) for one in mapping.columns if one.attribute not in there]
    for attribute in made:
        store.create_attribute(attribute)
    return made


def mapping_of(control: ControlStore, space: str, name: str) -> CsvMapping:
    """Return what a source takes.

    Raises:
        SourceNotFound: there is none of this name.
        InvalidMapping: nobody has said yet what it takes.
    """
    config = find_source(control, space, name)
    if config.kind != CSV or config.mapping is None:
        raise InvalidMapping(
            f"the source {name!r} takes no files",
            hint=f"run: enduser sources map {name} FILE",
        )
    return msgspec.convert(config.mapping, CsvMapping)


@dataclass(frozen=True, slots=True)
class SourceRun:
    """One execution of a source, to be looked at or done."""

    space: str
    source: str
    looked: Looked
    mapping: SourceMapping
    started_at: int

    def preview(self, store: Store, folder: Path, progress: Progress = lambda *_: None) -> ValuesPreview:
        """Return what the run would do now.

        Raises:
            InvalidMapping: the file lacks a column that is taken.
        """
        return store.preview_values(self.space, self._record(store, folder, progress, None))

    def do(
        self, store: Store, folder: Path, progress: Progress = lambda *_: None
    ) -> tuple[Written, Path | None]:
        """Run it, whole or not at all; return what it did, and the file of what was rejected, if any was.

        Raises:
            InvalidMapping: the file lacks a column that is taken.
            UsageError: a run of this source is going on.
        """
        began = _EPOCH + timedelta(microseconds=self.started_at)
        rejected = store.folder / "rejected" / f"{self.source}-{began:%Y%m%dT%H%M%S%fZ}.csv"
        rejected.parent.mkdir(exist_ok=True)
        with self._alone(store):
            record = self._record(store, folder, progress, rejected)
            written = store.apply(self.space, record).written
        assert written is not None
        return written, rejected if rejected.exists() else None

    def _record(self, store: Store, folder: Path, progress: Progress, rejected: Path | None) -> WriteValues:
        form, file = self.looked.head.form, self.looked.file
        require_no_flags(list(flags(self.mapping, form.columns, store.attributes())))
        target = folder / "rows"
        write_rows(file, form, target, lambda rows: progress(file.bytes_read, rows))
        rows = row_file(target, form, self.mapping)
        return WriteValues(self.source, rows, self.started_at, input=file.name, rejected_path=rejected)

    @contextmanager
    def _alone(self, store: Store) -> Iterator[None]:
        """Hold off other runs of the source."""
        scratch = store.folder / "tmp"
        scratch.mkdir(exist_ok=True)
        with (scratch / f"source-{self.source}.lock").open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise UsageError(
                    f"a run of the source {self.source!r} is going on", hint="wait until it has finished"
                ) from None
            yield


def row_file(path: Path, form: CsvForm, mapping: SourceMapping) -> RowFile:
    """Return where the cells of a mapped file of rows stand; the number of a row is the first."""
    at = {column: number for number, column in enumerate(form.columns, 1)}
    return RowFile(
        paths=[path],
        cells=len(form.columns) + 1,
        columns=[ValueColumn(one.attribute, at[one.column], one.form) for one in mapping.columns],
        id_at=at[mapping.identifier],
        effective_at=None if mapping.effective_at is None else at[mapping.effective_at],
        is_anonymous=mapping.is_anonymous,
        blank_clears=mapping.blank == "clear",
    )
