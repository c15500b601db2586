"""What a rule means before it is saved: how many, who for example, who comes and goes."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import UNSET, Meta, UnsetType

from enduser.core.rules.composing import both, contrary
from enduser.core.rules.naming import segments_named
from enduser.core.rules.rule_json import RuleJson
from enduser.core.segments import Counts, RuleCounts
from enduser.core.users_query import UsersQuery
from enduser.errors import InvalidRule
from enduser.service.json_form import Count, EndUserJson, end_user_json
from enduser.service.segment_json import CountJson, NotYetSeen, count_json
from enduser.stores.contract import Reader

_LAST_FIRST = "-last_seen"
Sample = Annotated[list[EndUserJson], Meta(description="some of them, who was seen last first")]


class MovingJson(msgspec.Struct, frozen=True, kw_only=True):
    """Who would enter or leave a segment."""

    count: Count
    not_yet_seen: NotYetSeen
    sample: Sample


class RulePreview(CountJson, frozen=True, kw_only=True):
    """What a rule means now; of a segment also who would enter and leave if it were saved for that."""

    sample: Sample
    entering: MovingJson | UnsetType = UNSET
    leaving: MovingJson | UnsetType = UNSET


def preview_rule(
    reader: Reader, space: str, rule: RuleJson, segment_id: str | None, sample: int
) -> RulePreview:
    """Return what a rule means, with up to `sample` users; all counts are of one moment.

    Raises:
        InvalidRule, RuleTooLarge, UsersNotTracked: the rule cannot be, or not that of the segment.
        SegmentNotFound: there is no such segment.
    """
    before = None if segment_id is None else reader.find_segment(space, segment_id).segment.rule
    rules = [rule] if before is None else [rule, before, both(rule, before)]
    counted = reader.count_users(space, rules)
    if segment_id is not None:
        _require_no_circle(reader, space, rule, segment_id)
    plain = msgspec.structs.asdict(count_json(counted.counts[0], counted))
    shown = _sample(reader, space, rule, sample)
    if before is None:
        return RulePreview(**plain, sample=shown)
    entering, leaving = (
        MovingJson(
            count=_only(counted, which).users,
            not_yet_seen=_only(counted, which).not_yet_seen,
            sample=_sample(reader, space, both(one, contrary(other)), sample),
        )
        for which, one, other in ((0, rule, before), (1, before, rule))
    )
    return RulePreview(**plain, sample=shown, entering=entering, leaving=leaving)


def _only(counted: RuleCounts, which: int) -> Counts:
    """Return how many one of two rules means that the other does not; the third is of both."""
    one, common = counted.counts[which], counted.counts[2]
    return Counts(one.users - common.users, one.not_yet_seen - common.not_yet_seen)


def _sample(reader: Reader, space: str, rule: RuleJson, limit: int) -> list[EndUserJson]:
    if not limit:
        return []
    page = reader.users_page(space, UsersQuery(rule=rule, sort=_LAST_FIRST), limit=limit)
    return [end_user_json(row) for row in page.items]


def _require_no_circle(reader: Reader, space: str, rule: RuleJson, segment_id: str) -> None:
    """Check that a rule that can be does not lead back to the segment that it is to be saved for.

    Raises:
        InvalidRule: it does.
    """
    leading, waiting = {segment_id}, [segment_id]
    while waiting:
        for use in reader.uses(space, "segments", waiting.pop()):
            if use.kind == "segment" and use.id not in leading:
                leading.add(use.id)
                waiting.append(use.id)
    if found := sorted(leading & segments_named(rule)):
        raise InvalidRule(
            f"by the segment {found[0]!r} the rule leads back to the segment {segment_id!r} itself",
            hint="take it out of the rule, or out of the segment that the rule names",
            field="",
        )
