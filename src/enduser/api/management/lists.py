"""Static lists: named sets of ids."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType

from enduser import limits
from enduser.api.management.calls import Call, Route
from enduser.api.management.parameters import CURSOR, LIMIT, LIST_ID, SPACE
from enduser.clock import now_us
from enduser.core.attributes import RowProblem
from enduser.core.links import IdKind
from enduser.core.lists import ListAction
from enduser.errors import (
    InUse,
    InvalidCursor,
    InvalidList,
    LimitExceeded,
    ListExists,
    ListNotFound,
    MalformedRequest,
)
from enduser.service.json_form import Count, Time, iso_time
from enduser.service.static_lists import ChangedList, ListChange, RejectedId, change_list
from enduser.stores.answers import StaticList
from enduser.stores.records import DeleteList

HINT = "docs/lists.md shows the calls"
"""What one can do whose body is no such body."""
UserIds = Annotated[
    list[str],
    Meta(
        description="one that is named twice counts once; one that cannot be is told in `rejected`",
        extra_json_schema={"maxItems": limits.LIST_IDS_PER_CALL_MAX},
    ),
]
ChangeAction = Literal["add", "remove", "override"]
Name = Annotated[str, Meta(description="what people call it; empty: its id")]


class ListJson(msgspec.Struct, frozen=True, kw_only=True):
    """A static list. `seen` of its members have an End User Object, `not_yet_seen` have none."""

    id: str
    name: Name
    created_at: Time
    changed_at: Time
    members: Count
    seen: Count
    not_yet_seen: Count


class ListsPage(msgspec.Struct, frozen=True):
    """All static lists of a space, by id, and how many there may be."""

    items: list[ListJson]
    limit: int
    next_cursor: str | None = None


class MemberJson(msgspec.Struct, frozen=True, kw_only=True):
    """An id that is in a list, as stored; `is_seen` says whether its person has an End User Object."""

    user_id: str
    is_anonymous: bool
    added_at: Time
    is_seen: bool


class MembersPage(msgspec.Struct, frozen=True):
    """Some members of a list, in byte order of their ids."""

    items: list[MemberJson]
    next_cursor: str | None = None


class NewList(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A static list to be, and the ids, all of one kind, that are in it."""

    id: str
    name: Name = ""
    user_ids: UserIds = []
    id_kind: IdKind = "plain"


class ListEdit(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is to become of a list: another name, or an action with the ids, all of one kind, or both."""

    name: Name | UnsetType = UNSET
    action: ChangeAction | UnsetType = UNSET
    user_ids: UserIds | UnsetType = UNSET
    id_kind: IdKind = "plain"


class RejectedIdJson(msgspec.Struct, frozen=True):
    """An id that was not taken: its place among those that were sent, from 0, and why."""

    index: Count
    code: RowProblem
    message: str


class ChangedListJson(msgspec.Struct, frozen=True, kw_only=True):
    """A list as it is now, and what the call did: how many ids came and went, and which were not taken."""

    list: ListJson
    added: Count
    removed: Count
    rejected: Sequence[RejectedIdJson]


class ListDeleted(msgspec.Struct, frozen=True):
    """A list is there no more."""

    deleted: bool


async def list_lists(call: Call) -> ListsPage:
    """Return all static lists of a space."""
    found = await call.read(lambda reader: reader.lists(call.space))
    return ListsPage([_json(one) for one in found], limits.LISTS_MAX)


async def show_list(call: Call) -> ListJson:
    """Return one static list."""
    list_id = call.values["list_id"]
    return _json(await call.read(lambda reader: reader.find_list(call.space, list_id)))


async def list_members(call: Call) -> MembersPage:
    """Return a page of the members of a list."""
    list_id, limit, cursor = (call.values[name] for name in ("list_id", "limit", "cursor"))
    page = await call.read(
        lambda reader: reader.list_members_page(call.space, list_id, limit=limit, cursor=cursor)
    )
    return MembersPage([MemberJson(**member_fields(row)) for row in page.items], page.next_cursor)


async def create_list(call: Call) -> ChangedListJson:
    """Make a static list."""
    told = call.told(NewList, HINT)
    require_few(told.user_ids, "user_ids")
    return await _changed(
        call, ListChange(told.id, ListAction.CREATE, told.user_ids, told.id_kind, told.name)
    )


async def edit_list(call: Call) -> ChangedListJson:
    """Give a static list another name, or other members, or both."""
    told = call.told(ListEdit, HINT)
    user_ids = () if told.user_ids is UNSET else told.user_ids
    action = ListAction.ADD if told.action is UNSET else ListAction(told.action)
    is_half_said = (told.action is UNSET) != (told.user_ids is UNSET)
    if is_half_said or told.action is told.name is UNSET:
        raise MalformedRequest(
            "the body says neither a name nor an action with its ids, or only one of these two",
            hint='send {"action": "add", "user_ids": ["adam.br"]}, {"name": "Staff"}, or both',
        )
    require_few(user_ids, "user_ids")
    name = None if told.name is UNSET else told.name
    return await _changed(call, ListChange(call.values["list_id"], action, user_ids, told.id_kind, name))


async def delete_list(call: Call) -> ListDeleted:
    """Delete a static list."""
    await call.change(lambda store: store.apply(call.space, DeleteList(call.values["list_id"])))
    return ListDeleted(deleted=True)


async def _changed(call: Call, change: ListChange) -> ChangedListJson:
    done = await changed(call, call.space, change)
    return ChangedListJson(
        list=_json(done.list),
        added=done.added,
        removed=done.removed,
        rejected=[rejected_json(one) for one in done.rejections],
    )


async def changed(call: Call, space: str, change: ListChange) -> ChangedList:
    """Make or change a static list as `change_list` does."""
    return await call.change(lambda store: change_list(store, space, change, now_us()))


def require_few(user_ids: Sequence[str], field: str) -> None:
    """Check that a call has no more ids than it may.

    Raises:
        LimitExceeded: it has.
    """
    if len(user_ids) > limits.LIST_IDS_PER_CALL_MAX:
        raise LimitExceeded(
            f"{len(user_ids):,} ids are too many for one call",
            hint=f"the limit is {limits.LIST_IDS_PER_CALL_MAX:,} (LIST_IDS_PER_CALL_MAX); send several calls",
            field=field,
            limit=limits.LIST_IDS_PER_CALL_MAX,
        )


def rejected_json(one: RejectedId) -> RejectedIdJson:
    """Return the JSON form of an id that was not taken."""
    return RejectedIdJson(one.index, one.code, one.message)


def _json(one: StaticList) -> ListJson:
    return ListJson(
        id=one.id,
        name=one.name,
        created_at=iso_time(one.created_at),
        changed_at=iso_time(one.changed_at),
        members=one.members,
        seen=one.seen,
        not_yet_seen=one.members - one.seen,
    )


def member_fields(row: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return what a row of `Reader.list_members_page` says, as JSON has it."""
    return {**row, "added_at": iso_time(row["added_at"])}


_LIST = ListJson(
    id="staff",
    name="Sales Department",
    created_at="2026-03-01T10:00:00.000000Z",
    changed_at="2026-03-02T10:00:00.000000Z",
    members=2,
    seen=1,
    not_yet_seen=1,
)
_MEMBER = MemberJson(
    user_id="adam.br", is_anonymous=False, added_at="2026-03-01T10:00:00.000000Z", is_seen=True
)
REJECTED_EXAMPLE = RejectedIdJson(2, RowProblem.JUNK_USER_ID, "the user id is a word that is nobody's id")
_CHANGED = ChangedListJson(list=_LIST, added=2, removed=0, rejected=[REJECTED_EXAMPLE])

ROUTES = (
    Route(
        "GET",
        "/api/v1/lists",
        list_lists,
        "List the static lists of a space, by id",
        ListsPage,
        ListsPage([_LIST], limits.LISTS_MAX),
        (SPACE,),
    ),
    Route(
        "POST",
        "/api/v1/lists",
        create_list,
        "Make a static list with members",
        ChangedListJson,
        _CHANGED,
        (SPACE,),
        (InvalidList, ListExists, LimitExceeded),
        body=NewList,
        body_example={"id": "staff", "name": "Sales Department", "user_ids": ["adam.br", "eve", "null"]},
        body_limit="LIST_BODY_BYTES_MAX",
    ),
    Route(
        "GET",
        "/api/v1/lists/{list_id}",
        show_list,
        "Show a static list with the counts of its members",
        ListJson,
        _LIST,
        (LIST_ID, SPACE),
        (ListNotFound,),
    ),
    Route(
        "GET",
        "/api/v1/lists/{list_id}/members",
        list_members,
        "List the members of a static list in byte order of their ids, page by page",
        MembersPage,
        MembersPage([_MEMBER], str(CURSOR.example)),
        (LIST_ID, SPACE, LIMIT, CURSOR),
        (ListNotFound, InvalidCursor),
    ),
    Route(
        "PATCH",
        "/api/v1/lists/{list_id}",
        edit_list,
        "Give a static list another name, or add, remove or override members",
        ChangedListJson,
        _CHANGED,
        (LIST_ID, SPACE),
        (ListNotFound, InvalidList, LimitExceeded),
        body=ListEdit,
        body_example={"action": "add", "user_ids": ["adam.br", "eve", "null"]},
        body_limit="LIST_BODY_BYTES_MAX",
    ),
    Route(
        "DELETE",
        "/api/v1/lists/{list_id}",
        delete_list,
        "Delete a static list",
        ListDeleted,
        ListDeleted(deleted=True),
        (LIST_ID, SPACE),
        (ListNotFound, InUse),
    ),
)
