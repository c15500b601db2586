"""Files of users who are asked for: the same users as in lists, in every form."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import pytest
from asked_users import HOSTILE, TYPES, User, fill, has, in_order, value_of
from stored import LOOKUPS, NOW, SPACE

from enduser import limits
from enduser.core.end_user import USER_COLUMNS
from enduser.core.users_query import UsersQuery
from enduser.errors import InvalidParameter, InvalidRule, ReadTimeout, StoreError
from enduser.service.json_form import iso_time
from enduser.stores.embedded import EmbeddedStore, reader
from enduser.stores.embedded.reading import Look

RULE = {"field": "select", "operator": "in", "value": list(HOSTILE[:9])}
COLUMNS = ("users", "first_seen", "select", "a1", "city", "sort_value", "listed", "matched")
ASKED = UsersQuery(rule=RULE, search="s", columns=COLUMNS, sort="-a2")


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedStore]:
    """A store that tests only read."""
    folder = tmp_path_factory.mktemp("asked")
    with EmbeddedStore(folder / "data", now_us=NOW, lookups=LOOKUPS, memory_limit_mb=512) as opened:
        fill(opened, folder)
        yield opened


@pytest.fixture
def wanted(store: EmbeddedStore) -> list[User]:
    """Those whom `ASKED` means, in order."""
    users = [
        user for user in store.users(SPACE) if value_of(user, "select") in HOSTILE[:9] and has(user, "s")
    ]
    assert 1 < len(users) < 40
    return in_order(users, "-a2")


def safe(text: str) -> str:
    return f"'{text}" if text[:1] in "=+-@\t\r" else text


def cell(name: str, value: Any) -> str:
    """Return a value as a cell of CSV has it."""
    match value:
        case None:
            return ""
        case bool():
            return str(value).lower()
        case int() if name in ("first_seen", "last_seen"):
            return iso_time(value)
        case list():
            return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
        case str() if TYPES.get(name, "string") == "string":
            return safe(value)
        case _:
            return str(value)


def test_a_csv_file_has_the_columns_in_the_order_in_which_they_are_asked_for(
    store: EmbeddedStore, tmp_path: Path, wanted: list[User]
) -> None:
    assert store.export(SPACE, "users", tmp_path / "x.csv", "csv", asked=ASKED) == len(wanted)
    with (tmp_path / "x.csv").open(newline="", encoding="utf-8") as file:
        header, *rows = csv.reader(file)
    assert header == ["user_id", "is_anonymous", *COLUMNS]
    assert rows == [[cell(name, value_of(user, name)) for name in header] for user in wanted]


def test_a_file_of_json_lines_has_custom_attributes_in_an_object(
    store: EmbeddedStore, tmp_path: Path, wanted: list[User]
) -> None:
    assert store.export(SPACE, "users", tmp_path / "x", "jsonl", asked=ASKED) == len(wanted)
    custom = [name for name in COLUMNS if name in TYPES]
    assert [json.loads(line) for line in (tmp_path / "x").read_text("utf-8").splitlines()] == [
        {
            "user_id": user["user_id"],
            "is_anonymous": user["is_anonymous"],
            "first_seen": iso_time(user["first_seen"]),
            "city": user["city"],
            "attributes": {name: value_of(user, name) for name in custom},
        }
        for user in wanted
    ]


def test_a_parquet_file_has_values_of_their_types(
    store: EmbeddedStore, tmp_path: Path, wanted: list[User]
) -> None:
    assert store.export(SPACE, "users", tmp_path / "x.parquet", "parquet", asked=ASKED) == len(wanted)
    found = duckdb.connect().execute(f"DESCRIBE FROM '{tmp_path / 'x.parquet'}'").fetchall()
    assert {row[0]: row[1] for row in found} == {
        "user_id": "VARCHAR",
        "is_anonymous": "BOOLEAN",
        "users": "VARCHAR[]",
        "select": "VARCHAR",
        "first_seen": "TIMESTAMP WITH TIME ZONE",
        "listed": "TIMESTAMP WITH TIME ZONE",
        "a1": "DOUBLE",
        "city": "VARCHAR",
        "sort_value": "DATE",
        "matched": "BOOLEAN",
    }
    query = f"SELECT user_id, users, epoch_us(first_seen) FROM '{tmp_path / 'x.parquet'}'"
    rows = duckdb.connect().execute(query)
    assert rows.fetchall() == [
        (user["user_id"], value_of(user, "users"), user["first_seen"]) for user in wanted
    ]


@pytest.mark.parametrize("form", ["csv", "jsonl", "parquet"])
def test_all_users_and_attributes_are_written_by_id_unless_less_is_asked_for(
    store: EmbeddedStore, tmp_path: Path, form: str
) -> None:
    assert store.export(SPACE, "users", tmp_path / "x", form) == 40
    rows = duckdb.connect().execute(f"FROM read_{form.replace('jsonl', 'json')}('{tmp_path / 'x'}')")
    names = [column[0] for column in rows.description]
    assert names == [*USER_COLUMNS, *(["attributes"] if form == "jsonl" else TYPES)]
    ids = [row[0] for row in rows.fetchall()]
    assert sorted(map(safe, ids)) == sorted(safe(user["user_id"]) for user in store.users(SPACE))
    if form != "csv":
        assert ids == [user["user_id"] for user in store.users(SPACE)]


def test_no_text_is_a_formula_and_the_order_is_that_of_the_texts_themselves(
    store: EmbeddedStore, tmp_path: Path
) -> None:
    for is_raw in (False, True):
        store.export(SPACE, "users", tmp_path / "x.csv", "csv", is_raw=is_raw, asked=UsersQuery(columns=()))
        with (tmp_path / "x.csv").open(newline="", encoding="utf-8") as file:
            ids = [row["user_id"] for row in csv.DictReader(file)]
        right = [user["user_id"] for user in store.users(SPACE)]
        assert ids == (right if is_raw else list(map(safe, right)))
        assert any(text.startswith("'-") for text in ids) != is_raw


def test_what_cannot_be_asked_for_is_refused(store: EmbeddedStore, tmp_path: Path) -> None:
    for asked in (UsersQuery(columns=("gone",)), UsersQuery(sort="users")):
        with pytest.raises(InvalidParameter):
            store.export(SPACE, "users", tmp_path / "x", "csv", asked=asked)
    with pytest.raises(InvalidRule):
        store.export(SPACE, "users", tmp_path / "x", "csv", asked=UsersQuery(rule={"field": "a"}))
    with pytest.raises(StoreError, match="cannot write"):
        store.export(SPACE, "users", tmp_path / "no" / "x", "csv")


def test_an_export_has_a_time_limit_of_its_own(
    store: EmbeddedStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    numbers = 1_000

    def slowly(look: Look, *_: object, **__: object) -> int:
        query = f"SELECT count(*) AS n FROM range({numbers}) AS n(i) WHERE hash(i) = 1"
        return int(str(look.rows(query, {})[0]["n"]))

    monkeypatch.setattr(reader.exports, "export", slowly)
    monkeypatch.setattr(limits, "READ_SECONDS_MAX", 0.001)
    assert store.export(SPACE, "users", tmp_path / "x", "csv") == 0
    numbers = 1_000_000_000_000
    monkeypatch.setattr(limits, "EXPORT_SECONDS_MAX", 0.001)
    with pytest.raises(ReadTimeout, match=r"0\.001 s") as caught:
        store.export(SPACE, "users", tmp_path / "x", "csv")
    assert "EXPORT_SECONDS_MAX" in str(caught.value.hint)


def test_an_export_sees_one_moment_while_others_change_the_store(
    store: EmbeddedStore, tmp_path: Path
) -> None:
    with store._database.changing(store._database.schema(SPACE)):
        store._database.execute("UPDATE users SET total_sessions = -total_sessions")
        assert store.reader.export(SPACE, "users", tmp_path / "x", "csv") == 40
        store._database.execute("UPDATE users SET total_sessions = -total_sessions")
