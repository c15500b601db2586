"""Spooled events and live clocks: each event once, whatever crashes; clocks follow what is applied."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from stored import LOOKUPS, NOW, RULES, SPACE

from enduser import limits
from enduser.core.events import hashed_id
from enduser.errors import StoreError
from enduser.stores.embedded import EmbeddedStore
from enduser.stores.records import ChangeSettings, Chunk, CloseHistory, EventChunk, Form, SpooledEvents

SECOND = 1_000_000
START = 1_760_000_000 * SECOND
WEEK_US = limits.UNDATED_COPIES_S * SECOND


@pytest.fixture
def store(tmp_path: Path):
    with EmbeddedStore(tmp_path / "data", now_us=START, lookups=LOOKUPS, memory_limit_mb=512) as opened:
        yield opened


def line(second: float = 0, message: str = "m", user: str = "u", **more: object) -> dict[str, object]:
    """Return a line as the collector writes it, received when it happened."""
    at = START + round(second * SECOND)
    return {"id": user, "msg": message, "client": at, "at": at, "got": at, "type": "page", **more}


def undated(second: float, message: str = "m", **more: object) -> dict[str, object]:
    found = line(second, message, **more)
    del found["client"]
    return found


def spool(store: EmbeddedStore, folder: Path, *lines: object, second: float | None = None, **more: int):
    """Apply lines of the only space; the clock is at a second after the start."""
    path = folder / "lines.jsonl"
    texts = [text if isinstance(text, str) else json.dumps(text) for text in lines]
    path.write_text("".join(f"{text}\n" for text in texts))
    clock_at = None if second is None else START + round(second * SECOND)
    spooled = SpooledEvents({1: path} if lines else {}, {1: (0, 0)}, clock_at, **more)
    return store.apply_spooled(spooled).get(SPACE)


def user(store: EmbeddedStore, user_id: str = "u"):
    return store.find_user(SPACE, user_id)


def test_an_object_appears_when_the_clock_reaches_the_end_of_the_window(
    store: EmbeddedStore, tmp_path: Path
) -> None:
    spool(store, tmp_path, line(0, "a"), line(60, "b"), second=60)
    assert user(store) is None
    spool(store, tmp_path, second=60 + 1_800 - 0.000_001)
    assert user(store) is None
    spool(store, tmp_path, second=60 + 1_800)
    assert user(store)["total_session_duration"] == 60


def test_the_clock_of_a_live_space_never_goes_back(store: EmbeddedStore, tmp_path: Path) -> None:
    spool(store, tmp_path, line(0), second=5_000)
    spool(store, tmp_path, line(4_000, "b"), second=1_000)
    assert store.status(SPACE).clock_at == START + 5_000 * SECOND
    assert store.verify(SPACE) == []


def test_a_history_space_keeps_its_clock_until_the_first_event_over_http(
    store: EmbeddedStore, tmp_path: Path
) -> None:
    rows = tmp_path / "rows.jsonl"
    rows.write_text(json.dumps({"user_id": "u", "occurred_at": START - 10**12}) + "\n")
    store.apply(SPACE, EventChunk(Chunk(rows, Form.JSON_LINES), RULES))
    spool(store, tmp_path, second=100)
    assert (store.status(SPACE).clock_at, store.status(SPACE).live_since) == (START - 10**12, None)
    spool(store, tmp_path, line(200), second=201)
    status = store.status(SPACE)
    assert (status.clock_at, status.live_since) == (START + 201 * SECOND, START + 200 * SECOND)
    assert user(store)["total_sessions"] == 1


def test_an_import_does_not_move_a_live_clock(store: EmbeddedStore, tmp_path: Path) -> None:
    spool(store, tmp_path, line(0), second=1)
    rows = tmp_path / "rows.jsonl"
    rows.write_text(json.dumps({"user_id": "u", "occurred_at": START + 10**9}) + "\n")
    store.apply(SPACE, EventChunk(Chunk(rows, Form.JSON_LINES), RULES))
    store.apply(SPACE, CloseHistory())
    assert store.status(SPACE).clock_at == START + SECOND


def test_rejected_events_do_not_make_a_space_live(store: EmbeddedStore, tmp_path: Path) -> None:
    applied = spool(store, tmp_path, {"got": START, "problem": "junk_user_id"}, second=1)
    assert applied.outcomes.rejected == {"junk_user_id": 1}
    assert store.status(SPACE).live_since is None


def test_an_event_is_taken_once_whatever_its_corrected_time(store: EmbeddedStore, tmp_path: Path) -> None:
    again = line(0) | {"at": START + 3 * SECOND, "got": START + 9 * SECOND}
    applied = spool(store, tmp_path, line(0), again, second=10)
    assert (applied.outcomes.stored, applied.outcomes.duplicate) == (1, 1)
    applied = spool(store, tmp_path, again, second=11)
    assert (applied.outcomes.stored, applied.outcomes.duplicate) == (0, 1)


@pytest.mark.parametrize(("after_us", "stored"), [(WEEK_US - 1, 1), (WEEK_US, 1), (WEEK_US + 1, 2)])
def test_a_message_without_a_client_time_is_known_for_a_week(
    store: EmbeddedStore, tmp_path: Path, after_us: int, stored: int
) -> None:
    spool(store, tmp_path, undated(0), second=0)
    spool(store, tmp_path, undated(after_us / SECOND), second=after_us / SECOND)
    assert store.status(SPACE).events == stored


def test_messages_without_a_client_time_are_taken_once_within_a_batch(
    store: EmbeddedStore, tmp_path: Path
) -> None:
    spool(store, tmp_path, undated(0), second=0)
    week = WEEK_US / SECOND
    applied = spool(store, tmp_path, undated(week - 1), undated(week + 1), undated(week + 2), second=week + 3)
    assert (applied.outcomes.stored, applied.outcomes.duplicate) == (1, 2)


def test_a_dated_and_an_undated_message_of_one_id_are_two(store: EmbeddedStore, tmp_path: Path) -> None:
    assert spool(store, tmp_path, line(0), undated(0), second=1).outcomes.stored == 2


def test_a_copy_fills_the_place_of_an_undated_event(store: EmbeddedStore, tmp_path: Path) -> None:
    spool(store, tmp_path, undated(0), second=0)
    applied = spool(store, tmp_path, undated(1, country="NO"), second=2_000)
    assert applied.outcomes.filled == 1
    assert user(store)["country"] == "NO"


def test_a_line_that_cannot_be_read_is_counted_and_costs_no_other(
    store: EmbeddedStore, tmp_path: Path
) -> None:
    applied = spool(store, tmp_path, line(0, "a"), '{"id": "x", "got": }', line(1, "b"), second=2)
    assert (applied.outcomes.stored, applied.outcomes.rejected) == (2, {"malformed_line": 1})


def test_events_of_a_space_without_users_are_only_counted(store: EmbeddedStore, tmp_path: Path) -> None:
    store.apply(SPACE, ChangeSettings({"unique_user": "none"}))
    nobody = {name: value for name, value in line(1).items() if name != "id"}
    applied = spool(store, tmp_path, line(0), nobody, second=9_000)
    assert (applied.outcomes.counted, applied.outcomes.read) == (2, 2)
    status = store.status(SPACE)
    assert (status.events, status.users, status.outcomes.counted) == (0, 0, 2)
    assert status.live_since is not None


@pytest.mark.parametrize(("server_events", "sessions"), [("visit", 1), ("no_visit", 0)])
def test_events_of_server_libraries_are_visits_only_if_the_space_says_so(
    store: EmbeddedStore, tmp_path: Path, server_events: str, sessions: int
) -> None:
    store.apply(SPACE, ChangeSettings({"server_events": server_events}))
    spool(store, tmp_path, line(0, server=True), second=9_000)
    assert store.status(SPACE).sessions == sessions
    assert store.status(SPACE).events == 1


def test_an_id_is_hashed_once_at_the_door_or_here(store: EmbeddedStore, tmp_path: Path) -> None:
    store.apply(SPACE, ChangeSettings({"hash_ids": "on"}))
    hashed = hashed_id("", "adam.br")
    spool(store, tmp_path, line(0, "a", "adam.br"), line(1, "b", hashed, hashed=True), second=9_000)
    assert user(store, "adam.br")["user_id"] == hashed
    assert store.status(SPACE).users == 1


def test_an_excluded_user_is_known_by_his_hash(store: EmbeddedStore, tmp_path: Path) -> None:
    store.apply(SPACE, ChangeSettings({"hash_ids": "on"}))
    store.apply(SPACE, ChangeSettings({"exclude": "user:test"}))
    applied = spool(store, tmp_path, line(0, user=hashed_id("", "test"), hashed=True), second=1)
    assert applied.outcomes.excluded == {"user": 1}


def test_positions_are_kept_with_the_events(store: EmbeddedStore, tmp_path: Path) -> None:
    path = tmp_path / "lines.jsonl"
    path.write_text(json.dumps(line(0)) + "\n")
    store.apply_spooled(SpooledEvents({1: path}, {1: (2, 3), 7: (0, 2**40)}, None))
    assert store.spool_positions() == {1: (2, 3), 7: (0, 2**40)}
    store.apply_spooled(SpooledEvents({1: path}, {7: (1, 0)}, None))
    assert store.spool_positions() == {7: (1, 0)}


def test_a_round_without_events_writes_nothing_down(store: EmbeddedStore, tmp_path: Path) -> None:
    spool(store, tmp_path, line(0), second=0)
    store.apply_spooled(SpooledEvents({}, {9: (9, 9)}, START + 30 * SECOND))
    assert store.spool_positions() == {1: (0, 0)}
    assert store.status(SPACE).clock_at == START


def test_a_clock_that_nothing_waits_for_is_written_down_each_minute(
    store: EmbeddedStore, tmp_path: Path
) -> None:
    spool(store, tmp_path, line(0), second=0)
    spool(store, tmp_path, second=60)
    assert store.status(SPACE).clock_at == START + 60 * SECOND


def test_a_clock_by_which_something_is_followed_is_written_down_more_often(
    store: EmbeddedStore, tmp_path: Path
) -> None:
    store.apply(SPACE, ChangeSettings({"feed_attributes": "role"}))
    spool(store, tmp_path, line(0), second=0)
    store.follow_feed(SPACE, NOW)
    for second, written in ((19.9, 0), (20, 20), (39.9, 20), (40, 40)):
        spool(store, tmp_path, second=second)
        assert store.status(SPACE).clock_at == START + written * SECOND


def test_nothing_of_a_batch_is_kept_when_one_space_fails(store: EmbeddedStore, tmp_path: Path) -> None:
    store.create_space("acme/test", START)
    path = tmp_path / "lines.jsonl"
    path.write_text(json.dumps(line(0)) + "\n")
    lines = {1: path, 2: tmp_path / "missing.jsonl"}
    with pytest.raises(Exception, match=r"missing\.jsonl"):
        store.apply_spooled(SpooledEvents(lines, {1: (5, 5)}, START))
    assert store.status(SPACE).events == 0
    assert store.spool_positions() == {}
    lines[2] = path
    assert store.apply_spooled(SpooledEvents(lines, {1: (5, 5)}, START)).keys() == {SPACE, "acme/test"}


def test_what_became_of_the_last_events_can_be_seen(store: EmbeddedStore, tmp_path: Path) -> None:
    lines = [line(0, "a"), line(0, "a"), {"got": START, "problem": "junk_user_id"}, line(2, "b", name="Home")]
    samples = spool(store, tmp_path, *lines, second=3, sample_rows=3).samples
    assert [(s.outcome, s.reason) for s in samples] == [
        ("duplicate", None),
        ("rejected", "junk_user_id"),
        ("stored", None),
    ]
    assert (samples[-1].user_id, samples[-1].name) == ("u", "Home")


def test_outcomes_add_up_over_batches_and_imports(store: EmbeddedStore, tmp_path: Path) -> None:
    for second in range(3):
        spool(store, tmp_path, line(0), {"got": START, "problem": "invalid_time"}, second=second)
    outcomes = store.status(SPACE).outcomes
    assert (outcomes.stored, outcomes.duplicate, outcomes.rejected) == (1, 2, {"invalid_time": 3})


def test_a_fresh_space_has_a_write_key_of_its_own(store: EmbeddedStore) -> None:
    store.create_space("acme/test", NOW)
    first, second = store.doors()
    assert [len(door.keys) for door in (first, second)] == [1, 1]
    assert first.keys[0].write_key != second.keys[0].write_key
    assert (first.number, second.number) == (1, 2)


def test_each_door_has_the_settings_and_the_keys_of_its_space(store: EmbeddedStore) -> None:
    store.create_space("acme/test", NOW)
    store.apply("acme/test", ChangeSettings({"hash_salt": "x"}))
    store.rotate_write_key("acme/test", NOW, 0)
    for door in store.doors():
        assert door.settings == store.settings(door.space)
        assert door.keys == [key for key in store.write_keys() if key.space == door.space]
    assert [len(door.keys) for door in store.doors()] == [1, 2]


def test_a_rotated_key_ends_after_its_grace(store: EmbeddedStore) -> None:
    old = store.doors()[0].keys[0].write_key
    new = store.rotate_write_key(SPACE, START, grace_us=60 * SECOND)
    ends = {key.write_key: key.ends_at for key in store.write_keys()}
    assert ends == {old: START + 60 * SECOND, new: None}
    store.rotate_write_key(SPACE, START, grace_us=0)
    ends = {key.write_key: key.ends_at for key in store.write_keys()}
    assert (ends[old], ends[new]) == (START, START)


def test_a_file_whose_rows_were_being_counted_when_the_database_was_opened_again_is_taken_anew(
    store: EmbeddedStore, tmp_path: Path
) -> None:
    path = tmp_path / "same.jsonl"
    path.write_text(json.dumps({"userId": "u", "timestamp": "2026-01-01T00:00:00Z"}) + "\n")
    first, second = (EventChunk(Chunk(path, Form.JSON_LINES), RULES, is_first=one) for one in (True, False))
    store.apply(SPACE, first)
    store._database.connection.close()
    store.heal()
    with pytest.raises(StoreError, match="opened anew within an import"):
        store.apply(SPACE, second)
    store.apply(SPACE, first)
    assert store.apply(SPACE, second).outcomes.stored == 1
    assert store.status(SPACE).events == 2


def test_a_read_that_lasts_while_the_database_is_opened_again_keeps_nobody_from_reading(
    store: EmbeddedStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    with store.reader.looks.at(SPACE):
        store._database.connection.close()
        store.heal()
    assert store.reader.status(SPACE).events == 0
    store.looks.close()
    monkeypatch.setattr(limits, "READ_SECONDS_MAX", 0.05)
    with pytest.raises(StoreError):
        store.reader.status(SPACE)
    store.looks.begin(store._database.connection)


def test_a_database_that_the_engine_gave_up_is_opened_again(store: EmbeddedStore, tmp_path: Path) -> None:
    spool(store, tmp_path, line(0, "a"), second=1)
    store.heal()
    spool(store, tmp_path, line(1, "b"), second=2)
    store._database.connection.close()
    with pytest.raises(Exception, match="closed"):
        spool(store, tmp_path, line(2, "c"), second=3)
    store.heal()
    spool(store, tmp_path, line(2, "c"), second=9_000)
    assert user(store)["total_sessions"] == 1
    assert store.status(SPACE).events == 3
