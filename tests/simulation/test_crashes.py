"""A crash between any two steps, repeated imports and any order end where the reference model ends."""

from __future__ import annotations

import random
from contextlib import suppress
from pathlib import Path

import pytest
from crashing import CrashError, Crashes
from histories import Row, expected, numbered, random_history, write
from stored import LOOKUPS, NOW, RULES, SPACE, assert_same
from tiers import tries

from enduser.core.events import UserId, hashed_id
from enduser.core.links import ApiLinks, Edge
from enduser.stores.embedded import EmbeddedStore
from enduser.stores.records import AddLink, ChangeSettings, Chunk, CloseHistory, EventChunk, Form, RemoveLink

SEEDS = range(tries(1, 60))


U, V = UserId("u0", is_anonymous=False), UserId("u1", is_anonymous=False)
A = UserId("a0", is_anonymous=True)
SAID = [AddLink(U, V, 1), RemoveLink(V, U, 2), AddLink(V, A, 3), RemoveLink(A, U, 4)]
"""Said again after a crash it comes to the same, for it is said in the same order."""


def linking(rows: list[Row], rng: random.Random) -> list[Row]:
    """Return the rows with anonymous ids beside some users, aliases, and events of the anonymous ids."""
    for row in rows:
        if row.type == "alias" or rng.random() < 0.1:
            row.anonymous_id = f"a{rng.randrange(6)}"
        if row.anonymous_id and rng.random() < 0.4:
            row.user_id = None
    return rows


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("setting", ["off", "on"])
def test_ids_that_are_linked_while_everything_crashes_are_the_same_persons_in_the_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seed: int, setting: str
) -> None:
    rng = random.Random(f"{setting}{seed}")
    rows = linking(random_history(rng, users=6, events=30, span_s=3_000_000), rng)
    halves = [rows[len(rows) // 2 :], rows[: len(rows) // 2]]
    paths = [write(tmp_path / f"{number}.jsonl", half) for number, half in enumerate(halves)]
    records = [EventChunk(Chunk(path, Form.JSON_LINES), RULES) for path in paths]
    wanted = [records[0], *SAID[:3], ChangeSettings({"link_on_identify": setting}), records[1], SAID[3]]
    crashes = Crashes(monkeypatch, rng, count=8)
    at = 0
    while at < len(wanted):
        try:
            with EmbeddedStore(tmp_path / "data", now_us=NOW, lookups=LOOKUPS, memory_limit_mb=512) as store:
                store.fold(SPACE)
                for record in wanted[at:]:
                    store.apply(SPACE, record)
                    at += 1
                    if rng.random() < 0.3:
                        store.fold(SPACE)
                store.apply(SPACE, CloseHistory())
                store.fold(SPACE)
        except CrashError:
            continue
    crashes.stop()
    with EmbeddedStore(tmp_path / "data", now_us=NOW, lookups=LOOKUPS) as store:
        store.apply(SPACE, CloseHistory())
        store.fold(SPACE)
        api = ApiLinks()
        api.add(Edge(V, A, 3))
        api.remove(U, V)
        api.remove(U, A)
        events = [event for half in halves for event in numbered(half)]
        clock = max(event.occurred_at for event in events) + store.settings(SPACE).window_us
        assert_same(store, expected(events, store.settings(SPACE), clock, api))
        assert store.verify(SPACE) == []


@pytest.mark.parametrize("seed", SEEDS)
def test_a_crash_while_ids_are_hashed_leaves_all_of_them_plain_or_all_hashed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    rng = random.Random(seed)
    rows = linking(random_history(rng, users=6, events=20, span_s=3_000_000), rng)
    record = EventChunk(Chunk(write(tmp_path / "rows.jsonl", rows), Form.JSON_LINES), RULES)
    with EmbeddedStore(tmp_path / "data", now_us=NOW, lookups=LOOKUPS) as store:
        store.apply(SPACE, record)
        crashes = Crashes(monkeypatch, rng, count=1)
        with suppress(CrashError):
            store.apply(SPACE, ChangeSettings({"hash_ids": "on"}))
        crashes.stop()
    with EmbeddedStore(tmp_path / "data", now_us=NOW, lookups=LOOKUPS) as store:
        assert is_hashed(store) == {store.settings(SPACE).hash_ids}
        store.apply(SPACE, ChangeSettings({"hash_ids": "on"}))
        assert is_hashed(store) == {True}
        assert store.apply(SPACE, record).outcomes.stored == 0
        store.fold(SPACE)
        assert store.verify(SPACE) == []


def is_hashed(store: EmbeddedStore) -> set[bool]:
    """Return whether user ids are hashed: both, if some are and some are not."""
    ids = store._execute("SELECT id FROM space_1.user_ids WHERE NOT is_anonymous")
    return {len(text) == len(hashed_id("", "")) for (text,) in ids}


@pytest.mark.parametrize("seed", SEEDS)
def test_an_import_that_crashes_anywhere_and_is_begun_again_ends_as_one_that_did_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    rng = random.Random(seed)
    rows = random_history(rng, users=15, events=40, span_s=30_000_000)
    rng.shuffle(rows)
    size = rng.choice([40, 90, len(rows)])
    cap_s = rng.choice([0, 900, 3_600, 43_200])
    paths = [write(tmp_path / f"rows-{at}.jsonl", rows[at : at + size]) for at in range(0, len(rows), size)]
    crashes = Crashes(monkeypatch, rng, count=8)
    while True:
        try:
            with EmbeddedStore(tmp_path / "data", now_us=NOW, lookups=LOOKUPS, memory_limit_mb=512) as store:
                store.fold(SPACE)
                store.apply(SPACE, ChangeSettings({"session_cap_s": str(cap_s)}))
                for number, path in enumerate(paths):
                    chunk = Chunk(path, Form.JSON_LINES)
                    store.apply(SPACE, EventChunk(chunk, RULES, is_first=number == 0))
                    if rng.random() < 0.3:
                        store.fold(SPACE)
                store.apply(SPACE, CloseHistory())
                store.fold(SPACE)
            break
        except CrashError:
            continue
    crashes.stop()
    with EmbeddedStore(tmp_path / "data", now_us=NOW, lookups=LOOKUPS) as store:
        events = numbered(rows)
        clock = max(event.occurred_at for event in events) + store.settings(SPACE).window_us
        assert store.status(SPACE).events == len(events)
        assert_same(store, expected(events, store.settings(SPACE), clock))
        assert store.verify(SPACE) == []
