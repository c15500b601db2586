"""What commands share: options, opening the data folder, and output."""

from __future__ import annotations

import sys
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import msgspec
import typer
from rich.cells import cell_len
from rich.console import Console

from enduser import limits
from enduser.cli.helping import running_command
from enduser.clock import now_us
from enduser.core.links import IdKind
from enduser.errors import (
    DataFolderInUse,
    DataFolderMissing,
    UsageError,
)
from enduser.ingest.spool import events_waiting
from enduser.service.json_form import iso_time
from enduser.service.lookups import installed_lookups
from enduser.stores import data_folder
from enduser.stores.answers import SpaceStatus
from enduser.stores.contract import OwnedStore, Store
from enduser.stores.embedded import EmbeddedStore
from enduser.stores.embedded import store as embedded
from enduser.stores.embedded.database import DATABASE_FILE

if TYPE_CHECKING:
    from enduser.stores.control import ControlStore

BY = "command line"
"""Who has saved what a command saves."""
EXIT_FOUND = 1
"""Done, with a finding: rows were rejected, a user or a place database is not there, numbers differ.

Or a question was answered with no.
"""
EXIT_FAILED = 2
EXIT_INTERRUPTED = 130

DEFAULT_DATA = Path("enduser-data")
DEFAULT_SPACE = data_folder.DEFAULT_SPACE
MEMORY_LIMIT_MB = embedded.MEMORY_LIMIT_MB

Data = Annotated[
    Path,
    typer.Option("--data", metavar="DIR", envvar="ENDUSER_DATA", help="The data folder."),
]
Space = Annotated[str, typer.Option("--space", metavar="SYSTEM/ENVIRONMENT", help="The space to work in.")]
Memory = Annotated[
    int,
    typer.Option(
        "--memory-limit", metavar="MB", envvar="ENDUSER_MEMORY_LIMIT", help="Memory that the engine may take."
    ),
]
AllowWebhooksTo = Annotated[
    str,
    typer.Option(
        "--allow-webhooks-to",
        envvar="ENDUSER_ALLOW_WEBHOOKS_TO",
        metavar="NETWORKS",
        help="Where webhooks may be called though it is this machine or its link, parted by commas, "
        "such as 127.0.0.1,::1; see docs/feed.md.",
    ),
]
Yes = Annotated[bool, typer.Option("--yes", help="Answer every question with yes.")]


class ListFormat(StrEnum):
    """What `--format` of a list takes."""

    TABLE = "table"
    JSON = "json"


UsersLimit = Annotated[
    int, typer.Option("--limit", metavar="N", min=1, max=limits.LISTED_USERS_MAX, help="How many to list.")
]
RowsLimit = Annotated[
    int, typer.Option("--limit", metavar="N", min=1, max=limits.PAGE_ROWS_MAX, help="How many to list.")
]
KnownKind = Annotated[IdKind, typer.Option("--id-kind", help="The namespace of the id.")]
AnyKind = Annotated[
    IdKind | None,
    typer.Option("--id-kind", help="The namespace of the id; without it plain is tried, then anonymous."),
]
Form = Annotated[ListFormat, typer.Option("--format", help="A table to read, or JSON.")]


class _Output(Console):
    """Prints what it is given: no markup, nothing cut; a closed pipe is an error like any other."""

    def __init__(self, *, stderr: bool = False) -> None:
        super().__init__(stderr=stderr, highlight=False, markup=False, emoji=False, soft_wrap=True)

    def on_broken_pipe(self) -> None:
        raise BrokenPipeError


err = _Output(stderr=True)
out = _Output()


_OWN_FILES = (
    *(
        DATABASE_FILE,
        "control.sqlite",
        "serving",
        "doors.json",
        "erasures.jsonl",
        "deciding.json",
        "lock",
        "owner.sock",
        "api.sock",
    ),
    *("geo", "spool", "inbox", "uploads", "tmp", "rejected", "damaged", "lost+found"),
)
"""How names begin of what may lie in a data folder without a database: `geo install` and `keys create` may
have come first, the disk may have been full, or somebody moved a broken database away."""


def must_be_there(data: Path) -> None:
    """Let a command that shows or checks what is stored not make a data folder of a mistyped name.

    Raises:
        DataFolderMissing: there is none.
    """
    if not data.exists():
        raise DataFolderMissing(
            f"there is no data folder {data.absolute()}",
            hint="name it with --data or ENDUSER_DATA; enduser serve and enduser import make one",
        )


def must_not_be_foreign(data: Path) -> None:
    """Let only commands that fill a data folder make one among files of others.

    Raises:
        DataFolderMissing: there are such files, and no database.
    """
    if not data.is_dir() or (data / DATABASE_FILE).exists():
        return
    others = sorted(path.name for path in data.iterdir() if not path.name.startswith((*_OWN_FILES, ".")))
    if others:
        raise DataFolderMissing(
            f"{data.absolute()} is no data folder: it has no {DATABASE_FILE}, but {others[0]}",
            hint="name the folder that has it with --data or ENDUSER_DATA",
        )


@contextmanager
def opened(
    data: Path, space: str | None = None, memory_limit_mb: int = MEMORY_LIMIT_MB, *, fills: bool = False
) -> Iterator[Store]:
    """Open the data folder as it is, made if it is missing, or reach the server that owns it.

    Args:
        data: the folder.
        space: must exist; None: no space is used, or each.
        memory_limit_mb: for the engine.
        fills: whether the command is there to fill a folder; others say that they have made one.

    Raises:
        InvalidSpace: there is no such space.
    """
    is_new = not (data / DATABASE_FILE).exists()
    if not fills:
        must_not_be_foreign(data)
    with closing(_store(data, memory_limit_mb)) as store:
        if space is not None:
            store.settings(space)
        if is_new and not fills:
            say_new(data)
        yield store


@contextmanager
def existing(data: Path, space: str | None = None, memory_limit_mb: int = MEMORY_LIMIT_MB) -> Iterator[Store]:
    """Open the data folder as `opened` does, if there is one.

    Raises:
        DataFolderMissing: there is none.
        InvalidSpace: there is no such space.
    """
    must_be_there(data)
    with opened(data, space, memory_limit_mb) as store:
        yield store


def control_of(data: Path) -> ControlStore:
    """Open the control data of a data folder, made if it is missing.

    Raises:
        DataFolderMissing: it is a folder of others.
    """
    must_not_be_foreign(data)
    from enduser.stores.control import ControlStore  # SQLAlchemy takes 0.3 s, which `--help` need not wait

    return ControlStore(data)


def say_new(data: Path) -> None:
    """Say that a command has made a data folder, which may be another than was meant."""
    err.print(f"note: the data folder {data.absolute()} is new, and empty")


def _store(data: Path, memory_limit_mb: int) -> Store:
    lookups = installed_lookups(data)
    try:
        return EmbeddedStore(
            data, now_us=now_us(), lookups=lookups, memory_limit_mb=memory_limit_mb, command=running_command()
        )
    except DataFolderInUse:
        from enduser.stores.owner_socket import is_served
        from enduser.stores.remote import RemoteStore  # late: few commands meet a server

        if not is_served(data):
            raise
        return RemoteStore.reach(data)


@contextmanager
def folded(data: Path, space: str, memory_limit_mb: int = MEMORY_LIMIT_MB) -> Iterator[Store]:
    """Open the data folder, and fold first what an interrupted import took.

    For commands that read users and sessions. What repairs must not need this: the fold may fail.

    Raises:
        DataFolderMissing: there is none.
        InvalidSpace: there is no such space.
    """
    with existing(data, space, memory_limit_mb) as store:
        store.fold(space)
        yield store


def is_remote(store: Store) -> bool:
    """Return whether a running server owns the store."""
    return not isinstance(store, EmbeddedStore)


def owned(store: Store) -> OwnedStore | None:
    """Return the store if it is this process's own; None: a running server owns it."""
    return store if isinstance(store, EmbeddedStore) else None


def bring_feed_up(store: Store, space: str) -> None:
    """Let the feed tell what holds now, where no server does it all the time."""
    if isinstance(store, EmbeddedStore):
        store.follow_feed(space, now_us())


def events_left(store: Store) -> int:
    """Return how many events a server that was killed has accepted, and nobody has applied yet."""
    if not isinstance(store, EmbeddedStore):
        return 0
    return events_waiting(store.folder, store.spool_positions())


def confirm(
    question: str, *, yes: bool, undone: str = "nothing was deleted", hint: str = "add --yes"
) -> None:
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
