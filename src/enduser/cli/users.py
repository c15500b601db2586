"""`enduser users`: End User Objects, and edits by hand."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated

import typer

from enduser import limits
from enduser.cli.asked_users import (
    Columns,
    OfFilter,
    OfSegment,
    Search,
    Sort,
    Where,
    asked_users,
    shown_cells,
)
from enduser.cli.export import STDOUT, Exported, ExportFormat, Output, Raw, export
from enduser.cli.given import instant
from enduser.cli.helping import Group
from enduser.cli.opening import MEMORY_LIMIT_MB, existing, folded
from enduser.cli.options import (
    DEFAULT_DATA,
    DEFAULT_SPACE,
    AnyKind,
    Data,
    Form,
    KnownKind,
    ListFormat,
    Memory,
    Space,
    UsersLimit,
    Yes,
)
from enduser.cli.output import count_of, duration, iso, out, print_json, print_table, printable, short_time
from enduser.cli.proposing import in_space
from enduser.clock import now_us
from enduser.core.attributes import AttributeType
from enduser.core.end_user import USER_COLUMNS
from enduser.core.links import OTHER_ID
from enduser.core.rules.rule_json import EVERYONE
from enduser.core.segments import Counts
from enduser.core.users_query import UsersQuery
from enduser.errors import UsageError, UserNotFound
from enduser.service.as_of import find_user_as_of
from enduser.service.json_form import listed_user_json
from enduser.service.no_user import NOT_THEN
from enduser.service.provenance import find_said
from enduser.service.writing_values import edit_by_hand
from enduser.sources.json_rows import JsonRow
from enduser.stores.answers import LookAlikeGroup, SpaceStatus
from enduser.stores.contract import Store

app = Group("Read End User Objects, edit, hand out and erase them.")

_HEADINGS = "user_id", "last_seen (UTC)", "sessions", "time in app", "average", "country", "city", "browser"
_DURATIONS = frozenset(
    ("average_session_duration", "total_session_duration", "average_time_between_sessions")
)


@app.command("show")
def show(
    user_id: Annotated[str, typer.Argument(metavar="ID", help="The user's id.")],
    id_kind: AnyKind = None,
    include_open: Annotated[
        bool, typer.Option("--include-open", help="Show it as if the user's open sessions were closed.")
    ] = False,
    as_of: Annotated[
        str | None,
        typer.Option(
            "--as-of", metavar="TIME", help="Show it as it was at a time in ISO 8601, by what is known now."
        ),
    ] = None,
    data: Data = DEFAULT_DATA,
    space: Space = DEFAULT_SPACE,
    memory_limit: Memory = MEMORY_LIMIT_MB,
    _yes: Yes = False,
) -> None:
    """Show the End User Object of one user. Exit code 1 if there is none."""
    at = None if as_of is None else _instant(as_of, include_open=include_open)
    with folded(data, space, memory_limit) as store:
        if at is None:
            found = store.find_user(space, user_id, id_kind, include_open=include_open)
        else:
            found = find_user_as_of(store, space, user_id, id_kind, at)
        if found is None:
            raise UserNotFound(
                f"there is no End User Object for {user_id!r} in {space}",
                hint=_why_not(store, space, user_id, id_kind) if at is None else NOT_THEN,
            )
        said = find_said(store, space, user_id, id_kind)
    for name in USER_COLUMNS:
        out.print(f"{name:<30} {_shown(name, found[name])}")
    for name, held in sorted(said.holding(at).items()):
        shown = _text(said.json_value(name, held.value))
        out.print(f"{name:<30} {shown:<30} {held.source}, since {short_time(held.effective_at)}")


def _instant(text: str, *, include_open: bool) -> int:
    """Return the time that is asked for.

    Raises:
        UsageError: it is none, or open sessions are asked for too.
    """
    if include_open:
        raise UsageError("--as-of and --include-open exclude each other", hint="leave one of them out")
    return instant(text)


def _text(value: object) -> str:
    """Return a value of a custom attribute for a table."""
    if isinstance(value, list):
        return printable("; ".join(value))
    if isinstance(value, bool):
        return str(value).lower()
    return f"{value:.15g}" if isinstance(value, float) else printable(str(value))


@app.command("set")
def set_values(
    user_id: Annotated[str, typer.Argument(metavar="ID", help="The user's id.")],
    values: Annotated[
        list[str],
        typer.Argument(
            metavar="NAME=VALUE",
            help="Values; NAME= with nothing behind it takes the value away. A ; parts the items of a list.",
        ),
    ],
    id_kind: KnownKind = "plain",
    data: Data = DEFAULT_DATA,
    space: Space = DEFAULT_SPACE,
    memory_limit: Memory = MEMORY_LIMIT_MB,
    _yes: Yes = False,
) -> None:
    """Write custom attributes of one user by hand: all of them or none."""
    with existing(data, space, memory_limit) as store:
        types = {attribute.name: attribute.type for attribute in store.attributes()}
        told = dict(_told(value, types) for value in values)
        edit_by_hand(store, space, JsonRow(user_id, told, id_kind), now_us())
        is_seen = store.find_user(space, user_id, id_kind) is not None
    waits = "" if is_seen else "; the user was not seen yet, so they wait for the first session"
    out.print(f"{count_of(len(told), 'value')} written{waits}")


def _told(given: str, types: Mapping[str, AttributeType]) -> tuple[str, object]:
    name, equals, text = given.partition("=")
    if not equals:
        raise UsageError(
            f"{given!r} is no NAME=VALUE", hint="write such as plan=vip, or plan= to take it away"
        )
    if not text.strip():
        return name, None
    return name, text.split(";") if types.get(name) is AttributeType.LIST else text


@app.command("history")
def show_history(
    user_id: Annotated[str, typer.Argument(metavar="ID", help="The user's id.")],
    id_kind: AnyKind = None,
    data: Data = DEFAULT_DATA,
    space: Space = DEFAULT_SPACE,
    memory_limit: Memory = MEMORY_LIMIT_MB,
    _yes: Yes = False,
) -> None:
    """Show how the custom attributes of one user changed, the newest change first."""
    with folded(data, space, memory_limit) as store:
        said = find_said(store, space, user_id, id_kind)
    changes = sorted(said.changes(), key=lambda change: (-change[1].at, change[0]))
    if not changes:
        out.print(f"Nothing was ever said of the custom attributes of {printable(user_id)} in {space}.")
        return
    rows = [
        (
            short_time(change.at),
            name,
            _known(said.json_value(name, change.before)),
            _known(said.json_value(name, change.after)),
            change.candidate.source,
        )
        for name, change in changes
    ]
    print_table([("since (UTC)", "attribute", "from", "to", "source"), *rows])


def _known(value: object) -> str:
    return "(unknown)" if value is None else _text(value)


def _why_not(store: Store, space: str, user_id: str, kind: str | None) -> str:
    """Return what to do about a user without an object: there may be one when the first session closes."""
    if store.find_user(space, user_id, kind, include_open=True) is not None:
        return f"{user_id!r} has an open session; add --include-open"
    if any(find_said(store, space, user_id, kind).changes()):
        told = "custom attributes are known, and appear with the first session"
        return f"{told}: {in_space(f'enduser users history {user_id}', space)}"
    return f"an object appears with a user's first session; {OTHER_ID}"


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
    where: Where = None,
    segment: OfSegment = None,
    filter_id: OfFilter = None,
    search: Search = None,
    columns: Columns = None,
    sort: Sort = None,
    limit: UsersLimit = 20,
    include_open: Annotated[
        bool, typer.Option("--include-open", help="Also users whose only session is open; no rule with it.")
    ] = False,
    form: Form = ListFormat.TABLE,
    data: Data = DEFAULT_DATA,
    space: Space = DEFAULT_SPACE,
    memory_limit: Memory = MEMORY_LIMIT_MB,
    _yes: Yes = False,
) -> None:
    """List users, the last seen first unless told otherwise. As JSON each is a line of its own.

    `users export` gives all rows.
    """
    asked = asked_users(where, segment, filter_id, search, columns, sort, include_open=include_open)
    with folded(data, space, memory_limit) as store:
        query = asked.query(store, space, "-last_seen")
        if form is ListFormat.JSON:
            for row in store.users(space, query, limit=limit):
                print_json(listed_user_json(row))
            return
        status, rows = store.status(space), list(store.users(space, query, limit=limit + 1))
        found = len(rows) if len(rows) <= limit else _counted(store, space, query)[0].users
    is_everyone = query.rule is None and not query.search
    if not rows:
        out.print(_nobody(status) if is_everyone else f"Nobody of {count_of(status.users, 'user')}.")
        return
    shown = rows[:limit]
    _print_users(shown, query.columns)
    if query.include_open:
        out.print(f"{len(shown):,} of {found:,} found, those included whose only session is open")
        return
    told = "" if is_everyone else f"{found:,} found, of "
    out.print(f"{len(shown):,} of {told}{count_of(status.users, 'user')}")


def _print_users(rows: Sequence[Mapping[str, object]], columns: Sequence[str] | None) -> None:
    if columns is None:
        print_table([_HEADINGS, *map(_cells, rows)], right=(2, 3, 4))
    else:
        names = [name for name in dict.fromkeys(columns) if name not in ("user_id", "is_anonymous")]
        print_table([("user_id", *names), *(shown_cells(row, names) for row in rows)])


@app.command("count")
def count_users(
    where: Where = None,
    segment: OfSegment = None,
    filter_id: OfFilter = None,
    search: Search = None,
    data: Data = DEFAULT_DATA,
    space: Space = DEFAULT_SPACE,
    memory_limit: Memory = MEMORY_LIMIT_MB,
    _yes: Yes = False,
) -> None:
    """Count users: all, or those of a rule, a segment, a filter or a text."""
    asked = asked_users(where, segment, filter_id, search)
    with folded(data, space, memory_limit) as store:
        query = asked.query(store, space, "user_id")
        counts, all_users = _counted(store, space, query)
    unseen = f", and {count_of(counts.not_yet_seen, 'id')} not yet seen" if counts.not_yet_seen else ""
    out.print(f"{counts.users:,} of {count_of(all_users, 'user')}{unseen}")


def _counted(store: Store, space: str, query: UsersQuery) -> tuple[Counts, int]:
    """Return how many users are asked for, and how many there are."""
    counted = store.count_users(space, [query.rule or EVERYONE])
    if not (query.search or query.include_open):
        return counted.counts[0], counted.all_users
    narrow = UsersQuery(rule=query.rule, search=query.search, columns=(), include_open=query.include_open)
    found = store.users(space, narrow)
    return Counts(sum(1 for _ in found)), counted.all_users


def _nobody(status: SpaceStatus) -> str:
    if status.open_sessions:
        are_open = f"{count_of(status.open_sessions, 'session')} still open"
        closes = "a user is listed once a session has closed, and before with --include-open"
        return f"No users in {status.space} yet, but {are_open}: {closes}."
    command = in_space("enduser import events FILE", status.space)
    return f"No users in {status.space} yet. Import some history: {command}"


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
    form: Form = ListFormat.TABLE,
    data: Data = DEFAULT_DATA,
    space: Space = DEFAULT_SPACE,
    memory_limit: Memory = MEMORY_LIMIT_MB,
    _yes: Yes = False,
) -> None:
    """List user ids that differ only by case, the greatest groups first: mostly one user in two spellings."""
    with folded(data, space, memory_limit) as store:
        found = store.look_alikes(space, limit=limit)
    if form is ListFormat.JSON:
        print_json(found)
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
    where: Where = None,
    segment: OfSegment = None,
    filter_id: OfFilter = None,
    search: Search = None,
    columns: Columns = None,
    sort: Sort = None,
    file_format: Annotated[
        ExportFormat, typer.Option("--format", help="The form of the file.")
    ] = ExportFormat.CSV,
    output: Output = STDOUT,
    raw: Raw = False,
    data: Data = DEFAULT_DATA,
    space: Space = DEFAULT_SPACE,
    memory_limit: Memory = MEMORY_LIMIT_MB,
    _yes: Yes = False,
) -> None:
    """Write users, by id unless told otherwise; times are ISO 8601 UTC, durations seconds."""
    asked = asked_users(where, segment, filter_id, search, columns, sort)
    with folded(data, space, memory_limit) as store:
        query = asked.query(store, space, "user_id")
        export(store, space, Exported("users", file_format, raw, query), output)
