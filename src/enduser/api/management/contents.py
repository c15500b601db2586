"""Content items, and what one user sees."""

from __future__ import annotations

from dataclasses import replace

import msgspec
from msgspec import UNSET, UnsetType

from enduser import limits
from enduser.api.management.calls import Answer, Call, Route, given
from enduser.api.management.etags import etag_of, require_match
from enduser.api.management.parameters import CONTENT_ID, CONTENT_IF_MATCH, ID_KIND, SPACE, USER_ID
from enduser.core.contents import Content, SavedContent, find_content
from enduser.errors import (
    ContentExists,
    ContentNotFound,
    InvalidContent,
    LimitExceeded,
    PreconditionFailed,
)
from enduser.service.content_json import ContentJson, Kind, Payload, Public, SegmentId, content_json
from enduser.service.deciding_state import DecidingStateJson
from enduser.service.decisions import DecisionJson, ShownContent, decision_json
from enduser.stores.contract import OwnedStore, Reader

_HINT = "docs/content.md shows the calls"
_WHAT = "content item"


class ContentsPage(msgspec.Struct, frozen=True):
    """All content items of a space, by id, how many there may be, and who decides of them."""

    items: list[ContentJson]
    limit: int
    decisions: DecidingStateJson | None = None
    next_cursor: str | None = None


class NewContent(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A content item to be."""

    id: str
    name: str
    kind: Kind = "content"
    payload: Payload = None
    segment: SegmentId = None
    public: Public = True


class ContentChange(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is to be another of a content item; what is not named stays."""

    name: str | UnsetType = UNSET
    kind: Kind | UnsetType = UNSET
    payload: Payload | UnsetType = UNSET
    segment: SegmentId | UnsetType = UNSET
    public: Public | UnsetType = UNSET


class ContentDeleted(msgspec.Struct, frozen=True):
    """A content item is there no more."""

    deleted: bool


async def list_contents(call: Call) -> ContentsPage:
    """Return all content items of a space."""
    states = call.services.deciding

    def look(reader: Reader) -> ContentsPage:
        found = [content_json(one) for one in reader.contents(call.space)]
        if states is None:
            return ContentsPage(found, limits.CONTENTS_MAX)
        state = states.of(call.space, reader.settings(call.space).time_zone)
        return ContentsPage(found, limits.CONTENTS_MAX, state)

    return await call.read(look)


async def show_content(call: Call) -> Answer:
    """Return one content item, with an `ETag` that names it as it is."""
    content_id = call.values["content_id"]
    return _answer(await call.read(lambda reader: find_content(reader.contents(call.space), content_id)))


async def create_content(call: Call) -> Answer:
    """Make a content item."""
    told = call.told(NewContent, _HINT)
    content = Content(
        id=told.id,
        name=told.name,
        kind=told.kind,
        payload=told.payload,
        segment=told.segment,
        is_public=told.public,
    )
    saving = call.saving(is_new=True)
    return _answer(await call.change(lambda store: store.save_content(call.space, content, saving)))


async def change_content(call: Call) -> Answer:
    """Change a content item; with `If-Match` only if it is as that names it."""
    told, content_id = call.told(ContentChange, _HINT), call.values["content_id"]
    changes = given(told)
    if "public" in changes:
        changes["is_public"] = changes.pop("public")
    saving, wanted = call.saving(is_new=False), call.values["If-Match"]

    def change(store: OwnedStore) -> SavedContent:
        found = find_content(store.contents(call.space), content_id)
        require_match(content_json(found), wanted, _WHAT)
        return store.save_content(call.space, replace(found.content, **changes), saving)

    return _answer(await call.change(change))


async def delete_content(call: Call) -> ContentDeleted:
    """Take a content item away; with `If-Match` only if it is as that names it."""
    content_id, wanted = call.values["content_id"], call.values["If-Match"]

    def delete(store: OwnedStore) -> None:
        require_match(content_json(find_content(store.contents(call.space), content_id)), wanted, _WHAT)
        store.delete_content(call.space, content_id)

    await call.change(delete)
    return ContentDeleted(deleted=True)


async def decide(call: Call) -> DecisionJson:
    """Return what a user sees, also of what is not public."""
    user_id, id_kind = call.values["user_id"], call.values["id_kind"]
    found = await call.read(lambda reader: reader.decide(call.space, user_id, id_kind, only_public=False))
    return decision_json(found)


def _answer(saved: SavedContent) -> Answer:
    told = content_json(saved)
    return Answer(told, {"ETag": etag_of(told)})


_CONTENT = ContentJson(
    id="vip-banner",
    name="Banner for VIPs",
    kind="banner",
    payload={"text": "Thank you!"},
    segment="upgraded",
    public=True,
    created_at="2026-03-01T10:00:00.000000Z",
    changed_at="2026-03-01T10:00:00.000000Z",
    changed_by="console",
)
_NEW = NewContent(
    id="vip-banner", name="Banner for VIPs", kind="banner", payload={"text": "Thank you!"}, segment="upgraded"
)
_DECIDING = DecidingStateJson(by="owner", conditions=3, ready=2, share=0.8)
_DECISION = DecisionJson(
    content=[ShownContent("vip-banner", "banner", {"text": "Thank you!"})],
    segments=["upgraded"],
    valid_until="2026-03-08T10:00:00.000000Z",
    as_of="2026-03-02T09:30:00.000000Z",
)

ROUTES = (
    Route(
        "GET",
        "/api/v1/content",
        list_contents,
        "List content items",
        ContentsPage,
        ContentsPage([_CONTENT], limits.CONTENTS_MAX, _DECIDING),
        (SPACE,),
    ),
    Route(
        "POST",
        "/api/v1/content",
        create_content,
        "Make a content item",
        ContentJson,
        _CONTENT,
        (SPACE,),
        (InvalidContent, ContentExists, LimitExceeded),
        body=NewContent,
        body_example=_NEW,
    ),
    Route(
        "GET",
        "/api/v1/content/{content_id}",
        show_content,
        "Show a content item, with its ETag",
        ContentJson,
        _CONTENT,
        (CONTENT_ID, SPACE),
        (ContentNotFound,),
    ),
    Route(
        "PATCH",
        "/api/v1/content/{content_id}",
        change_content,
        "Change a content item",
        ContentJson,
        _CONTENT,
        (CONTENT_ID, SPACE, CONTENT_IF_MATCH),
        (ContentNotFound, InvalidContent, PreconditionFailed),
        body=ContentChange,
        body_example=ContentChange(segment=None),
    ),
    Route(
        "DELETE",
        "/api/v1/content/{content_id}",
        delete_content,
        "Delete a content item",
        ContentDeleted,
        ContentDeleted(deleted=True),
        (CONTENT_ID, SPACE, CONTENT_IF_MATCH),
        (ContentNotFound, PreconditionFailed),
    ),
    Route(
        "GET",
        "/api/v1/users/{user_id}/decision",
        decide,
        "Show what a user sees, also of what is not public",
        DecisionJson,
        _DECISION,
        (USER_ID, SPACE, ID_KIND),
    ),
)
