"""What `users export` and `sessions export` share."""

from __future__ import annotations

import shutil
import sys
import tempfile
from enum import StrEnum
from pathlib import Path
from typing import Annotated, BinaryIO

import typer

from enduser.cli.common import count_of, err
from enduser.errors import UsageError
from enduser.service.import_events import scratch_folder
from enduser.stores.contract import Store


class ExportFormat(StrEnum):
    """What `--format` takes."""

    CSV = "csv"
    JSONL = "jsonl"
    PARQUET = "parquet"


Output = Annotated[
    Path, typer.Option("--output", metavar="FILE", help="Where to write; - is standard output.")
]


def export(store: Store, space: str, what: str, form: ExportFormat, output: Path) -> None:
    """Write all users or sessions to a file, whole or not at all, or to standard output or a pipe."""
    if output == Path("-"):
        if form is ExportFormat.PARQUET:
            raise UsageError("Parquet cannot be written to standard output", hint="name a file with --output")
        _stream(store, space, what, form, sys.stdout.buffer)
        return
    _check(output, form)
    target = output.resolve()  # behind a link it is the file that is replaced, not the link
    if target.exists() and not target.is_file():
        with target.open("wb") as device:
            _stream(store, space, what, form, device)
        return
    with tempfile.TemporaryDirectory(prefix=".enduser-", dir=target.parent) as folder:
        rows = store.export(space, what, Path(folder) / "export", form)
        (Path(folder) / "export").replace(target)
    err.print(f"{count_of(rows, what[:-1])} written to {output}")


def _check(output: Path, form: ExportFormat) -> None:
    suffix = output.suffix.removeprefix(".")
    if suffix in set(ExportFormat) and suffix != form:
        raise UsageError(
            f"{output} would hold {form} under the name of {suffix}", hint=f"add --format {suffix}"
        )
    if output.is_dir() or not output.resolve().parent.is_dir():
        problem = "is a folder" if output.is_dir() else f"cannot be written: there is no {output.parent}"
        raise UsageError(f"{output} {problem}", hint="name a file in a folder that exists")


def _stream(store: Store, space: str, what: str, form: ExportFormat, target: BinaryIO) -> None:
    """Write to what is no file, by way of one."""
    with scratch_folder(store) as folder:
        store.export(space, what, folder / "export", form)
        with (folder / "export").open("rb") as written:
            shutil.copyfileobj(written, target)
        target.flush()
