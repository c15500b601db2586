"""Content items of a space, and what one user sees of them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import duckdb
import msgspec

from enduser import limits
from enduser.core.contents import Content, Decision, SavedContent, check_content, content_not_found
from enduser.core.deciding import Decider, Deciding
from enduser.core.rules.naming import names_of
from enduser.core.rules.programs import Person, Program
from enduser.core.segments import Saving
from enduser.errors import (
    ContentExists,
    InvalidContent,
    LimitExceeded,
    UsageError,
)
from enduser.stores.embedded.asking import asked, conditions, rules_of
from enduser.stores.embedded.reading import Look
from enduser.stores.embedded.segments import Rules, every_segment
from enduser.stores.embedded.statements import run


def every_content(connection: duckdb.DuckDBPyConnection, content_id: str | None = None) -> list[SavedContent]:
    """Return the content items of a space, by id; see `Reader.contents`."""
    return [_saved(*row) for row in run(connection, "contents.contents", id=content_id)]


def save(connection: duckdb.DuckDBPyConnection, content: Content, saving: Saving) -> SavedContent:
    """Make a content item or change it; see `Store.save_content`. The caller owns the transaction.

    Raises:
        InvalidContent: something of it cannot be, or its segment is not in use.
        ContentExists, ContentNotFound: it is there, or is not.
        LimitExceeded: there are as many as there may be.
    """
    check_content(content)
    before = next(iter(every_content(connection, content.id)), None)
    _check_before(connection, content.id, before, is_new=saving.is_new)
    if content.segment is not None and content.segment not in _segments_in_use(connection):
        raise InvalidContent(
            f"there is no segment {content.segment!r} in use",
            hint="list them by: enduser segments list; one that is archived must be restored first",
            field="segment",
        )
    created_at = before.created_at if before else saving.at
    saved = SavedContent(content=content, saved_at=saving.at, saved_by=saving.by, created_at=created_at)
    run(
        connection,
        "contents.save",
        id=content.id,
        name=content.name,
        kind=content.kind,
        payload=msgspec.json.encode(content.payload).decode(),
        segment=content.segment,
        is_public=content.is_public,
        saved_at=saved.saved_at,
        saved_by=saved.saved_by,
        created_at=saved.created_at,
    )
    return saved


def delete(connection: duckdb.DuckDBPyConnection, content_id: str) -> None:
    """Take a content item away.

    Raises:
        ContentNotFound: there is none of this id.
    """
    if not run(connection, "contents.delete", id=content_id):
        raise content_not_found(content_id)


def deciding(look: Look, *, only_public: bool) -> Deciding:
    """Return what must be known to decide in a space; only of what browsers may learn of.

    In a space that tracks no users there are no segments.
    """
    contents = [one.content for one in every_content(look.connection)]
    tracks_users = look.settings().unique_user != "none"
    saved = every_segment(look.connection) if tracks_users else []
    segments = {one.segment.id: one.segment for one in saved if not one.segment.is_archived}
    shown = [one for one in contents if one.is_public or not only_public]
    told = [name for name, segment in segments.items() if segment.is_public or not only_public]
    wanted = [*told, *(one.segment for one in shown if one.segment is not None and one.segment in segments)]
    read, unread = _with_named(rules_of(look), wanted)
    return Deciding(
        space=look.space,
        contents=shown,
        segments=[name for name in told if name in read],
        rules={name: segments[name].rule for name in read},
        attributes={column.attribute.name: column.attribute.type for column in look.columns()},
        lists=[list_id for (list_id,) in look.run("lists.ids")],
        unread=unread,
        since_fold=look.run("contents.since_fold")[0][0],
    )


def _with_named(rules: Rules, wanted: Iterable[str]) -> tuple[Sequence[str], Sequence[str]]:
    """Return segments and all that they name, and apart those that cannot be read (any more).

    A segment that names one that cannot be read cannot be read itself.
    """
    read: dict[str, None] = {}
    unread: dict[str, None] = {}
    left = list(wanted)
    while left:
        name = left.pop()
        if name in read or name in unread:
            continue
        try:
            rule = rules.require(name)
        except UsageError:
            unread[name] = None
        else:
            read[name] = None
            left += names_of(rule).segments
    return list(read), list(unread)


def decide(look: Look, user_id: str, id_kind: str | None, *, only_public: bool) -> Decision:
    """Return what the person of an id sees; see `Reader.decide`."""
    decider = Decider(deciding(look, only_public=only_public), look.settings().time_zone)
    return decider.decide(*find_person(look, user_id, id_kind, decider.program))


def find_person(look: Look, user_id: str, id_kind: str | None, program: Program) -> tuple[Person, int]:
    """Return what a program needs to know of the person of an id, and what the clock shows."""
    return asked(look, user_id, id_kind).person(program), conditions(look).now


def _segments_in_use(connection: duckdb.DuckDBPyConnection) -> set[str]:
    return {one.segment.id for one in every_segment(connection) if not one.segment.is_archived}


def _check_before(
    connection: duckdb.DuckDBPyConnection, content_id: str, before: SavedContent | None, *, is_new: bool
) -> None:
    if not is_new:
        if before is None:
            raise content_not_found(content_id)
        return
    if before is not None:
        raise ContentExists(
            f"a content item has the id {content_id!r} already",
            hint="change that, or take another id",
            field="id",
        )
    if run(connection, "contents.count")[0][0] >= limits.CONTENTS_MAX:
        raise LimitExceeded(
            f"there are {limits.CONTENTS_MAX:,} content items",
            hint=f"the limit is {limits.CONTENTS_MAX:,} (CONTENTS_MAX); delete those that nobody shows",
            limit=limits.CONTENTS_MAX,
        )


def _saved(id_: str, name: str, kind: str, payload: str, *more: Any) -> SavedContent:
    segment, is_public, saved_at, saved_by, created_at = more
    content = Content(
        id=id_,
        name=name,
        kind=kind,
        payload=msgspec.json.decode(payload),
        segment=segment,
        is_public=is_public,
    )
    return SavedContent(content=content, saved_at=saved_at, saved_by=saved_by, created_at=created_at)
