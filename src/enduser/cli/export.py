"""What `users export` and `sessions export` share."""

from __future__ import annotations

import shutil
import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated

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
    """Write all users or sessions to a file, whole or not at all, or to standard output."""
    if output == Path("-"):
        if form is ExportFormat.PARQUET:
            raise UsageError("Parquet cannot be written to standard output", hint="name a file with --output")
        with scratch_folder(store) as folder:
            store.export(space, what, folder / "export", form)
            with (folder / "export").open("rb") as written:
                shutil.copyfileobj(written, sys.stdout.buffer)
            sys.stdout.flush()
        return
    suffix = output.suffix.removeprefix(".")
    if suffix in set(ExportFormat) and suffix != form:
        raise UsageError(
            f"{output} would hold {form} under the name of {suffix}", hint=f"add --format {suffix}"
        )
    if output.is_dir() or not output.parent.is_dir():
        problem = "is a folder" if output.is_dir() else f"cannot be written: there is no {output.parent}"
        raise UsageError(f"{output} {problem}", hint="name a file in a folder that exists")
    partial = output.with_name(output.name + ".part")
    try:
        rows = store.export(space, what, partial, form)
        partial.replace(output)
    finally:
        partial.unlink(missing_ok=True)
    err.print(f"{count_of(rows, what[:-1])} written to {output}")
