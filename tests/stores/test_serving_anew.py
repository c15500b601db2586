"""The serving copy goes on in a new file without the bytes of what was taken out, while others use it."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import threading
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path
from random import Random

import pytest
from searching import found_in
from stored import RULES, SPACE
from tiers import tries

from enduser.clock import elapsed_s
from enduser.core.events import UserId
from enduser.errors import NoRoom, StoreError, UserNotFound
from enduser.stores import serving, serving_anew, serving_files
from enduser.stores.data_folder import ROOM_BYTES
from enduser.stores.embedded import EmbeddedStore
from enduser.stores.records import AddLink, ChangeSettings, Chunk, CloseHistory, EraseUser, EventChunk, Form
from enduser.stores.serving import ServingCopy
from enduser.stores.serving_anew import NewCopy, require_room_for_copy, write_anew
from enduser.stores.serving_reader import ServingReader

HOUR = 3_600_000_000
PUT = "INSERT OR REPLACE INTO objects VALUES (?, ?, ?, ?)"
PUT_FACT = "INSERT OR REPLACE INTO facts VALUES (?, ?, ?, ?, ?)"


def user(text: str) -> UserId:
    return UserId(text, is_anonymous=False)


class World:
    """A store, the copy that follows it, and one that is written beside."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.store = EmbeddedStore(folder, now_us=0, memory_limit_mb=512)
        self.copy = ServingCopy(folder)

    def close(self) -> None:
        self.copy.close()
        self.store.close()

    def visit(self, *users: str, hour: int = 0) -> None:
        """Store a visit of each user, closed and folded, and let the copy follow."""
        path = self.folder / "rows.jsonl"
        rows = [json.dumps({"user_id": one, "occurred_at": hour * HOUR}) for one in users]
        path.write_text("\n".join(rows))
        self.store.apply(SPACE, EventChunk(Chunk(path, Form.JSON_LINES), RULES))
        path.unlink()
        self.store.apply(SPACE, CloseHistory())
        self.store.fold(SPACE)
        self.follow()

    def follow(self) -> None:
        while not self.copy.follow(SPACE, self.store):
            pass

    def erase(self, text: str) -> None:
        self.store.apply(SPACE, EraseUser(user(text)))
        self.follow()

    def link(self, one: str, other: str) -> None:
        self.store.apply(SPACE, AddLink(user(one), user(other), 0))
        self.follow()

    def go_on_with(self, new: NewCopy, spaces: Sequence[str] = (SPACE,)) -> None:
        while not new.catch_up(self.store, spaces):
            pass
        new.take_place()
        new.close()

    def objects(self) -> dict[str, object]:
        """Return what the copy has under each id."""
        query = "SELECT id, object FROM objects WHERE space = ? ORDER BY id"
        return {text: json.loads(told) for text, told in self.copy._execute(query, SPACE)}

    def files(self) -> set[str]:
        return {path.name for path in self.folder.glob("serving*")}


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with closing(World(tmp_path / "data")) as made:
        yield made


def scattered(folder: Path, seed: int) -> list[str]:
    """Make a copy of users whose rows came and were replaced in no order; return ids taken out since."""
    random = Random(seed)
    users = [f"u{random.randrange(10**9):09}-{'y' * random.randrange(60)}" for _ in range(400)]
    with closing(ServingCopy(folder)) as copy:
        for _ in range(4):
            with copy._changing():
                for one in random.sample(users, 200):
                    value = json.dumps({"user_id": one, "city": "q" * random.randrange(3_000)})
                    copy._execute(PUT, SPACE, one, 0, value.encode())
                    copy._execute(PUT_FACT, SPACE, one, 0, random.randrange(3), b"t" * random.randrange(200))
            copy._execute("PRAGMA wal_checkpoint(PASSIVE)")
        gone = random.sample(users, 40)
        copy.take_out(SPACE, map(user, gone))
    return [one[:10] for one in gone]


def test_no_byte_of_who_was_taken_out_is_in_a_copy_that_was_written_anew(tmp_path: Path) -> None:
    left = []
    for seed in range(12):
        folder = tmp_path / str(seed)
        folder.mkdir()
        gone = scattered(folder, seed)
        left += found_in(folder, *gone)
        write_anew(folder)
        assert found_in(folder, *gone) == [], seed
        assert {path.name for path in folder.iterdir()} == {"serving-2.sqlite"}
    assert left, "SQLite overwrites all that it moved: then nothing need be written anew any more"


def test_where_there_is_no_copy_none_is_written(tmp_path: Path) -> None:
    write_anew(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_what_is_done_while_it_is_written_is_in_it(world: World) -> None:
    world.visit(*(f"u{number}" for number in range(40)))
    new = NewCopy(world.copy)
    world.visit("before", "u1", hour=5)
    world.erase("u2")
    new.write()
    world.visit("after", "u3", hour=5)
    world.link("u4", "u5")
    world.erase("u6")
    world.erase("before")
    assert not {"u2", "u6", "before"} & world.objects().keys()
    world.visit("u6", hour=9)
    wanted = world.objects()
    world.go_on_with(new)
    assert world.objects() == wanted
    world.visit("later", hour=9)
    assert world.objects().keys() == {*wanted, "later"}
    assert world.files() == {"serving-2.sqlite", "serving-2.sqlite-shm", "serving-2.sqlite-wal"}


def test_who_is_erased_after_it_caught_up_is_not_in_it(world: World) -> None:
    world.visit("ada", "eve")
    new = NewCopy(world.copy)
    new.write()
    assert new.catch_up(world.store, [SPACE])
    world.erase("ada")
    new.take_place()
    new.close()
    assert list(world.objects()) == ["eve"]
    world.erase("eve")
    world.visit("joe", hour=7)
    assert list(world.objects()) == ["joe"]


@pytest.mark.parametrize("seed", range(tries(2, 40)))
def test_whatever_is_done_meanwhile_it_has_what_the_copy_has(world: World, seed: int) -> None:
    random = Random(seed)
    users = [f"u{number}" for number in range(12)]

    def live() -> None:
        for _ in range(random.randrange(4)):
            one, other = random.sample(users, 2)
            what = random.choice((world.visit, world.visit, world.erase, world.link))
            try:
                what(one, other) if what == world.link else what(one)
            except UserNotFound:
                assert one not in world.objects()

    world.visit(*users)
    for _ in range(2):
        live()
        new = NewCopy(world.copy)
        live()
        new.write()
        live()
        new.catch_up(world.store, [SPACE])
        live()
        world.go_on_with(new)
        anew = {str(row["user_id"]): row for row in world.store.users(SPACE)}
        assert {text: row for text, row in world.objects().items() if text in anew} == anew
        assert {str(row["user_id"]) for row in world.objects().values()} == anew.keys()


def test_a_reader_goes_on_in_the_new_file_and_the_old_one_is_empty_though_he_has_it_open(
    world: World,
) -> None:
    world.visit("ada")
    with closing(ServingReader(world.folder)) as reader, world.copy.path.open("rb") as old:
        before = reader.find(SPACE, "ada", is_anonymous=False)
        assert before is not None
        new = NewCopy(world.copy)
        new.write()
        assert os.fstat(old.fileno()).st_size > 0
        world.go_on_with(new)
        assert os.fstat(old.fileno()).st_size == 0
        assert reader.find(SPACE, "ada", is_anonymous=False) == before
        world.erase("ada")
        assert reader.find(SPACE, "ada", is_anonymous=False) is None


def test_whoever_reads_at_any_time_finds_what_is_there(world: World) -> None:
    world.visit(*(f"u{number}" for number in range(500)))
    is_over, problems, reads = threading.Event(), list[object](), [0]

    def read() -> None:
        random = Random(0)
        with closing(ServingReader(world.folder)) as reader:
            while not is_over.is_set():
                one = f"u{random.randrange(500)}"
                try:
                    found = reader.find(SPACE, one, is_anonymous=False)
                    served = reader.find_served(SPACE, user(one))
                    if not found or found["user_id"] != one or not served or served.found != found:
                        problems.append((one, found, served))
                except StoreError as error:
                    problems.append(error)
                reads[0] += 1

    threads = [threading.Thread(target=read) for _ in range(4)]
    for thread in threads:
        thread.start()
    for _ in range(15):
        new = NewCopy(world.copy)
        new.write()
        world.go_on_with(new)
    is_over.set()
    for thread in threads:
        thread.join()
    assert problems == []
    assert reads[0] > 100


def test_one_that_is_written_while_ids_are_hashed_is_given_up(world: World) -> None:
    world.visit("plain-1", "plain-2")
    new = NewCopy(world.copy)
    new.write()
    world.store.apply(SPACE, ChangeSettings({"hash_ids": "on"}))
    world.follow()
    for step in (lambda: new.catch_up(world.store, [SPACE]), new.take_place):
        with pytest.raises(StoreError, match="has lost a space while it was written anew") as told:
            step()
        assert told.value.hint == "it is tried again"
    new.close()
    assert "plain-1" not in str(world.objects())
    again = NewCopy(world.copy)
    again.write()
    world.go_on_with(again)
    assert len(world.objects()) == 2
    assert not [found for found in found_in(world.folder, "plain-1") if found.file.startswith("serving")]


def test_one_that_is_told_to_stop_ends_soon_and_leaves_the_copy_as_it_is(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(serving_anew, "_STEPS_AT_ONCE", 1_000)
    world.visit(*(f"u{number}" for number in range(2_000)))
    wanted = world.objects()
    new = NewCopy(world.copy)
    new.stop()
    with pytest.raises(StoreError, match="interrupted"):
        new.write()
    new.close()
    assert world.objects() == wanted
    assert not [name for name in world.files() if "new" in name]
    world.erase("u1")
    assert world.copy._execute("SELECT count(*) FROM sqlite_master WHERE name = 'taken_out'").fetchone() == (
        0,
    )


def test_without_room_for_it_a_second_time_it_is_said_how_much_is_wanted(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.visit("ada")
    wanted = serving_files.size(world.copy.path) + ROOM_BYTES
    monkeypatch.setattr(shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(0, 0, wanted - 1))
    with pytest.raises(NoRoom, match=f"the serving copy is .* {wanted - 1:,} bytes free"):
        require_room_for_copy(world.folder)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(0, 0, wanted))
    require_room_for_copy(world.folder)


def test_of_a_space_that_is_not_followed_there_is_no_copy_for_now(world: World) -> None:
    world.visit("ada")
    new = NewCopy(world.copy)
    new.write()
    world.go_on_with(new, ())
    with closing(ServingReader(world.folder)) as reader:
        assert reader.find_served(SPACE, user("ada")) is None
        world.follow()
        served = reader.find_served(SPACE, user("ada"))
        assert served is not None
        assert served.found is not None


def test_where_the_store_fails_the_copy_stays_as_it_is(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.visit("ada")
    wanted = world.objects()
    new = NewCopy(world.copy)
    new.write()

    def broken(*_: object) -> None:
        raise StoreError("the engine failed")

    with monkeypatch.context() as patched:
        patched.setattr(world.store, "changes", broken)
        with pytest.raises(StoreError, match="the engine failed"):
            world.go_on_with(new)
    new.close()
    assert world.objects() == wanted
    assert serving_files.newest(world.folder) == world.copy.path


def test_where_the_new_file_cannot_be_used_the_old_one_is_the_only_one(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.visit("ada")
    wanted = world.objects()
    new = NewCopy(world.copy)
    new.write()

    def fails(_: object) -> None:
        raise OSError("the disk is full")

    with monkeypatch.context() as patched:
        patched.setattr(serving, "make_durable", fails)
        with pytest.raises(OSError, match="the disk is full"):
            world.go_on_with(new)
    new.close()
    assert serving_files.newest(world.folder) == world.copy.path == serving_files.first(world.folder)
    world.visit("eve", hour=5)
    assert world.objects().keys() == {*wanted, "eve"}


def test_one_whose_log_did_not_get_into_its_file_is_not_used(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.visit("ada")
    new = NewCopy(world.copy)
    new.write()
    assert new.catch_up(world.store, [SPACE])
    monkeypatch.setattr(serving_files, "has_log", lambda _: True)
    with pytest.raises(StoreError, match="its log could not be written"):
        new.take_place()
    new.close()
    assert serving_files.newest(world.folder) == world.copy.path


def test_who_is_taken_out_while_it_is_read_for_long_is_not_waited_for(world: World) -> None:
    world.visit("ada", "eve")
    new = NewCopy(world.copy)
    with closing(sqlite3.connect(world.copy.path, isolation_level=None)) as reading:
        reading.execute("BEGIN")
        assert reading.execute("SELECT count(*) FROM objects").fetchone() == (2,)
        began = elapsed_s()
        world.erase("ada")
        assert elapsed_s() - began < serving._BUSY_S / 2
    new.close()


LEFT = (
    *("serving.sqlite", "serving.sqlite-wal", "serving-0.sqlite"),
    *("serving.sqlite.new", "serving.sqlite.new-journal"),
)


@pytest.mark.parametrize("left", LEFT)
def test_what_a_killed_process_or_another_version_left_goes(world: World, left: str) -> None:
    world.visit("ada")
    (world.folder / left).write_bytes(b"somebody")
    there = world.files()
    serving_files.remove_others(world.folder)
    assert world.files() == there - {left}
    assert list(world.objects()) == ["ada"]


@pytest.mark.parametrize("ends_at", ["unlink", "replace"])
def test_a_process_that_is_killed_on_the_way_leaves_a_whole_copy(
    world: World, monkeypatch: pytest.MonkeyPatch, ends_at: str
) -> None:
    world.visit("ada", "eve")
    wanted = world.objects()
    new = NewCopy(world.copy)
    new.write()

    def killed(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(Path, ends_at, killed)
        with pytest.raises(KeyboardInterrupt):
            world.go_on_with(new)
    left = world.files()
    world.copy = ServingCopy(world.folder)
    assert world.objects() == wanted
    new = NewCopy(world.copy)
    new.write()
    world.go_on_with(new)
    assert world.objects() == wanted
    assert len(left) > len(world.files()) == 3


def test_a_copy_that_cannot_be_changed_says_why(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(serving, "_BUSY_S", 0.01)
    world.copy.close()
    world.copy = ServingCopy(world.folder)
    with closing(sqlite3.connect(world.copy.path, isolation_level=None)) as writing:
        writing.execute("BEGIN IMMEDIATE")
        with pytest.raises(StoreError, match="the serving copy cannot be changed: database is locked"):
            NewCopy(world.copy)
