"""Erasing one person on request."""

from __future__ import annotations

from dataclasses import asdict

import msgspec

from enduser.api.management.calls import Call, Route
from enduser.api.management.etags import find_user_json, require_match
from enduser.api.management.parameters import CONFIRMED, ID_KIND, IF_MATCH, SPACE, SUPPRESS, USER_ID
from enduser.errors import (
    LimitExceeded,
    PreconditionFailed,
    SuppressionNotFound,
    Unconfirmed,
    UsageError,
    UserNotFound,
)
from enduser.service.erasing import erase_user, lift_suppression
from enduser.service.json_form import Count
from enduser.stores.answers import Erased
from enduser.stores.contract import OwnedStore


class ErasedJson(msgspec.Struct, frozen=True, kw_only=True):
    """How much of a person went; values are all that were ever said of custom attributes."""

    ids: Count
    events: Count
    sessions: Count
    values: Count


class UserErased(msgspec.Struct, frozen=True):
    """Nothing is known of a person any more."""

    erased: ErasedJson


class SuppressionJson(msgspec.Struct, frozen=True):
    """Whether an id was erased and is to stay out; nothing else is known of it."""

    suppressed: bool


class SuppressionLifted(msgspec.Struct, frozen=True):
    """A person may be known again."""

    lifted: bool


async def delete_user(call: Call) -> UserErased:
    """Erase the person of an id, with all linked ids; with `If-Match` only if he is as he was seen.

    With `suppress` the ids stay out from then on, also one of which nothing is known.
    """
    values, space = call.values, call.space
    if not values["confirmed"]:
        raise await _unconfirmed(call)

    def erase(store: OwnedStore) -> Erased:
        user_id, id_kind = values["user_id"], values["id_kind"]
        if values["If-Match"] is not None:
            require_match(find_user_json(store, space, user_id, id_kind), values["If-Match"])
        return erase_user(store, space, user_id, id_kind, suppresses=values["suppress"])

    return UserErased(ErasedJson(**asdict(await call.change(erase))))


async def _unconfirmed(call: Call) -> Unconfirmed:
    """Return what says how much an erasure would take away.

    Raises:
        UserNotFound: nothing is known under the id, and it is not to stay out either.
    """
    user_id, id_kind = call.values["user_id"], call.values["id_kind"]
    found = await call.read(lambda reader: reader.preview_erasure(call.space, user_id, id_kind))
    if found is None and not call.values["suppress"]:
        raise UserNotFound(
            f"there is no user {user_id!r} ({id_kind}) in {call.space}",
            hint="look for another spelling, or give id_kind",
        )
    return Unconfirmed(
        f"nothing is known of {user_id!r} ({id_kind}) in {call.space}; it would be kept out"
        if found is None
        else f"erasing the person takes away, for good: ids {found.ids:,}, events {found.events:,}, "
        f"sessions {found.sessions:,}, values {found.values:,}",
        hint="send it again with ?confirmed=true to do this",
        field="confirmed",
    )


async def show_suppression(call: Call) -> SuppressionJson:
    """Say whether an id is to stay out."""
    user_id, id_kind = call.values["user_id"], call.values["id_kind"]
    return SuppressionJson(
        suppressed=await call.read(lambda reader: reader.is_suppressed(call.space, user_id, id_kind))
    )


async def delete_suppression(call: Call) -> SuppressionLifted:
    """Let the person of an id be known again."""
    user_id, id_kind = call.values["user_id"], call.values["id_kind"]
    await call.change(lambda store: lift_suppression(store, call.space, user_id, id_kind))
    return SuppressionLifted(lifted=True)


ROUTES = (
    Route(
        "DELETE",
        "/api/v1/users/{user_id}",
        delete_user,
        "Erase a person with all linked ids: events, sessions, values, for good",
        UserErased,
        UserErased(ErasedJson(ids=2, events=1_204, sessions=37, values=12)),
        (USER_ID, SPACE, ID_KIND, CONFIRMED, SUPPRESS, IF_MATCH),
        (UserNotFound, Unconfirmed, PreconditionFailed, UsageError, LimitExceeded),
    ),
    Route(
        "GET",
        "/api/v1/suppressions/{user_id}",
        show_suppression,
        "Say whether an id was erased and is to stay out; nothing else is known of it",
        SuppressionJson,
        SuppressionJson(suppressed=True),
        (USER_ID, SPACE, ID_KIND),
    ),
    Route(
        "DELETE",
        "/api/v1/suppressions/{user_id}",
        delete_suppression,
        "Let a person who stays out be known again, under all ids that were suppressed with this one",
        SuppressionLifted,
        SuppressionLifted(lifted=True),
        (USER_ID, SPACE, ID_KIND),
        (SuppressionNotFound,),
    ),
)
