"""Static lists in the wire form of the reference product's Segments API: callers change only the host."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

import msgspec
from msgspec import UNSET, Meta, UnsetType

from enduser import limits
from enduser.api.management.calls import Call, Route
from enduser.api.management.lists import (
    HINT,
    REJECTED_EXAMPLE,
    ChangeAction,
    ListDeleted,
    RejectedIdJson,
    UserIds,
    changed,
    member_fields,
    rejected_json,
    require_few,
)
from enduser.api.management.parameters import ACCESS_TOKEN, GUID, SEGMENT
from enduser.core.lists import ListAction
from enduser.errors import (
    Forbidden,
    InUse,
    InvalidList,
    InvalidSpace,
    LimitExceeded,
    ListExists,
    ListNotFound,
    ReadTimeout,
    StoreError,
    TooBusy,
    Unauthorized,
)
from enduser.service.json_form import Count, Time
from enduser.service.static_lists import ListChange
from enduser.stores.answers import Page, StaticList
from enduser.stores.clients import ClientScope
from enduser.stores.contract import Reader
from enduser.stores.records import DeleteList


class NewWireList(msgspec.Struct, frozen=True, rename="camel"):
    """A static list to be, and the user ids that are in it."""

    id: str
    name: str
    user_ids: UserIds


class WireListChange(msgspec.Struct, frozen=True, rename="camel"):
    """What becomes of the user ids."""

    action: ChangeAction
    user_ids: UserIds


class WireListJson(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A static list; those of its members who have no End User Object are not yet seen."""

    id: str
    name: str
    member_count: Count
    not_yet_seen_count: Count


class ChangedWireList(WireListJson, frozen=True, kw_only=True, rename="camel"):
    """A list as it is now; `rejected` is there only if an id was not taken."""

    rejected: list[RejectedIdJson] | UnsetType = UNSET


class WireListMember(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """An id that is in a list, as stored."""

    user_id: str
    is_anonymous: bool
    added_at: Time
    is_seen: bool


class ShownWireList(WireListJson, frozen=True, kw_only=True, rename="camel"):
    """A list with its first members."""

    members: Annotated[
        list[WireListMember],
        Meta(
            description="in byte order of their ids; more are told by GET /api/v1/lists/{list_id}/members",
            extra_json_schema={"maxItems": limits.PAGE_ROWS_MAX},
        ),
    ]


async def create_wire_list(call: Call) -> ChangedWireList:
    """Make a static list."""
    told = call.told(NewWireList, HINT)
    return await _changed(call, ListChange(told.id, ListAction.CREATE, told.user_ids, name=told.name))


async def change_wire_list(call: Call) -> ChangedWireList:
    """Add user ids to a static list, remove them from it, or let it have them and no others."""
    told = call.told(WireListChange, HINT)
    return await _changed(call, ListChange(call.values["segment"], ListAction(told.action), told.user_ids))


async def _changed(call: Call, change: ListChange) -> ChangedWireList:
    require_few(list(change.ids), "userIds")
    done = await changed(call, await _space(call), change)
    rejected = [rejected_json(one) for one in done.rejections]
    return ChangedWireList(**_fields(done.list), rejected=rejected or UNSET)


async def show_wire_list(call: Call) -> ShownWireList:
    """Return a static list with its first members."""
    space, list_id = await _space(call), call.values["segment"]

    def find(reader: Reader) -> tuple[StaticList, Page]:
        page = reader.list_members_page(space, list_id, limit=limits.PAGE_ROWS_MAX)
        return reader.find_list(space, list_id), page

    found, page = await call.read(find)
    return ShownWireList(
        **_fields(found), members=[WireListMember(**member_fields(row)) for row in page.items]
    )


async def delete_wire_list(call: Call) -> ListDeleted:
    """Delete a static list."""
    space, list_id = await _space(call), call.values["segment"]
    await call.change(lambda store: store.apply(space, DeleteList(list_id)))
    return ListDeleted(deleted=True)


async def _space(call: Call) -> str:
    """Return the space whose GUID stands in the path.

    Raises:
        InvalidSpace: there is none.
    """
    wanted = call.values["guid"]
    guids = await call.read(lambda reader: reader.guids())
    for space, guid in guids.items():
        if guid == wanted.lower():
            return space
    raise InvalidSpace(f"there is no system {wanted!r}", hint="enduser systems list shows the GUIDs")


def _fields(one: StaticList) -> Mapping[str, Any]:
    return {
        "id": one.id,
        "name": one.name,
        "member_count": one.members,
        "not_yet_seen_count": one.members - one.seen,
    }


_FIELDS: Mapping[str, Any] = {
    "id": "1000-abcd-9999",
    "name": "Sales Department",
    "member_count": 2,
    "not_yet_seen_count": 1,
}
_CHANGED = ChangedWireList(**_FIELDS, rejected=[REJECTED_EXAMPLE])
_MEMBER = WireListMember(
    user_id="adam.br", is_anonymous=False, added_at="2026-03-01T10:00:00.000000Z", is_seen=True
)
_ERRORS = (Unauthorized, Forbidden, InvalidSpace, TooBusy, StoreError, ReadTimeout)
"""What each of the routes can fail with."""
_PATH = "/public/v1/user/system/{guid}/segment"

ROUTES = (
    Route(
        "POST",
        _PATH,
        create_wire_list,
        "Make a static list in the wire form of the reference product",
        ChangedWireList,
        _CHANGED,
        (GUID, ACCESS_TOKEN),
        (*_ERRORS, InvalidList, ListExists, LimitExceeded),
        body=NewWireList,
        body_example={"id": "1000-abcd-9999", "name": "Sales Department", "userIds": ["adam.br", "eve"]},
        body_limit="LIST_BODY_BYTES_MAX",
        needs_key=False,
        client_scope=ClientScope.WRITE_SEGMENTS,
    ),
    Route(
        "PUT",
        f"{_PATH}/{{segment}}",
        change_wire_list,
        "Add, remove or override members of a static list in the wire form of the reference product",
        ChangedWireList,
        _CHANGED,
        (GUID, SEGMENT, ACCESS_TOKEN),
        (*_ERRORS, ListNotFound, InvalidList, LimitExceeded),
        body=WireListChange,
        body_example={"action": "add", "userIds": ["adam.br", "eve"]},
        body_limit="LIST_BODY_BYTES_MAX",
        needs_key=False,
        client_scope=ClientScope.WRITE_SEGMENTS,
    ),
    Route(
        "GET",
        f"{_PATH}/{{segment}}",
        show_wire_list,
        "Show a static list with its first members",
        ShownWireList,
        ShownWireList(**_FIELDS, members=[_MEMBER]),
        (GUID, SEGMENT, ACCESS_TOKEN),
        (*_ERRORS, ListNotFound),
        needs_key=False,
        client_scope=ClientScope.READ_SEGMENTS,
    ),
    Route(
        "DELETE",
        f"{_PATH}/{{segment}}",
        delete_wire_list,
        "Delete a static list in the wire form of the reference product",
        ListDeleted,
        ListDeleted(deleted=True),
        (GUID, SEGMENT, ACCESS_TOKEN),
        (*_ERRORS, ListNotFound, InUse),
        needs_key=False,
        client_scope=ClientScope.WRITE_SEGMENTS,
    ),
)
