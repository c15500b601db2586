"""Reading one user and his sessions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from enduser.api.management.calls import Answer, Call, Route
from enduser.api.management.etags import etag_of
from enduser.api.management.parameters import (
    AS_OF,
    CURSOR,
    ID_KIND,
    INCLUDE_OPEN,
    LIMIT,
    PROVENANCE,
    SPACE,
    USER_ID,
)
from enduser.core.links import OTHER_ID
from enduser.errors import IdsHashed, InvalidCursor, InvalidParameter, LimitExceeded, UserNotFound
from enduser.service.as_of import find_user_as_of
from enduser.service.json_form import Count, EndUserJson, SessionJson, end_user_json, session_json
from enduser.service.no_user import NOT_THEN, no_user
from enduser.service.provenance import find_said

_EARLIER = "with include_open=true a user is there before the first session closes"
"""Which it may be is not looked up: that would cost each call for an unknown user a read of the database."""


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
    """Return the End User Object of an id, now or as of a time; as it is, it has an `ETag`."""
    values, space = call.values, call.space
    user_id, id_kind, as_of = values["user_id"], values["id_kind"], values["as_of"]
    found = await (_find_user(call) if as_of is None else _find_user_as_of(call))
    if values["provenance"]:
        said = await call.read(lambda reader: find_said(reader, space, user_id, id_kind))
        return end_user_json(found, said.holding(as_of))
    user = end_user_json(found)
    is_as_it_is = as_of is None and not values["include_open"]
    return Answer(user, {"ETag": etag_of(user)}) if is_as_it_is else user


async def _find_user(call: Call) -> Mapping[str, object]:
    include_open = call.values["include_open"]
    found = await call.find_user(call.values["user_id"], call.values["id_kind"], include_open=include_open)
    if found is None:
        raise _no_user(call, OTHER_ID if include_open else f"{_EARLIER}; {OTHER_ID}")
    return found


async def _find_user_as_of(call: Call) -> Mapping[str, object]:
    user_id, id_kind, as_of = (call.values[name] for name in ("user_id", "id_kind", "as_of"))
    if call.values["include_open"]:
        raise InvalidParameter(
            "include_open and as_of cannot be asked for together",
            hint="leave one of them out: as of a time only sessions count that were closed then",
            field="include_open",
        )
    found = await call.read(lambda reader: find_user_as_of(reader, call.space, user_id, id_kind, as_of))
    if found is None:
        raise _no_user(call, NOT_THEN)
    return found


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
        raise _no_user(call)
    return SessionsPage([session_json(row) for row in page.items], page.next_cursor)


async def list_look_alikes(call: Call) -> LookAlikesJson:
    """Return the greatest groups of user ids that differ only by case."""
    found = await call.read(lambda reader: reader.look_alikes(call.space, limit=call.values["limit"]))
    groups = [LookAlikeGroupJson(list(one.ids), one.count, one.is_one_person) for one in found.groups]
    return LookAlikesJson(groups, found.total_groups, found.total_ids)


def _no_user(call: Call, hint: str = OTHER_ID) -> UserNotFound:
    return no_user(call.space, call.values["user_id"], call.values["id_kind"], hint)


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
        "/api/v1/users/{user_id}",
        show_user,
        "Show the End User Object of a user, now or as of a time",
        EndUserJson,
        USER_EXAMPLE,
        (USER_ID, SPACE, ID_KIND, INCLUDE_OPEN, PROVENANCE, AS_OF),
        (UserNotFound, LimitExceeded),
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
