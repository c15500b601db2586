"""What `users export` and `sessions export` share."""

from __future__ import annotations

import shutil
import sys
import tempfile
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Annotated, BinaryIO

import typer

from enduser.cli.common import count_of, err
from enduser.core.users_query import ALL_USERS, UsersQuery
from enduser.errors import UsageError
from enduser.stores.contract import Store
from enduser.stores.scratch import scratch_folder


class ExportFormat(StrEnum):
    """What `--format` takes."""

    CSV = "csv"
    JSONL = "jsonl"
    PARQUET = "parquet"


Output = Annotated[
    Path, typer.Option("--output", metavar="FILE", help="Where to write; - is standard output.")
]


Raw = Annotated[
    bool,
    typer.Option(
        "--raw",
        help="CSV: write texts as they are; else those that a spreadsheet takes for formulas get a quote.",
    ),
]


@dataclass(frozen=True, slots=True)
class Exported:
    """What is exported, and how."""

    what: str
    form: ExportFormat
    is_raw: bool
    asked: UsersQuery = ALL_USERS
    """Of users, which."""

    def write(self, store: Store, space: str, path: Path) -> int:
        """Write it to a file; return the count of rows."""
        return store.export(space, self.what, path, self.form, is_raw=self.is_raw, asked=self.asked)


def export(store: Store, space: str, exported: Exported, output: Path) -> None:
    """Write users or sessions to a file, whole or not at all, or to standard output or a pipe."""
    if output == Path("-"):
        if exported.form is ExportFormat.PARQUET:
            raise UsageError("Parquet cannot be written to standard output", hint="name a file with --output")
        _stream(store, space, exported, sys.stdout.buffer)
        return
    _check(output, exported.form)
    target = output.resolve()  # behind a link it is the file that is replaced, not the link
    if target.exists() and not target.is_file():
        with target.open("wb") as device:
            _stream(store, space, exported, device)
        return
    with tempfile.TemporaryDirectory(prefix=".enduser-", dir=target.parent) as folder:
        rows = exported.write(store, space, Path(folder) / "export")
        (Path(folder) / "export").replace(target)
    err.print(f"{count_of(rows, exported.what[:-1])} written to {output}")


def _check(output: Path, form: ExportFormat) -> None:
    suffix = output.suffix.removeprefix(".")
    if suffix in set(ExportFormat) and suffix != form:
        raise UsageError(
            f"{output} would hold {form} under the name of {suffix}", hint=f"add --format {suffix}"
        )
    if output.is_dir() or not output.resolve().parent.is_dir():
        problem = "is a folder" if output.is_dir() else f"cannot be written: there is no {output.parent}"
        raise UsageError(f"{output} {problem}", hint="name a file in a folder that exists")


def _stream(store: Store, space: str, exported: Exported, target: BinaryIO) -> None:
    """Write to what is no file, by way of one."""
    with scratch_folder(store.folder) as folder:
        exported.write(store, space, folder / "export")
        with (folder / "export").open("rb") as written:
            shutil.copyfileobj(written, target)
        target.flush()
