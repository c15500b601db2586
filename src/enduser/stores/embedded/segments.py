"""Segments of a space, and what the words of rules mean in it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from typing import Any
from zoneinfo import ZoneInfo

import duckdb
import msgspec

from enduser import limits
from enduser.core.attributes import AttributeType
from enduser.core.rules.book import RuleBook
from enduser.core.rules.naming import Names, names_of, renamed
from enduser.core.rules.reading import Vocabulary, with_root, without_additions
from enduser.core.rules.rule_json import RuleJson
from enduser.core.rules.tree import Rule
from enduser.core.segments import SavedSegment, Saving, Segment, check_segment
from enduser.core.settings import SpaceSettings
from enduser.core.uses import BrokenUse, Named, Use, require_unused
from enduser.errors import (
    InvalidParameter,
    InvalidRule,
    LimitExceeded,
    PreconditionFailed,
    RuleTooLarge,
    SegmentExists,
    SegmentNotFound,
    UsersNotTracked,
)
from enduser.stores.embedded import filters, registry
from enduser.stores.embedded.reading import Look
from enduser.stores.embedded.statements import Rows, run, run_spliced, statements


def vocabulary(connection: duckdb.DuckDBPyConnection, settings: SpaceSettings) -> Vocabulary:
    """Return what words mean in a space whose schema is in sight."""
    return Vocabulary(
        custom={column.attribute.name: column.attribute.type for column in registry.columns(connection)},
        zone=ZoneInfo(settings.time_zone),
        lists={list_id for (list_id,) in run(connection, "lists.ids")},
        tracks_users=settings.unique_user != "none",
    )


class Rules:
    """Reads rules of a space; segments are read as rules name them."""

    def __init__(self, connection: duckdb.DuckDBPyConnection, settings: SpaceSettings) -> None:
        self._connection = connection
        self._words = vocabulary(connection, settings)
        self._book = RuleBook(self._words, self._find)

    @cached_property
    def _saved(self) -> dict[str, str]:
        """The rules of all segments, read where one is named."""
        return dict(_rows(self._connection, "rules"))

    def read(self, rule: RuleJson) -> Rule:
        """Return a rule.

        Raises:
            InvalidRule, RuleTooLarge, UsersNotTracked: as `enduser.core.rules.reading.read_rule`.
        """
        return self._book.read(rule)

    def put(self, segment_id: str, rule: RuleJson) -> None:
        """Let a segment have a rule, as if it were saved."""
        self._saved[segment_id] = _json(rule)
        self._book = RuleBook(self._words, self._find)

    def require(self, segment_id: str) -> Rule:
        """Return the rule of a segment that is there.

        Raises:
            InvalidRule, RuleTooLarge, UsersNotTracked: it cannot be (any more).
        """
        return self._book.require(segment_id)

    @property
    def custom(self) -> Mapping[str, AttributeType]:
        """The types of the custom attributes."""
        return self._words.custom

    def require_use(self, use: Use) -> None:
        """Check the rule of a segment or a filter that is there.

        Raises:
            InvalidRule, RuleTooLarge, UsersNotTracked: it cannot be (any more).
            InvalidParameter: the filter cannot be.
        """
        if use.kind == "filter":
            filters.require(self._connection, use.id, self.custom, self.read)
        else:
            self.require(use.id)

    def retyped(self, name: str, kind: AttributeType) -> None:
        """Let an attribute have another type, as if it were given that."""
        self._words = replace(self._words, custom={**self._words.custom, name: kind})
        self._book = RuleBook(self._words, self._find)

    def _find(self, segment_id: str) -> Any:
        return msgspec.json.decode(self._saved[segment_id]) if segment_id in self._saved else None


# --- reading


def every_segment(connection: duckdb.DuckDBPyConnection, segment_id: str | None = None) -> list[SavedSegment]:
    """Return the segments as they are now, by id; see `Reader.segments`."""
    return [_saved(*row) for row in _rows(connection, "segments", id=segment_id)]


def find_segment(connection: duckdb.DuckDBPyConnection, segment_id: str) -> SavedSegment:
    """Return a segment as it is now; see `Reader.find_segment`.

    Raises:
        SegmentNotFound: there is no segment of this id.
    """
    for saved in every_segment(connection, segment_id):
        return saved
    raise _not_found(segment_id)


def versions(connection: duckdb.DuckDBPyConnection, segment_id: str) -> Sequence[SavedSegment]:
    """Return the versions of a segment, the last first; see `Reader.segment_versions`.

    Raises:
        SegmentNotFound: there is no segment of this id.
    """
    found = [_saved(*row) for row in _rows(connection, "versions", id=segment_id)]
    if not found:
        raise _not_found(segment_id)
    return found


def uses(look: Look, kind: Named, name: str) -> Sequence[Use]:
    """Return what names an attribute, a segment or a list; see `Reader.uses`."""
    rows = _rows(look.connection, "uses", {"kind": kind}, name=name, also_archived=False)
    found = [("segment", *row) for row in rows]
    found += [("filter", *row) for row in filters.uses(look.connection, kind, name)]
    if kind == "segments":
        found += [("content", *row) for row in run(look.connection, "contents.uses", segment=name)]
    if kind == "attributes" and name in look.settings().feed_attributes:
        found.append(("setting", "feed_attributes", "what the feed tells"))
    return [Use(kind=what, id=id_, name=shown) for what, id_, shown in found]


# --- saving; the caller owns the transaction


def save(look: Look, segment: Segment, saving: Saving) -> SavedSegment:
    """Save a segment, if anything of it is another; see `Store.save_segment`.

    Raises:
        InvalidSegment: something that people say of it cannot be.
        InvalidRule, RuleTooLarge, UsersNotTracked: its rule, or one that names it, cannot be.
        SegmentExists, SegmentNotFound: it is there, or is not.
        PreconditionFailed: it is of another version than it is said to be.
        InUse: it is to be archived, and others name it.
        LimitExceeded: there are as many as there may be.
    """
    check_segment(segment)
    before = _before(look.connection, segment.id, saving)
    if before is not None and segment.is_archived and segment.rule == before.segment.rule:
        names = _saved_names(look.connection, segment.id)  # nobody asks it, so it need not be right any more
    else:
        segment, names = _checked(look, segment)
    if before is not None and before.segment == segment:
        return before
    if segment.is_archived:
        require_unused(uses_there(look, "segments", segment.id), f"the segment {segment.id!r}")
    saved = SavedSegment(
        segment=segment,
        version=before.version + 1 if before else 1,
        saved_at=saving.at,
        saved_by=saving.by,
        created_at=before.created_at if before else saving.at,
    )
    _store(look.connection, saved, names)
    return saved


def _checked(look: Look, segment: Segment) -> tuple[Segment, Names]:
    """Return a segment with its rule as it is kept, and what that names.

    Raises:
        InvalidRule, RuleTooLarge, UsersNotTracked: its rule, or one that names it, cannot be.
    """
    rules = Rules(look.connection, look.settings())
    rules.put(segment.id, segment.rule)
    rule = rules.require(segment.id)
    waiting, met = [segment.id], {segment.id}
    while waiting:  # what names it, and what names that
        for use in uses(look, "segments", waiting.pop()):
            if use.kind == "filter":
                _require_with(rules, use)
            elif use.kind == "segment" and use.id not in met:
                _require_with(rules, use)
                waiting.append(use.id)
                met.add(use.id)
    return replace(segment, rule=without_additions(with_root(segment.rule))), names_of(rule)


def _require_with(rules: Rules, use: Use) -> None:
    """Check the rule of a segment or a filter that names a segment which is to be another.

    Raises:
        InvalidRule, RuleTooLarge, UsersNotTracked: it could not be any more.
    """
    try:
        rules.require_use(use)
    except (InvalidRule, RuleTooLarge) as error:
        raise type(error)(
            f"the {use.kind} {use.id!r} ({use.name}) names it, and could not be any more: {error.message}",
            hint=error.hint,
            field="",
            limit=error.limit,
        ) from None


def delete(look: Look, segment_id: str) -> None:
    """Take a segment away with all its versions.

    Raises:
        SegmentNotFound: there is no segment of this id.
        InUse: others name it.
    """
    find_segment(look.connection, segment_id)  # there must be such a segment
    require_unused(uses_there(look, "segments", segment_id), f"the segment {segment_id!r}")
    _rows(look.connection, "delete", id=segment_id)


# --- what rules name


def rename_attribute(look: Look, name: str, new_name: str, at: int) -> None:
    """Let all segments, archived ones too, and filters name an attribute by its new name.

    Each segment has a version more.
    """
    filters.rename_attribute(look.connection, name, new_name)
    used_by = _rows(look.connection, "uses", {"kind": "attributes"}, name=name, also_archived=True)
    for segment_id, _ in used_by:
        saved = find_segment(look.connection, segment_id)
        _rows(
            look.connection,
            "rename",
            id=segment_id,
            version=saved.version + 1,
            rule=_json(renamed(saved.segment.rule, name, new_name)),
            saved_at=at,
            saved_by=f"renaming {name} to {new_name}",
            name=name,
            new_name=new_name,
            versions_max=limits.SEGMENT_VERSIONS_MAX,
        )


def broken_by_retype(look: Look, name: str, kind: AttributeType) -> list[BrokenUse]:
    """Return the segments and filters that could not be any more if an attribute had another type."""
    broken = []
    rules = Rules(look.connection, look.settings())
    rules.retyped(name, kind)
    for use in uses(look, "attributes", name):
        if use.kind == "setting":
            continue  # the feed tells of any type
        try:
            rules.require_use(use)
        except UsersNotTracked:
            pass  # it is no matter of types
        except (InvalidRule, InvalidParameter) as error:
            names = {"kind": use.kind, "id": use.id, "name": use.name}
            broken.append(BrokenUse(space=look.space, reason=error.message, **names))
    return broken


def uses_there(look: Look, kind: Named, name: str) -> list[tuple[str, Use]]:
    """Return what names something, each with its space."""
    return [(look.space, use) for use in uses(look, kind, name)]


def _before(connection: duckdb.DuckDBPyConnection, segment_id: str, saving: Saving) -> SavedSegment | None:
    """Return a segment as it is before it is saved, None if it is to be made."""
    before = next(iter(every_segment(connection, segment_id)), None)
    if saving.is_new:
        if before is not None:
            raise SegmentExists(
                f"a segment has the id {segment_id!r} already",
                hint="change that, or take another id",
                field="id",
            )
        if _rows(connection, "count")[0][0] >= limits.SEGMENTS_MAX:
            raise LimitExceeded(
                f"there are {limits.SEGMENTS_MAX:,} segments",
                hint=f"the limit is {limits.SEGMENTS_MAX:,} (SEGMENTS_MAX); delete those that nobody uses",
                limit=limits.SEGMENTS_MAX,
            )
    elif before is None:
        raise _not_found(segment_id)
    elif saving.version not in (None, before.version):
        raise PreconditionFailed(
            f"the segment {segment_id!r} is of version {before.version} now, not {saving.version}",
            hint="look at it again, and send the change for what it is now",
        )
    return before


def _saved_names(connection: duckdb.DuckDBPyConnection, segment_id: str) -> Names:
    return Names(*map(tuple, _rows(connection, "names", id=segment_id)[0]))


def _store(connection: duckdb.DuckDBPyConnection, saved: SavedSegment, names: Names) -> None:
    segment = saved.segment
    _rows(
        connection,
        "save",
        id=segment.id,
        version=saved.version,
        name=segment.name,
        description=segment.description,
        tags=list(segment.tags),
        rule=_json(segment.rule),
        is_public=segment.is_public,
        is_followed=segment.is_followed,
        is_archived=segment.is_archived,
        saved_at=saved.saved_at,
        saved_by=saved.saved_by,
        created_at=saved.created_at,
        attributes=list(names.attributes),
        segments=list(names.segments),
        lists=list(names.lists),
        versions_max=limits.SEGMENT_VERSIONS_MAX,
    )


def _json(rule: RuleJson) -> str:
    return msgspec.json.encode(rule).decode()


def _saved(id_: str, name: str, rule: str, *more: Any) -> SavedSegment:
    description, tags, is_public, is_followed, is_archived, version, saved_at, saved_by, created_at = more
    segment = Segment(
        id=id_,
        name=name,
        rule=msgspec.json.decode(rule),
        description=description,
        tags=tuple(tags),
        is_public=is_public,
        is_followed=is_followed,
        is_archived=is_archived,
    )
    return SavedSegment(
        segment=segment, version=version, saved_at=saved_at, saved_by=saved_by, created_at=created_at
    )


def _not_found(segment_id: str) -> SegmentNotFound:
    return SegmentNotFound(
        f"there is no segment {segment_id!r}",
        hint="list them by: enduser segments list, or GET /api/v1/segments; ids are case-sensitive",
        field="segment_id",
    )


def _rows(
    connection: duckdb.DuckDBPyConnection,
    name: str,
    splices: Mapping[str, str] | None = None,
    /,
    **values: object,
) -> Rows:
    """Run a statement of `sql/segments.sql`; `newest` in it is the last version of each segment."""
    newest = f"({statements('segments')['newest'][0]})"
    return run_spliced(connection, f"segments.{name}", (), {"newest": newest, **(splices or {})}, **values)
