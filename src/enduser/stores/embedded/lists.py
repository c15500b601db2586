"""Static lists: which ids are in them."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import duckdb

from enduser import limits
from enduser.core.events import UserId
from enduser.core.lists import ListAction, check_list_id, check_list_name
from enduser.core.uses import require_unused
from enduser.errors import InvalidList, LimitExceeded, ListExists, ListNotFound
from enduser.stores.answers import Page, StaticList, WrittenList
from enduser.stores.embedded.claiming import Naming
from enduser.stores.embedded.given_rows import read_rows, rejected_rows
from enduser.stores.embedded.pages import check_limit, page_of
from enduser.stores.embedded.reading import Look
from enduser.stores.embedded.segments import uses_there
from enduser.stores.embedded.statements import bound, run, run_spliced, statements
from enduser.stores.paging import values_behind
from enduser.stores.records import DeleteList, WriteList

_BY_ID = "user_id"
"""How members are ordered."""


def write_list(naming: Naming, record: WriteList) -> WrittenList:
    """Do with the ids of a file what a record says. The caller owns the transaction.

    Ids that were known by it alone are `forget_released` afterwards, where some were removed.

    Raises:
        ListExists: the list is to be made, and is there.
        ListNotFound: the list is to be changed, and is not there.
        InvalidList: it cannot have this id or name; or of the ids that are to be its only ones none can be.
        LimitExceeded: there would be too many lists, or members.
    """
    connection, action = naming.connection, record.action
    if record.name is not None:
        check_list_name(record.name)
    if action is ListAction.CREATE:
        _create(connection, record)
    number, name = _find(connection, record.list_id)
    _read_given(naming, record)
    if action is ListAction.OVERRIDE:
        _require_good(connection)
    keeps = action in (ListAction.CREATE, ListAction.ADD)
    removed = 0 if keeps else _remove(connection, number, is_override=action is ListAction.OVERRIDE)
    added = 0 if action is ListAction.REMOVE else _add(connection, number, record.written_at)
    named = name if record.name is None else record.name
    if added or removed or named != name:
        run(connection, "lists.change", list=number, name=named, written_at=record.written_at)
    (rejected,) = run(connection, "given_rows.count_rejected")[0]
    return WrittenList(added, removed, rejected, rejected_rows(connection, limits.LIST_IDS_PER_CALL_MAX))


def delete_list(look: Look, record: DeleteList) -> None:
    """Take a list away. The caller owns the transaction.

    Ids that were known by it alone are `forget_released` afterwards.

    Raises:
        ListNotFound: it is not there.
        InUse: rules name it.
    """
    number, _ = _find(look.connection, record.list_id)
    look.run("lists.delete", list=number)
    _tell(look.connection, "released")
    require_unused(uses_there(look, "lists", record.list_id), f"the list {record.list_id!r}")


def forget_released(
    connection: duckdb.DuckDBPyConnection, take_out: Callable[[Sequence[UserId]], None]
) -> None:
    """Forget ids that left a list, and that nothing names any more. The caller owns the transaction.

    A copy could not learn that they left when they are gone, so they are taken out of it before. Should that
    be the last that is done, the copy is told of it by what was stored with the change of the list.
    """
    run(connection, "claiming.unnamed")
    ids = [UserId(*row) for row in run(connection, "lists.unnamed_ids")]
    if ids:
        take_out(ids)
    run(connection, "claiming.forget_unnamed")


def _create(connection: duckdb.DuckDBPyConnection, record: WriteList) -> None:
    check_list_id(record.list_id)
    if run(connection, "lists.find", id=record.list_id):
        raise ListExists(
            f"a list has the id {record.list_id!r} already",
            hint="add to it, or override its members; or take another id",
            field="id",
        )
    if run(connection, "lists.count")[0][0] >= limits.LISTS_MAX:
        raise LimitExceeded(
            f"there are {limits.LISTS_MAX:,} lists",
            hint=f"the limit is {limits.LISTS_MAX:,} (LISTS_MAX); delete those that nobody uses",
            limit=limits.LISTS_MAX,
        )
    run(connection, "lists.create", id=record.list_id, name=record.name or "", written_at=record.written_at)


def _find(connection: duckdb.DuckDBPyConnection, list_id: str) -> tuple[int, str]:
    """Return the number and the name of a list.

    Raises:
        ListNotFound: it is not there.
    """
    for number, name in run(connection, "lists.find", id=list_id):
        return number, name
    raise ListNotFound(
        f"there is no list {list_id!r}",
        hint="the lists are listed by: enduser lists list, or GET /api/v1/lists; ids are case-sensitive",
        field="list_id",
    )


def _read_given(naming: Naming, record: WriteList) -> None:
    """Bring the keys of the good ids of a file into the table `given`; to remove none, none gets a key."""
    connection = naming.connection
    read_rows(naming, record.rows, record.written_at)
    if record.action is ListAction.REMOVE:
        run(connection, "claiming.new_ids")
        run(connection, "lists.known_given")
    else:
        naming.key_new_ids()
        run(connection, "lists.known_given")
        run(connection, "lists.new_given")


def _require_good(connection: duckdb.DuckDBPyConnection) -> None:
    """Check that ids which are to be a list's only ones are not all bad: no program wants to empty it so."""
    for (problem,) in run(connection, "given_rows.first_of_only_rejected"):
        raise InvalidList(
            f"every id was rejected (the first: {problem}), so nothing was changed",
            hint="name ids that can be, or none at all to empty the list",
        )


def _remove(connection: duckdb.DuckDBPyConnection, number: int, *, is_override: bool) -> int:
    (removed,) = run(connection, "lists.remove", list=number, is_override=is_override)[0]
    if removed:
        _tell(connection, "released")
    return int(removed)


def _add(connection: duckdb.DuckDBPyConnection, number: int, written_at: int) -> int:
    (added,) = run(connection, "lists.add", list=number, written_at=written_at)[0]
    if run(connection, "lists.count_members", list=number)[0][0] > limits.LIST_MEMBERS_MAX:
        raise LimitExceeded(
            f"the list would have more than {limits.LIST_MEMBERS_MAX:,} members",
            hint=f"the limit is {limits.LIST_MEMBERS_MAX:,} (LIST_MEMBERS_MAX); make several lists",
            limit=limits.LIST_MEMBERS_MAX,
        )
    if added:
        _tell(connection, "given")
    return int(added)


def _tell(connection: duckdb.DuckDBPyConnection, told: str) -> None:
    """Tell the serving copy whose lists are others now: those in a table of keys."""
    run_spliced(connection, "lists.tell", (), {"told": told})
    run(connection, "fold.number", touched_max=limits.TOUCHED_MAX)


def every_list(look: Look) -> Sequence[StaticList]:
    """Return all lists of a space, by id; see `Reader.lists`."""
    return [StaticList(*row) for row in look.run("lists.lists", id=None)]


def find_list(look: Look, list_id: str) -> StaticList:
    """Return the list of an id; see `Reader.find_list`."""
    _find(look.connection, list_id)  # there must be such a list
    return StaticList(*look.run("lists.lists", id=list_id)[0])


def members_page(look: Look, list_id: str, limit: int, cursor: str | None) -> Page:
    """Return some members of a list, and where the next ones are; see `Reader.list_members_page`."""
    check_limit(limit)
    number, _ = _find(look.connection, list_id)
    place = (None, None) if cursor is None else values_behind(cursor, _BY_ID, (str, bool))
    behind = dict(zip(("user_id", "is_anonymous"), place, strict=True))
    query = statements("lists")["members"][0]
    rows = look.rows(query, {"list": bound(number), "rows": limit + 1, **behind})
    return page_of(rows, limit, _BY_ID, ("user_id", "is_anonymous"))
