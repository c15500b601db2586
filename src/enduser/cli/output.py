"""How commands print, ask, and end: tables, JSON, values for people."""

from __future__ import annotations

import sys
from collections.abc import Collection, Iterable, Sequence

import msgspec
import typer
from rich.cells import cell_len
from rich.console import Console

from enduser.errors import UsageError
from enduser.service.json_form import iso_time
from enduser.stores.answers import SpaceStatus

EXIT_FOUND = 1
"""Done, with a finding: rows were rejected, a user or a place database is not there, numbers differ.

Or a question was answered with no.
"""
EXIT_FAILED = 2
EXIT_INTERRUPTED = 130


class _Output(Console):
    """Prints what it is given: no markup, nothing cut; a closed pipe is an error like any other."""

    def __init__(self, *, stderr: bool = False) -> None:
        super().__init__(stderr=stderr, highlight=False, markup=False, emoji=False, soft_wrap=True)

    def on_broken_pipe(self) -> None:
        raise BrokenPipeError


err = _Output(stderr=True)
out = _Output()


def confirm(question: str, *, yes: bool, undone: str, hint: str = "add --yes") -> None:
    """Ask on a terminal; elsewhere only `--yes` goes on.

    Who does not say yes is told what is `undone`, and the command ends: after a no with `EXIT_FOUND`.

    Raises:
        UsageError: nobody is there to ask.
    """
    if yes:
        return
    if not sys.stdin.isatty():
        raise UsageError(f"{question} Nobody is there to ask.", hint=hint)
    try:
        is_meant = typer.confirm(question)
    except typer.Abort:
        err.print(f"\n{undone}")
        raise typer.Exit(EXIT_INTERRUPTED) from None
    if not is_meant:
        err.print(undone)
        raise typer.Exit(EXIT_FOUND)


def print_json(told: object) -> None:
    """Print what is told to programs, on one line."""
    out.print(msgspec.json.encode(told).decode())


def print_fields(fields: Iterable[tuple[str, str]]) -> None:
    """Print names and values, one below the other."""
    fields = list(fields)
    width = max(len(name) for name, _ in fields)
    for name, value in fields:
        out.print(f"{name:<{width}} {printable(value)}".rstrip())


def print_table(rows: Sequence[Sequence[str]], *, right: Collection[int] = ()) -> None:
    """Print rows, the first of which is the heading, in columns as wide as they must be."""
    rows = [[printable(cell) for cell in row] for row in rows]
    widths = [max(map(cell_len, column)) for column in zip(*rows, strict=True)]
    for number, row in enumerate(rows):
        cells = []
        for at, (cell, width) in enumerate(zip(row, widths, strict=True)):
            blanks = " " * (width - cell_len(cell))
            cells.append(blanks + cell if at in right else cell + blanks)
        out.print("  ".join(cells).rstrip(), style=None if number else "bold")


def printable(text: str) -> str:
    """Return a text with control characters escaped, so that no id can steer the terminal."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def count_of(count: int, noun: str) -> str:
    """Return a count with its noun, such as `1 user` or `2,000 users`."""
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"


def iso(at_us: object) -> str:
    """Return an instant in ISO 8601 UTC with microseconds; "" for none."""
    return iso_time(at_us) if isinstance(at_us, int) else ""


def short_time(at_us: object) -> str:
    """Return an instant for a table: to the second, UTC."""
    return iso(at_us)[:19].replace("T", " ")


def clock_of(status: SpaceStatus) -> str:
    """Return where the clock of a space stands, and of which kind it is."""
    kind = "history" if status.live_since is None else "live"
    return "no event yet" if status.clock_at is None else f"{short_time(status.clock_at)} UTC ({kind})"


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
