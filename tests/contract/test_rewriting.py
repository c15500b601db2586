"""The database written into a new file: the same, but for the bytes of what was deleted."""

from __future__ import annotations

import random
import shutil
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any, NamedTuple

import duckdb
import pytest
from histories import Row, random_history, write
from stored import LOOKUPS, NOW, RULES, SPACE, take

from enduser.clock import elapsed_s
from enduser.core.attributes import Attribute, AttributeType
from enduser.core.events import UserId
from enduser.core.lists import ListAction
from enduser.errors import NoRoom, ReadTimeout, StoreError
from enduser.service.writing_values import edit_by_hand
from enduser.sources.json_rows import JsonRow
from enduser.stores.data_folder import ROOM_BYTES
from enduser.stores.embedded import EmbeddedStore, database, rewriting
from enduser.stores.embedded.parts import file
from enduser.stores.records import (
    AddLink,
    Chunk,
    CloseHistory,
    EraseUser,
    EventChunk,
    Form,
    WriteList,
)
from enduser.stores.row_file import write_ids

NAMES = (
    "vanished-person@example.com",
    "secret-plan-of-vanished",
    "vanished-page",
    "vanished-trait",
    "vanished-device",
)


@pytest.fixture
def store(tmp_path: Path):
    with EmbeddedStore(tmp_path / "data", now_us=NOW, lookups=LOOKUPS, memory_limit_mb=512) as opened:
        yield opened


@pytest.fixture
def plain_store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """A store whose file has all texts as they are, so that one can search it."""
    connect = duckdb.connect

    def uncompressed(*args: Any, **kwargs: Any) -> duckdb.DuckDBPyConnection:
        connection = connect(*args, **kwargs)
        connection.execute("SET force_compression = 'uncompressed'")
        return connection

    monkeypatch.setattr(database.duckdb, "connect", uncompressed)
    with EmbeddedStore(tmp_path / "data", now_us=NOW, lookups=LOOKUPS, memory_limit_mb=512) as opened:
        yield opened


def fill(store: EmbeddedStore, folder: Path) -> None:
    """Let somebody do and be said everything, among others."""
    store.create_attribute(Attribute("plan", AttributeType.STRING))
    rows = random_history(random.Random(3), users=30, events=20, span_s=86_400)
    own = [
        Row(
            NAMES[0],
            NAMES[4],
            START + n * 1_000_000,
            f"m-{n}",
            name=f"{NAMES[2]}-{n}",
            traits={"role": NAMES[3]},
        )
        for n in range(50)
    ]
    take(store, folder, [*rows, *own])
    take(store, folder, [Row(NAMES[0], None, START, "alias", type="alias", previous_id=NAMES[4])])
    edit_by_hand(store, SPACE, JsonRow(NAMES[0], {"plan": NAMES[1]}, "plain"), NOW)
    edit_by_hand(store, SPACE, JsonRow("u1", {"plan": "free"}, "plain"), NOW)
    ids = write_ids(store.folder / "ids.txt", [NAMES[0], "u1"], "plain")
    store.apply(SPACE, WriteList("staff", ListAction.CREATE, ids, NOW))
    (store.folder / "ids.txt").unlink()
    store.apply(SPACE, AddLink(UserId(NAMES[0], False), UserId("vanished-second", False), NOW))
    store.apply(SPACE, CloseHistory())
    store.fold(SPACE)


START = 1_600_000_000_000_000


def found_in(folder: Path, *texts: str) -> set[str]:
    """Return the texts that stand in a file of the database."""
    return {
        text
        for text in texts
        for path in folder.glob("enduser.duckdb*")
        if text.encode() in path.read_bytes()
    }


def write_anew(store: EmbeddedStore) -> None:
    """Write the database anew, all of it at the end."""
    with closing(store.new_file()) as new:
        store.replace_file(new)


class World(NamedTuple):
    users: list[Any]
    sessions: list[Any]
    lists: list[Any]
    links: list[Any]
    attributes: list[Any]
    status: Any


def world(store: EmbeddedStore) -> World:
    return World(
        list(store.users(SPACE)),
        list(store.sessions(SPACE)),
        list(store.lists(SPACE)),
        list(store.links_page(SPACE).items),
        list(store.attributes()),
        store.status(SPACE),
    )


def test_it_says_the_same_and_goes_on_as_before(store: EmbeddedStore, tmp_path: Path) -> None:
    fill(store, tmp_path)
    before, positions, keys = world(store), store.spool_positions(), store.write_keys()
    write_anew(store)
    assert (world(store), store.spool_positions(), store.write_keys()) == (before, positions, keys)
    assert store.verify(SPACE) == []
    store.create_attribute(Attribute("seats", AttributeType.NUMBER))
    assert [column.number for column in store._database.columns()] == [1, 2]
    take(store, tmp_path, [Row("new", None, START, "m")])
    store.fold(SPACE)
    assert store.find_user(SPACE, "new", include_open=True) is not None
    assert not rewriting.new_file_of(store.folder).exists()


def test_what_is_stored_after_it_is_there_when_the_folder_is_opened_again(tmp_path: Path) -> None:
    with EmbeddedStore(tmp_path / "data", now_us=NOW, lookups=LOOKUPS) as store:
        fill(store, tmp_path)
        write_anew(store)
        take(store, tmp_path, [Row("new", None, START, "m")])
        store.fold(SPACE)
        told = world(store)
    with EmbeddedStore(tmp_path / "data", now_us=NOW, lookups=LOOKUPS) as again:
        assert world(again) == told


def test_no_byte_of_an_erased_person_is_in_the_new_file(plain_store: EmbeddedStore, tmp_path: Path) -> None:
    store = plain_store
    fill(store, tmp_path)
    store._database.checkpoint()
    texts = (*NAMES, "vanished-second")
    assert found_in(store.folder, *texts) == set(texts)
    store.apply(SPACE, EraseUser(UserId(NAMES[0], False)))
    store._database.checkpoint()
    assert found_in(store.folder, *texts), "bytes that go by themselves need no new file"
    write_anew(store)
    assert found_in(store.folder, *texts, "vanished") == set()
    assert found_in(store.folder, "u1") == {"u1"}


MILLION = 1_000_000
_EVENTS = """
COPY (SELECT 'user-' || (i % 1000000) AS user_id, 'm' || i AS message_id, 'Clicked' AS name,
             make_timestamp(1600000000000000 + i * 1000000) AS occurred_at,
             'https://site.example/' || (i % 977) AS page_url
      FROM range(3000000) AS t(i)) TO '{path}' (FORMAT parquet)
"""


@pytest.mark.full
def test_of_a_million_users_one_goes_with_every_byte_within_a_minute(
    plain_store: EmbeddedStore, tmp_path: Path
) -> None:
    store, path = plain_store, tmp_path / "events.parquet"
    duckdb.connect().execute(_EVENTS.format(path=path))
    store.apply(SPACE, EventChunk(Chunk(path, Form.PARQUET, rows=3 * MILLION), RULES))
    fill(store, tmp_path)
    assert store.status(SPACE).users > MILLION
    store._database.checkpoint()
    texts = (*NAMES, "vanished-second")
    assert found_in(store.folder, *texts) == set(texts)
    began = elapsed_s()
    store.apply(SPACE, EraseUser(UserId(NAMES[0], False)))
    erased_s = elapsed_s() - began
    write_anew(store)
    gone_s = elapsed_s() - began
    assert found_in(store.folder, *texts) == set()
    print(f"erased after {erased_s:.1f} s, no byte left after {gone_s:.1f} s")
    assert erased_s < 10
    assert gone_s < 60
    assert store.verify(SPACE) == []


def test_an_import_goes_on_over_it_and_counts_identical_rows_once(
    store: EmbeddedStore, tmp_path: Path
) -> None:
    row = Row("u", None, START)
    path = write(tmp_path / "rows.jsonl", [row, row])
    store.apply(SPACE, EventChunk(Chunk(path, Form.JSON_LINES), RULES))
    write_anew(store)
    third = store.apply(SPACE, EventChunk(Chunk(path, Form.JSON_LINES, first_row=3), RULES, is_first=False))
    assert third.outcomes.stored == 2
    assert not (store.folder / "tmp" / "file-rows.parquet").exists()


def test_who_reads_when_it_is_replaced_reads_to_the_end_and_who_begins_waits(
    store: EmbeddedStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(store, tmp_path)
    users = store.reader.status(SPACE).users
    is_closing, late = threading.Event(), ThreadPoolExecutor(2)
    wait_for = threading.Condition.wait_for

    def told(condition: threading.Condition, *args: Any) -> bool:
        is_closing.set()
        return wait_for(condition, *args)

    with store.reader.looks.at(SPACE) as look:
        monkeypatch.setattr(threading.Condition, "wait_for", told)
        replaced = late.submit(write_anew, store)
        assert is_closing.wait(30)
        begun = late.submit(store.reader.status, SPACE)
        assert not begun.done()
        assert look.run("read.status")[0][3] == users
        assert not replaced.done()
    replaced.result()
    assert begun.result().users == users
    late.shutdown()


def test_who_reads_for_too_long_is_stopped(
    store: EmbeddedStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(store, tmp_path)
    monkeypatch.setattr(file, "_SWAP_PATIENCE_S", 0.01)
    reads = threading.Event()

    def read() -> None:
        with store.reader.looks.at(SPACE) as look:
            reads.set()
            look.connection.execute("SELECT count(*) FROM range(10000000), range(1000000)").fetchall()

    with ThreadPoolExecutor(1) as thread:
        reading = thread.submit(read)
        assert reads.wait(30)
        write_anew(store)
        with pytest.raises(ReadTimeout, match="the database is being closed"):
            reading.result()


def test_without_room_nothing_is_done_and_it_is_said_how_much_is_wanted(
    store: EmbeddedStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(store, tmp_path)
    before = world(store)
    free = (store.folder / database.DATABASE_FILE).stat().st_size + ROOM_BYTES
    monkeypatch.setattr(shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(0, 0, free - 1))
    with pytest.raises(NoRoom, match=f"{free - 1:,} bytes free"):
        write_anew(store)
    assert world(store) == before
    monkeypatch.setattr(shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(0, 0, free))
    write_anew(store)
    assert world(store) == before


def test_a_file_that_somebody_has_open_is_not_replaced(store: EmbeddedStore, tmp_path: Path) -> None:
    fill(store, tmp_path)
    before = world(store)
    with (store.folder / database.DATABASE_FILE).open(), pytest.raises(StoreError, match="in use"):
        write_anew(store)
    assert world(store) == before
    write_anew(store)
    assert world(store) == before


def test_a_failure_on_the_way_leaves_the_old_file(
    store: EmbeddedStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(store, tmp_path)
    before = world(store)

    def fails(_: object) -> None:
        raise OSError("the disk is full")

    monkeypatch.setattr(rewriting, "make_durable", fails)
    with pytest.raises(OSError, match="the disk is full"):
        write_anew(store)
    assert world(store) == before
    assert not rewriting.new_file_of(store.folder).exists()


def test_a_database_that_cannot_be_opened_again_is_whole_once_it_can(
    store: EmbeddedStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(store, tmp_path)
    before = world(store)

    def fails() -> None:
        raise StoreError("too many files are open")

    with monkeypatch.context() as patch:
        patch.setattr(store._database, "_open", fails)
        with pytest.raises(StoreError, match="too many files are open"):
            write_anew(store)
    store.heal()
    assert world(store) == before
    assert store.verify(SPACE) == []
