"""Erasing one person on request."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Annotated

import anyio.from_thread
import msgspec
import structlog
from msgspec import Meta

from enduser.api.management.calls import Call, Route
from enduser.api.management.etags import find_user_json, require_match
from enduser.api.management.parameters import (
    CONFIRMED,
    CURSOR,
    ID_KIND,
    IF_MATCH,
    LIMIT,
    SPACE,
    SUPPRESS,
    USER_ID,
)
from enduser.clock import now_us
from enduser.errors import (
    InvalidCursor,
    LimitExceeded,
    PreconditionFailed,
    SuppressionNotFound,
    Unconfirmed,
    UsageError,
    UserNotFound,
)
from enduser.service.erased_person import ErasedPerson, erase_person
from enduser.service.erasing import Asked, erase_user, lift_suppression
from enduser.service.erasure_json import ErasedJson, ErasureJson, erasure_json
from enduser.service.json_form import Count
from enduser.service.no_user import no_user
from enduser.stores.answers import Applied, Erased, Erasure
from enduser.stores.contract import OwnedStore
from enduser.stores.paging import page_before

_NEWEST = "-erasure"
log = structlog.get_logger()


class MentionJson(msgspec.Struct, frozen=True):
    """Something that people wrote, and that names the person still."""

    kind: str
    id: Annotated[str, Meta(description="its id; it may be what names him")]


class UserErased(msgspec.Struct, frozen=True, kw_only=True):
    """Nothing is known of a person any more."""

    erased: ErasedJson
    receipt: ErasureJson
    uploads_deleted: Annotated[
        Count, Meta(description="files that were sent, waited to be taken and named him")
    ]
    still_named_by: Annotated[list[MentionJson], Meta(description="what stays, for people wrote it")]
    inbox: Annotated[list[str], Meta(description="files of yours that name him, or cannot be read")]


class ErasuresPage(msgspec.Struct, frozen=True):
    """Some receipts, the newest first; `next_cursor` is null on the last page."""

    items: list[ErasureJson]
    next_cursor: str | None


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

    asked = Asked(space, values["user_id"], values["id_kind"], values["suppress"])

    def erase(store: OwnedStore) -> Applied:
        if values["If-Match"] is not None:
            require_match(find_user_json(store, space, asked.user_id, asked.id_kind), values["If-Match"])
        return erase_user(store, asked, now_us())

    done = await _erase(call, asked, erase)
    receipt = done.receipt
    log.info("person is erased", space=space, erasure=receipt.number, id_hash=receipt.id_hash)
    for upload in done.beside.uploads:
        log.warning("uploaded file is deleted: it names somebody who is erased", space=space, upload=upload)
    return _told(done)


async def _erase(call: Call, asked: Asked, erase: Callable[[OwnedStore], Applied]) -> ErasedPerson:
    """Erase beside the event loop, for files are searched; the truth is changed on its thread."""
    services = call.services
    reader, folder = services.store.reader, services.store.folder
    return await services.on_thread(
        lambda: erase_person(
            reader, folder, services.control, asked, lambda: anyio.from_thread.run(call.change, erase)
        )
    )


def _told(done: ErasedPerson) -> UserErased:
    receipt = erasure_json(done.receipt)
    return UserErased(
        erased=receipt.erased,
        receipt=receipt,
        uploads_deleted=len(done.beside.uploads),
        still_named_by=[MentionJson(one.kind, one.id) for one in done.beside.written],
        inbox=list(done.beside.inbox),
    )


async def list_erasures(call: Call) -> ErasuresPage:
    """Return a page of receipts, the newest first."""
    limit, cursor = call.values["limit"], call.values["cursor"]
    found, next_cursor = await call.read(
        lambda reader: page_before(
            partial(reader.erasures, call.space), lambda one: one.number, limit, cursor, _NEWEST
        )
    )
    return ErasuresPage([erasure_json(one) for one in found], next_cursor)


async def _unconfirmed(call: Call) -> Unconfirmed:
    """Return what says how much an erasure would take away.

    Raises:
        UserNotFound: nothing is known under the id, and it is not to stay out either.
    """
    user_id, id_kind = call.values["user_id"], call.values["id_kind"]
    found = await call.read(lambda reader: reader.preview_erasure(call.space, user_id, id_kind))
    if found is None and not call.values["suppress"]:
        raise no_user(call.space, user_id, id_kind)
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


_RECEIPT = erasure_json(
    Erasure(
        number=7,
        space="",
        erased_at=1_772_359_200_000_000,
        id_hash="0f3a5c7e9b1d2f4a6c8e0a1b3d5f7092",
        id_hashes=[],
        amount=Erased(ids=2, events=1_204, sessions=37, values=12),
        is_suppressed=False,
    )
)

ROUTES = (
    Route(
        "DELETE",
        "/api/v1/users/{user_id}",
        delete_user,
        "Erase a person with all linked ids: events, sessions, values, for good",
        UserErased,
        UserErased(
            erased=_RECEIPT.erased,
            receipt=_RECEIPT,
            uploads_deleted=0,
            still_named_by=[MentionJson("segment", "friends")],
            inbox=[],
        ),
        (USER_ID, SPACE, ID_KIND, CONFIRMED, SUPPRESS, IF_MATCH),
        (UserNotFound, Unconfirmed, PreconditionFailed, UsageError, LimitExceeded),
    ),
    Route(
        "GET",
        "/api/v1/erasures",
        list_erasures,
        "List the receipts of erasures, the newest first",
        ErasuresPage,
        ErasuresPage([_RECEIPT], None),
        (SPACE, LIMIT, CURSOR),
        (InvalidCursor,),
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
