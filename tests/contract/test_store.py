"""Every engine gives the same answer as the reference model, in any order of arrival."""

from __future__ import annotations

import json
import random
from dataclasses import replace
from pathlib import Path

import duckdb
import pytest
from histories import Row, expected, numbered, random_history, write
from stored import LOOKUPS, NOW, RULES, SPACE, assert_same, take
from tiers import IS_FULL, tries

from enduser import limits
from enduser.core.events import hashed_id
from enduser.core.origin import Place
from enduser.errors import InputError, InvalidSetting, InvalidSpace, InvalidSpaceName, StoreError
from enduser.stores.answers import Applied
from enduser.stores.embedded import EmbeddedStore, capped, fold
from enduser.stores.records import ChangeSettings, Chunk, CloseHistory, EventChunk, Form, Lookups, TimeUnit


@pytest.fixture
def store(tmp_path: Path):
    with EmbeddedStore(tmp_path / "data", now_us=NOW, lookups=LOOKUPS, memory_limit_mb=512) as opened:
        yield opened


SEEDS = range(tries(1, 40))
SETTINGS = [
    {},
    {"session_cap_s": "3600"},
    {"session_cap_s": "900", "inactivity_window_s": "1800", "retention_months": "1"},
    {"session_cap_s": "0", "retention_months": "0"},
    {"inactivity_window_s": "1", "retention_months": "6"},
]


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("texts", SETTINGS, ids=str)
def test_any_order_and_any_batching_gives_what_the_reference_gives(
    store: EmbeddedStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, texts: dict[str, str], seed: int
) -> None:
    if seed % 2:  # as if the history were huge
        monkeypatch.setattr(fold, "EVENTS_PER_PART", 60)
        monkeypatch.setattr(capped, "CUT_EVENTS_PER_ROUND", 3)
    for name, text in texts.items():
        store.apply(SPACE, ChangeSettings({name: text}))
    rng = random.Random(f"{texts}{seed}")
    rows = random_history(rng, users=tries(20, 40), events=40, span_s=40_000_000)
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


MINUTE = 60_000_000
START = 1_700_000_000_000_000


def visit(minute: float, message: str | None = None, **more: object) -> Row:
    at = START + round(minute * MINUTE)
    return Row(user_id="u", occurred_at=at, message_id=message or f"m{at}", **more)  # type: ignore[arg-type]


def check(store: EmbeddedStore, tmp_path: Path, batches: list[list[Row]]) -> None:
    """Take the batches one by one, folding after each, and compare with the reference each time.

    Whether a fold of everything anew would make the same is looked at after the last, and in the full tier
    after each.
    """
    rows: list[Row] = []
    for number, batch in enumerate(batches, 1):
        rows += batch
        take(store, tmp_path, batch)
        store.fold(SPACE)
        events = numbered(rows)
        clock = max(event.occurred_at for event in events)
        assert_same(store, expected(events, store.settings(SPACE), clock))
        if IS_FULL or number == len(batches):
            assert store.verify(SPACE) == []


CASES: dict[str, list[list[Row]]] = {
    "just below the window": [[visit(0)], [visit(29.99999998333333)], [visit(500)]],
    "exactly the window": [[visit(0)], [visit(30)], [visit(500)]],
    "just above the window": [[visit(0)], [visit(30.0000000167)], [visit(500)]],
    "10:00, 10:05, late 05:00, 10:06": [[visit(600), visit(605)], [visit(300)], [visit(606)], [visit(900)]],
    "a late event bridges two closed sessions": [[visit(0), visit(50), visit(500)], [visit(25)]],
    "a late event opens the last session again": [
        [visit(0), visit(100), visit(120)],
        [visit(135)],
        [visit(300)],
    ],
    "the same microsecond, two places": [
        [visit(0, "a", place=("NO", "Oslo", "Oslo")), visit(500)],
        [visit(0, "b", place=("DE", "Berlin", "Berlin"))],
        [visit(0, "A", place=("KE", None, "Nairobi"))],
    ],
    "a copy knows the place": [
        [visit(0, "a"), visit(500)],
        [visit(0, "a", place=("NO", None, None))],
        [visit(0, "a", place=("NO", "Oslo", "Oslo"))],
        [visit(0, "a", place=("NO", None, None))],
    ],
    "a copy knows the place within a batch": [
        [visit(0, "a"), visit(0, "a", place=("NO", "Oslo", "Oslo")), visit(0, "a", place=("DE", None, None))]
    ],
    "a property clears and comes back": [
        [visit(0, traits={"role": "a"}), visit(500)],
        [visit(10, traits={"role": None})],
        [visit(5, traits={"role": "late"}), visit(510)],
    ],
    "a server's message before the first visit": [
        [visit(0, type="identify", active=False, traits={"name": "N"})],
        [visit(5)],
        [visit(500)],
        [visit(600, type="group", traits={"name": "G"})],
    ],
    "six months and a day": [
        [visit(0, traits={"role": "old"}), visit(10)],
        [visit(185 * 1440)],
        [visit(190 * 1440)],
        [visit(100 * 1440)],
    ],
    "an earlier life grows": [
        [visit(400 * 1440)],
        [visit(0)],
        [visit(-5)],
        [visit(200 * 1440)],
        [visit(500 * 1440)],
    ],
    "a server's message between two lives": [
        [visit(0), visit(100 * 1440, type="identify", active=False, traits={"role": "first life"})],
        [visit(400 * 1440), visit(401 * 1440)],
        [visit(300 * 1440, type="identify", active=False, traits={"info": "second life"})],
    ],
    "the first and the last instants of the calendar": [
        [
            Row("u", None, -62_135_596_800_000_000, "year 1"),
            Row("u", None, -62_135_596_799_999_999, "one later"),
        ],
        [
            Row("u", None, 253_402_300_799_999_999, "year 9999"),
            Row("u", None, 253_402_300_799_000_000, "a second"),
        ],
        [Row("u", None, 253_391_673_600_000_000, "31 August 9999")],
        [Row("u", None, 253_375_948_800_000_000, "1 March 9999")],
    ],
    "a leap day, and 1970": [[Row("u", None, 951_782_400_000_000, "leap")], [Row("u", None, 0, "epoch")]],
}


@pytest.mark.parametrize("name", CASES)
def test_in_this_case_each_step_equals_the_reference(store: EmbeddedStore, tmp_path: Path, name: str) -> None:
    check(store, tmp_path, CASES[name])


def test_a_robot_of_months_grows_at_its_end_and_in_its_middle(store: EmbeddedStore, tmp_path: Path) -> None:
    robot = [visit(20 * i) for i in range(20_000)]
    middle = [visit(20 * 9_000 + 7), visit(20 * 15_000 + 3)]
    check(
        store, tmp_path, [robot, [visit(20 * 20_000), visit(20 * 20_001)], middle, [visit(-9)], [visit(-60)]]
    )


def test_two_capped_stretches_become_one(store: EmbeddedStore, tmp_path: Path) -> None:
    store.apply(SPACE, ChangeSettings({"session_cap_s": "3600"}))
    first = [visit(20 * i) for i in range(10)]
    second = [visit(220 + 20 * i) for i in range(10)]
    check(store, tmp_path, [first + second + [visit(5_000)], [visit(200)], [visit(70), visit(330)]])


@pytest.mark.parametrize("is_tied", [False, True])
def test_a_new_cut_that_runs_over_a_piece_that_grew_takes_its_place(
    store: EmbeddedStore, tmp_path: Path, is_tied: bool
) -> None:
    store.apply(SPACE, ChangeSettings({"session_cap_s": "3600"}))
    last = [visit(174, "a", place=("NO", None, None))]
    if is_tied:
        last.append(visit(174, "b", place=("DE", None, None)))
    pieces = [visit(148), visit(15), visit(85), visit(60)], [visit(100), visit(35), visit(121)]
    check(store, tmp_path, [*pieces, [visit(0), *last]])


def test_two_far_places_of_one_capped_stretch_are_cut_as_one(store: EmbeddedStore, tmp_path: Path) -> None:
    store.apply(SPACE, ChangeSettings({"session_cap_s": "3600"}))
    steady = [visit(13 * i) for i in range(300)]
    check(store, tmp_path, [[*steady, visit(9_000)], [visit(-11), visit(2_003), visit(2_500)], [visit(1)]])


def test_ids_whose_keys_collide_stay_apart(tmp_path: Path) -> None:
    weak = "((id_hash >> 65) & 63)::BIGINT"
    rng = random.Random(1)
    rows = random_history(rng, users=40, events=12, span_s=4_000_000)
    events = numbered(rows)
    with EmbeddedStore(tmp_path / "weak", now_us=NOW, lookups=LOOKUPS, user_key_sql=weak) as weakened:
        for at in range(0, len(rows), 40):
            take(weakened, tmp_path, rows[at : at + 40], is_first=at == 0)
            weakened.fold(SPACE)
        take(weakened, tmp_path, rows)
        weakened.fold(SPACE)
        clock = max(event.occurred_at for event in events)
        assert_same(weakened, expected(events, weakened.settings(SPACE), clock))


@pytest.mark.parametrize(
    ("name", "text"), [("inactivity_window_s", "600"), ("session_cap_s", "1200"), ("retention_months", "1")]
)
def test_changing_a_setting_recomputes_everything(
    store: EmbeddedStore, tmp_path: Path, name: str, text: str
) -> None:
    rows = random_history(random.Random(5), users=10, events=30, span_s=4_000_000)
    take(store, tmp_path, rows)
    store.apply(SPACE, ChangeSettings({name: text}))
    events = numbered(rows)
    assert_same(store, expected(events, store.settings(SPACE), max(e.occurred_at for e in events)))


def test_the_clock_never_goes_back(store: EmbeddedStore, tmp_path: Path) -> None:
    take(store, tmp_path, [visit(100)])
    store.apply(SPACE, CloseHistory())
    take(store, tmp_path, [visit(0)])
    store.apply(SPACE, ChangeSettings({"inactivity_window_s": "60"}))
    assert store.status(SPACE).clock_at == START + 130 * MINUTE


def test_what_a_crash_before_the_fold_left_is_folded_by_the_next_command(tmp_path: Path) -> None:
    with EmbeddedStore(tmp_path / "data", now_us=NOW, lookups=LOOKUPS) as first:
        take(first, tmp_path, [visit(0), visit(500)])
    with EmbeddedStore(tmp_path / "data", now_us=NOW, lookups=LOOKUPS) as second:
        second.fold(SPACE)
        assert [row["total_sessions"] for row in second.users(SPACE)] == [1]


def test_ids_are_hashed_at_the_door_when_the_space_says_so(store: EmbeddedStore, tmp_path: Path) -> None:
    store.apply(SPACE, ChangeSettings({"hash_ids": "on"}))
    take(store, tmp_path, [Row(" adam.br ", None, START, "m"), Row(None, "anon-1", START, "m"), visit(500)])
    store.fold(SPACE)
    assert store.find_user(SPACE, "LxhaMQBuA3cjHQqujqUmW/YDuHkWuCFjsT2uXs7lDQY", "hashed")
    assert store.find_user(SPACE, "adam.br")
    assert store.find_user(SPACE, "anon-1", "anonymous")
    assert store.find_user(SPACE, "adam.br", "hashed") is None
    with pytest.raises(InvalidSetting, match="has users"):
        store.apply(SPACE, ChangeSettings({"hash_salt": "x"}))


def test_verify_reports_each_difference(store: EmbeddedStore, tmp_path: Path) -> None:
    take(store, tmp_path, [visit(0), visit(500)])
    store.fold(SPACE)
    store._execute("UPDATE space_1.sessions SET ended_at = ended_at + 1")
    assert {(d.kind, d.side, d.user_id) for d in store.verify(SPACE)} == {
        ("session", "stored", "u"),
        ("session", "recomputed", "u"),
    }
    store.rebuild(SPACE)
    assert store.verify(SPACE) == []


def test_a_failed_change_leaves_everything_as_it_was(store: EmbeddedStore, tmp_path: Path) -> None:
    take(store, tmp_path, [visit(0), visit(500)])
    with pytest.raises(StoreError, match="nothing of it was applied"):
        store.apply(SPACE, EventChunk(Chunk(tmp_path / "missing", Form.JSON_LINES), RULES))
    assert store.status(SPACE).events == 2
    take(store, tmp_path, [visit(600)])
    assert store.status(SPACE).events == 3


SECOND = 1_000_000


@pytest.mark.parametrize("minutes", [-36, -35, -6, -5, -1, 0, 1, 5, 6, 35, 36])
def test_times_around_1970_meet_closed_sessions(store: EmbeddedStore, tmp_path: Path, minutes: int) -> None:
    near = [Row("u", None, at * MINUTE, f"m{at}") for at in (minutes, minutes + 1)]
    check(store, tmp_path, [[Row("u", None, -3_000 * MINUTE, "early"), visit(0)], near])


def test_a_failed_commit_leaves_a_store_that_goes_on(
    store: EmbeddedStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    take(store, tmp_path, [visit(0, place=("NO", None, None))])

    def failing() -> None:
        raise duckdb.IOException("no room")

    monkeypatch.setattr(store._database, "_commit", failing)
    with pytest.raises(StoreError, match=r"nothing of it was applied: no room"):
        take(store, tmp_path, [visit(1, place=("SE", None, None))])
    monkeypatch.undo()
    check(store, tmp_path, [[visit(0, place=("NO", None, None)), visit(2, place=("DK", None, None))]])


def test_chunks_of_another_space_between_lose_no_identical_row(store: EmbeddedStore, tmp_path: Path) -> None:
    other = "acme/production"
    store.create_space(other, NOW)
    row = Row("u", None, START)
    for space, is_first in ((SPACE, True), (other, True), (SPACE, False), (other, False)):
        chunk = Chunk(write(tmp_path / "rows.jsonl", [row]), Form.JSON_LINES)
        assert store.apply(space, EventChunk(chunk, RULES, is_first)).outcomes.stored == 1


def test_a_changed_exclusion_holds_for_addresses_seen_before(store: EmbeddedStore, tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    for at, address in enumerate(["10.0.0.1", "10.0.0.1", "::ffff:10.0.0.1", " 10.0.0.1 "]):
        path.write_text(json.dumps({"user_id": "u", "occurred_at": at, "ip": address}) + "\n")
        outcomes = store.apply(SPACE, EventChunk(Chunk(path, Form.JSON_LINES), RULES)).outcomes
        assert (outcomes.stored, outcomes.excluded["ip"]) == ((1, 0) if at == 0 else (0, 1))
        store.apply(SPACE, ChangeSettings({"exclude": "ip:10.0.0.0/8"}))


def test_a_new_place_database_fills_in_the_same_process(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text(json.dumps({"user_id": "u", "occurred_at": 0, "ip": "10.0.0.1"}) + "\n")
    chunk = Chunk(path, Form.JSON_LINES)
    known: list[Place] = []
    lookups = Lookups(place_of=lambda _: known[0] if known else None, edition=lambda: len(known))
    with EmbeddedStore(tmp_path / "data", now_us=NOW, lookups=lookups) as store:
        assert store.apply(SPACE, EventChunk(chunk, RULES)).outcomes.stored == 1
        known.append(Place("NO"))
        assert store.apply(SPACE, EventChunk(chunk, RULES)).outcomes.filled == 1


def test_each_row_has_one_outcome_where_copies_fill_an_event(store: EmbeddedStore, tmp_path: Path) -> None:
    take(store, tmp_path, [visit(0, "m")])
    outcomes = take(store, tmp_path, [visit(0, "m"), visit(0, "m", place=("NO", None, None))])
    assert (outcomes.stored, outcomes.filled, outcomes.duplicate) == (0, 1, 1)


def test_a_retry_with_another_corrected_time_is_the_same_event(store: EmbeddedStore, tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    for minute, stored in ((0, 1), (3, 0)):
        message = {
            "userId": "u",
            "messageId": "m",
            "originalTimestamp": "2024-01-01T10:00:00Z",
            "timestamp": f"2024-01-01T10:0{minute}:07Z",
        }
        path.write_text(json.dumps(message) + "\n")
        outcomes = store.apply(SPACE, EventChunk(Chunk(path, Form.JSON_LINES), RULES)).outcomes
        assert outcomes.stored == stored
    store.apply(SPACE, CloseHistory())
    store.fold(SPACE)
    assert [row["last_seen"] for row in store.users(SPACE)] == [1_704_103_207 * SECOND]


def test_no_plain_id_reaches_the_disk_where_ids_are_hashed(store: EmbeddedStore, tmp_path: Path) -> None:
    store.apply(SPACE, ChangeSettings({"hash_ids": "on"}))
    path = tmp_path / "rows.jsonl"
    message = {"userId": "new", "previousId": " adam.br ", "anonymousId": "a-1", "type": "alias"}
    path.write_text(json.dumps({**message, "timestamp": 0}) + "\n")
    assert store.apply(SPACE, EventChunk(Chunk(path, Form.JSON_LINES), RULES)).outcomes.stored == 1
    rows = store._execute("SELECT previous_id, anonymous_id, properties FROM space_1.events")
    assert rows == [(hashed_id("", "adam.br"), "a-1", None)]


def test_a_rebuild_leaves_the_tables_as_migrations_made_them(store: EmbeddedStore, tmp_path: Path) -> None:
    def columns() -> list[tuple[object, ...]]:
        return store._execute(
            "SELECT table_name, column_name, data_type, is_nullable FROM information_schema.columns "
            "WHERE table_schema = 'space_1' ORDER BY ALL"
        )

    before = columns()
    take(store, tmp_path, [visit(0), visit(100)])
    store.rebuild(SPACE)
    assert columns() == before


def test_the_traits_of_a_group_are_neither_taken_nor_ignored(store: EmbeddedStore, tmp_path: Path) -> None:
    outcomes = take(store, tmp_path, [visit(0, type="group", traits={"name": {"x": 1}})])
    assert outcomes.ignored_properties == 0


def test_of_two_fields_for_one_thing_an_empty_one_is_none(store: EmbeddedStore, tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text(json.dumps({"userId": "", "user_id": "x", "timestamp": " ", "occurred_at": 1}) + "\n")
    assert store.apply(SPACE, EventChunk(Chunk(path, Form.JSON_LINES), RULES)).outcomes.stored == 1


def parquet(store: EmbeddedStore, path: Path, query: str, unit: TimeUnit | None = None) -> Applied:
    duckdb.execute(f"COPY ({query}) TO '{path}' (FORMAT parquet)")
    chunk = Chunk(path, Form.PARQUET, 1, store.count_parquet_rows(path))
    return store.apply(SPACE, EventChunk(chunk, replace(RULES, time_unit=unit)))


def test_the_unit_is_inferred_from_the_first_times_there_are(store: EmbeddedStore, tmp_path: Path) -> None:
    times = "CASE WHEN i >= 20000 THEN 1700000000 + i END"
    query = f"SELECT 'u' AS user_id, {times} AS occurred_at FROM range(20010) AS t(i)"
    applied = parquet(store, tmp_path / "x.parquet", query)
    assert applied.time_unit is not None
    assert (applied.time_unit.us, applied.outcomes.stored) == (1_000_000, 10)


def test_a_number_whose_unit_nobody_knows_is_no_time(store: EmbeddedStore, tmp_path: Path) -> None:
    times = "CASE WHEN i >= 20000 THEN '1700000000' ELSE '2024-01-01' END"
    query = f"SELECT 'u' AS user_id, {times} AS occurred_at FROM range(20001) AS t(i)"
    assert parquet(store, tmp_path / "x.parquet", query).outcomes.rejected["invalid_time"] == 1


@pytest.mark.parametrize("nanoseconds", [-1, -500, -1_000, -1_001, 0, 1, 999, 1_000])
def test_nanoseconds_are_cut_off_alike_in_all_formats(
    store: EmbeddedStore, tmp_path: Path, nanoseconds: int
) -> None:
    query = f"SELECT 'u' AS user_id, make_timestamp_ns({nanoseconds}) AS occurred_at"
    parquet(store, tmp_path / "x.parquet", query)
    assert store._execute("SELECT occurred_at FROM space_1.events") == [(nanoseconds // 1_000,)]


def test_an_unreadable_parquet_file_is_an_error_that_names_it(store: EmbeddedStore, tmp_path: Path) -> None:
    path = tmp_path / "x.parquet"
    duckdb.execute(f"COPY (SELECT 'usr-ø' AS user_id, 0 AS occurred_at) TO '{path}' (FORMAT parquet)")
    path.write_bytes(path.read_bytes().replace("usr-ø".encode(), b"usr-\xff\xff"))
    with pytest.raises(InputError, match=r"x\.parquet cannot be read"):
        store.apply(SPACE, EventChunk(Chunk(path, Form.PARQUET, 1, 1), RULES))


def test_a_data_folder_may_have_any_name(tmp_path: Path) -> None:
    with EmbeddedStore(tmp_path / "o'neil [1] *", now_us=NOW) as store:
        take(store, tmp_path, [visit(0), visit(100)])
        store.fold(SPACE)
        assert store.verify(SPACE) == []


@pytest.mark.parametrize(("extra", "rejected"), [(-1, 0), (0, 0), (1, 1)])
def test_the_texts_of_a_parquet_row_are_together_as_long_as_a_line(
    store: EmbeddedStore, tmp_path: Path, extra: int, rejected: int
) -> None:
    url = f"repeat('x', {limits.LINE_BYTES_MAX - 10 + extra})"
    query = f"SELECT 'user' AS user_id, 0 AS occurred_at, {url} AS url, 'name66' AS name"
    outcomes = parquet(store, tmp_path / "x.parquet", query, TimeUnit(1)).outcomes
    assert outcomes.rejected["line_too_long"] == rejected


def test_a_space_that_is_not_there_is_named_and_the_others_listed(store: EmbeddedStore) -> None:
    with pytest.raises(InvalidSpace, match="acme/test") as caught:
        store.settings("acme/test")
    assert SPACE in str(caught.value.hint)
    for rows in (store.users, store.sessions):
        with pytest.raises(InvalidSpace):
            rows("acme/test")  # before the first row is asked for, which may be on another thread


@pytest.mark.parametrize("name", [SPACE, "acme", "Acme/production", "a/b/c", "a b/c", "/", "acme/"])
def test_a_name_that_no_new_space_can_have_is_refused(store: EmbeddedStore, name: str) -> None:
    with pytest.raises(InvalidSpaceName):
        store.create_space(name, NOW)


def test_a_data_folder_that_is_a_file_is_said_to_be_one(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("")
    with pytest.raises(StoreError, match="it is a file"):
        EmbeddedStore(tmp_path / "data", now_us=NOW)


@pytest.mark.parametrize("form", ["jsonl", "parquet"])
@pytest.mark.parametrize(
    ("times", "us"),
    [
        ([1_772_445_600, 1_772_445_601, 1_772_445_602_000], 1_000_000),
        ([1_772_445_600_000, 1_772_445_601_000, 1_772_445_602], 1_000),
        ([1_772_445_600_000_000, 1_772_445_601_000_000, 1_772_445_602_000], 1),
    ],
)
def test_a_number_of_another_unit_than_most_of_its_file_is_no_time(
    store: EmbeddedStore, tmp_path: Path, times: list[int], us: int, form: str
) -> None:
    if form == "parquet":
        query = f"SELECT 'u' AS user_id, unnest({times}::BIGINT[]) AS occurred_at"
        applied = parquet(store, tmp_path / "x.parquet", query)
    else:
        path = write(tmp_path / "rows.jsonl", [Row("u", None, at) for at in times])
        applied = store.apply(SPACE, EventChunk(Chunk(path, Form.JSON_LINES), replace(RULES, time_unit=None)))
    assert applied.time_unit is not None
    assert applied.time_unit.us == us
    assert (applied.outcomes.stored, applied.outcomes.rejected["invalid_time"]) == (2, 1)


@pytest.mark.parametrize("form", ["jsonl", "parquet"])
def test_a_unit_that_was_named_holds_for_all_numbers(store: EmbeddedStore, tmp_path: Path, form: str) -> None:
    times = [1_772_445_600_000, 1_772_445_600]
    if form == "parquet":
        query = f"SELECT 'u' AS user_id, unnest({times}::BIGINT[]) AS occurred_at"
        applied = parquet(store, tmp_path / "x.parquet", query, TimeUnit(1_000))
    else:
        path = write(tmp_path / "rows.jsonl", [Row("u", None, at) for at in times])
        rules = replace(RULES, time_unit=TimeUnit(1_000))
        applied = store.apply(SPACE, EventChunk(Chunk(path, Form.JSON_LINES), rules))
    assert applied.outcomes.stored == 2
