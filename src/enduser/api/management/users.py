"""Reading users and their sessions."""

from __future__ import annotations

from typing import Any

import msgspec

from enduser.api.management.calls import Answer, Call, Route
from enduser.api.management.etags import etag_of
from enduser.api.management.parameters import (
    CURSOR,
    ID_KIND,
    INCLUDE_OPEN,
    LIMIT,
    PROVENANCE,
    SORT,
    SPACE,
    USER_ID,
)
from enduser.errors import IdsHashed, InvalidCursor, UserNotFound
from enduser.service.json_form import Count, EndUserJson, SessionJson, end_user_json, session_json
from enduser.service.provenance import find_said

_EARLIER = "with include_open=true a user is there before the first session closes"
"""Which it may be is not looked up: that would cost each call for an unknown user a read of the database."""
_SPELLING = "look for another spelling, or give id_kind"


class UsersPage(msgspec.Struct, frozen=True):
    """Some End User Objects; `next_cursor` is null on the last page."""

    items: list[EndUserJson]
    next_cursor: str | None


class SessionsPage(msgspec.Struct, frozen=True):
    """Some sessions, the newest first; `next_cursor` is null on the last page."""

    items: list[SessionJson]
    next_cursor: str | None


class LookAlikeGroupJson(msgspec.Struct, frozen=True):
    """User ids that differ only by case: the first of them, their count, and whether links join them all."""

    ids: list[str]
    count: Count
    is_one_person: bool


class LookAlikesJson(msgspec.Struct, frozen=True):
    """The greatest groups of user ids that differ only by case; how many groups and ids there are in all."""

    items: list[LookAlikeGroupJson]
    total_groups: Count
    total_ids: Count


async def show_user(call: Call) -> Any:
    """Return the End User Object of an id; as it is, it has an `ETag`."""
    values = call.values
    user_id, id_kind, include_open = values["user_id"], values["id_kind"], values["include_open"]
    found = await call.find_user(user_id, id_kind, include_open=include_open)
    if found is None:
        raise _no_user(call, _SPELLING if include_open else f"{_EARLIER}; {_SPELLING}")
    if values["provenance"]:
        said = await call.read(lambda reader: find_said(reader, call.space, user_id, id_kind))
        return end_user_json(found, said.holding())
    user = end_user_json(found)
    return user if include_open else Answer(user, {"ETag": etag_of(user)})


async def list_users(call: Call) -> UsersPage:
    """Return a page of End User Objects."""
    values = call.values
    page = await call.read(
        lambda reader: reader.users_page(
            call.space,
            sort=values["sort"],
            limit=values["limit"],
            cursor=values["cursor"],
            include_open=values["include_open"],
        )
    )
    return UsersPage([end_user_json(row) for row in page.items], page.next_cursor)


async def list_sessions(call: Call) -> SessionsPage:
    """Return a page of the sessions of the person of an id, open ones too."""
    values = call.values
    page = await call.read(
        lambda reader: reader.user_sessions(
            call.space,
            values["user_id"],
            values["id_kind"],
            limit=values["limit"],
            cursor=values["cursor"],
        )
    )
    if not page.items and values["cursor"] is None:
        raise _no_user(call, _SPELLING)
    return SessionsPage([session_json(row) for row in page.items], page.next_cursor)


async def list_look_alikes(call: Call) -> LookAlikesJson:
    """Return the greatest groups of user ids that differ only by case."""
    found = await call.read(lambda reader: reader.look_alikes(call.space, limit=call.values["limit"]))
    groups = [LookAlikeGroupJson(list(one.ids), one.count, one.is_one_person) for one in found.groups]
    return LookAlikesJson(groups, found.total_groups, found.total_ids)


def _no_user(call: Call, hint: str) -> UserNotFound:
    values = call.values
    return UserNotFound(
        f"there is no user {values['user_id']!r} ({values['id_kind']}) in {call.space}", hint=hint
    )


USER_EXAMPLE = EndUserJson(
    user_id="adam.br",
    is_anonymous=False,
    first_seen="2026-03-01T10:00:00.000000Z",
    last_seen="2026-03-02T09:05:30.500000Z",
    total_sessions=2,
    average_session_duration=315.25,
    total_session_duration=630.5,
    average_time_between_sessions=82_500.0,
    country="NO",
    region="Oslo County",
    city="Oslo",
    browser_name="Firefox",
    browser_version="140.0",
    name="Adam",
    role="admin",
    type=None,
    status=None,
    info=None,
    attributes={"plan": "vip", "seats": 5.0},
)
_SESSION = SessionJson(
    user_id="adam.br",
    is_anonymous=False,
    started_at="2026-03-02T09:00:00.000000Z",
    ended_at="2026-03-02T09:05:30.500000Z",
    duration_s=330.5,
    events=9,
    page_views=4,
    interactions=6,
    is_empty=False,
    is_closed=True,
    country="NO",
    region="Oslo County",
    city="Oslo",
    browser_name="Firefox",
    browser_version="140.0",
)

ROUTES = (
    Route(
        "GET",
        "/api/v1/users",
        list_users,
        "List End User Objects",
        UsersPage,
        UsersPage([USER_EXAMPLE], str(CURSOR.example)),
        (SPACE, SORT, LIMIT, CURSOR, INCLUDE_OPEN),
        (InvalidCursor,),
    ),
    Route(
        "GET",
        "/api/v1/users/{user_id}",
        show_user,
        "Show the End User Object of a user",
        EndUserJson,
        USER_EXAMPLE,
        (USER_ID, SPACE, ID_KIND, INCLUDE_OPEN, PROVENANCE),
        (UserNotFound,),
    ),
    Route(
        "GET",
        "/api/v1/users/{user_id}/sessions",
        list_sessions,
        "List the sessions of a user, open ones too, the newest first",
        SessionsPage,
        SessionsPage([_SESSION], None),
        (USER_ID, SPACE, ID_KIND, LIMIT, CURSOR),
        (UserNotFound, InvalidCursor),
    ),
    Route(
        "GET",
        "/api/v1/look-alikes",
        list_look_alikes,
        "List user ids that differ only by case, the greatest groups first",
        LookAlikesJson,
        LookAlikesJson([LookAlikeGroupJson(["Ada", "ada"], 2, is_one_person=False)], 1, 2),
        (SPACE, LIMIT),
        (IdsHashed,),
    ),
)
