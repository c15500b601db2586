"""Import files of events into a space."""

from __future__ import annotations

import csv
import os
import shutil
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from glob import glob
from pathlib import Path
from typing import BinaryIO

from enduser.core.outcomes import Outcomes
from enduser.errors import InputError
from enduser.ingest.files import EventFile, chunks, open_file
from enduser.stores.answers import Applied, Rejection, SpaceStatus
from enduser.stores.contract import Store
from enduser.stores.data_folder import REJECTED
from enduser.stores.import_lock import one_import
from enduser.stores.records import Chunk, CloseHistory, EventChunk, ImportRules, TimeUnit
from enduser.stores.scratch import scratch_folder

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
Progress = Callable[[int, int, Outcomes], None]
"""Called after each chunk with bytes read, bytes in all, and the outcomes so far."""

TIME_UNITS = {"s": TimeUnit(1_000_000), "ms": TimeUnit(1_000), "us": TimeUnit(1)}


@dataclass(slots=True)
class ImportSummary:
    """What an import did."""

    outcomes: Outcomes = field(default_factory=Outcomes)
    rejected_file: Path | None = None
    time_units: dict[str, TimeUnit] = field(default_factory=dict)
    """Per file with numeric times: the unit that was inferred."""
    status: SpaceStatus | None = None

    @property
    def is_all_rejected(self) -> bool:
        """Whether there were rows and all were rejected, so that nothing was applied."""
        return 0 < self.outcomes.read == self.outcomes.rejected.total()


def find_files(patterns: Sequence[str], wanted: str, folder: Path) -> list[EventFile]:
    """Return the files that the patterns name, each checked; `-` is standard input.

    What can be read only once (standard input, a pipe) is first written to `folder`.

    Raises:
        InputError: a pattern names nothing, or a file is not what it should be.
    """
    found: list[EventFile] = []
    for pattern in patterns:
        if pattern == "-":
            path = _spool(sys.stdin.buffer, folder, len(found))
            found.append(open_file("standard input", path, wanted))
            continue
        for path in _paths(pattern):
            name = os.fsencode(path).decode(errors="backslashreplace")
            if path.is_file():
                found.append(open_file(name, path, wanted))
                continue
            with path.open("rb") as pipe:
                found.append(open_file(name, _spool(pipe, folder, len(found)), wanted))
    return found


def _paths(pattern: str) -> list[Path]:
    """Return what a pattern names, without folders; a file of exactly that name comes first."""
    found = [pattern] if Path(pattern).exists() else sorted(glob(pattern, recursive=True))  # noqa: PTH207 - absolute patterns too
    names = [Path(name) for name in found]
    paths = [path for path in names if not path.is_dir()]
    if paths:
        return paths
    if names:
        raise InputError(f"{pattern} is a folder", hint=f"name its files, such as '{Path(pattern)}/*'")
    raise InputError(f"there is no file {pattern}", hint="check the path")


def _spool(source: BinaryIO, folder: Path, number: int) -> Path:
    path = folder / f"stream-{number}"
    with path.open("wb") as target:
        shutil.copyfileobj(source, target)
    return path


def import_files(
    store: Store,
    space: str,
    files: Sequence[EventFile],
    rules: ImportRules,
    *,
    close: bool = False,
    progress: Progress = lambda *_: None,
) -> ImportSummary:
    """Take all files, then fold.

    What was taken stays taken if this is interrupted; run it again.

    Raises:
        InputError: a file cannot be read.
        UsageError: another import is running.
    """
    with one_import(store.folder):
        with scratch_folder(store.folder) as scratch:
            summary = _take_files(store, space, files, rules, scratch, progress)
        if close and not summary.is_all_rejected:
            store.apply(space, CloseHistory())
        store.fold(space)
        summary.status = store.status(space)
    return summary


def _take_files(
    store: Store,
    space: str,
    files: Sequence[EventFile],
    rules: ImportRules,
    scratch: Path,
    progress: Progress,
) -> ImportSummary:
    summary = ImportSummary()
    row_counts = {f.name: store.count_parquet_rows(f.path) for f in files if f.format == "parquet"}
    total = sum(file.size for file in files)
    done = 0
    for file in files:
        with closing(chunks(file, scratch, row_counts.get(file.name, 0))) as parts:
            for applied in _taken(store, space, parts, rules):
                summary.outcomes.add(applied.outcomes)
                if applied.time_unit and applied.time_unit.inferred_from:
                    summary.time_units[file.name] = applied.time_unit
                _write_rejections(store, rules, summary, file, applied.rejections)
                progress(done + file.bytes_read, total, summary.outcomes)
        done += file.size
    return summary


def _taken(store: Store, space: str, parts: Iterable[Chunk], rules: ImportRules) -> Iterator[Applied]:
    """Apply the chunks of one file; the unit of its times is the one of its first numeric times."""
    is_first = True
    for chunk in parts:
        applied = store.apply(space, EventChunk(chunk, rules, is_first))
        rules = replace(rules, time_unit=rules.time_unit or applied.time_unit)
        is_first = False
        yield applied


def _write_rejections(
    store: Store,
    rules: ImportRules,
    summary: ImportSummary,
    file: EventFile,
    rejections: Sequence[Rejection],
) -> None:
    if not rejections:
        return
    if summary.rejected_file is None:
        began = _EPOCH + timedelta(microseconds=rules.started_at)
        summary.rejected_file = store.folder / REJECTED / f"{began:%Y%m%dT%H%M%S%fZ}.csv"
        summary.rejected_file.parent.mkdir(exist_ok=True)
        with summary.rejected_file.open("w", newline="", encoding="utf-8") as target:
            csv.writer(target).writerow(["file", "line", "reason"])
    with summary.rejected_file.open("a", newline="", encoding="utf-8") as target:
        csv.writer(target).writerows([file.name, r.row, r.reason] for r in rejections)
