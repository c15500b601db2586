"""Links between ids: which hold, and making and removing them by hand."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, get_args

import msgspec

from enduser.api.calls import Call
from enduser.clock import now_us
from enduser.core.events import UserId, hashed_id
from enduser.core.settings import SpaceSettings
from enduser.errors import LinkNotFound, MalformedRequest
from enduser.service.json_form import Time, iso_time
from enduser.stores.contract import AddLink, Link, OwnedStore, RemoveLink

Kind = Literal["plain", "hashed", "anonymous"]


class LinkJson(msgspec.Struct, frozen=True, kw_only=True):
    """Two ids that are one person, as stored; `by` says whether an event or a call linked them."""

    one: str
    one_is_anonymous: bool
    other: str
    other_is_anonymous: bool
    since: Time
    by: Literal["event", "api"]


class LinksPage(msgspec.Struct, frozen=True):
    """All links that hold, oldest first."""

    items: list[LinkJson]
    next_cursor: str | None = None


class LinkedIds(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Two ids, each of a kind: plain, hashed (as a space stores them that hashes ids), or anonymous."""

    one: str
    other: str
    one_kind: Kind = "plain"
    other_kind: Kind = "plain"


class LinkRemoved(msgspec.Struct, frozen=True):
    """A link does not hold any more."""

    removed: bool


async def list_links(call: Call) -> LinksPage:
    """Return all links that hold."""
    links = await call.change(lambda store: store.links(call.space))
    return LinksPage([_json(link) for link in links])


async def create_link(call: Call) -> LinksPage:
    """Link two ids; return the links that hold then."""
    one, other = await _ids(call, call.body)
    record = AddLink(one, other, now_us(), is_hashed=True)
    await call.change(lambda store: store.apply(call.space, record))
    return await list_links(call)


async def remove_link(call: Call) -> LinkRemoved:
    """Remove the link of two ids; it stays removed, whatever later events claim."""
    one, other = await _ids(call, {name: value for name, value in call.values.items() if name != "space"})
    await call.change(lambda store: _remove(store, call.space, one, other))
    return LinkRemoved(removed=True)


def _remove(store: OwnedStore, space: str, one: UserId, other: UserId) -> None:
    if not any({link.one, link.other} == {one, other} for link in store.links(space)):
        raise LinkNotFound(
            f"{one.id!r} and {other.id!r} are not linked in {space}",
            hint="GET /api/v1/links lists the links that hold, and the kinds of their ids",
        )
    store.apply(space, RemoveLink(one, other, now_us(), is_hashed=True))


async def _ids(call: Call, values: Mapping[str, Any]) -> tuple[UserId, UserId]:
    """Return the two ids of a call as the space stores them.

    Raises:
        MalformedRequest: an id is missing, or a kind is none.
    """
    try:
        told = msgspec.convert(values, LinkedIds)
    except msgspec.ValidationError as error:
        raise MalformedRequest(
            str(error),
            hint='write {"one", "other"}, and "one_kind", "other_kind" where they are not plain: '
            f"{', '.join(get_args(Kind))}",
        ) from None
    settings = await call.read(lambda reader: reader.settings(call.space))
    return _stored(told.one, told.one_kind, settings), _stored(told.other, told.other_kind, settings)


def _stored(text: str, kind: Kind, settings: SpaceSettings) -> UserId:
    if kind == "plain" and settings.hash_ids:
        return UserId(hashed_id(settings.hash_salt, text.strip()), is_anonymous=False)
    return UserId(text, is_anonymous=kind == "anonymous")


def _json(link: Link) -> LinkJson:
    return LinkJson(
        one=link.one.id,
        one_is_anonymous=link.one.is_anonymous,
        other=link.other.id,
        other_is_anonymous=link.other.is_anonymous,
        since=iso_time(link.since),
        by=link.by,
    )
