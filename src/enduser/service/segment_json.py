"""Segments, counts and parts of users as programs outside get them."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from msgspec import Meta

from enduser.core.rules.rule_json import RuleJson
from enduser.core.segments import Counts, Facet, RuleCounts, SavedSegment
from enduser.core.uses import Use
from enduser.service.json_form import Count, Time, iso_time, iso_time_if_known

Rule = Annotated[
    RuleJson,
    Meta(
        description="docs/rules.md says what it means",
        extra_json_schema={"$ref": "#/components/schemas/Rule"},
    ),
]
Tags = Annotated[list[str], Meta(description="words by which people find it")]
Public = Annotated[bool, Meta(description="whether browsers may learn who is in it")]
Followed = Annotated[bool, Meta(description="whether the feed tells who enters and leaves it")]
Archived = Annotated[bool, Meta(description="whether it is out of use: no rule can name it")]
Share = Annotated[float, Meta(description="of all users; 0 where there are none", ge=0, le=1)]
NotYetSeen = Annotated[Count, Meta(description="ids without an End User Object, which only lists know")]


class SegmentJson(msgspec.Struct, frozen=True, kw_only=True):
    """A segment as it was saved; `version` counts how often, from 1."""

    id: str
    name: str
    description: str
    tags: Tags
    public: Public
    followed: Followed
    archived: Archived
    rule: Rule
    version: Annotated[int, Meta(ge=1)]
    created_at: Time
    saved_at: Time
    saved_by: str


class CountJson(msgspec.Struct, frozen=True, kw_only=True):
    """How many users a rule means, of how many there are, and what the space's clock showed then."""

    count: Count
    not_yet_seen: NotYetSeen
    users: Count
    share: Share
    clock_at: Time | None


class FacetValueJson(msgspec.Struct, frozen=True):
    """A value of an attribute, and how many users have it."""

    value: Any
    users: Count


class FacetJson(msgspec.Struct, frozen=True, kw_only=True):
    """How users are parted by an attribute: the most frequent values, how many have another, or none."""

    field: str
    values: list[FacetValueJson]
    others: Count
    unknown: Count


class UseJson(msgspec.Struct, frozen=True, kw_only=True):
    """What names a segment: another segment, or a content item."""

    kind: str
    id: str
    name: str


def segment_json(saved: SavedSegment) -> SegmentJson:
    """Return the JSON form of a segment."""
    segment = saved.segment
    return SegmentJson(
        id=segment.id,
        name=segment.name,
        description=segment.description,
        tags=list(segment.tags),
        public=segment.is_public,
        followed=segment.is_followed,
        archived=segment.is_archived,
        rule=segment.rule,
        version=saved.version,
        created_at=iso_time(saved.created_at),
        saved_at=iso_time(saved.saved_at),
        saved_by=saved.saved_by,
    )


def count_json(counts: Counts, counted: RuleCounts) -> CountJson:
    """Return the JSON form of one of several counts."""
    return CountJson(
        count=counts.users,
        not_yet_seen=counts.not_yet_seen,
        users=counted.all_users,
        share=counts.users / counted.all_users if counted.all_users else 0.0,
        clock_at=iso_time_if_known(counted.clock_at),
    )


def facet_json(name: str, facet: Facet) -> FacetJson:
    """Return the JSON form of how users are parted by an attribute."""
    values = [FacetValueJson(one.value, one.users) for one in facet.values]
    return FacetJson(field=name, values=values, others=facet.others, unknown=facet.unknown)


def use_json(use: Use) -> UseJson:
    """Return the JSON form of what names something."""
    return UseJson(kind=use.kind, id=use.id, name=use.name)
