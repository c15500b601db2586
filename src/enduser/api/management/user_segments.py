"""In which segments one user is, and why."""

from __future__ import annotations

from enduser.api.management.calls import Call, Route
from enduser.api.management.parameters import EXPLAIN, ID_KIND, ONLY_SEGMENT, SPACE, USER_ID
from enduser.api.management.rules import RULE_ERRORS
from enduser.core.segments import require_in_use
from enduser.errors import SegmentNotFound
from enduser.service.explained import UserSegmentJson, UserSegments, user_segments
from enduser.stores.contract import Reader


async def list_user_segments(call: Call) -> UserSegments:
    """Return whether the segments that are in use hold for a user, or one of them."""
    values = call.values

    def look(reader: Reader) -> UserSegments:
        segment_id, asked = values["segment"], (values["user_id"], values["id_kind"])
        if segment_id is not None:
            require_in_use(reader.find_segment(call.space, segment_id))
        return user_segments(reader, call.space, *asked, segment_id=segment_id, explain=values["explain"])

    return await call.read(look)


_TIME = "2026-03-01T10:00:00.000000Z"
_CONDITION = {
    "field": "plan",
    "operator": "is",
    "value": "vip",
    "holds": True,
    "turns_at": None,
    "found": "vip",
    "source": "crm",
    "effective_at": _TIME,
}
_EXPLANATION = {"combinator": "and", "holds": True, "turns_at": None, "rules": [_CONDITION]}
_SEGMENT = UserSegmentJson(
    id="vips", name="Very important", public=False, holds=True, turns_at=None, explanation=_EXPLANATION
)

ROUTES = (
    Route(
        "GET",
        "/api/v1/users/{user_id}/segments",
        list_user_segments,
        "List the segments that are in use: whether they hold for a user, until when, and why",
        UserSegments,
        UserSegments(is_seen=True, clock_at=_TIME, items=[_SEGMENT]),
        (USER_ID, SPACE, ID_KIND, ONLY_SEGMENT, EXPLAIN),
        (*RULE_ERRORS, SegmentNotFound),
    ),
)
