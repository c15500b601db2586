"""`enduser status`, `verify`, `rebuild`: what is stored, and whether it is right."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from stat import S_ISREG
from typing import Annotated

import typer

from enduser.cli.opening import MEMORY_LIMIT_MB, events_left, existing, folded
from enduser.cli.options import DEFAULT_DATA, DEFAULT_SPACE, Data, Memory, Space, Yes
from enduser.cli.output import EXIT_FOUND, clock_of, count_of, err, out, printable, short_time, size
from enduser.cli.proposing import in_space
from enduser.core.retention import deletes_from
from enduser.stores.answers import SpaceStatus
from enduser.stores.contract import Store


def status(
    space: Annotated[
        str | None, typer.Option("--space", metavar="SYSTEM/ENVIRONMENT", help="Only this space.")
    ] = None,
    data: Data = DEFAULT_DATA,
    memory_limit: Memory = MEMORY_LIMIT_MB,
    _yes: Yes = False,
) -> None:
    """Show spaces, clocks, events, users, sessions and file sizes."""
    with existing(data, space, memory_limit) as store:
        for name in [space] if space else store.spaces():
            _print_status(store.status(name))
        _print_files(data)
        _note_waiting(store)


def _print_status(found: SpaceStatus) -> None:
    out.print(f"space {found.space}")
    out.print(f"  clock      {clock_of(found):>24}")
    out.print(f"  events     {found.events:>24,}")
    out.print(f"  users      {found.users:>24,}")
    out.print(f"  sessions   {found.sessions:>24,} closed, {found.open_sessions:,} open")
    if found.idle_users:
        out.print(f"  idle       {found.idle_users:>24,} users for too long: {_fate(found)}")
    for outcome, reason, count in found.outcomes.counts():
        if count:
            out.print(f"  {outcome:<10} {count:>24,} {reason}".rstrip())


def _fate(found: SpaceStatus) -> str:
    """Return when idle users of a space are deleted."""
    begins = deletes_from(found.live_since)
    if begins is None:
        return f"deleted on demand only, by {in_space('enduser retention run', found.space)}"
    if (found.clock_at or 0) < begins:
        return f"a server deletes them from {short_time(begins)} UTC on"
    return "a server deletes them within a day"


def _note_waiting(store: Store) -> None:
    """Say what a server that was killed has accepted, and nobody has applied yet."""
    if count := events_left(store):
        err.print(f"note: {count_of(count, 'accepted event')} not in it yet; enduser serve applies them")


def _print_files(data: Path) -> None:
    sizes = _sizes(data)
    out.print(f"data folder {data}: {size(sum(sizes.values()))}")
    for path, length in sizes.items():
        if not path.name.endswith("lock"):
            out.print(f"  {size(length):>10}  {path.relative_to(data)}")


def _sizes(data: Path) -> dict[Path, int]:
    """Return the bytes of each file in a folder; those of a running server come and go meanwhile."""
    sizes = {}
    for path in sorted(data.rglob("*")):
        with suppress(FileNotFoundError):
            found = path.stat()
            if S_ISREG(found.st_mode):
                sizes[path] = found.st_size
    return sizes


def verify(
    data: Data = DEFAULT_DATA,
    space: Space = DEFAULT_SPACE,
    memory_limit: Memory = MEMORY_LIMIT_MB,
    _yes: Yes = False,
) -> None:
    """Recompute sessions and End User Objects from events and compare. Exit code 1 if they differ."""
    with folded(data, space, memory_limit) as store:
        differences = store.verify(space)
        found = store.status(space)
        _note_waiting(store)
    for difference in differences:
        whose = f"{difference.kind} of {difference.user_id!r} {difference.side}"
        out.print(printable(f"{whose}: {difference.row}"))
    if differences:
        command = in_space("enduser rebuild", space)
        out.print(f"{count_of(len(differences), 'difference')}; to recompute what is stored: {command}")
        raise typer.Exit(EXIT_FOUND)
    out.print(f"{space}: {_users_and_sessions(found)} equal {count_of(found.events, 'event')}")


def rebuild(
    data: Data = DEFAULT_DATA,
    space: Space = DEFAULT_SPACE,
    memory_limit: Memory = MEMORY_LIMIT_MB,
    _yes: Yes = False,
) -> None:
    """Recompute all sessions and End User Objects from the events."""
    with existing(data, space, memory_limit) as store:
        store.rebuild(space)
        found = store.status(space)
    out.print(f"{space}: {_users_and_sessions(found)} from {count_of(found.events, 'event')}")


def _users_and_sessions(found: SpaceStatus) -> str:
    return f"{count_of(found.users, 'user')} and {count_of(found.sessions, 'session')}"
