"""What a row of a file means: ids, times and analytics properties, by tables of cases."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import duckdb
import pytest

from enduser import limits
from enduser.core.events import hashed_id, known_id
from enduser.core.origin import Place
from enduser.errors import InputError, LimitExceeded
from enduser.stores.embedded import EmbeddedStore
from enduser.stores.records import ChangeSettings, Chunk, EventChunk, Form, ImportRules, Lookups, TimeUnit

SPACE = "default/production"
NOW = 300_000_000_000_000_000
UNITS = {"s": 1_000_000, "ms": 1_000, "us": 1}
TABLES = Path(__file__).parent.parent / "conformance"


def cases(table: str) -> list[Any]:
    return [pytest.param(*row[1:], id=row[0]) for row in json.loads((TABLES / table).read_text())]


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory):
    with EmbeddedStore(tmp_path_factory.mktemp("rows"), now_us=NOW, memory_limit_mb=256) as opened:
        yield opened


def take(store: EmbeddedStore, tmp_path: Path, *rows: dict[str, object], unit: str = "us") -> Any:
    path = tmp_path / "rows.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    rules = ImportRules(started_at=NOW, time_unit=TimeUnit(UNITS[unit]))
    return store.apply(SPACE, EventChunk(Chunk(path, Form.JSON_LINES), rules)).outcomes


@pytest.mark.parametrize(("text", "known"), cases("ids.json"))
def test_the_reference_knows_this_id(text: str, known: str | None) -> None:
    assert known_id(text) == known


@pytest.fixture(scope="module")
def known_ids(store: EmbeddedStore, tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, str]:
    """Whose event that with each text as its user id became."""
    texts = [case.values[0] for case in cases("ids.json")]
    rows = [{"user_id": text, "occurred_at": 0, "message_id": f"id {at}"} for at, text in enumerate(texts)]
    outcomes = take(store, tmp_path_factory.mktemp("ids"), *rows)
    query = """
        SELECT message_id, id FROM space_1.events JOIN space_1.user_ids USING (user_key)
        WHERE message_id LIKE 'id %'
    """
    found = {texts[int(message[3:])]: id_ for message, id_ in store._execute(query)}
    assert (outcomes.stored, outcomes.rejected) == (len(found), {"junk_user_id": len(texts) - len(found)})
    return found


@pytest.mark.parametrize(("text", "known"), cases("ids.json"))
def test_the_engine_knows_this_id_as_the_reference_does(
    known_ids: Mapping[str, str], text: str, known: str | None
) -> None:
    assert known_ids.get(text) == known


@pytest.fixture(scope="module")
def timed(store: EmbeddedStore, tmp_path_factory: pytest.TempPathFactory) -> EmbeddedStore:
    """A store that was told each time, by users named after it."""
    for unit in UNITS:
        told = [case.values for case in cases("times.json") if case.values[1] == unit]
        rows = [{"user_id": f"time {text} {unit}", "occurred_at": text} for text, *_ in told]
        outcomes = take(store, tmp_path_factory.mktemp("times"), *rows, unit=unit)
        assert outcomes.rejected["invalid_time"] == [expected for *_, expected in told].count(None)
    return store


@pytest.mark.parametrize(("text", "unit", "expected"), cases("times.json"))
def test_a_time_in_a_file_is_this_instant(
    timed: EmbeddedStore, text: str, unit: str, expected: int | None
) -> None:
    user = f"time {text} {unit}"
    query = "SELECT occurred_at FROM space_1.events JOIN space_1.user_ids USING (user_key) WHERE id = $1"
    assert timed._execute(query, [user]) == ([] if expected is None else [(expected,)])


@pytest.fixture(scope="module")
def told(store: EmbeddedStore, tmp_path_factory: pytest.TempPathFactory) -> EmbeddedStore:
    """A store that was told each value of a trait after another one, by users named after it."""
    path = tmp_path_factory.mktemp("properties") / "raw.jsonl"
    lines = []
    for value in (case.values[0] for case in cases("properties.json")):
        user = f"property {value}"
        lines.append(json.dumps({"user_id": user, "occurred_at": 1_000_000, "traits": {"role": "before"}}))
        raw = f'{{"user_id": {json.dumps(user)}, "occurred_at": 2000000, "traits": {{"role": {value}}}}}'
        lines.append(raw)
    path.write_text("".join(f"{line}\n" for line in lines))
    rules = ImportRules(started_at=NOW, time_unit=TimeUnit(1))
    store.apply(SPACE, EventChunk(Chunk(path, Form.JSON_LINES), rules))
    take(store, path.parent, {"user_id": "later", "occurred_at": "2030-01-01"})
    store.fold(SPACE)
    return store


@pytest.mark.parametrize(("value", "text"), cases("properties.json"))
def test_a_trait_gives_this_property(told: EmbeddedStore, value: str, text: str | None) -> None:
    found = told.find_user(SPACE, f"property {value}")
    assert found is not None
    assert found["role"] == text


@pytest.mark.parametrize(("extra", "ignored"), [(-1, 0), (0, 0), (1, 1)])
def test_a_property_is_as_long_as_the_limit_and_no_longer(
    store: EmbeddedStore, tmp_path: Path, extra: int, ignored: int
) -> None:
    role = "é" * (limits.PROPERTY_CHARACTERS_MAX + extra)
    outcomes = take(store, tmp_path, {"user_id": f"long{extra}", "occurred_at": 0, "traits": {"role": role}})
    assert outcomes.ignored_properties == ignored
    assert outcomes.stored == 1


@pytest.mark.parametrize(("extra", "rejected"), [(-1, 0), (0, 0), (1, 1)])
@pytest.mark.parametrize("field", ["user_id", "anonymous_id", "message_id"])
def test_ids_are_as_long_as_the_limit_in_bytes_and_no_longer(
    store: EmbeddedStore, tmp_path: Path, field: str, extra: int, rejected: int
) -> None:
    most = limits.MESSAGE_ID_BYTES_MAX if field == "message_id" else limits.ID_BYTES_MAX
    row: dict[str, object] = {"occurred_at": 0, field: "é" * (most // 2) + "x" * extra}
    if extra < 0:
        row[field] = "é" * (most // 2 - 1) + "x"
    row.setdefault("user_id", None if field == "anonymous_id" else "somebody")
    reason = "message_id_too_long" if field == "message_id" else "user_id_too_long"
    assert take(store, tmp_path, row).rejected[reason] == rejected


@pytest.mark.parametrize(("seconds", "rejected"), [(-1, 0), (0, 0), (1, 1)])
def test_an_event_may_lie_as_far_in_the_future_as_the_tolerance(
    store: EmbeddedStore, tmp_path: Path, seconds: int, rejected: int
) -> None:
    started_at = 1_700_000_000_000_000
    at = started_at + (limits.FUTURE_TOLERANCE_S + seconds) * 1_000_000
    path = tmp_path / "rows.jsonl"
    path.write_text(json.dumps({"user_id": "u", "occurred_at": at}) + "\n")
    rules = ImportRules(started_at=started_at, time_unit=TimeUnit(1))
    outcomes = store.apply(SPACE, EventChunk(Chunk(path, Form.JSON_LINES), rules)).outcomes
    assert outcomes.rejected["future_time"] == rejected


@pytest.mark.parametrize(
    ("at", "rejected"),
    [
        (limits.OCCURRED_AT_MIN_US - 1, 1),
        (limits.OCCURRED_AT_MIN_US, 0),
        (limits.OCCURRED_AT_MIN_US + 1, 0),
        (limits.OCCURRED_AT_MAX_US - 1, 0),
        (limits.OCCURRED_AT_MAX_US, 0),
        (limits.OCCURRED_AT_MAX_US + 1, 1),
    ],
)
def test_times_lie_within_the_calendar(store: EmbeddedStore, tmp_path: Path, at: int, rejected: int) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text(json.dumps({"user_id": "u", "occurred_at": at}) + "\n")
    rules = ImportRules(started_at=10**18, time_unit=TimeUnit(1))
    outcomes = store.apply(SPACE, EventChunk(Chunk(path, Form.JSON_LINES), rules)).outcomes
    assert outcomes.rejected["invalid_time"] == rejected


def test_the_engine_hashes_ids_as_the_reference_does(store: EmbeddedStore) -> None:
    assert store._execute("SELECT hashed_id('salt', 'Ådam')") == [(hashed_id("salt", "Ådam"),)]


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ({"type": "click"}, "invalid_type"),
        ({"active": "maybe"}, "invalid_active"),
        ({"properties": [1]}, "invalid_properties"),
        ({"properties": "text"}, "invalid_properties"),
        ({"traits": 5}, "invalid_traits"),
        ({"context": {"traits": [1]}}, "invalid_traits"),
        ({"occurred_at": None}, "missing_time"),
        ({"occurred_at": ""}, "missing_time"),
        ({"occurred_at": [1]}, "invalid_time"),
        ({"user_id": None}, "junk_user_id"),
        ({"user_id": {"id": 5}}, "junk_user_id"),
        ({"user_id": [1]}, "junk_user_id"),
        ({"user_id": None, "anonymousId": {"id": 5}}, "junk_user_id"),
    ],
)
def test_a_wrong_field_is_rejected_with_its_reason(
    store: EmbeddedStore, tmp_path: Path, row: dict[str, object], reason: str
) -> None:
    outcomes = take(store, tmp_path, {"user_id": "u", "occurred_at": 0, **row})
    assert (outcomes.rejected[reason], outcomes.read) == (1, 1)


@pytest.mark.parametrize("kind", ["page", "screen", "track", "identify", "group", "alias", "PAGE", ""])
def test_each_type_of_the_protocol_is_taken_in_any_case(
    store: EmbeddedStore, tmp_path: Path, kind: str
) -> None:
    outcomes = take(store, tmp_path, {"user_id": f"type {kind}", "occurred_at": 0, "type": kind})
    assert outcomes.stored == 1


def test_a_space_has_as_many_places_as_the_limit_and_no_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "ORIGINS_MAX", 3)
    rows = [{"user_id": "u", "occurred_at": 0, "message_id": c, "country": c} for c in "ABCD"]
    with EmbeddedStore(tmp_path / "data", now_us=NOW) as store:
        assert take(store, tmp_path, *rows[:2]).stored == 2
        assert take(store, tmp_path, *rows[:3]).stored == 1
        with pytest.raises(LimitExceeded, match="4 distinct places"):
            take(store, tmp_path, rows[3])
        assert take(store, tmp_path, rows[0]).duplicate == 1


@pytest.mark.parametrize("looked_up_max", [1, 2, 3])
def test_what_was_looked_up_is_asked_anew_past_the_limit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, looked_up_max: int
) -> None:
    monkeypatch.setattr(limits, "LOOKED_UP_MAX", looked_up_max)
    asked: list[str] = []

    def place_of(address: str) -> Place:
        asked.append(address)
        return Place(country="NO")

    lookups = Lookups(place_of=place_of)
    with EmbeddedStore(tmp_path / "data", now_us=NOW, lookups=lookups) as store:
        for at, address in enumerate(["1.1.1.1", "2.2.2.2", "1.1.1.1", "2.2.2.2"]):
            path = tmp_path / "rows.jsonl"
            path.write_text(json.dumps({"user_id": "u", "occurred_at": at, "ip": address}) + "\n")
            rules = ImportRules(started_at=NOW, time_unit=TimeUnit(1))
            store.apply(SPACE, EventChunk(Chunk(path, Form.JSON_LINES), rules))
    assert len(asked) == (4 if looked_up_max == 1 else 2)


@pytest.mark.parametrize(("line", "user", "address"), cases("log_lines.json"))
def test_a_log_line_names_its_user_and_address_or_is_rejected(
    tmp_path: Path, line: str, user: str | None, address: str | None
) -> None:
    path = tmp_path / "access.log"
    path.write_text(line + "\n")
    with EmbeddedStore(tmp_path / "data", now_us=NOW) as store:
        store.apply(SPACE, ChangeSettings({"store_ip": "on"}))
        chunk = Chunk(path, Form.ACCESS_LOG)
        outcomes = store.apply(SPACE, EventChunk(chunk, ImportRules(started_at=NOW))).outcomes
        assert outcomes.rejected["malformed_line"] == (address is None)
        query = "SELECT id, is_anonymous, ip, occurred_at FROM space_1.events JOIN space_1.user_ids"
        rows = [(row[0] if user else None, *row[1:]) for row in store._execute(f"{query} USING (user_key)")]
    assert rows == ([(user, user is None, address, 1_704_099_600_000_000)] if address else [])


@pytest.mark.parametrize(("url", "host"), cases("hosts.json"))
def test_a_page_address_has_this_host(store: EmbeddedStore, url: str, host: str) -> None:
    assert store._execute("SELECT host_of($1)", [url]) == [(host,)]


def parquet(folder: Path, query: str) -> Path:
    path = folder / "rows.parquet"
    duckdb.sql(f"COPY ({query}) TO '{path}' (FORMAT parquet)")
    return path


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("SELECT 'u'::BLOB AS user_id, 0 AS occurred_at", "user_id holds bytes"),
        ("SELECT 'u' AS user_id, 0 AS occurred_at, '{}'::BLOB AS traits", "traits holds bytes"),
        ("SELECT 'u' AS user_id, 0 AS occurred_at, 1 AS file_row_number", "file_row_number"),
    ],
)
def test_a_parquet_column_that_cannot_be_read_rightly_is_refused(
    store: EmbeddedStore, tmp_path: Path, query: str, message: str
) -> None:
    with pytest.raises(InputError, match=message):
        store.count_parquet_rows(parquet(tmp_path, query))


def test_parquet_times_as_text_are_read_as_in_other_formats(store: EmbeddedStore, tmp_path: Path) -> None:
    times = "[' 2026-01-01T00:00:00Z ', '', ' ']"
    query = f"SELECT unnest(['p1', 'p2', 'p3']) AS user_id, unnest({times}) AS occurred_at"
    path = parquet(tmp_path, query)
    rules = ImportRules(started_at=NOW)
    chunk = Chunk(path, Form.PARQUET, rows=3)
    outcomes = store.apply(SPACE, EventChunk(chunk, rules)).outcomes
    assert (outcomes.stored, outcomes.rejected) == (1, {"missing_time": 2})
