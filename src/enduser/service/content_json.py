"""Content items as programs outside get them."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from msgspec import Meta

from enduser.core.contents import SavedContent
from enduser.service.json_form import Time, iso_time

Kind = Annotated[str, Meta(description="what it is to the site, such as banner")]
Payload = Annotated[dict[str, Any] | None, Meta(description="what the site shows it by")]
SegmentId = Annotated[str | None, Meta(description="to whose users it is shown; null: to everyone")]
Public = Annotated[bool, Meta(description="whether browsers may learn of it")]


class ContentJson(msgspec.Struct, frozen=True, kw_only=True):
    """A content item."""

    id: str
    name: str
    kind: Kind
    payload: Payload
    segment: SegmentId
    public: Public
    created_at: Time
    changed_at: Time
    changed_by: str


def content_json(saved: SavedContent) -> ContentJson:
    """Return the JSON form of a content item."""
    content = saved.content
    return ContentJson(
        id=content.id,
        name=content.name,
        kind=content.kind,
        payload=None if content.payload is None else dict(content.payload),
        segment=content.segment,
        public=content.is_public,
        created_at=iso_time(saved.created_at),
        changed_at=iso_time(saved.saved_at),
        changed_by=saved.saved_by,
    )
