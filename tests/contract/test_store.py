"""Every engine gives the same answer as the reference model, in any order of arrival."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from histories import Expected, Row, expected, numbered, random_history, write

from enduser.core.events import UserId
from enduser.stores.contract import ChangeSetting, Chunk, CloseHistory, EventChunk, Form, ImportRules
from enduser.stores.embedded import EmbeddedStore

SPACE = "default/production"
NOW = 2_000_000_000_000_000
RULES = ImportRules(started_at=NOW, time_unit_us=1.0)


def take(store: EmbeddedStore, folder: Path, rows: list[Row], **changes: object) -> object:
    path = write(folder / "rows.jsonl", rows)
    return store.apply(SPACE, EventChunk(Chunk(path, Form.JSON_LINES), RULES, **changes)).outcomes  # type: ignore[arg-type]


def stored(store: EmbeddedStore) -> Expected:
    users = {}
    for row in store.users(SPACE):
        users[UserId(row["user_id"], row["is_anonymous"])] = row
    sessions: dict[UserId, list[tuple[object, ...]]] = {}
    names = ("started_at", "ended_at", "events", "page_views", "interactions", "is_empty", "is_closed")
    for row in store.sessions(SPACE):
        user = UserId(row["user_id"], row["is_anonymous"])
        values = tuple(row[name] for name in (*names, "country", "region", "city"))
        sessions.setdefault(user, []).append(values)
    return Expected(users, sessions)


def assert_same(store: EmbeddedStore, right: Expected) -> None:
    found = stored(store)
    assert found.sessions == right.sessions
    assert found.users.keys() == right.users.keys()
    for user, row in found.users.items():
        want = right.users[user]
        assert (row["first_seen"], row["last_seen"]) == (want.first_seen, want.last_seen)
        assert row["total_sessions"] == want.total_sessions
        assert row["total_session_duration"] == want.total_session_duration_us / 1e6
        between = want.average_time_between_sessions_us
        assert row["average_time_between_sessions"] == pytest.approx(between and between / 1e6)
        assert (row["country"], row["region"], row["city"]) == tuple(want.place or (None,) * 3)
        said = {n: row[n] for n in ("name", "role", "type", "status", "info") if row[n] is not None}
        assert said == want.properties


@pytest.fixture
def store(tmp_path: Path):
    with EmbeddedStore(tmp_path / "data", now_us=NOW, memory_limit_mb=512) as opened:
        yield opened


SETTINGS = [
    {},
    {"session_cap_s": "3600"},
    {"session_cap_s": "900", "inactivity_window_s": "1800", "retention_months": "1"},
    {"session_cap_s": "0", "retention_months": "0"},
    {"inactivity_window_s": "1", "retention_months": "6"},
]


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("texts", SETTINGS, ids=str)
def test_any_order_and_any_batching_gives_what_the_reference_gives(
    store: EmbeddedStore, tmp_path: Path, texts: dict[str, str], seed: int
) -> None:
    for name, text in texts.items():
        store.apply(SPACE, ChangeSetting(name, text))
    rng = random.Random(f"{texts}{seed}")
    rows = random_history(rng, users=40, events=40, span_s=40_000_000)
    rng.shuffle(rows)
    events = numbered(rows)
    settings = store.settings(SPACE)
    copies = [row for row in rows if row.message_id and rng.random() < 0.2]
    arriving = rows + copies
    size = rng.choice([len(arriving), 300, 60])
    for at in range(0, len(arriving), size):
        take(store, tmp_path, arriving[at : at + size], is_first=at == 0)
        if rng.random() < 0.7:
            store.fold(SPACE)
    store.fold(SPACE)
    clock = max(event.occurred_at for event in events)
    assert store.status(SPACE).events == len(events)
    assert_same(store, expected(events, settings, clock))
    assert store.verify(SPACE) == []
    store.apply(SPACE, CloseHistory())
    store.fold(SPACE)
    assert_same(store, expected(events, settings, clock + settings.window_us))
