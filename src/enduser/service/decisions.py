"""Decisions as programs outside get them."""

from __future__ import annotations

import hashlib
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from enduser.core.contents import Content, Decision
from enduser.service.json_form import Time, iso_time, iso_time_if_known


class ShownContent(msgspec.Struct, frozen=True):
    """A content item that a user sees."""

    id: str
    kind: str
    payload: Annotated[dict[str, Any] | None, Meta(description="as it was saved")]


class DecisionJson(msgspec.Struct, frozen=True, kw_only=True):
    """What one user sees, and the segments that hold."""

    content: list[ShownContent]
    segments: Annotated[list[str], Meta(description="their ids")]
    valid_until: Annotated[
        Time | None, Meta(description="until then it stays if nothing else happens; null: for good")
    ]
    as_of: Annotated[Time, Meta(description="the clock of the space, by which it was decided")]


def decision_json(decision: Decision) -> DecisionJson:
    """Return the JSON form of a decision."""
    return DecisionJson(
        content=[_shown(content) for content in decision.contents],
        segments=list(decision.segments),
        valid_until=iso_time_if_known(decision.turns_at),
        as_of=iso_time(decision.decided_at),
    )


def etag_of(decision: DecisionJson) -> str:
    """Return what names a decision: it stays while the same is shown for the same time."""
    told = msgspec.json.encode((decision.content, decision.segments, decision.valid_until))
    return f'"{hashlib.sha256(told).hexdigest()[:32]}"'


def _shown(content: Content) -> ShownContent:
    return ShownContent(content.id, content.kind, None if content.payload is None else dict(content.payload))
