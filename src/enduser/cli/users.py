"""`enduser users`: reading End User Objects."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import msgspec
import typer

from enduser import limits
from enduser.cli.common import (
    DEFAULT_DATA,
    DEFAULT_SPACE,
    MEMORY_LIMIT_MB,
    Data,
    ListFormat,
    Memory,
    Space,
    Yes,
    count_of,
    duration,
    folded,
    iso,
    out,
    print_table,
    printable,
    short_time,
)
from enduser.cli.export import ExportFormat, Output, export
from enduser.cli.helping import Group
from enduser.core.end_user import STANDARD_ATTRIBUTES
from enduser.core.events import ANALYTICS_PROPERTIES
from enduser.core.links import IdKind
from enduser.errors import UserNotFound
from enduser.stores.contract import LookAlikeGroup, SpaceStatus, Store

app = Group("Read End User Objects.")

_HEADINGS = "user_id", "last_seen (UTC)", "sessions", "time in app", "average", "country", "city", "browser"
_DURATIONS = frozenset(
    ("average_session_duration", "total_session_duration", "average_time_between_sessions")
)


@app.command("show")
def show(
    user_id: Annotated[str, typer.Argument(metavar="ID", help="The user's id.")],
    id_kind: Annotated[
        IdKind | None,
        typer.Option("--id-kind", help="The namespace of ID; without it plain is tried, then anonymous."),
    ] = None,
    include_open: Annotated[
        bool, typer.Option("--include-open", help="Show it as if the user's open sessions were closed.")
    ] = False,
    data: Data = DEFAULT_DATA,
    space: Space = DEFAULT_SPACE,
    memory_limit: Memory = MEMORY_LIMIT_MB,
    _yes: Yes = False,
) -> None:
    """Show the End User Object of one user. Exit code 1 if there is none."""
    with folded(data, space, memory_limit) as store:
        found = store.find_user(space, user_id, id_kind, include_open=include_open)
        if found is None:
            raise UserNotFound(
                f"there is no End User Object for {user_id!r} in {space}",
                hint=_why_not(store, space, user_id, id_kind),
            )
    for name in ("user_id", "is_anonymous", *STANDARD_ATTRIBUTES, *ANALYTICS_PROPERTIES):
        out.print(f"{name:<30} {_shown(name, found[name])}")


def _why_not(store: Store, space: str, user_id: str, kind: str | None) -> str:
    """Return what to do about a user without an object: there may be one when the first session closes."""
    if store.find_user(space, user_id, kind, include_open=True) is not None:
        return f"{user_id!r} has an open session; add --include-open"
    return "an object appears with a user's first session; look for another spelling, or --id-kind"


def _shown(name: str, value: object) -> str:
    if value is None:
        return "(unknown)"
    if name in ("first_seen", "last_seen"):
        return iso(value)
    if name in _DURATIONS:
        return f"{value} s ({duration(value)})"
    return str(value).lower() if isinstance(value, bool) else printable(str(value))


@app.command("list")
def list_users(
    sort: Annotated[
        str,
        typer.Option(
            "--sort", metavar="ATTRIBUTE", help="An attribute; with a - before it the greatest come first."
        ),
    ] = "-last_seen",
    limit: Annotated[
        int,
        typer.Option("--limit", metavar="N", min=1, max=limits.LISTED_USERS_MAX, help="How many to list."),
    ] = 20,
    data: Data = DEFAULT_DATA,
    space: Space = DEFAULT_SPACE,
    memory_limit: Memory = MEMORY_LIMIT_MB,
    _yes: Yes = False,
) -> None:
    """List End User Objects as a table; `users export` gives all rows and columns."""
    with folded(data, space, memory_limit) as store:
        status = store.status(space)
        rows = list(store.users(space, sort=sort, limit=limit))
    if not rows:
        out.print(_nobody(status))
        return
    print_table([_HEADINGS, *map(_cells, rows)], right=(2, 3, 4))
    out.print(f"{len(rows):,} of {count_of(status.users, 'user')}")


def _nobody(status: SpaceStatus) -> str:
    if status.open_sessions:
        are_open = f"{count_of(status.open_sessions, 'session')} still open"
        return f"No users in {status.space} yet, but {are_open}: a user is listed once a session has closed."
    return f"No users in {status.space} yet. Import some history: enduser import events FILE"


def _cells(row: Mapping[str, object]) -> list[str]:
    version = str(row["browser_version"] or "").split(".")[0]
    mark = " (anonymous)" if row["is_anonymous"] else ""
    return [
        f"{row['user_id']}{mark}",
        short_time(row["last_seen"]),
        f"{row['total_sessions']:,}",
        duration(row["total_session_duration"]),
        duration(row["average_session_duration"]),
        str(row["country"] or ""),
        str(row["city"] or ""),
        f"{row['browser_name'] or ''} {version}".strip(),
    ]


@app.command("look-alikes")
def list_look_alikes(
    limit: Annotated[
        int,
        typer.Option(
            "--limit", metavar="N", min=1, max=limits.PAGE_ROWS_MAX, help="How many groups to list."
        ),
    ] = 20,
    form: Annotated[
        ListFormat, typer.Option("--format", help="A table to read, or JSON.")
    ] = ListFormat.TABLE,
    data: Data = DEFAULT_DATA,
    space: Space = DEFAULT_SPACE,
    memory_limit: Memory = MEMORY_LIMIT_MB,
    _yes: Yes = False,
) -> None:
    """List user ids that differ only by case, the greatest groups first: mostly one user in two spellings."""
    with folded(data, space, memory_limit) as store:
        found = store.look_alikes(space, limit=limit)
    if form is ListFormat.JSON:
        out.print(msgspec.json.encode(found).decode())
    elif found.groups:
        print_table([("count", "one person", "user ids"), *map(_look_alike_cells, found.groups)], right=(0,))
        shown = f"{len(found.groups):,} of {count_of(found.total_groups, 'group')}"
        out.print(f"{shown}, {count_of(found.total_ids, 'id')} in all")
    else:
        out.print(f"No user ids of {space} differ only by case.")


def _look_alike_cells(group: LookAlikeGroup) -> list[str]:
    rest = group.count - len(group.ids)
    named = "  ".join(group.ids) + (f"  and {rest:,} more" if rest else "")
    return [f"{group.count:,}", "yes" if group.is_one_person else "no", named]


@app.command("export")
def export_users(
    file_format: Annotated[
        ExportFormat, typer.Option("--format", help="The form of the file.")
    ] = ExportFormat.CSV,
    output: Output = Path("-"),
    data: Data = DEFAULT_DATA,
    space: Space = DEFAULT_SPACE,
    memory_limit: Memory = MEMORY_LIMIT_MB,
    _yes: Yes = False,
) -> None:
    """Write all End User Objects; times are ISO 8601 UTC, durations seconds, an unknown value is empty."""
    with folded(data, space, memory_limit) as store:
        export(store, space, "users", file_format, output)
