"""What commands that write files share, and what `users export` and `sessions export` do."""

from __future__ import annotations

import shutil
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Annotated, BinaryIO

import typer

from enduser.cli.output import count_of, err
from enduser.core.users_query import ALL_USERS, UsersQuery
from enduser.errors import UsageError
from enduser.stores.contract import Store
from enduser.stores.scratch import scratch_folder


class ExportFormat(StrEnum):
    """What `--format` takes."""

    CSV = "csv"
    JSONL = "jsonl"
    PARQUET = "parquet"


STDOUT = Path("-")
"""Stands for standard output."""

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
    if output == STDOUT and exported.form is ExportFormat.PARQUET:
        raise UsageError("Parquet cannot be written to standard output", hint="name a file with --output")
    if output != STDOUT:
        _check_form(output, exported.form)
    rows = 0

    def write(folder: Path) -> Path:
        nonlocal rows
        rows = exported.write(store, space, folder / "export")
        return folder / "export"

    if hand_over(store, output, write):
        err.print(f"{count_of(rows, exported.what[:-1])} written to {output}")


def hand_over(store: Store, output: Path, write: Callable[[Path], Path]) -> bool:
    """Have `write` make a file in an empty folder, and bring it to where it is to be, whole or not at all.

    That is a file, standard output or a pipe. Returns whether it is a file.

    Raises:
        UsageError: it cannot be a file there.
    """
    if output == STDOUT:
        _stream(store, write, sys.stdout.buffer)
        return False
    check_output(output)
    target = output.resolve()  # behind a link it is the file that is replaced, not the link
    if target.exists() and not target.is_file():
        with target.open("wb") as device:
            _stream(store, write, device)
        return False
    with tempfile.TemporaryDirectory(prefix=".enduser-", dir=target.parent) as folder:
        write(Path(folder)).replace(target)
    return True


def _check_form(output: Path, form: ExportFormat) -> None:
    suffix = output.suffix.removeprefix(".")
    if suffix in set(ExportFormat) and suffix != form:
        raise UsageError(
            f"{output} would hold {form} under the name of {suffix}", hint=f"add --format {suffix}"
        )


def check_output(output: Path) -> None:
    """Check that a file can be where it is to be.

    Raises:
        UsageError: that is a folder, or in none.
    """
    if output.is_dir() or not output.resolve().parent.is_dir():
        problem = "is a folder" if output.is_dir() else f"cannot be written: there is no {output.parent}"
        raise UsageError(f"{output} {problem}", hint="name a file in a folder that exists")


def _stream(store: Store, write: Callable[[Path], Path], target: BinaryIO) -> None:
    """Write to what is no file, by way of one."""
    with scratch_folder(store.folder) as folder:
        with write(folder).open("rb") as written:
            shutil.copyfileobj(written, target)
        target.flush()
