"""Static lists: who is in them, whatever is called in whatever order, and what of it is left in the store."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from histories import Row
from hypothesis import given, settings
from hypothesis import strategies as st
from stored import LOOKUPS, NOW, SPACE, take
from tiers import tries

from enduser import limits
from enduser.core.attributes import API, Attribute, AttributeType
from enduser.core.events import UserId, hashed_id
from enduser.core.links import IdKind
from enduser.core.lists import ListAction
from enduser.errors import InvalidCursor, InvalidList, InvalidSetting, LimitExceeded, ListExists, ListNotFound
from enduser.stores.answering import answer
from enduser.stores.answers import StaticList, WrittenList
from enduser.stores.embedded import EmbeddedStore
from enduser.stores.records import (
    AddLink,
    ChangeSettings,
    CloseHistory,
    DeleteList,
    UndoRun,
    WriteList,
    WriteValues,
)
from enduser.stores.row_file import RowFile, ValueColumn, row_of, write_ids
from enduser.stores.wire import decoded_answer, encoded

SECOND = 1_000_000
START = 1_700_000_000 * SECOND
WEAK_KEY = "((id_hash >> 65) & 15)::BIGINT"
"""Keys of which many ids have one."""
CREATE, ADD, REMOVE, OVERRIDE = ListAction


@pytest.fixture
def store(tmp_path: Path) -> Iterator[EmbeddedStore]:
    with EmbeddedStore(tmp_path / "data", now_us=NOW, lookups=LOOKUPS, memory_limit_mb=512) as opened:
        yield opened


def call(
    store: EmbeddedStore,
    action: ListAction,
    *ids: str,
    list_id: str = "staff",
    id_kind: IdKind = "plain",
    at: int = START,
    name: str | None = None,
) -> WrittenList:
    rows = write_ids(store.folder / "ids.txt", ids, id_kind)
    listed = store.apply(SPACE, WriteList(list_id, action, rows, at, name)).listed
    assert listed is not None
    return listed


def counts(written: WrittenList) -> tuple[int, int]:
    return written.added, written.removed


def members(store: EmbeddedStore, list_id: str = "staff", limit: int = 100) -> list[dict[str, Any]]:
    """Return all members, read page by page."""
    page = store.list_members_page(SPACE, list_id, limit=limit)
    found = list(page.items)
    while page.next_cursor is not None:
        page = store.list_members_page(SPACE, list_id, limit=limit, cursor=page.next_cursor)
        found += page.items
    return [dict(row) for row in found]


def ids(store: EmbeddedStore, list_id: str = "staff") -> list[str]:
    return [row["user_id"] for row in members(store, list_id)]


def known_ids(store: EmbeddedStore) -> set[str]:
    return {text for (text,) in store._execute("SELECT id FROM space_1.user_ids")}


def seen(store: EmbeddedStore, folder: Path, *users: str) -> None:
    """Let users have a closed session."""
    take(store, folder, [Row(user_id=one, occurred_at=START, message_id=f"m-{one}") for one in users])
    store.apply(SPACE, CloseHistory())
    store.fold(SPACE)


# --- what a call does


def test_a_list_has_the_ids_that_it_was_made_with_seen_or_not(store: EmbeddedStore, tmp_path: Path) -> None:
    seen(store, tmp_path, "bob")
    assert counts(call(store, CREATE, "eve", "bob", "Ada", "eve", at=START + 1, name="Staff")) == (3, 0)
    assert store.lists(SPACE) == [StaticList("staff", "Staff", START + 1, START + 1, members=3, seen=1)]
    assert members(store) == [
        {"user_id": "Ada", "is_anonymous": False, "added_at": START + 1, "is_seen": False},
        {"user_id": "bob", "is_anonymous": False, "added_at": START + 1, "is_seen": True},
        {"user_id": "eve", "is_anonymous": False, "added_at": START + 1, "is_seen": False},
    ]


def test_add_remove_and_override_do_what_they_say_and_a_repeat_changes_nothing(store: EmbeddedStore) -> None:
    call(store, CREATE, "a", "b")
    for action, given_ids, changes, there in (
        (ADD, ("b", "c"), (1, 0), ["a", "b", "c"]),
        (REMOVE, ("a", "gone"), (0, 1), ["b", "c"]),
        (OVERRIDE, ("c", "d", "e"), (2, 1), ["c", "d", "e"]),
        (OVERRIDE, (), (0, 3), []),
    ):
        assert counts(call(store, action, *given_ids, at=START + 1)) == changes
        before = (store.lists(SPACE), members(store))
        assert counts(call(store, action, *given_ids, at=START + 2)) == (0, 0)
        assert (store.lists(SPACE), members(store)) == before
        assert ids(store) == there


def test_who_stays_in_a_list_is_in_it_since_he_came(store: EmbeddedStore) -> None:
    call(store, CREATE, "a", "b", at=START)
    call(store, OVERRIDE, "b", "c", at=START + 5)
    assert [(row["user_id"], row["added_at"]) for row in members(store)] == [("b", START), ("c", START + 5)]


def test_a_list_gets_another_name_and_keeps_its_members(store: EmbeddedStore) -> None:
    call(store, CREATE, "a")
    call(store, ADD, at=START + 1, name="Everybody")
    call(store, ADD, at=START + 2, name="Everybody")
    found = store.find_list(SPACE, "staff")
    assert found == StaticList("staff", "Everybody", START, START + 1, members=1, seen=0)


def test_lists_of_a_space_are_told_by_id_and_keep_their_members_apart(store: EmbeddedStore) -> None:
    call(store, CREATE, "a", "b", list_id="é")
    call(store, CREATE, "b", list_id="B")
    call(store, CREATE, list_id="a")
    assert [(one.id, one.members) for one in store.lists(SPACE)] == [("B", 1), ("a", 0), ("é", 2)]
    store.create_space("acme/test", 1)
    assert store.lists("acme/test") == []


def test_ids_that_cannot_be_are_told_with_their_place_and_the_others_are_taken(store: EmbeddedStore) -> None:
    longest = "x" * limits.ID_BYTES_MAX
    bad = ["null", "", " ", "a\x07b", "a\nb", f"{longest}x", "y" * (limits.LINE_BYTES_MAX + 1), "\x02x"]
    written = call(store, CREATE, *bad, " a ", longest)
    assert written.rejected == len(bad)
    assert [(one.row, one.reason) for one in written.rejections] == [
        (1, "junk_user_id"),
        (2, "junk_user_id"),
        (3, "junk_user_id"),
        (4, "invalid_user_id"),
        (5, "invalid_user_id"),
        (6, "user_id_too_long"),
        (7, "user_id_too_long"),
        (8, "invalid_user_id"),
    ]
    assert ids(store) == ["a", longest]


def test_an_id_that_is_far_too_long_or_no_utf_8_costs_itself_alone(store: EmbeddedStore) -> None:
    longest = "\U0001f4a5" * limits.LINE_BYTES_MAX
    written = call(store, CREATE, longest, "a\udcff", "a")
    assert [one.reason for one in written.rejections] == ["user_id_too_long", "invalid_user_id"]
    assert ids(store) == ["a"]


def test_an_override_by_ids_that_all_cannot_be_is_refused_and_changes_nothing(store: EmbeddedStore) -> None:
    call(store, CREATE, "a", "b", name="Staff")
    with pytest.raises(InvalidList, match=r"every id was rejected \(the first: junk_user_id\)"):
        call(store, OVERRIDE, "null", "x" * 257, name="Others")
    assert (ids(store), store.find_list(SPACE, "staff").name) == (["a", "b"], "Staff")
    assert counts(call(store, REMOVE, "null")) == counts(call(store, ADD, "null")) == (0, 0)
    assert counts(call(store, OVERRIDE, "null", "b")) == (0, 1)


def test_an_override_by_no_ids_empties_a_list(store: EmbeddedStore) -> None:
    call(store, CREATE, "a", "b")
    assert counts(call(store, OVERRIDE)) == (0, 2)
    assert ids(store) == []


def test_of_many_ids_that_cannot_be_the_first_are_told_and_all_are_counted(
    store: EmbeddedStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "LIST_IDS_PER_CALL_MAX", 2)
    written = call(store, CREATE, "null", "a", "none", "undefined")
    assert (written.rejected, [one.row for one in written.rejections]) == (3, [1, 3])


def test_user_ids_and_anonymous_ids_are_told_apart(store: EmbeddedStore) -> None:
    call(store, CREATE, "a")
    assert counts(call(store, ADD, "a", id_kind="anonymous")) == (1, 0)
    assert [(row["user_id"], row["is_anonymous"]) for row in members(store)] == [("a", False), ("a", True)]
    call(store, REMOVE, "a")
    assert [row["is_anonymous"] for row in members(store)] == [True]


def test_members_are_read_page_by_page(store: EmbeddedStore) -> None:
    call(store, CREATE, *(f"u{number}" for number in range(7)), "é", "Z")
    call(store, ADD, "u3", "A", id_kind="anonymous")
    whole = members(store)
    assert [row["user_id"] for row in whole] == sorted(row["user_id"] for row in whole)
    for limit in (1, 2, 5, len(whole)):
        assert members(store, limit=limit) == whole
    with pytest.raises(InvalidCursor):
        store.list_members_page(SPACE, "staff", cursor="x")
    with pytest.raises(LimitExceeded):
        store.list_members_page(SPACE, "staff", limit=limits.PAGE_ROWS_MAX + 1)


# --- what cannot be


def test_a_list_that_is_there_cannot_be_made_again(store: EmbeddedStore) -> None:
    call(store, CREATE, "a")
    with pytest.raises(ListExists, match="'staff'"):
        call(store, CREATE, "b", name="Other")
    assert (ids(store), known_ids(store)) == (["a"], {"a"})


@pytest.mark.parametrize("action", [ADD, REMOVE, OVERRIDE])
def test_a_list_that_is_not_there_cannot_be_changed(store: EmbeddedStore, action: ListAction) -> None:
    with pytest.raises(ListNotFound, match="'staff'"):
        call(store, action, "a")
    with pytest.raises(ListNotFound):
        store.apply(SPACE, DeleteList("staff"))
    with pytest.raises(ListNotFound):
        store.list_members_page(SPACE, "staff")
    with pytest.raises(ListNotFound):
        store.find_list(SPACE, "staff")
    assert known_ids(store) == set()


def test_a_name_that_cannot_be_is_refused_and_nothing_is_changed(store: EmbeddedStore) -> None:
    call(store, CREATE, "a")
    with pytest.raises(InvalidList):
        call(store, ADD, "b", name="x" * (limits.LIST_NAME_CHARACTERS_MAX + 1))
    with pytest.raises(InvalidList):
        call(store, CREATE, "b", list_id="x" * (limits.LIST_ID_CHARACTERS_MAX + 1))
    assert (ids(store), len(store.lists(SPACE))) == (["a"], 1)


def test_there_are_at_most_as_many_lists_as_may_be(
    store: EmbeddedStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "LISTS_MAX", 2)
    call(store, CREATE, list_id="1")
    call(store, CREATE, list_id="2")
    with pytest.raises(LimitExceeded, match="there are 2 lists"):
        call(store, CREATE, list_id="3")
    store.apply(SPACE, DeleteList("1"))
    call(store, CREATE, list_id="3")


def test_a_list_has_at_most_as_many_members_as_may_be(
    store: EmbeddedStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "LIST_MEMBERS_MAX", 3)
    call(store, CREATE, "a", "b", "c")
    with pytest.raises(LimitExceeded, match="more than 3 members"):
        call(store, ADD, "d")
    assert ids(store) == ["a", "b", "c"]
    assert counts(call(store, OVERRIDE, "b", "d", "e")) == (2, 2)


def test_after_a_first_write_that_is_refused_in_the_middle_lists_and_values_can_be_written(
    store: EmbeddedStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(limits, "LIST_MEMBERS_MAX", 1)
        with pytest.raises(LimitExceeded):
            call(store, CREATE, "a", "b")
    assert counts(call(store, CREATE, "a", "b")) == (2, 0)
    store.create_attribute(Attribute("seats", AttributeType.NUMBER))
    path = store.folder / "rows.txt"
    path.write_text(row_of(1, ["a", "5"]))
    store.apply(SPACE, WriteValues(API, RowFile([path], 3, [ValueColumn("seats", 2)]), START))
    assert store.find_candidates(SPACE, "a")["seats"][0].value == 5.0


# --- which ids are kept


def test_ids_that_only_a_list_names_go_with_it(store: EmbeddedStore) -> None:
    call(store, CREATE, "a", "b", "c", "d")
    call(store, CREATE, "b", list_id="other")
    call(store, REMOVE, "a", "b")
    assert known_ids(store) == {"b", "c", "d"}
    call(store, OVERRIDE, "d")
    assert known_ids(store) == {"b", "d"}
    store.apply(SPACE, DeleteList("staff"))
    assert known_ids(store) == {"b"}
    assert ids(store, "other") == ["b"]


def test_ids_with_events_values_links_or_claims_stay_when_they_leave(
    store: EmbeddedStore, tmp_path: Path
) -> None:
    store.apply(SPACE, ChangeSettings({"link_on_identify": "on"}))
    event = Row(user_id="seen", anonymous_id="claimed", occurred_at=START, message_id="m")
    take(store, tmp_path, [event])
    store.fold(SPACE)
    store.create_attribute(Attribute("plan", AttributeType.STRING))
    path = tmp_path / "rows.txt"
    path.write_text(row_of(1, ["valued", "vip"]))
    store.apply(SPACE, WriteValues(API, RowFile([path], 3, [ValueColumn("plan", 2)]), START))
    store.apply(SPACE, AddLink(UserId("one", is_anonymous=False), UserId("other", is_anonymous=False), START))
    named = ("seen", "valued", "one", "other")
    call(store, CREATE, *named, "nobody")
    call(store, ADD, "claimed", id_kind="anonymous")
    store.apply(SPACE, DeleteList("staff"))
    assert known_ids(store) == {*named, "claimed"}
    assert store.verify(SPACE) == []


def test_ids_to_be_removed_that_nobody_knows_are_not_kept(store: EmbeddedStore) -> None:
    call(store, CREATE, "a")
    call(store, REMOVE, "b")
    assert known_ids(store) == {"a"}


def test_what_becomes_of_a_person_leaves_lists_alone(store: EmbeddedStore, tmp_path: Path) -> None:
    call(store, CREATE, "a", "b", "c")
    seen(store, tmp_path, "a")
    store.apply(SPACE, AddLink(UserId("a", is_anonymous=False), UserId("b", is_anonymous=False), START))
    found = store.find_list(SPACE, "staff")
    assert (found.members, found.seen) == (3, 2)
    assert [row["is_seen"] for row in members(store)] == [True, True, False]
    store.create_attribute(Attribute("plan", AttributeType.STRING))
    path = tmp_path / "rows.txt"
    path.write_text(row_of(1, ["c", "vip"]))
    columns = [ValueColumn("plan", 2)]
    written = store.apply(SPACE, WriteValues(API, RowFile([path], 3, columns), START)).written
    assert written is not None
    store.apply(SPACE, UndoRun(written.run))
    store.delete_attribute("plan")
    store.rebuild(SPACE)
    assert (store.find_list(SPACE, "staff"), store.verify(SPACE)) == (found, [])


def test_who_is_in_a_list_before_he_is_seen_is_the_one_who_then_comes(
    store: EmbeddedStore, tmp_path: Path
) -> None:
    call(store, CREATE, "a")
    seen(store, tmp_path, "a")
    assert [row["is_seen"] for row in members(store)] == [True]
    assert len(store._execute("SELECT * FROM space_1.user_ids")) == 1


# --- hashed ids


def test_ids_are_hashed_where_the_space_hashes(store: EmbeddedStore) -> None:
    assert [one.reason for one in call(store, CREATE, "a", id_kind="hashed").rejections] == ["ids_not_hashed"]
    store.apply(SPACE, ChangeSettings({"hash_ids": "on", "hash_salt": "pepper"}))
    known = hashed_id("pepper", "a")
    call(store, ADD, "a")
    assert counts(call(store, ADD, known, id_kind="hashed")) == (0, 0)
    assert (ids(store), known_ids(store)) == ([known], {known})


def test_a_list_keeps_its_members_when_the_space_begins_to_hash(store: EmbeddedStore, tmp_path: Path) -> None:
    store.apply(SPACE, ChangeSettings({"hash_salt": "pepper"}))
    take(store, tmp_path, [Row(user_id="u", previous_id="before", type="alias", occurred_at=START)])
    store.fold(SPACE)
    call(store, CREATE, "a")
    call(store, ADD, "before", "v", id_kind="anonymous")
    store.apply(SPACE, ChangeSettings({"hash_ids": "on"}))
    assert set(ids(store)) == {hashed_id("pepper", "a"), "before", "v"}
    with pytest.raises(InvalidSetting):
        store.apply(SPACE, ChangeSettings({"hash_ids": "off"}))


# --- any calls in any order

IDS = st.sampled_from([f"u{number}" for number in range(9)])
CALLS = st.lists(st.tuples(st.sampled_from([ADD, REMOVE, OVERRIDE]), st.lists(IDS, max_size=6)), max_size=8)


def after(members_before: set[str], action: ListAction, given_ids: list[str]) -> set[str]:
    """Return what a call makes of a list, by sets of Python."""
    if action is ADD:
        return members_before | set(given_ids)
    return members_before - set(given_ids) if action is REMOVE else set(given_ids)


@given(calls=CALLS, key_sql=st.sampled_from([WEAK_KEY, "(id_hash >> 65)::BIGINT"]))
@settings(max_examples=tries(12, 200))
def test_a_list_is_the_set_that_python_has_after_the_same_calls(
    tmp_path_factory: pytest.TempPathFactory, calls: list[tuple[ListAction, list[str]]], key_sql: str
) -> None:
    folder = tmp_path_factory.mktemp("set") / "data"
    right: set[str] = {"u1", "u2"}
    with EmbeddedStore(folder, now_us=NOW, memory_limit_mb=512, user_key_sql=key_sql) as store:
        call(store, CREATE, *right)
        for action, given_ids in calls:
            before, right = right, after(right, action, given_ids)
            expected = (len(right - before), len(before - right))
            assert counts(call(store, action, *given_ids)) == expected
            assert (set(ids(store)), known_ids(store)) == (right, right)
        assert store.verify(SPACE) == []


@given(calls=st.lists(st.lists(IDS, max_size=4), max_size=5), order=st.randoms(use_true_random=False))
@settings(max_examples=tries(8, 100))
def test_the_order_in_which_ids_are_added_does_not_matter(
    tmp_path_factory: pytest.TempPathFactory, calls: list[list[str]], order: Any
) -> None:
    found = []
    for shuffled in (calls, order.sample(calls, len(calls))):
        with EmbeddedStore(
            tmp_path_factory.mktemp("order") / "data", now_us=NOW, memory_limit_mb=512
        ) as store:
            call(store, CREATE)
            for given_ids in shuffled:
                call(store, ADD, *given_ids)
            found.append(members(store))
    assert found[0] == found[1]


def test_lists_can_be_read_and_changed_from_afar(store: EmbeddedStore, tmp_path: Path) -> None:
    rows = write_ids(tmp_path / "ids.txt", ["a"], "plain")
    record = {"WriteList": WriteList("staff", CREATE, rows, START)}
    answer(store, "apply", encoded({"space": SPACE, "record": record}))
    asked = {"space": SPACE, "list_id": "staff"}
    for method, arguments, right in (
        ("lists", {"space": SPACE}, store.lists(SPACE)),
        ("find_list", asked, store.find_list(SPACE, "staff")),
        ("list_members_page", asked, store.list_members_page(SPACE, "staff")),
    ):
        answered = answer(store, method, encoded(arguments))
        assert isinstance(answered, bytes)
        assert decoded_answer(method, answered) == right
