"""In which segments a user is, and why: the tree of each rule with its verdicts, as programs get it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

import msgspec
from msgspec import UNSET, Meta, UnsetType

from enduser.core.attributes import AttributeType
from enduser.core.candidates import Candidate
from enduser.core.rules.explaining import Verdict
from enduser.core.rules.fields import USER_FIELDS
from enduser.core.segments import SegmentVerdict
from enduser.service.json_form import Time, iso_time, iso_time_if_known
from enduser.service.provenance import Said, find_said
from enduser.service.segment_json import Public
from enduser.stores.contract import Reader

TurnsAt = Annotated[
    Time | None, Meta(description="when it becomes the contrary by itself; null: not known to")
]
Explanation = Annotated[
    dict[str, Any],
    Meta(
        description="the rule with `holds` and `turns_at` at each node; conditions with `found`, the value "
        "that they look at, or how often what they count happened, with `last_at`; values of custom "
        "attributes with `source` and `effective_at`"
    ),
]


class UserSegmentJson(msgspec.Struct, frozen=True, kw_only=True):
    """Whether a segment holds for a user."""

    id: str
    name: str
    public: Public
    holds: bool
    turns_at: TurnsAt
    explanation: Explanation | UnsetType = UNSET


class UserSegments(msgspec.Struct, frozen=True, kw_only=True):
    """Whether the segments that are in use hold for a user; `is_seen`: whether there is an object of him."""

    is_seen: bool
    clock_at: Time | None
    items: list[UserSegmentJson]
    next_cursor: str | None = None


def user_segments(
    reader: Reader,
    space: str,
    user_id: str,
    id_kind: str | None = None,
    *,
    segment_id: str | None = None,
    explain: bool = False,
) -> UserSegments:
    """Return whether segments hold for a user: one, or all that are in use; with `explain` also why."""
    wanted = None if segment_id is None else [segment_id]
    found = reader.explain_segments(space, user_id, id_kind, wanted, with_reasons=explain)
    said = find_said(reader, space, user_id, id_kind) if explain else None
    return UserSegments(
        is_seen=found.is_seen,
        clock_at=iso_time_if_known(found.clock_at),
        items=[_segment(one, said) for one in found.verdicts],
    )


def _segment(one: SegmentVerdict, said: Said | None) -> UserSegmentJson:
    segment = one.saved.segment
    return UserSegmentJson(
        id=segment.id,
        name=segment.name,
        public=segment.is_public,
        holds=one.verdict.holds,
        turns_at=iso_time_if_known(one.verdict.turns_at),
        explanation=UNSET if said is None else explanation_json(one.verdict, said, said.holding()),
    )


def explanation_json(verdict: Verdict, said: Said, held: Mapping[str, Candidate]) -> dict[str, Any]:
    """Return a node of a rule with its verdict, and all below it; `held` is as of `Said.holding`."""
    node = {**verdict.said, "holds": verdict.holds, "turns_at": iso_time_if_known(verdict.turns_at)}
    kind, name = verdict.said.get("kind"), verdict.said.get("field")
    if kind in ("session", "event", "changed"):
        return {**node, "found": verdict.found, "last_at": iso_time_if_known(verdict.last_at)}
    if kind is not None:
        return node
    if name is not None:
        return {**node, **_found(str(name), verdict.found, said, held)}
    return {**node, "rules": [explanation_json(part, said, held) for part in verdict.rules]}


def _found(name: str, value: Any, said: Said, held: Mapping[str, Candidate]) -> dict[str, Any]:
    """Return the value of an attribute, and who says it, if it is what holds of a custom one."""
    if name not in said.attributes:
        is_time = USER_FIELDS.get(name) is AttributeType.DATETIME
        return {"found": iso_time(value) if is_time and value is not None else value}
    found = said.json_value(name, value)
    origin = held.get(name)
    if origin is None or said.json_value(name, origin.value) != found:
        return {"found": found}
    return {"found": found, "source": origin.source, "effective_at": iso_time(origin.effective_at)}
