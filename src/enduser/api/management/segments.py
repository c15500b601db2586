"""Segments: rules that are saved under a name."""

from __future__ import annotations

import secrets
from dataclasses import replace
from typing import Annotated, Any

import msgspec
from msgspec import UNSET, Meta, UnsetType

from enduser import limits
from enduser.api.management.asked_users import NEWEST, PAGE_EXAMPLE, UsersPage
from enduser.api.management.calls import Answer, Call, Route, given
from enduser.api.management.etags import etag_of, require_match
from enduser.api.management.parameters import (
    ARCHIVED,
    CURSOR,
    FACET_FIELD,
    FACET_LIMIT,
    LIMIT,
    SEGMENT_ID,
    SEGMENT_IF_MATCH,
    SORT,
    SPACE,
    TAG,
)
from enduser.api.management.rules import (
    FACET_EXAMPLE,
    HINT,
    RULE_ERRORS,
    RULE_EXAMPLE,
    facet_of,
    rule_of_body,
)
from enduser.core.rules.rule_json import RuleJson
from enduser.core.rules.templates import find_template
from enduser.core.segments import SavedSegment, Segment, require_in_use
from enduser.core.users_query import UsersQuery
from enduser.errors import (
    InUse,
    InvalidCursor,
    InvalidParameter,
    InvalidSegment,
    LimitExceeded,
    MalformedRequest,
    PreconditionFailed,
    SegmentExists,
    SegmentNotFound,
    TemplateNotFound,
    UsageError,
)
from enduser.service.json_form import listed_user_json
from enduser.service.segment_json import (
    Archived,
    CountJson,
    FacetJson,
    Followed,
    Public,
    Rule,
    SegmentJson,
    Tags,
    UseJson,
    count_json,
    segment_json,
    use_json,
)
from enduser.stores.contract import OwnedStore

_ID_BYTES = 6
Name = Annotated[str, Meta(description="what people call it", max_length=limits.SEGMENT_NAME_CHARACTERS_MAX)]
TemplateUse = Annotated[
    dict[str, Any],
    Meta(
        description="in place of a rule: the `id` of a template, and its parameters",
        extra_json_schema={"required": ["id"], "properties": {"id": {"type": "string"}}},
    ),
]


class SegmentsPage(msgspec.Struct, frozen=True):
    """Segments of a space, by id, and how many there may be."""

    items: list[SegmentJson]
    limit: int
    next_cursor: str | None = None


class NewSegment(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A segment to be: its rule, or a template of one. Without an id it gets one at random."""

    name: str
    rule: Rule | UnsetType = UNSET
    template: TemplateUse | UnsetType = UNSET
    id: str | UnsetType = UNSET
    description: str = ""
    tags: Tags = []
    public: Public = False
    followed: Followed = False


class SegmentChange(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is to be another of a segment; what is not named stays."""

    name: str | UnsetType = UNSET
    rule: Rule | UnsetType = UNSET
    description: str | UnsetType = UNSET
    tags: Tags | UnsetType = UNSET
    public: Public | UnsetType = UNSET
    followed: Followed | UnsetType = UNSET
    archived: Archived | UnsetType = UNSET


class SegmentDeleted(msgspec.Struct, frozen=True):
    """A segment is there no more, with all its versions."""

    deleted: bool


class SegmentVersions(msgspec.Struct, frozen=True):
    """The last versions of a segment, the newest first."""

    items: list[SegmentJson]
    next_cursor: str | None = None


class SegmentUses(msgspec.Struct, frozen=True):
    """All that names a segment."""

    items: list[UseJson]
    next_cursor: str | None = None


async def list_segments(call: Call) -> SegmentsPage:
    """Return the segments of a space that are in use, or the archived ones."""
    tag, archived = call.values["tag"], call.values["archived"]
    found = await call.read(lambda reader: reader.segments(call.space))
    items = [
        segment_json(saved)
        for saved in found
        if saved.segment.is_archived is archived and (tag is None or tag in saved.segment.tags)
    ]
    return SegmentsPage(items, limits.SEGMENTS_MAX)


async def create_segment(call: Call) -> Answer:
    """Make a segment."""
    told = call.told(NewSegment, HINT)
    segment = Segment(
        id=secrets.token_hex(_ID_BYTES) if told.id is UNSET else told.id,
        name=told.name,
        rule=_rule_of(told),
        description=told.description,
        tags=tuple(told.tags),
        is_public=told.public,
        is_followed=told.followed,
    )
    saving = call.saving(is_new=True)
    with rule_of_body("rule" if told.template is UNSET else "template"):
        return _answer(await call.change(lambda store: store.save_segment(call.space, segment, saving)))


def _rule_of(told: NewSegment) -> RuleJson:
    """Return the rule that a segment to be has.

    Raises:
        MalformedRequest: there is none, or more than one.
        TemplateNotFound, InvalidParameter: it is of a template that there is not, or not like this.
    """
    if (told.rule is UNSET) is (told.template is UNSET):
        raise MalformedRequest("the body must have either rule or template", hint=HINT)
    if told.rule is not UNSET:
        return told.rule
    assert told.template is not UNSET
    parameters = dict(told.template)
    try:
        return find_template(str(parameters.pop("id", ""))).rule(parameters)
    except (TemplateNotFound, InvalidParameter) as error:
        error.field = "template.id" if isinstance(error, TemplateNotFound) else f"template.{error.field}"
        raise


async def show_segment(call: Call) -> Answer:
    """Return one segment, with an `ETag` that names it as it is."""
    return _answer(await _find(call))


async def change_segment(call: Call) -> Answer:
    """Change a segment; with `If-Match` only if it is as that names it."""
    told = call.told(SegmentChange, HINT)
    changes = given(told)
    for name in ("public", "followed", "archived"):
        if name in changes:
            changes[f"is_{name}"] = changes.pop(name)
    if "tags" in changes:
        changes["tags"] = tuple(changes["tags"])
    segment_id, wanted = call.values["segment_id"], call.values["If-Match"]
    saving = call.saving(is_new=False)

    def change(store: OwnedStore) -> SavedSegment:
        found = store.find_segment(call.space, segment_id)
        require_match(segment_json(found), wanted, "segment")
        return store.save_segment(call.space, replace(found.segment, **changes), saving)

    with rule_of_body():
        return _answer(await call.change(change))


async def delete_segment(call: Call) -> SegmentDeleted:
    """Delete a segment with all its versions; with `If-Match` only if it is as that names it."""
    segment_id, wanted = call.values["segment_id"], call.values["If-Match"]

    def delete(store: OwnedStore) -> None:
        require_match(segment_json(store.find_segment(call.space, segment_id)), wanted, "segment")
        store.delete_segment(call.space, segment_id)

    await call.change(delete)
    return SegmentDeleted(deleted=True)


async def list_segment_versions(call: Call) -> SegmentVersions:
    """Return the last versions of a segment, the newest first."""
    segment_id = call.values["segment_id"]
    found = await call.read(lambda reader: reader.segment_versions(call.space, segment_id))
    return SegmentVersions([segment_json(saved) for saved in found])


async def list_segment_uses(call: Call) -> SegmentUses:
    """Return what names a segment."""
    segment_id = call.values["segment_id"]
    await _find(call)  # there must be such a segment
    found = await call.read(lambda reader: reader.uses(call.space, "segments", segment_id))
    return SegmentUses([use_json(use) for use in found])


async def count_segment(call: Call) -> CountJson:
    """Return how many users a segment means."""
    rule = await _rule_in_use(call)
    with rule_of_body():
        counted = await call.read(lambda reader: reader.count_users(call.space, [rule]))
    return count_json(counted.counts[0], counted)


async def list_segment_members(call: Call) -> UsersPage:
    """Return a page of the users whom a segment means."""
    rule, values = await _rule_in_use(call), call.values
    with rule_of_body():
        page = await call.read(
            lambda reader: reader.users_page(
                call.space,
                UsersQuery(rule=rule, sort=values["sort"] or NEWEST),
                limit=values["limit"],
                cursor=values["cursor"],
            )
        )
    return UsersPage([listed_user_json(row) for row in page.items], page.next_cursor)


async def part_segment(call: Call) -> FacetJson:
    """Return how the users of a segment are parted by an attribute."""
    rule = await _rule_in_use(call)
    return await facet_of(call, rule, call.values["field"], call.values["limit"])


async def _find(call: Call) -> SavedSegment:
    segment_id = call.values["segment_id"]
    return await call.read(lambda reader: reader.find_segment(call.space, segment_id))


async def _rule_in_use(call: Call) -> RuleJson:
    saved = await _find(call)
    require_in_use(saved)
    return saved.segment.rule


def _answer(saved: SavedSegment) -> Answer:
    told = segment_json(saved)
    return Answer(told, {"ETag": etag_of(told)})


_SEGMENT = SegmentJson(
    id="vips",
    name="Very important",
    description="Who pays most.",
    tags=["billing"],
    public=False,
    followed=False,
    archived=False,
    rule=RULE_EXAMPLE,
    version=3,
    created_at="2026-03-01T10:00:00.000000Z",
    saved_at="2026-03-02T10:00:00.000000Z",
    saved_by="reports",
)
_COUNT = CountJson(count=61, not_yet_seen=0, users=84, share=0.726, clock_at="2026-03-01T10:00:00.000000Z")
_PATH = "/api/v1/segments/{segment_id}"

ROUTES = (
    Route(
        "GET",
        "/api/v1/segments",
        list_segments,
        "List the segments of a space that are in use, or the archived ones, by id",
        SegmentsPage,
        SegmentsPage([_SEGMENT], limits.SEGMENTS_MAX),
        (SPACE, TAG, ARCHIVED),
    ),
    Route(
        "POST",
        "/api/v1/segments",
        create_segment,
        "Make a segment of a rule, or of a template",
        SegmentJson,
        _SEGMENT,
        (SPACE,),
        (*RULE_ERRORS, InvalidSegment, SegmentExists, TemplateNotFound, LimitExceeded),
        body=NewSegment,
        body_limit="RULE_BODY_BYTES_MAX",
        body_example={"id": "vips", "name": "Very important", "rule": RULE_EXAMPLE, "tags": ["billing"]},
    ),
    Route(
        "GET",
        _PATH,
        show_segment,
        "Show a segment, with its ETag",
        SegmentJson,
        _SEGMENT,
        (SEGMENT_ID, SPACE),
        (SegmentNotFound,),
    ),
    Route(
        "PATCH",
        _PATH,
        change_segment,
        "Change a segment, archive it or restore it",
        SegmentJson,
        _SEGMENT,
        (SEGMENT_ID, SPACE, SEGMENT_IF_MATCH),
        (*RULE_ERRORS, InvalidSegment, SegmentNotFound, PreconditionFailed, InUse, LimitExceeded),
        body=SegmentChange,
        body_limit="RULE_BODY_BYTES_MAX",
        body_example={"name": "Very, very important", "tags": ["billing"]},
    ),
    Route(
        "DELETE",
        _PATH,
        delete_segment,
        "Delete a segment with all its versions",
        SegmentDeleted,
        SegmentDeleted(deleted=True),
        (SEGMENT_ID, SPACE, SEGMENT_IF_MATCH),
        (SegmentNotFound, InUse, PreconditionFailed),
    ),
    Route(
        "GET",
        f"{_PATH}/versions",
        list_segment_versions,
        "List the last versions of a segment, the newest first",
        SegmentVersions,
        SegmentVersions([_SEGMENT]),
        (SEGMENT_ID, SPACE),
        (SegmentNotFound,),
    ),
    Route(
        "GET",
        f"{_PATH}/count",
        count_segment,
        "Count the users of a segment",
        CountJson,
        _COUNT,
        (SEGMENT_ID, SPACE),
        (*RULE_ERRORS, SegmentNotFound),
    ),
    Route(
        "GET",
        f"{_PATH}/members",
        list_segment_members,
        "List the users of a segment, page by page",
        UsersPage,
        PAGE_EXAMPLE,
        (SEGMENT_ID, SPACE, SORT, LIMIT, CURSOR),
        (*RULE_ERRORS, SegmentNotFound, InvalidCursor),
    ),
    Route(
        "GET",
        f"{_PATH}/facets",
        part_segment,
        "Part the users of a segment by an attribute: its most frequent values",
        FacetJson,
        FACET_EXAMPLE,
        (SEGMENT_ID, SPACE, FACET_FIELD, FACET_LIMIT),
        (*RULE_ERRORS, SegmentNotFound, UsageError),
    ),
    Route(
        "GET",
        f"{_PATH}/uses",
        list_segment_uses,
        "List what names a segment",
        SegmentUses,
        SegmentUses([UseJson(kind="segment", id="vips-of-norway", name="VIPs of Norway")]),
        (SEGMENT_ID, SPACE),
        (SegmentNotFound,),
    ),
)
