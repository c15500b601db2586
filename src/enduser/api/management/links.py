"""Links between ids: which hold, and making and removing them by hand."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Literal

import msgspec

from enduser.api.management.calls import Call, Route
from enduser.api.management.parameters import CURSOR, LIMIT, LINKED, SPACE
from enduser.clock import now_us
from enduser.core.events import HASH_FORM, UserId, known_id
from enduser.core.links import ID_KINDS, IdKind, stored_ids
from enduser.core.settings import SpaceSettings
from enduser.errors import (
    InvalidCursor,
    LimitExceeded,
    LinkNotFound,
    MalformedRequest,
    UsageError,
    UserSuppressed,
)
from enduser.ingest.json_flaws import flaw_of
from enduser.service.json_form import Time, iso_time
from enduser.stores.contract import OwnedStore
from enduser.stores.records import AddLink, RemoveLink


class LinkJson(msgspec.Struct, frozen=True, kw_only=True):
    """Two ids that are one person, as stored; `by` says whether an event or a call linked them."""

    one: str
    one_is_anonymous: bool
    other: str
    other_is_anonymous: bool
    since: Time
    by: Literal["event", "api"]


class LinksPage(msgspec.Struct, frozen=True):
    """Some links that hold, oldest first."""

    items: list[LinkJson]
    next_cursor: str | None = None


class LinkedIds(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Two ids, each of a kind: plain, hashed (as a space stores them that hashes ids), or anonymous."""

    one: str
    other: str
    one_kind: IdKind = "plain"
    other_kind: IdKind = "plain"


class LinkRemoved(msgspec.Struct, frozen=True):
    """A link does not hold any more."""

    removed: bool


async def list_links(call: Call) -> LinksPage:
    """Return a page of the links that hold."""
    limit, cursor = call.values["limit"], call.values["cursor"]
    page = await call.read(lambda reader: reader.links_page(call.space, limit=limit, cursor=cursor))
    return LinksPage([_json(row) for row in page.items], page.next_cursor)


async def create_link(call: Call) -> LinkJson:
    """Link two ids; return the link."""
    told = _told(call.body)

    def link(store: OwnedStore) -> LinkJson:
        one, other = _stored(store, call.space, told)
        store.apply(call.space, AddLink(one, other, now_us(), is_hashed=True))
        row = store.find_link(call.space, one, other)
        assert row is not None
        return _json(row)

    return await call.change(link)


async def remove_link(call: Call) -> LinkRemoved:
    """Remove the link of two ids; it stays removed, whatever later events claim."""
    told = _told({name: value for name, value in call.values.items() if name != "space"})

    def part(store: OwnedStore) -> None:
        one, other = _stored(store, call.space, told)
        if store.find_link(call.space, one, other) is None:
            raise LinkNotFound(
                f"{told.one!r} and {told.other!r} are not linked in {call.space}",
                hint="GET /api/v1/links lists the links that hold, and the kinds of their ids",
            )
        store.apply(call.space, RemoveLink(one, other, now_us(), is_hashed=True))

    await call.change(part)
    return LinkRemoved(removed=True)


def _told(values: Mapping[str, Any]) -> LinkedIds:
    """Return the two ids of a call.

    Raises:
        MalformedRequest: an id is missing, or a kind is none.
    """
    try:
        return msgspec.convert(values, LinkedIds)
    except msgspec.ValidationError as error:
        raise MalformedRequest(
            flaw_of(error),
            hint='write {"one", "other"}, and "one_kind", "other_kind" where they are not plain: '
            f"{', '.join(ID_KINDS)}",
        ) from None


def _stored(store: OwnedStore, space: str, told: LinkedIds) -> tuple[UserId, UserId]:
    """Return the two ids as the space stores them now; no setting changes before they are used.

    Raises:
        UsageError: one is nobody's, or is said to be hashed where ids are not.
    """
    settings = store.settings(space)
    one, other = (
        _as_stored(settings, space, text, kind)
        for text, kind in ((told.one, told.one_kind), (told.other, told.other_kind))
    )
    return one, other


def _as_stored(settings: SpaceSettings, space: str, text: str, kind: IdKind) -> UserId:
    known = known_id(text)
    if known is None:
        raise UsageError(f"{text!r} is nobody's id", hint="docs/concepts.md lists the words that are none")
    for user in stored_ids(settings, known, kind):
        if kind == "hashed" and not re.fullmatch(HASH_FORM, known):
            raise UsageError(
                f"{text!r} is no hash",
                hint="a hash is 43 characters of base64; a plain id is of the kind plain",
            )
        return user
    raise UsageError(
        f"{text!r} is no hashed id: the ids of {space} are not hashed", hint="say that it is plain"
    )


def _json(row: Mapping[str, Any]) -> LinkJson:
    return msgspec.convert({**row, "since": iso_time(row["since"])}, LinkJson)


_LINK = LinkJson(
    one="adam.br",
    one_is_anonymous=False,
    other="9f3c",
    other_is_anonymous=True,
    since="2026-03-01T10:00:00.000000Z",
    by="api",
)

ROUTES = (
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
        (MalformedRequest, UsageError, LimitExceeded, UserSuppressed),
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
)
