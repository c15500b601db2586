"""Taking rows into a store, and comparing what it holds with the reference model."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from histories import Expected, Row, browser_of, write

from enduser.core.attributes import AttributeType
from enduser.core.end_user import EndUser
from enduser.core.events import UserId
from enduser.stores.embedded import EmbeddedStore
from enduser.stores.records import Chunk, EventChunk, Form, ImportRules, Lookups, TimeUnit

SPACE = "default/production"
NOW = 253_402_300_799_999_999
"""The last instant of the calendar, so that no test's event lies in the future."""
RULES = ImportRules(started_at=NOW, time_unit=TimeUnit(1))
LOOKUPS = Lookups(browser_of=browser_of)

ORIGIN = ("country", "region", "city", "browser_name", "browser_version")


def take(store: EmbeddedStore, folder: Path, rows: list[Row], **changes: object) -> object:
    path = write(folder / "rows.jsonl", rows)
    return store.apply(SPACE, EventChunk(Chunk(path, Form.JSON_LINES), RULES, **changes)).outcomes  # type: ignore[arg-type]


def retype(store: EmbeddedStore, name: str, kind: AttributeType) -> None:
    """Give an attribute another type, and leave it as it is otherwise."""
    (before,) = [one for one in store.attributes() if one.name == name]
    store.change_attribute(name, replace(before, type=kind), NOW)


def stored(store: EmbeddedStore) -> Expected:
    users = {}
    for row in store.users(SPACE):
        users[UserId(row["user_id"], row["is_anonymous"])] = row
    sessions: dict[UserId, list[tuple[object, ...]]] = {}
    names = ("started_at", "ended_at", "events", "page_views", "interactions", "is_empty", "is_closed")
    for row in store.sessions(SPACE):
        user = UserId(row["user_id"], row["is_anonymous"])
        values = tuple(row[name] for name in (*names, *ORIGIN))
        sessions.setdefault(user, []).append(values)
    return Expected(users, sessions)


def assert_same(store: EmbeddedStore, right: Expected) -> None:
    found = stored(store)
    assert found.sessions == right.sessions
    assert found.users.keys() == right.users.keys()
    for user, row in found.users.items():
        assert_object(row, right.users[user])


def assert_object(row: Mapping[str, Any], want: EndUser) -> None:
    assert (row["first_seen"], row["last_seen"]) == (want.first_seen, want.last_seen)
    assert row["total_sessions"] == want.total_sessions
    assert row["total_session_duration"] == want.total_session_duration_us / 1e6
    between = want.average_time_between_sessions_us
    assert row["average_time_between_sessions"] == pytest.approx(between and between / 1e6)
    origin = (*(want.place or (None,) * 3), *(want.browser or (None,) * 2))
    assert tuple(row[name] for name in ORIGIN) == origin
    said = {n: row[n] for n in ("name", "role", "type", "status", "info") if row[n] is not None}
    assert said == want.properties


class Linked(NamedTuple):
    """Two ids that are linked, since when, and by what."""

    one: UserId
    other: UserId
    since: int
    by: str


def linked(row: Mapping[str, Any]) -> Linked:
    """Return the link of a row."""
    one = UserId(row["one"], row["one_is_anonymous"])
    return Linked(one, UserId(row["other"], row["other_is_anonymous"]), row["since"], row["by"])


def links(store: EmbeddedStore, limit: int = 100) -> list[Linked]:
    """Return all links that hold, read page by page."""
    page = store.links_page(SPACE, limit=limit)
    found = [linked(row) for row in page.items]
    while page.next_cursor is not None:
        page = store.links_page(SPACE, limit=limit, cursor=page.next_cursor)
        found += [linked(row) for row in page.items]
    return found
