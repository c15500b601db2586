"""The serving copy follows the truth fold by fold, and is made anew when it must."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from crashing import CrashError
from stored import RULES, SPACE

from enduser import limits
from enduser.core.events import UserId
from enduser.errors import StoreError
from enduser.stores import serving, serving_files
from enduser.stores.embedded import EmbeddedStore, erasing
from enduser.stores.records import (
    AddLink,
    ChangeSettings,
    Chunk,
    CloseHistory,
    EraseUser,
    EventChunk,
    Form,
    RemoveLink,
)
from enduser.stores.serving import ServingCopy, forget
from enduser.stores.serving_reader import ServingReader

HOUR = 3_600_000_000


@pytest.fixture
def store(tmp_path: Path):
    with EmbeddedStore(tmp_path / "data", now_us=0, memory_limit_mb=512) as opened:
        yield opened


@pytest.fixture
def copy(store: EmbeddedStore):
    opened = ServingCopy(store.folder)
    yield opened
    opened.close()


def visit(store: EmbeddedStore, *users: str, hour: int = 0, is_anonymous: bool = False) -> None:
    """Store a visit of each user, closed and folded."""
    path = store.folder / "rows.jsonl"
    name = "anonymous_id" if is_anonymous else "user_id"
    path.write_text("".join(json.dumps({name: user, "occurred_at": hour * HOUR}) + "\n" for user in users))
    store.apply(SPACE, EventChunk(Chunk(path, Form.JSON_LINES), RULES))
    store.apply(SPACE, CloseHistory())
    store.fold(SPACE)


def follow(copy: ServingCopy, store: EmbeddedStore) -> bool:
    """Bring the copy up to date; return whether it was made anew."""
    is_everything = store.changes(SPACE, copy.fold(SPACE)).is_everything
    while not copy.follow(SPACE, store):
        pass
    return is_everything


def found(copy: ServingCopy, text: str, *, is_anonymous: bool = False) -> Mapping[str, object] | None:
    """Return the object of an id, as those get it who read the copy."""
    with closing(ServingReader(copy._path.parent)) as reader:
        return reader.find(SPACE, text, is_anonymous=is_anonymous)


def ids(copy: ServingCopy) -> list[tuple[str, bool]]:
    """Return the ids that have an object in the copy."""
    query = "SELECT id, is_anonymous FROM objects WHERE space = ? ORDER BY id, is_anonymous"
    return [(text, bool(is_anonymous)) for text, is_anonymous in copy._execute(query, SPACE)]


def assert_same(copy: ServingCopy, store: EmbeddedStore) -> None:
    users = list(store.users(SPACE))
    assert ids(copy) == [(user["user_id"], user["is_anonymous"]) for user in users]
    for user in users:
        assert found(copy, user["user_id"], is_anonymous=user["is_anonymous"]) == user


def test_a_new_copy_gets_everything_and_then_only_what_changed(
    store: EmbeddedStore, copy: ServingCopy
) -> None:
    visit(store, "a", "b")
    assert follow(copy, store)
    visit(store, "b", "c", hour=5)
    changes = store.changes(SPACE, copy.fold(SPACE))
    assert {user for user, _, _ in changes.users} == {"b", "c"}
    assert not follow(copy, store)
    assert_same(copy, store)


def test_a_user_and_an_anonymous_visitor_of_one_id_are_two(store: EmbeddedStore, copy: ServingCopy) -> None:
    visit(store, "a")
    visit(store, "a", hour=2, is_anonymous=True)
    follow(copy, store)
    assert_same(copy, store)
    assert len(ids(copy)) == 2


def test_an_object_that_is_gone_is_gone_from_the_copy(store: EmbeddedStore, copy: ServingCopy) -> None:
    visit(store, "a")
    follow(copy, store)
    visit(store, "b", hour=24 * 365)
    path = store.folder / "rows.jsonl"
    path.write_text(json.dumps({"user_id": "a", "occurred_at": 24 * 365 * HOUR + HOUR // 2}) + "\n")
    store.apply(SPACE, EventChunk(Chunk(path, Form.JSON_LINES), RULES))  # a new life, its session still open
    store.fold(SPACE)
    assert not follow(copy, store)
    assert found(copy, "a") is None
    assert_same(copy, store)


def test_after_a_recomputation_the_copy_is_right(store: EmbeddedStore, copy: ServingCopy) -> None:
    visit(store, "a", "b")
    visit(store, "a", hour=1)
    follow(copy, store)
    store.apply(SPACE, ChangeSettings({"inactivity_window_s": "7200"}))
    store.apply(SPACE, CloseHistory())
    store.fold(SPACE)
    follow(copy, store)
    assert_same(copy, store)
    assert found(copy, "a")["total_sessions"] == 1


@pytest.fixture
def few_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "SERVED_AT_ONCE", 3)


@pytest.mark.usefixtures("few_at_once")
def test_a_copy_is_made_in_steps_while_users_come_and_go(store: EmbeddedStore, copy: ServingCopy) -> None:
    """Every step is taken by another process, as after a crash, and something happens before it."""
    visit(store, *(f"u{number}" for number in range(30)))
    steps = 0
    while not copy.follow(SPACE, store):
        steps += 1
        assert copy.fold(SPACE) == 0
        visit(store, f"u{steps}", f"new-{steps}", hour=steps)
        one, other = (UserId(f"u{steps + n}", is_anonymous=False) for n in (0, 5))
        store.apply(SPACE, AddLink(one, other, 0) if steps % 2 else RemoveLink(one, other, 0))
        copy.close()
        copy.__init__(store.folder)
    assert steps > 10
    assert copy.fold(SPACE) > 0
    for user in store.users(SPACE):
        assert found(copy, user["user_id"]) == user
    (store.folder / "anew").mkdir()
    made_anew = ServingCopy(store.folder / "anew")
    follow(made_anew, store)
    assert ids(made_anew) == ids(copy)
    made_anew.close()


@pytest.mark.usefixtures("few_at_once")
def test_a_copy_is_cleared_of_what_was_there_before_it_is_made_anew(
    store: EmbeddedStore, copy: ServingCopy
) -> None:
    visit(store, *(f"u{number}" for number in range(20)))
    follow(copy, store)
    copy._execute("UPDATE objects SET id = 'gone-' || id")
    store.rebuild(SPACE)
    assert follow(copy, store)
    assert_same(copy, store)


@pytest.mark.usefixtures("few_at_once")
def test_a_recomputation_while_a_copy_is_made_begins_it_anew(store: EmbeddedStore, copy: ServingCopy) -> None:
    visit(store, *(f"u{number}" for number in range(20)))
    visit(store, *(f"u{number}" for number in range(20)), hour=1)
    for _ in range(4):
        assert not copy.follow(SPACE, store)
    store.apply(SPACE, ChangeSettings({"inactivity_window_s": "7200"}))
    store.apply(SPACE, CloseHistory())
    store.fold(SPACE)
    follow(copy, store)
    assert_same(copy, store)


def test_a_recomputation_of_nothing_makes_a_copy_anew_once(store: EmbeddedStore, copy: ServingCopy) -> None:
    store.rebuild(SPACE)
    assert follow(copy, store)
    assert not follow(copy, store)


@pytest.mark.parametrize(("users", "anew"), [(2, False), (3, False), (4, True)])
def test_more_changes_than_are_remembered_make_the_copy_anew(
    store: EmbeddedStore, copy: ServingCopy, monkeypatch: pytest.MonkeyPatch, users: int, anew: bool
) -> None:
    monkeypatch.setattr(limits, "TOUCHED_MAX", 3)
    follow(copy, store)
    visit(store, *(f"u{number}" for number in range(users)))
    assert follow(copy, store) is anew
    assert_same(copy, store)


def test_a_copy_that_is_ahead_of_a_restored_database_is_made_anew(
    store: EmbeddedStore, copy: ServingCopy, tmp_path: Path
) -> None:
    visit(store, "gone", "u")
    visit(store, "gone", hour=1)
    follow(copy, store)
    with EmbeddedStore(tmp_path / "restored", now_us=1, memory_limit_mb=512) as restored:
        visit(restored, "u")
        assert restored.changes(SPACE, 0).fold < copy.fold(SPACE)
        assert follow(copy, restored)
        assert_same(copy, restored)


def test_a_copy_that_follows_is_not_made_anew_however_much_changes(
    store: EmbeddedStore, copy: ServingCopy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "TOUCHED_MAX", 5)
    follow(copy, store)
    for hour in range(6):
        visit(store, *(f"u{hour}-{number}" for number in range(4)), hour=hour)
        assert not follow(copy, store)
        assert_same(copy, store)


def test_a_copy_that_is_some_folds_behind_takes_what_is_remembered(
    store: EmbeddedStore, copy: ServingCopy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "TOUCHED_MAX", 4)
    follow(copy, store)
    for hour in range(3):
        visit(store, f"a{hour}", f"b{hour}", hour=hour)
        if not hour:
            assert not follow(copy, store)
    assert not follow(copy, store)
    assert_same(copy, store)
    for hour in range(3, 6):
        visit(store, f"a{hour}", f"b{hour}", hour=hour)
    assert follow(copy, store)
    assert_same(copy, store)


def ids_of(copy: ServingCopy, *texts: str) -> dict[str, object]:
    """Return the ids of the objects that the copy gives for anonymous ids."""
    rows = {text: found(copy, text, is_anonymous=True) for text in texts}
    return {text: row and row["user_id"] for text, row in rows.items()}


def test_the_copy_has_the_object_of_a_person_under_each_of_its_ids(
    store: EmbeddedStore, copy: ServingCopy
) -> None:
    visit(store, "u", "other")
    visit(store, "a", "b", "c", hour=5, is_anonymous=True)
    follow(copy, store)
    one, other = UserId("a", is_anonymous=True), UserId("b", is_anonymous=True)
    store.apply(SPACE, AddLink(other, one, 0))
    store.apply(SPACE, AddLink(one, UserId("u", is_anonymous=False), 0))
    assert not follow(copy, store)
    assert ids_of(copy, "a", "b", "c") == {"a": "u", "b": "u", "c": "c"}
    assert found(copy, "u") == store.find_user(SPACE, "u")
    visit(store, "b", hour=9, is_anonymous=True)
    assert not follow(copy, store)
    assert found(copy, "a", is_anonymous=True)["total_sessions"] == 3
    store.apply(SPACE, RemoveLink(one, UserId("u", is_anonymous=False), 0))
    assert not follow(copy, store)
    assert ids_of(copy, "a", "b", "c") == {"a": "a", "b": "a", "c": "c"}
    (store.folder / "anew").mkdir()
    made_anew = ServingCopy(store.folder / "anew")
    follow(made_anew, store)
    assert ids(made_anew) == ids(copy)
    assert ids_of(made_anew, "a", "b", "c") == ids_of(copy, "a", "b", "c")
    made_anew.close()


def bytes_of(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in folder.glob("serving*"))


class Renamed:
    """A store whose other space has the users of the first."""

    def __init__(self, store: EmbeddedStore) -> None:
        self._store = store

    def __getattr__(self, name: str):
        return lambda _, *rest: getattr(self._store, name)(SPACE, *rest)


def test_of_a_space_that_is_forgotten_no_byte_is_left_and_others_stay(
    store: EmbeddedStore, copy: ServingCopy
) -> None:
    visit(store, *(f"plain-{number:05}" for number in range(2_000)))
    follow(copy, store)
    visit(store, "plain-00007", hour=5)
    follow(copy, store)
    while not copy.follow("acme/test", Renamed(store)):
        pass
    assert b"plain-00007" in bytes_of(store.folder)
    forget(store.folder, SPACE)
    forget(store.folder, "acme/test")
    assert b"plain" not in bytes_of(store.folder)
    assert follow(copy, store)
    assert_same(copy, store)


def erase(store: EmbeddedStore, text: str) -> None:
    store.apply(SPACE, EraseUser(UserId(text, is_anonymous=False)))


def test_who_is_erased_is_gone_from_the_copy_at_once_and_stays_gone(
    store: EmbeddedStore, copy: ServingCopy
) -> None:
    visit(store, "ada", "eve")
    visit(store, "second-of-ada", hour=3)
    store.apply(SPACE, AddLink(*(UserId(one, is_anonymous=False) for one in ("ada", "second-of-ada")), 0))
    follow(copy, store)
    assert found(copy, "second-of-ada")["user_id"] == "ada"
    erase(store, "ada")
    assert ids(copy) == [("eve", False)]
    assert not follow(copy, store)
    assert_same(copy, store)


def test_of_who_is_erased_no_byte_is_left_in_the_copy(store: EmbeddedStore, copy: ServingCopy) -> None:
    visit(store, *(f"plain-{number:05}" for number in range(500)))
    follow(copy, store)
    visit(store, "plain-00007", hour=5)
    follow(copy, store)
    assert b"plain-00007" in bytes_of(store.folder)
    erase(store, "plain-00007")
    assert b"plain-00007" not in bytes_of(store.folder)
    assert b"plain-00008" in bytes_of(store.folder)


def test_who_was_not_erased_in_the_end_comes_back_into_the_copy(
    store: EmbeddedStore, copy: ServingCopy, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The process ends between the two: what is on the disk then is all that the next one has."""
    visit(store, "ada", "eve", "joe")
    store.apply(SPACE, RemoveLink(*(UserId(one, is_anonymous=False) for one in ("ada", "joe")), 0))
    follow(copy, store)

    def ends(*_: object) -> None:
        raise CrashError

    monkeypatch.setattr(erasing, "erase", ends)
    with pytest.raises(CrashError):
        erase(store, "ada")
    assert ids(copy) == [("eve", False)]
    assert not follow(copy, store)
    assert_same(copy, store)
    assert ids(copy) == [("ada", False), ("eve", False), ("joe", False)]


def test_an_id_that_left_the_person_before_the_copy_followed_is_gone_from_the_copy_too(
    store: EmbeddedStore, copy: ServingCopy
) -> None:
    visit(store, "ada", "eve")
    pair = [UserId(one, is_anonymous=False) for one in ("ada", "eve")]
    store.apply(SPACE, AddLink(*pair, 0))
    follow(copy, store)
    store.apply(SPACE, RemoveLink(*pair, 0))
    erase(store, "ada")
    assert ids(copy) == []
    assert not follow(copy, store)
    assert_same(copy, store)


@pytest.mark.usefixtures("few_at_once")
def test_who_is_erased_while_the_copy_is_made_is_not_in_it(store: EmbeddedStore, copy: ServingCopy) -> None:
    visit(store, *(f"u{number}" for number in range(12)))
    number = 0
    while not copy.follow(SPACE, store):
        erase(store, f"u{number}")
        number += 1
    assert number > 4
    assert_same(copy, store)


def test_a_copy_that_cannot_be_changed_lets_nobody_be_erased(
    store: EmbeddedStore, copy: ServingCopy, monkeypatch: pytest.MonkeyPatch
) -> None:
    visit(store, "ada")
    follow(copy, store)

    def full(*_: object) -> None:
        raise sqlite3.OperationalError("the disk is full")

    monkeypatch.setattr(ServingCopy, "take_out", full)
    with pytest.raises(StoreError, match="the disk is full"):
        erase(store, "ada")
    assert store.find_user(SPACE, "ada") is not None


def test_forgetting_where_there_is_no_copy_makes_none(store: EmbeddedStore) -> None:
    visit(store, "ada")
    forget(store.folder, SPACE)
    erase(store, "ada")
    assert serving_files.newest(store.folder) is None


def test_when_ids_are_hashed_the_copy_forgets_the_plain_ones_and_is_made_anew(
    store: EmbeddedStore, copy: ServingCopy
) -> None:
    visit(store, *(f"plain-{number:05}" for number in range(500)))
    follow(copy, store)
    before = store.generations()[SPACE]
    store.apply(SPACE, ChangeSettings({"hash_ids": "on"}))
    assert b"plain" not in bytes_of(store.folder)
    assert store.generations()[SPACE] > before
    assert follow(copy, store)
    assert_same(copy, store)
    assert b"plain" not in bytes_of(store.folder)


def test_after_hashing_failed_the_copy_is_made_anew_with_plain_ids(
    store: EmbeddedStore, copy: ServingCopy, monkeypatch: pytest.MonkeyPatch
) -> None:
    visit(store, "plain")
    follow(copy, store)
    before = store.generations()[SPACE]
    monkeypatch.setattr("enduser.stores.embedded.hashing.fold_pending", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        store.apply(SPACE, ChangeSettings({"hash_ids": "on"}))
    assert store.generations()[SPACE] > before
    assert follow(copy, store)
    assert_same(copy, store)


def test_many_changes_are_followed_beside_a_link_that_was_told_again(store: EmbeddedStore) -> None:
    """As many as the engine has in more than one group of rows."""
    count = 130_000
    path = store.folder / "rows.jsonl"

    def take(at: int, users: int) -> None:
        rows: list[dict[str, object]] = [{"user_id": f"u{n}", "occurred_at": at} for n in range(users)]
        rows.append(
            {"user_id": "u0", "type": "alias", "previousId": "a", "occurred_at": at, "message_id": at}
        )
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
        store.apply(SPACE, EventChunk(Chunk(path, Form.JSON_LINES), RULES))
        store.apply(SPACE, CloseHistory())
        store.fold(SPACE)

    take(HOUR, 0)
    since = store.changes(SPACE, 0).fold
    take(0, count)  # earlier, so that the link is decided again
    changes = store.changes(SPACE, since)
    assert not changes.is_everything
    assert sum(1 for _ in changes.users) == count + 1


def test_the_log_of_large_steps_is_cut_off_by_the_next(
    store: EmbeddedStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(serving, "_LOG_BYTES_MAX", 100_000)
    copy = ServingCopy(store.folder)
    log = copy.path.with_name(f"{copy.path.name}-wal")
    visit(store, *map(str, range(20_000)))
    follow(copy, store)
    visit(store, "one more")
    follow(copy, store)
    assert log.stat().st_size <= 100_000
    copy.close()


def test_a_copy_that_failed_in_the_middle_is_as_it_was(
    store: EmbeddedStore, copy: ServingCopy, monkeypatch: pytest.MonkeyPatch
) -> None:
    visit(store, "a")
    follow(copy, store)
    before = copy.fold(SPACE)
    visit(store, "b", hour=5)
    changes = store.changes(SPACE, before)

    def broken() -> Iterator[tuple[str, bool, Mapping[str, object] | None]]:
        yield from changes.users
        raise OSError("the disk is full")

    with monkeypatch.context() as patched:
        patched.setattr(store, "changes", lambda *_: replace(changes, users=broken()))
        with pytest.raises(OSError, match="full"):
            copy.follow(SPACE, store)
    assert copy.fold(SPACE) == before
    assert ids(copy) == [("a", False)]
    follow(copy, store)
    assert_same(copy, store)


@pytest.mark.parametrize("step", ["follow", "fill"])
def test_a_step_that_the_disk_refuses_says_so(store: EmbeddedStore, step: str) -> None:
    visit(store, "a")
    copy = ServingCopy(store.folder)
    if step == "fill":
        follow(copy, store)
    with closing(sqlite3.connect(copy.path)) as other:
        other.execute("BEGIN IMMEDIATE")
        copy._connection.execute("PRAGMA busy_timeout = 0")
        with pytest.raises(StoreError, match="the serving copy cannot be changed: database is locked"):
            getattr(copy, step)(SPACE, store)
    copy.close()


def test_a_copy_of_another_edition_is_made_anew(
    store: EmbeddedStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    visit(store, "a")
    with monkeypatch.context() as patched:
        patched.setattr("enduser.stores.serving._EDITION", 1)
        older = ServingCopy(store.folder)
        follow(older, store)
        older.close()
    copy = ServingCopy(store.folder)
    assert copy.fold(SPACE) == 0
    assert ids(copy) == []
    assert follow(copy, store)
    assert_same(copy, store)
    copy.close()


def test_a_damaged_copy_is_made_anew(store: EmbeddedStore) -> None:
    visit(store, "a")
    serving_files.first(store.folder).write_bytes(b"no database" * 1_000)
    copy = ServingCopy(store.folder)
    assert follow(copy, store)
    assert_same(copy, store)
    copy.close()
