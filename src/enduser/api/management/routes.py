"""All routes of the management API. What stands here is served, and described in the OpenAPI document."""

from __future__ import annotations

from functools import cache
from typing import Any

from enduser.api.management.attributes import (
    AttributeChange,
    AttributeDeleted,
    AttributeJson,
    AttributesPage,
    NewAttribute,
    change_attribute,
    create_attribute,
    delete_attribute,
    list_attributes,
    show_attribute,
)
from enduser.api.management.calls import Call, Route
from enduser.api.management.links import (
    LinkedIds,
    LinkJson,
    LinkRemoved,
    LinksPage,
    create_link,
    list_links,
    remove_link,
)
from enduser.api.management.openapi import document
from enduser.api.management.parameters import (
    ACCESS_TOKEN,
    AS_OF,
    ATTRIBUTE,
    BASIC,
    CONFIRMED,
    CURSOR,
    ID_KIND,
    IDEMPOTENCY_KEY,
    IF_MATCH,
    INCLUDE_OPEN,
    LIMIT,
    LINKED,
    PROVENANCE,
    SORT,
    SPACE,
    USER_ID,
)
from enduser.api.management.spaces import (
    OutcomesJson,
    SettingsChange,
    SettingsJson,
    SpaceJson,
    SpacesPage,
    StatusJson,
    change_settings,
    list_spaces,
    settings_json,
    show_settings,
    show_status,
)
from enduser.api.management.update_api import (
    AccessTokenJson,
    Received,
    RejectedObject,
    TokenRequest,
    UserData,
    create_token,
    update_users,
)
from enduser.api.management.users import (
    LookAlikeGroupJson,
    LookAlikesJson,
    SessionsPage,
    UsersPage,
    list_look_alikes,
    list_sessions,
    list_users,
    show_user,
)
from enduser.api.management.values import (
    CandidateJson,
    CandidatesPage,
    ChangeJson,
    ChangesPage,
    Edit,
    Edited,
    FlawJson,
    HeldJson,
    HeldValues,
    RowResult,
    RowResults,
    RowsWrite,
    edit_user,
    list_candidates,
    list_changes,
    show_values,
    write_users,
)
from enduser.core.attributes import AttributeType, ConflictRule, ValueProblem
from enduser.core.settings import SpaceSettings
from enduser.errors import (
    AttributeNotFound,
    Forbidden,
    IdsHashed,
    InvalidAttribute,
    InvalidCursor,
    InvalidSetting,
    InvalidValue,
    KeyReused,
    LimitExceeded,
    LinkNotFound,
    MalformedRequest,
    PreconditionFailed,
    StoreError,
    TooBusy,
    Unauthorized,
    Unconfirmed,
    UsageError,
    UserNotFound,
)
from enduser.service.json_form import EndUserJson, OriginJson, SessionJson

_USER = EndUserJson(
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
_ORIGIN = OriginJson(
    source="api", run=7, effective_at="2026-03-01T10:00:00.000000Z", written_at="2026-03-01T10:00:00.000000Z"
)
_ATTRIBUTE = AttributeJson(
    name="plan",
    type=AttributeType.STRING,
    display_name="Plan",
    description="What the customer pays for.",
    is_pii=False,
    sources=None,
    conflict_rule=ConflictRule.LATEST,
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
_STATUS = StatusJson(
    space="default/production",
    clock_at="2026-03-02T10:00:00.000000Z",
    live_since="2026-03-01T09:59:59.000000Z",
    events=18,
    users=1,
    sessions=2,
    open_sessions=0,
    outcomes=OutcomesJson(
        stored=18, duplicate=1, filled=0, counted=0, excluded={"crawler": 3}, rejected={"junk_user_id": 1}
    ),
)


_LINK = LinkJson(
    one="adam.br",
    one_is_anonymous=False,
    other="9f3c",
    other_is_anonymous=True,
    since="2026-03-01T10:00:00.000000Z",
    by="api",
)


@cache
def openapi() -> dict[str, Any]:
    """Return the OpenAPI document of all routes."""
    return document(ROUTES)


async def show_openapi(_: Call) -> dict[str, Any]:
    """Return the OpenAPI document."""
    return openapi()


ROUTES = (
    Route(
        "GET",
        "/api/v1/users",
        list_users,
        "List End User Objects",
        UsersPage,
        UsersPage([_USER], str(CURSOR.example)),
        (SPACE, SORT, LIMIT, CURSOR, INCLUDE_OPEN),
        (InvalidCursor,),
    ),
    Route(
        "POST",
        "/api/v1/users",
        write_users,
        "Write custom attributes of many users, with an answer for each row",
        RowResults,
        RowResults(
            [
                RowResult(0, "applied", []),
                RowResult(
                    1, "rejected", [FlawJson("seats", ValueProblem.WRONG_TYPE, "seats takes a number")]
                ),
            ]
        ),
        (SPACE, IDEMPOTENCY_KEY),
        (LimitExceeded, KeyReused),
        body=RowsWrite,
        body_example={
            "rows": [
                {"user_id": "adam.br", "attributes": {"plan": "vip"}},
                {"user_id": "eve", "attributes": {"seats": "many"}, "effective_at": "2026-03-01T10:00:00Z"},
            ]
        },
        body_limit="ROWS_BODY_BYTES_MAX",
    ),
    Route(
        "GET",
        "/api/v1/users/{user_id}",
        show_user,
        "Show the End User Object of a user",
        EndUserJson,
        _USER,
        (USER_ID, SPACE, ID_KIND, INCLUDE_OPEN, PROVENANCE),
        (UserNotFound,),
    ),
    Route(
        "PATCH",
        "/api/v1/users/{user_id}",
        edit_user,
        "Write custom attributes of one user by hand, all or nothing",
        Edited,
        Edited(_USER),
        (USER_ID, SPACE, ID_KIND, IF_MATCH),
        (InvalidValue, PreconditionFailed),
        body=Edit,
        body_example={"attributes": {"plan": "vip", "seats": None}},
    ),
    Route(
        "GET",
        "/api/v1/users/{user_id}/attributes",
        show_values,
        "Show the custom attributes of a user, seen or not, now or as of a time, with who said them",
        HeldValues,
        HeldValues({"plan": HeldJson("vip", _ORIGIN)}, None),
        (USER_ID, SPACE, ID_KIND, AS_OF),
    ),
    Route(
        "GET",
        "/api/v1/users/{user_id}/attribute-changes",
        list_changes,
        "List how the custom attributes of a user changed, the newest first",
        ChangesPage,
        ChangesPage(
            [
                ChangeJson(
                    attribute="plan",
                    at="2026-03-01T10:00:00.000000Z",
                    before="free",
                    after="vip",
                    source="api",
                    run=7,
                )
            ]
        ),
        (USER_ID, SPACE, ID_KIND, LIMIT, CURSOR),
        (InvalidCursor,),
    ),
    Route(
        "GET",
        "/api/v1/users/{user_id}/candidates",
        list_candidates,
        "List all that sources said of the custom attributes of a user, the newest first",
        CandidatesPage,
        CandidatesPage(
            [
                CandidateJson(
                    attribute="plan",
                    value="vip",
                    holds=True,
                    origin=_ORIGIN,
                    row=1,
                    user_id="adam.br",
                    is_anonymous=False,
                )
            ]
        ),
        (USER_ID, SPACE, ID_KIND, LIMIT, CURSOR),
        (InvalidCursor,),
    ),
    Route(
        "GET",
        "/api/v1/attributes",
        list_attributes,
        "List the custom attributes",
        AttributesPage,
        AttributesPage([_ATTRIBUTE], 100),
    ),
    Route(
        "POST",
        "/api/v1/attributes",
        create_attribute,
        "Add a custom attribute",
        AttributeJson,
        _ATTRIBUTE,
        (),
        (Forbidden, InvalidAttribute, LimitExceeded),
        body=NewAttribute,
        body_example={"name": "plan", "type": "string"},
    ),
    Route(
        "GET",
        "/api/v1/attributes/{name}",
        show_attribute,
        "Show a custom attribute",
        AttributeJson,
        _ATTRIBUTE,
        (ATTRIBUTE,),
        (AttributeNotFound,),
    ),
    Route(
        "PATCH",
        "/api/v1/attributes/{name}",
        change_attribute,
        "Change a custom attribute; under another name it keeps its values, of another type what can be read",
        AttributeJson,
        _ATTRIBUTE,
        (ATTRIBUTE, CONFIRMED),
        (Forbidden, AttributeNotFound, InvalidAttribute, LimitExceeded, Unconfirmed),
        body=AttributeChange,
        body_example={"display_name": "Tariff"},
    ),
    Route(
        "DELETE",
        "/api/v1/attributes/{name}",
        delete_attribute,
        "Delete a custom attribute with all its values and their history, for good",
        AttributeDeleted,
        AttributeDeleted(deleted=True),
        (ATTRIBUTE, CONFIRMED),
        (Forbidden, AttributeNotFound, Unconfirmed),
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
    Route(
        "GET",
        "/api/v1/links",
        list_links,
        "List the links that hold, the oldest first, page by page",
        LinksPage,
        LinksPage([_LINK]),
        (SPACE, LIMIT, CURSOR),
        (InvalidCursor,),
    ),
    Route(
        "POST",
        "/api/v1/links",
        create_link,
        "Link two ids: they are one person, also for what was",
        LinkJson,
        _LINK,
        (SPACE,),
        (MalformedRequest, UsageError, LimitExceeded),
        body=LinkedIds,
        body_example={"one": "adam.br", "other": "9f3c", "other_kind": "anonymous"},
    ),
    Route(
        "DELETE",
        "/api/v1/links",
        remove_link,
        "Remove the link of two ids; what was before is back, and it stays removed",
        LinkRemoved,
        LinkRemoved(removed=True),
        (*LINKED, SPACE),
        (LinkNotFound, UsageError),
    ),
    Route(
        "GET",
        "/api/v1/spaces",
        list_spaces,
        "List the spaces that the key opens",
        SpacesPage,
        SpacesPage([SpaceJson("default/production")]),
    ),
    Route(
        "GET",
        "/api/v1/settings",
        show_settings,
        "Show the settings of a space",
        SettingsJson,
        settings_json(SpaceSettings()),
        (SPACE,),
    ),
    Route(
        "PATCH",
        "/api/v1/settings",
        change_settings,
        "Change settings of a space; window, cap and retention recompute all sessions, hash_ids is for good",
        SettingsJson,
        settings_json(SpaceSettings(inactivity_window_s=900)),
        (SPACE, CONFIRMED),
        (InvalidSetting, MalformedRequest, Unconfirmed),
        body=SettingsChange,
        body_example={"inactivity_window_s": 900},
    ),
    Route(
        "GET",
        "/api/v1/status",
        show_status,
        "Show what is in a space, and where its clock stands",
        StatusJson,
        _STATUS,
        (SPACE,),
    ),
    Route(
        "POST",
        "/accounts/connect/token",
        create_token,
        "Get an access token for a client of the update API (OAuth 2 client credentials)",
        AccessTokenJson,
        AccessTokenJson("3vJ0…", "Bearer", 86_400, "endUserUpdate:write"),
        (BASIC,),
        (Unauthorized, TooBusy, StoreError),
        body=TokenRequest,
        body_example={"grant_type": "client_credentials", "scope": "endUserUpdate:write"},
        needs_key=False,
        is_form=True,
    ),
    Route(
        "POST",
        "/public/v1/user/data",
        update_users,
        "Write custom attributes in the wire form of the reference product",
        Received,
        Received(
            "Request has been received",
            [RejectedObject(1, [FlawJson("seats", ValueProblem.WRONG_TYPE, "seats takes a number")])],
        ),
        (ACCESS_TOKEN,),
        (Unauthorized, Forbidden, LimitExceeded, TooBusy, StoreError),
        body=UserData,
        body_example={"token": "8Fq…", "data": [{"id": "adam.br", "properties": {"plan": "vip"}}]},
        needs_key=False,
    ),
    Route(
        "GET",
        "/api/v1/openapi.json",
        show_openapi,
        "This document",
        dict[str, Any],
        {"openapi": "3.1.0"},
        needs_key=False,
    ),
)
