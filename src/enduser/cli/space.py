"""`enduser status`, `verify`, `rebuild`."""

from __future__ import annotations

import typer

from enduser.cli.common import (
    DEFAULT_DATA,
    DEFAULT_SPACE,
    MEMORY_LIMIT_MB,
    Data,
    Memory,
    Space,
    opened,
    out,
    short_time,
    size,
)

EXIT_DIFFERENT = 1


def status(data: Data = DEFAULT_DATA, memory_limit: Memory = MEMORY_LIMIT_MB) -> None:
    """Show spaces, clocks, events, users, sessions and file sizes."""
    with opened(data, DEFAULT_SPACE, memory_limit) as store:
        for name in store.spaces():
            store.fold(name)
            found = store.status(name)
            out.print(f"space {name}")
            clock = f"{short_time(found.clock_at)} UTC (history)" if found.clock_at else "no event yet"
            out.print(f"  clock      {clock:>24}")
            out.print(f"  events     {found.events:>24,}")
            out.print(f"  users      {found.users:>24,}")
            out.print(f"  sessions   {found.sessions:>24,} closed, {found.open_sessions:,} open")
        files = sorted(path for path in data.rglob("*") if path.is_file() and path.name != "lock")
        out.print(f"data folder {data}: {size(sum(path.stat().st_size for path in files))}", markup=False)
        for path in files:
            out.print(f"  {size(path.stat().st_size):>10}  {path.relative_to(data)}", markup=False)


def verify(
    data: Data = DEFAULT_DATA, space: Space = DEFAULT_SPACE, memory_limit: Memory = MEMORY_LIMIT_MB
) -> None:
    """Recompute sessions and End User Objects from events and compare. Exit code 1 if they differ."""
    with opened(data, space, memory_limit) as store:
        differences = store.verify(space)
        found = store.status(space)
    for difference in differences:
        out.print(
            f"{difference.kind} of {difference.user_id!r} {difference.side}: {difference.row}", markup=False
        )
    if differences:
        out.print(f"{len(differences):,} differences; enduser rebuild recomputes what is stored")
        raise typer.Exit(EXIT_DIFFERENT)
    out.print(f"{space}: {found.users:,} users and {found.sessions:,} sessions equal {found.events:,} events")


def rebuild(
    data: Data = DEFAULT_DATA, space: Space = DEFAULT_SPACE, memory_limit: Memory = MEMORY_LIMIT_MB
) -> None:
    """Recompute all sessions and End User Objects from the events."""
    with opened(data, space, memory_limit) as store:
        store.rebuild(space)
        found = store.status(space)
    out.print(f"{space}: {found.users:,} users and {found.sessions:,} sessions from {found.events:,} events")
