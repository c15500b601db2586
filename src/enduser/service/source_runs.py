"""Running sources of files: see what a run would do, or do it, whole or not at all."""

from __future__ import annotations

import fcntl
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Protocol

from enduser.core.attributes import Attribute
from enduser.errors import RunNotFound, UsageError
from enduser.service.source_setup import Looked
from enduser.sources.csv_form import CsvForm
from enduser.sources.csv_rows import write_rows
from enduser.sources.mapping import SourceMapping, flags, require_no_flags
from enduser.stores.answers import Applied, Run, ValuesPreview, Written
from enduser.stores.contract import Reader
from enduser.stores.data_folder import REJECTED
from enduser.stores.records import WriteValues
from enduser.stores.row_file import RowFile, ValueColumn
from enduser.stores.scratch import FOLDER

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
Progress = Callable[[int, int], None]
"""Called with the bytes of the file that are read, and the rows so far; what it raises ends the run."""


def _nobody(_: int, __: int) -> None:
    """Tell nobody."""


class ValuesStore(Protocol):
    """What runs need of a store; see `enduser.stores.contract.Store`."""

    @property
    def folder(self) -> Path:
        """The data folder."""

    def attributes(self) -> Sequence[Attribute]:
        """Return the custom attributes."""

    def preview_values(self, space: str, record: WriteValues) -> ValuesPreview:
        """Return what a write would do now."""

    def apply(self, space: str, record: WriteValues) -> Applied:
        """Apply a write."""


@dataclass(frozen=True, slots=True)
class SourceRun:
    """One execution of a source, to be looked at or done."""

    space: str
    source: str
    looked: Looked
    mapping: SourceMapping
    started_at: int

    def preview(self, store: ValuesStore, folder: Path, progress: Progress = _nobody) -> ValuesPreview:
        """Return what the run would do now.

        Raises:
            InvalidMapping: the file lacks a column that is taken.
            LimitExceeded: it has too many bytes when it is unpacked.
        """
        return store.preview_values(self.space, self._record(store, folder, progress, None))

    def do(
        self, store: ValuesStore, folder: Path, progress: Progress = _nobody
    ) -> tuple[Written, Path | None]:
        """Run it, whole or not at all; return what it did, and the file of what was rejected, if any was.

        Within `running_alone`.

        Raises:
            InvalidMapping: the file lacks a column that is taken.
            LimitExceeded: it has too many bytes when it is unpacked.
        """
        rejected = rejected_path(store.folder, self.space, self.source, self.started_at)
        rejected.parent.mkdir(exist_ok=True)
        record = self._record(store, folder, progress, rejected)
        written = store.apply(self.space, record).written
        assert written is not None
        return written, rejected if rejected.exists() else None

    def _record(
        self, store: ValuesStore, folder: Path, progress: Progress, rejected: Path | None
    ) -> WriteValues:
        form, file = self.looked.head.form, self.looked.file
        require_no_flags(list(flags(self.mapping, self.source, form.columns, store.attributes())))
        target = folder / "rows"
        write_rows(file, form, target, lambda rows: progress(file.bytes_read, rows))
        rows = row_file(target, form, self.mapping)
        return WriteValues(self.source, rows, self.started_at, input=file.name, rejected_path=rejected)


@contextmanager
def running_alone(data: Path, space: str, source: str) -> Iterator[None]:
    """Hold off other runs of a source, by whichever process.

    Raises:
        UsageError: one is going on.
    """
    room = data / FOLDER
    room.mkdir(exist_ok=True)
    with (room / f"source.{_file_name(space, source)}.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise UsageError(
                f"a run of the source {source!r} is going on", hint="wait until it has finished"
            ) from None
        yield


def find_run(reader: Reader, space: str, number: int) -> Run:
    """Return a run of a file.

    Raises:
        RunNotFound: there is none of this number, as where a call or a person wrote by it.
    """
    for run in reader.runs(space, limit=1, before=number + 1):
        if run.run == number:
            return run
    raise RunNotFound(
        f"there is no run {number} of a file",
        hint="they are listed by: enduser sources runs, or GET /api/v1/runs",
    )


def rejected_path(folder: Path, space: str, source: str, written_at: int) -> Path:
    """Return where the rows and values are listed that a run rejected, if it rejected any."""
    at = _EPOCH + timedelta(microseconds=written_at)
    return folder / REJECTED / f"{_file_name(space, source)}.{at:%Y%m%dT%H%M%S%fZ}.csv"


def _file_name(space: str, source: str) -> str:
    """Return what no other source has in the names of its files: none of these names may have a dot."""
    return f"{space.replace('/', '.')}.{source}"


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
