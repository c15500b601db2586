"""What all commands share: the data folder, the space, output, and errors as one readable line."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from enduser.clock import now_us
from enduser.errors import EnduserError
from enduser.stores.embedded import EmbeddedStore
from enduser.stores.embedded.store import DEFAULT_SPACE, MEMORY_LIMIT_MB

EXIT_SOME_REJECTED = 1
EXIT_FAILED = 2
EXIT_INTERRUPTED = 130

Data = Annotated[
    Path,
    typer.Option(
        "--data", metavar="DIR", envvar="ENDUSER_DATA", help="The data folder; made if it is missing."
    ),
]
Space = Annotated[str, typer.Option("--space", metavar="SYSTEM/ENVIRONMENT", help="The space to work in.")]
Memory = Annotated[
    int,
    typer.Option(
        "--memory-limit", metavar="MB", envvar="ENDUSER_MEMORY_LIMIT", help="Memory that the engine may take."
    ),
]
Yes = Annotated[bool, typer.Option("--yes", help="Answer every question with yes.")]

DEFAULT_DATA = Path("enduser-data")

err = Console(stderr=True, highlight=False, soft_wrap=True)
out = Console(highlight=False, soft_wrap=True, width=None if sys.stdout.isatty() else 200)

__all__ = ["DEFAULT_SPACE", "MEMORY_LIMIT_MB"]


@contextmanager
def opened(data: Path, space: str, memory_limit_mb: int = MEMORY_LIMIT_MB) -> Iterator[EmbeddedStore]:
    """Open the data folder, finish what an interrupted command left, and report errors as one line."""
    try:
        with EmbeddedStore(data, now_us=now_us(), memory_limit_mb=memory_limit_mb) as store:
            store.fold(space)
            yield store
    except EnduserError as error:
        fail(error)
    except KeyboardInterrupt:
        err.print("interrupted; what was taken is kept: run the same command again to finish", style="yellow")
        raise typer.Exit(EXIT_INTERRUPTED) from None
    except BrokenPipeError:  # the reader of a pipe, such as `head`, has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise typer.Exit(0) from None


def fail(error: EnduserError) -> None:
    """Print what happened and what to do, and leave with exit code 2."""
    err.print(f"error: {error.message}", style="red", markup=False)
    if error.hint:
        err.print(f"  {error.hint}", markup=False)
    raise typer.Exit(EXIT_FAILED)


def confirm(question: str, *, yes: bool) -> None:
    """Ask on a terminal; elsewhere only `--yes` goes on."""
    if yes:
        return
    if not sys.stdin.isatty():
        err.print(f"error: {question} Nobody is there to ask; add --yes.", style="red")
        raise typer.Exit(EXIT_FAILED)
    typer.confirm(question, abort=True)


def iso(at_us: object) -> str:
    """Return an instant in ISO 8601 UTC with microseconds; "" for none."""
    if not isinstance(at_us, int):
        return ""
    at = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=at_us)
    return f"{at:%Y}".zfill(4) + f"{at:-%m-%dT%H:%M:%S.%fZ}"


def short_time(at_us: object) -> str:
    """Return an instant for a table: to the second, UTC."""
    return iso(at_us)[:19].replace("T", " ")


def duration(seconds: object) -> str:
    """Return a duration for a table, such as `1 h 02 min` or `4 min 10 s`."""
    if not isinstance(seconds, int | float):
        return ""
    total = round(seconds)
    days, hours, minutes = total // 86_400, total // 3_600 % 24, total // 60 % 60
    if days:
        return f"{days} d {hours:02} h"
    if hours:
        return f"{hours} h {minutes:02} min"
    return f"{minutes} min {total % 60:02} s" if minutes else f"{total} s"


def size(count: int) -> str:
    """Return bytes for a person, such as `1.2 MB`."""
    value = float(count)
    for unit in ("B", "kB", "MB"):
        if value < 1_000:  # noqa: PLR2004 - the SI step
            return f"{value:.0f} {unit}" if unit == "B" else f"{value:.1f} {unit}"
        value /= 1_000
    return f"{value:.1f} GB"
