"""`enduser lists`: static lists, and who is in them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Annotated

import typer

from enduser import limits
from enduser.cli.helping import Group
from enduser.cli.opening import MEMORY_LIMIT_MB, existing, folded, opened
from enduser.cli.options import (
    DEFAULT_DATA,
    DEFAULT_SPACE,
    Data,
    Form,
    ListFormat,
    Memory,
    Space,
    UsersLimit,
    Yes,
)
from enduser.cli.output import (
    EXIT_FOUND,
    confirm,
    count_of,
    err,
    iso,
    out,
    print_fields,
    print_json,
    print_table,
    printable,
    short_time,
)
from enduser.clock import now_us
from enduser.core.links import IdKind
from enduser.core.lists import ListAction
from enduser.errors import UsageError
from enduser.ingest.id_lines import id_lines
from enduser.service.import_events import find_files
from enduser.service.static_lists import ChangedList, ListChange, change_list
from enduser.stores.contract import Store
from enduser.stores.records import DeleteList
from enduser.stores.scratch import scratch_folder

app = Group("Keep static lists: named sets of ids.")

_REJECTIONS_SHOWN = 10

ListId = Annotated[str, typer.Argument(metavar="LIST", help="The list's id.")]
Ids = Annotated[
    list[str] | None, typer.Argument(metavar="ID", help="Ids of users; or name a file of them with --from.")
]
From = Annotated[
    str | None,
    typer.Option(
        "--from",
        metavar="FILE",
        help="A file of ids, one on each line; - is standard input. Blank lines are passed over.",
    ),
]
Kind = Annotated[IdKind, typer.Option("--id-kind", help="The namespace of the ids.")]


@dataclass(frozen=True, slots=True)
class _Ids:
    """The ids that a command is about: those that it names, or those of a file."""

    named: Sequence[str]
    source: str | None
    kind: IdKind

    def given(self, folder: Path) -> Iterable[str]:
        """Return them; `folder` is for what can be read only once.

        Raises:
            UsageError: there are both.
            InputError: the file is not there, empty, or no text.
        """
        if self.source is None:
            return self.named
        if self.named:
            raise UsageError("ids are named, and a file of them too", hint="give one or the other")
        return id_lines(find_files([self.source], "ids", folder))


@app.callback()
def _group() -> None:
    """Keep static lists: named sets of ids."""


@app.command("list")
def list_all(
    form: Form = ListFormat.TABLE,
    data: Data = DEFAULT_DATA,
    space: Space = DEFAULT_SPACE,
    memory_limit: Memory = MEMORY_LIMIT_MB,
    _yes: Yes = False,
) -> None:
    """List the static lists of a space, by id; those not yet seen have no End User Object."""
    with folded(data, space, memory_limit) as store:
        found = store.lists(space)
    if form is ListFormat.JSON:
        told = [{"id": one.id, "name": one.name, "members": one.members, "seen": one.seen} for one in found]
        print_json(told)
        return
    rows = [
        (one.id, one.name, f"{one.members:,}", f"{one.members - one.seen:,}", short_time(one.changed_at))
        for one in found
    ]
    print_table([("id", "name", "members", "not yet seen", "changed (UTC)"), *rows], right=(2, 3))


@app.command("show")
def show(
    list_id: ListId,
    data: Data = DEFAULT_DATA,
    space: Space = DEFAULT_SPACE,
    memory_limit: Memory = MEMORY_LIMIT_MB,
    _yes: Yes = False,
) -> None:
    """Show a static list with the counts of its members."""
    with folded(data, space, memory_limit) as store:
        found = store.find_list(space, list_id)
    print_fields(
        (
            ("id", found.id),
            ("name", found.name),
            ("created_at", iso(found.created_at)),
            ("changed_at", iso(found.changed_at)),
            ("members", f"{found.members:,}"),
            ("seen", f"{found.seen:,}"),
            ("not_yet_seen", f"{found.members - found.seen:,}"),
        )
    )


@app.command("members")
def list_members(
    list_id: ListId,
    limit: UsersLimit = 20,
    form: Form = ListFormat.TABLE,
    data: Data = DEFAULT_DATA,
    space: Space = DEFAULT_SPACE,
    memory_limit: Memory = MEMORY_LIMIT_MB,
    _yes: Yes = False,
) -> None:
    """List members in byte order of their ids. As JSON each is a line of its own."""
    with folded(data, space, memory_limit) as store:
        found = islice(_members(store, space, list_id), limit)
        if form is ListFormat.JSON:
            for row in found:
                print_json({**row, "added_at": iso(row["added_at"])})
            return
        rows = list(map(_cells, found))
        members = store.find_list(space, list_id).members
    print_table([("user_id", "added (UTC)", "seen"), *rows])
    out.print(f"{len(rows):,} of {count_of(members, 'member')}")


def _members(store: Store, space: str, list_id: str) -> Iterator[Mapping[str, object]]:
    cursor: str | None = None
    while True:
        page = store.list_members_page(space, list_id, limit=limits.PAGE_ROWS_MAX, cursor=cursor)
        yield from page.items
        cursor = page.next_cursor
        if cursor is None:
            return


def _cells(row: Mapping[str, object]) -> tuple[str, str, str]:
    mark = " (anonymous)" if row["is_anonymous"] else ""
    return f"{row['user_id']}{mark}", short_time(row["added_at"]), "yes" if row["is_seen"] else "not yet"


@app.command("create")
def create(
    list_id: ListId,
    ids: Ids = None,
    name: Annotated[str, typer.Option("--name", metavar="TEXT", help="What people call it.")] = "",
    source: From = None,
    id_kind: Kind = "plain",
    data: Data = DEFAULT_DATA,
    space: Space = DEFAULT_SPACE,
    memory_limit: Memory = MEMORY_LIMIT_MB,
    _yes: Yes = False,
) -> None:
    """Make a static list. Exit code 1 if there are ids that cannot be; the others are in it."""
    with opened(data, space, memory_limit) as store, scratch_folder(store.folder) as folder:
        given = _Ids(ids or [], source, id_kind).given(folder)
        change = ListChange(list_id, ListAction.CREATE, given, id_kind, name)
        _tell(change_list(store, space, change, now_us()))


@app.command("add")
def add(
    list_id: ListId,
    ids: Ids = None,
    source: From = None,
    id_kind: Kind = "plain",
    data: Data = DEFAULT_DATA,
    space: Space = DEFAULT_SPACE,
    memory_limit: Memory = MEMORY_LIMIT_MB,
    _yes: Yes = False,
) -> None:
    """Add ids to a static list. Exit code 1 if there are some that cannot be; the others are in it."""
    _change(list_id, ListAction.ADD, _Ids(ids or [], source, id_kind), data, space, memory_limit)


@app.command("remove")
def remove(
    list_id: ListId,
    ids: Ids = None,
    source: From = None,
    id_kind: Kind = "plain",
    data: Data = DEFAULT_DATA,
    space: Space = DEFAULT_SPACE,
    memory_limit: Memory = MEMORY_LIMIT_MB,
    _yes: Yes = False,
) -> None:
    """Remove ids from a static list. Exit code 1 if there are some that cannot be; the others are out."""
    _change(list_id, ListAction.REMOVE, _Ids(ids or [], source, id_kind), data, space, memory_limit)


@app.command("override")
def override(
    list_id: ListId,
    ids: Ids = None,
    source: From = None,
    id_kind: Kind = "plain",
    data: Data = DEFAULT_DATA,
    space: Space = DEFAULT_SPACE,
    memory_limit: Memory = MEMORY_LIMIT_MB,
    _yes: Yes = False,
) -> None:
    """Let a static list have these ids and no others. Exit code 1 if there are some that cannot be."""
    _change(list_id, ListAction.OVERRIDE, _Ids(ids or [], source, id_kind), data, space, memory_limit)


def _change(
    list_id: str, action: ListAction, ids: _Ids, data: Path, space: str, memory_limit_mb: int
) -> None:
    if not ids.named and ids.source is None:
        raise UsageError("no id is named", hint="name some, or a file of them with --from")
    with existing(data, space, memory_limit_mb) as store, scratch_folder(store.folder) as folder:
        change = ListChange(list_id, action, ids.given(folder), ids.kind)
        _tell(change_list(store, space, change, now_us()))


def _tell(done: ChangedList) -> None:
    """Print what a change did; leave with `EXIT_FOUND` if there are ids that were not taken."""
    unseen = done.list.members - done.list.seen
    out.print(
        f"{printable(done.list.id)}: {done.added:,} added, {done.removed:,} removed; "
        f"{count_of(done.list.members, 'member')}, {unseen:,} not yet seen"
    )
    if not done.rejected:
        return
    err.print(f"{count_of(done.rejected, 'id')} cannot be:")
    for one in done.rejections[:_REJECTIONS_SHOWN]:
        err.print(f"  id {one.index + 1:,}: {one.message}")
    raise typer.Exit(EXIT_FOUND)


@app.command("delete")
def delete(
    list_id: ListId,
    data: Data = DEFAULT_DATA,
    space: Space = DEFAULT_SPACE,
    memory_limit: Memory = MEMORY_LIMIT_MB,
    yes: Yes = False,
) -> None:
    """Delete a static list; the users who are in it stay as they are."""
    with existing(data, space, memory_limit) as store:
        found = store.find_list(space, list_id)
        shown = printable(list_id)
        confirm(
            f"Delete the list {shown} with {count_of(found.members, 'member')}?",
            yes=yes,
            undone="nothing was deleted",
        )
        store.apply(space, DeleteList(list_id))
    out.print(f"the list {shown} is gone")
