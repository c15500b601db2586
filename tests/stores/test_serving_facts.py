"""Facts in the serving copy are those of the truth: looked up when asked for, followed afterwards."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from pathlib import Path

import pytest
from crashing import CrashError
from stored import RULES, SPACE

from enduser import limits
from enduser.core.attributes import Attribute, AttributeType
from enduser.core.events import UserId
from enduser.core.lists import ListAction
from enduser.core.segments import Saving, Segment
from enduser.errors import StoreError
from enduser.service.json_form import iso_time
from enduser.service.writing_values import write_json_rows
from enduser.sources.json_rows import JsonRow
from enduser.stores import serving, serving_facts
from enduser.stores.embedded import EmbeddedStore
from enduser.stores.records import (
    AddLink,
    ChangeSettings,
    Chunk,
    CloseHistory,
    DeleteList,
    EraseUser,
    EventChunk,
    Form,
    RemoveLink,
    WriteList,
)
from enduser.stores.row_file import write_ids
from enduser.stores.serving import ServingCopy
from enduser.stores.serving_reader import Served, ServingReader

HOUR = 3_600_000_000
DAY = 24 * HOUR
START = 1_767_261_600_000_000
"""2026-01-01T10:00:00Z."""

VISITED = {"kind": "session", "count": {"operator": "ge", "value": 2}}
LATELY = {"kind": "session", "window": {"from": {"n": 7, "unit": "day"}}}
LONG = {"kind": "session", "rules": [{"field": "duration_s", "operator": "ge", "value": 0}]}
BOUGHT = {"kind": "event", "name": "Checkout"}
STAFF = {"kind": "list", "id": "staff"}


@pytest.fixture
def store(tmp_path: Path) -> Iterator[EmbeddedStore]:
    with EmbeddedStore(tmp_path / "data", now_us=0, memory_limit_mb=512) as opened:
        yield opened


@pytest.fixture
def copy(store: EmbeddedStore) -> Iterator[ServingCopy]:
    opened = ServingCopy(store.folder)
    yield opened
    opened.close()


@pytest.fixture
def few_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "FACTS_AT_ONCE", 3)
    monkeypatch.setattr(limits, "SERVED_AT_ONCE", 3)


def happen(store: EmbeddedStore, *events: Mapping[str, object], closes: bool = True) -> None:
    """Store events, each at an hour after the start; by and by all sessions are closed."""
    path = store.folder / "rows.jsonl"
    rows = [
        {**event, "occurred_at": START + int(str(event.get("occurred_at", 0))) * HOUR} for event in events
    ]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    store.apply(SPACE, EventChunk(Chunk(path, Form.JSON_LINES), RULES))
    if closes:
        store.apply(SPACE, CloseHistory())
    store.fold(SPACE)


def visit(store: EmbeddedStore, *users: str, hour: int = 0, closes: bool = True) -> None:
    happen(store, *({"user_id": user, "occurred_at": hour} for user in users), closes=closes)


def ask(store: EmbeddedStore, segment_id: str, rule: object, *, is_new: bool = True) -> None:
    """Save a segment that decisions tell."""
    segment = Segment(
        id=segment_id, name=segment_id, rule={"combinator": "and", "rules": [rule]}, is_public=True
    )
    store.save_segment(SPACE, segment, Saving(1, "me", is_new))


def in_list(store: EmbeddedStore, action: ListAction, *users: str, list_id: str = "staff") -> None:
    store.apply(SPACE, WriteList(list_id, action, write_ids(store.folder / "ids.txt", users, "plain"), 5))


def link(one: str, other: str) -> tuple[UserId, UserId]:
    return UserId(one, is_anonymous=False), UserId(other, is_anonymous=False)


def follow(copy: ServingCopy, store: EmbeddedStore) -> int:
    """Bring the copy and its facts up to the store; return the steps that the facts took."""
    while not copy.follow(SPACE, store):
        pass
    steps = 1
    while not copy.fill(SPACE, store):
        steps += 1
    return steps


def served(copy: ServingCopy, user: str | None, space: str = SPACE) -> Served:
    with closing(ServingReader(copy._path.parent)) as reader:
        found = reader.find_served(space, None if user is None else UserId(user, is_anonymous=False))
    assert found is not None
    return found


def times(copy: ServingCopy, user: str) -> list[int] | None:
    """Return the only fact that is kept of an id, in hours after the start; None: it is too long."""
    found = [*served(copy, user).times.values()]
    assert len(found) <= 1
    if found == [None]:
        return None
    return [(at - START) // HOUR for one in found for at in one or ()]


def rows(copy: ServingCopy) -> int:
    return int(copy._execute("SELECT count(*) FROM facts").fetchone()[0])


def assert_as_made_anew(copy: ServingCopy, store: EmbeddedStore, tmp_path: Path) -> None:
    """Check that a copy has what one has that is made from nothing."""
    folder = tmp_path / "anew"
    folder.mkdir()
    with closing(ServingCopy(folder)) as anew:
        follow(anew, store)
        assert told(copy) == told(anew)


def told(copy: ServingCopy) -> set[tuple[object, ...]]:
    """Return all facts of demands that are kept."""
    query = "SELECT id, is_anonymous, key, times FROM facts JOIN demands ON number = demand"
    return set(copy._execute(f"{query} WHERE part >= parts").fetchall())


def test_what_nobody_asks_for_is_not_kept(store: EmbeddedStore, copy: ServingCopy) -> None:
    visit(store, "a")
    ask(store, "norwegians", {"field": "country", "operator": "is", "value": "NO"})
    assert follow(copy, store) == 1
    assert (served(copy, "a").demands, served(copy, "a").times) == (set(), {})


def test_what_is_asked_for_is_looked_up_and_then_followed(store: EmbeddedStore, copy: ServingCopy) -> None:
    visit(store, "a", "b")
    follow(copy, store)
    ask(store, "often", VISITED)
    assert served(copy, "a").demands == set()
    follow(copy, store)
    assert (times(copy, "a"), times(copy, "b"), times(copy, "c")) == ([0], [0], [])
    visit(store, "b", "c", hour=5)
    follow(copy, store)
    assert (times(copy, "a"), times(copy, "b"), times(copy, "c")) == ([0], [0, 5], [5])
    assert len(served(copy, None).demands) == 1


def test_what_segments_of_content_ask_for_is_kept_and_what_nobody_may_learn_is_not(
    store: EmbeddedStore, copy: ServingCopy
) -> None:
    visit(store, "a")
    segment = Segment(id="inner", name="x", rule={"combinator": "and", "rules": [VISITED]})
    store.save_segment(SPACE, segment, Saving(1, "me", True))
    follow(copy, store)
    assert served(copy, None).demands == set()
    ask(store, "outer", {"kind": "segment", "id": "inner"})
    follow(copy, store)
    assert times(copy, "a") == [0]


@pytest.mark.usefixtures("few_at_once")
def test_facts_are_looked_up_part_by_part_while_users_come_and_go(
    store: EmbeddedStore, copy: ServingCopy, tmp_path: Path
) -> None:
    """Every step is taken by another process, as after a crash, and something happens before it."""
    visit(store, *(f"u{number}" for number in range(12)))
    follow(copy, store)
    ask(store, "often", VISITED)
    step = 0
    while not copy.fill(SPACE, store):
        assert not served(copy, None).demands or copy.fill(SPACE, store)
        visit(store, f"u{step}", f"new-{step}", hour=step + 1)
        if step == 2:
            store.apply(SPACE, AddLink(*link("u1", "u9"), 0))
            ask(store, "bought", BOUGHT)
        copy.close()
        copy.__init__(store.folder)  # type: ignore[misc]
        assert copy.follow(SPACE, store)
        step += 1
    assert step > 4
    assert len(served(copy, None).demands) == 2
    assert_as_made_anew(copy, store, tmp_path)


def test_a_step_that_fails_is_taken_again(
    store: EmbeddedStore, copy: ServingCopy, monkeypatch: pytest.MonkeyPatch
) -> None:
    visit(store, "a")
    follow(copy, store)
    ask(store, "often", VISITED)
    with monkeypatch.context() as patched:
        patched.setattr(serving_facts, "_packed", lambda _: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            copy.fill(SPACE, store)
    assert rows(copy) == 0
    assert store.status(SPACE).users == 1  # the store is usable
    follow(copy, store)
    assert times(copy, "a") == [0]


def test_a_copy_that_failed_while_it_followed_has_the_facts_of_before(
    store: EmbeddedStore, copy: ServingCopy, monkeypatch: pytest.MonkeyPatch
) -> None:
    visit(store, "a")
    ask(store, "often", VISITED)
    follow(copy, store)
    visit(store, "a", hour=5)
    with monkeypatch.context() as patched:
        patched.setattr(serving_facts, "_packed", lambda _: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            copy.follow(SPACE, store)
    assert times(copy, "a") == [0]
    follow(copy, store)
    assert times(copy, "a") == [0, 5]


def test_only_as_far_back_as_it_is_asked_for_times_are_kept(store: EmbeddedStore, copy: ServingCopy) -> None:
    visit(store, "a")
    visit(store, "a", hour=24 * 10)
    ask(store, "lately", LATELY)
    follow(copy, store)
    assert times(copy, "a") == [240]


@pytest.mark.parametrize(("count", "is_kept"), [(-1, True), (0, True), (1, False)])
def test_of_what_happened_very_often_no_times_are_kept(
    store: EmbeddedStore, copy: ServingCopy, count: int, is_kept: bool
) -> None:
    many = limits.FACT_TIMES_MAX + count
    happen(store, *({"user_id": "a", "name": "Checkout", "occurred_at": 0} for _ in range(many)))
    ask(store, "bought", BOUGHT)
    follow(copy, store)
    assert (times(copy, "a") is not None) is is_kept
    visit(store, "a", hour=5)
    follow(copy, store)
    assert (times(copy, "a") is not None) is is_kept


def test_an_open_session_is_no_fact_until_it_closes(store: EmbeddedStore, copy: ServingCopy) -> None:
    visit(store, "a")
    ask(store, "often", VISITED)
    visit(store, "a", hour=5, closes=False)
    follow(copy, store)
    assert times(copy, "a") == [0]
    store.apply(SPACE, CloseHistory())
    store.fold(SPACE)
    follow(copy, store)
    assert times(copy, "a") == [0, 5]


def test_an_event_of_no_session_is_a_fact_at_once(store: EmbeddedStore, copy: ServingCopy) -> None:
    visit(store, "a")
    ask(store, "bought", BOUGHT)
    follow(copy, store)
    happen(store, {"user_id": "a", "name": "Checkout", "occurred_at": 5, "active": False}, closes=False)
    follow(copy, store)
    assert times(copy, "a") == [5]


def test_an_event_of_no_session_is_a_fact_when_the_life_goes_on_to_it(
    store: EmbeddedStore, copy: ServingCopy, tmp_path: Path
) -> None:
    """The visit that continues the life makes a session that is open still."""
    store.apply(SPACE, ChangeSettings({"retention_months": "1", "inactivity_window_s": "86400"}))
    visit(store, "a")
    ask(store, "bought", BOUGHT)
    month = 24 * 31
    happen(
        store, {"user_id": "a", "name": "Checkout", "occurred_at": month + 2, "active": False}, closes=False
    )
    follow(copy, store)
    assert times(copy, "a") == []
    visit(store, "a", hour=month - 1, closes=False)
    follow(copy, store)
    assert times(copy, "a") == [month + 2]
    assert_as_made_anew(copy, store, tmp_path)


def test_where_a_session_was_is_a_fact_when_it_is_known_later(
    store: EmbeddedStore, copy: ServingCopy
) -> None:
    """The second copy of the event only fills in where it was."""
    where = {"field": "country", "operator": "is", "value": "NO"}
    event = {"user_id": "a", "message_id": "m1", "occurred_at": 0}
    happen(store, event)
    ask(store, "home", {"kind": "session", "rules": [where]})
    follow(copy, store)
    assert times(copy, "a") == []
    happen(store, {**event, "context": {"location": {"country": "NO"}}})
    follow(copy, store)
    assert times(copy, "a") == [0]


def test_a_person_has_facts_under_each_id_and_each_id_its_own_when_they_are_parted(
    store: EmbeddedStore, copy: ServingCopy, tmp_path: Path
) -> None:
    visit(store, "a")
    visit(store, "b", hour=5)
    ask(store, "often", VISITED)
    follow(copy, store)
    store.apply(SPACE, AddLink(*link("a", "b"), 0))
    follow(copy, store)
    assert times(copy, "a") == times(copy, "b") == [0, 5]
    store.apply(SPACE, RemoveLink(*link("a", "b"), 0))
    follow(copy, store)
    assert (times(copy, "a"), times(copy, "b")) == ([0], [5])
    assert_as_made_anew(copy, store, tmp_path)


def test_a_change_of_an_attribute_is_a_fact(store: EmbeddedStore, copy: ServingCopy) -> None:
    store.create_attribute(Attribute("plan", AttributeType.STRING))
    visit(store, "a")
    ask(store, "upgraded", {"kind": "changed", "field": "plan", "to": "vip"})
    follow(copy, store)
    for plan, hour in (("free", 1), ("vip", 3)):
        row = JsonRow("a", {"plan": plan}, "plain", iso_time(START + hour * HOUR))
        write_json_rows(store, SPACE, "api", [row], START + DAY)
        follow(copy, store)
    assert times(copy, "a") == [3]
    earlier = JsonRow("a", {"plan": "vip"}, "plain", iso_time(START + 2 * HOUR))
    write_json_rows(store, SPACE, "api", [earlier], START + DAY)  # what holds stays
    follow(copy, store)
    assert times(copy, "a") == [2]


def test_an_id_that_was_not_seen_is_in_its_list_until_it_leaves_it(
    store: EmbeddedStore, copy: ServingCopy
) -> None:
    """Nothing but the list named it: with that it is forgotten."""
    in_list(store, ListAction.CREATE, "nobody", "eve")
    ask(store, "staff", STAFF)
    visit(store, "a")
    follow(copy, store)
    assert served(copy, "nobody").found is None
    assert len(served(copy, "nobody").times) == len(served(copy, "eve").times) == 1
    in_list(store, ListAction.REMOVE, "nobody")
    assert served(copy, "nobody").times == {}
    follow(copy, store)
    assert (len(served(copy, "nobody").times), len(served(copy, "eve").times)) == (0, 1)
    in_list(store, ListAction.OVERRIDE, "a", "nobody")
    follow(copy, store)
    assert [len(served(copy, user).times) for user in ("nobody", "eve", "a")] == [1, 0, 1]
    assert rows(copy) == 2


def test_ids_of_a_list_that_is_deleted_are_in_none(store: EmbeddedStore, copy: ServingCopy) -> None:
    in_list(store, ListAction.CREATE, "nobody")
    in_list(store, ListAction.CREATE, "nobody", list_id="other")
    ask(store, "staff", STAFF)
    follow(copy, store)
    ask(store, "staff", VISITED, is_new=False)
    store.apply(SPACE, DeleteList("staff"))
    follow(copy, store)
    assert served(copy, "nobody").times == {}
    assert rows(copy) == 0


def test_an_id_whose_forgetting_was_cut_off_is_in_no_list(
    store: EmbeddedStore, copy: ServingCopy, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The process ends when the list is changed and the copy is not."""
    in_list(store, ListAction.CREATE, "nobody")
    ask(store, "staff", STAFF)
    follow(copy, store)

    def ends(*_: object) -> None:
        raise CrashError

    with monkeypatch.context() as patched:
        patched.setattr(serving, "take_out", ends)
        with pytest.raises(CrashError):
            in_list(store, ListAction.REMOVE, "nobody")
    assert len(served(copy, "nobody").times) == 1
    follow(copy, store)
    assert served(copy, "nobody").times == {}


def test_a_list_changes_though_the_copy_cannot(
    store: EmbeddedStore, copy: ServingCopy, monkeypatch: pytest.MonkeyPatch
) -> None:
    in_list(store, ListAction.CREATE, "nobody")
    ask(store, "staff", STAFF)
    follow(copy, store)

    def full(*_: object) -> None:
        raise StoreError("the disk is full", hint="")

    with monkeypatch.context() as patched:
        patched.setattr(serving, "take_out", full)
        in_list(store, ListAction.REMOVE, "nobody")
    assert store.find_list(SPACE, "staff").members == 0
    follow(copy, store)
    assert served(copy, "nobody").times == {}


def test_who_is_in_a_list_and_linked_is_in_it_by_any_id(store: EmbeddedStore, copy: ServingCopy) -> None:
    in_list(store, ListAction.CREATE, "a")
    ask(store, "staff", STAFF)
    visit(store, "b")
    follow(copy, store)
    store.apply(SPACE, AddLink(*link("a", "b"), 0))
    follow(copy, store)
    assert len(served(copy, "b").times) == 1
    assert served(copy, "a").found == served(copy, "b").found


def test_of_who_is_erased_no_fact_is_left(store: EmbeddedStore, copy: ServingCopy, tmp_path: Path) -> None:
    in_list(store, ListAction.CREATE, *(f"plain-{number:05}" for number in range(300)))
    ask(store, "staff", STAFF)
    ask(store, "often", VISITED)
    visit(store, "plain-00007", "b")
    follow(copy, store)
    assert len(served(copy, "plain-00007").times) == 2
    store.apply(SPACE, EraseUser(UserId("plain-00007", is_anonymous=False)))
    assert served(copy, "plain-00007").times == {}
    assert b"plain-00007" not in b"".join(path.read_bytes() for path in store.folder.glob("serving*"))
    follow(copy, store)
    assert_as_made_anew(copy, store, tmp_path)


def test_facts_that_nobody_asks_for_any_more_are_taken_out(
    store: EmbeddedStore, copy: ServingCopy, monkeypatch: pytest.MonkeyPatch
) -> None:
    visit(store, *(f"u{number}" for number in range(10)))
    ask(store, "often", VISITED)
    ask(store, "long", LONG)
    follow(copy, store)
    assert rows(copy) == 20
    store.delete_segment(SPACE, "often")
    monkeypatch.setattr(limits, "SERVED_AT_ONCE", 7)
    assert follow(copy, store) == 3
    assert rows(copy) == 10
    assert times(copy, "u3") == [0]


@pytest.mark.usefixtures("few_at_once")
def test_a_demand_that_goes_while_others_are_taken_out_goes_too(
    store: EmbeddedStore, copy: ServingCopy
) -> None:
    visit(store, *(f"u{number}" for number in range(6)))
    ask(store, "often", VISITED)
    ask(store, "long", LONG)
    follow(copy, store)
    store.delete_segment(SPACE, "often")
    assert not copy.fill(SPACE, store)
    assert not copy.fill(SPACE, store)
    store.delete_segment(SPACE, "long")
    follow(copy, store)
    assert rows(copy) == 0


def test_a_demand_that_comes_again_is_looked_up_again(store: EmbeddedStore, copy: ServingCopy) -> None:
    visit(store, "a")
    ask(store, "often", VISITED)
    follow(copy, store)
    store.delete_segment(SPACE, "often")
    follow(copy, store)
    visit(store, "a", hour=5)
    follow(copy, store)
    ask(store, "often", VISITED)
    assert served(copy, "a").demands == set()
    follow(copy, store)
    assert times(copy, "a") == [0, 5]


def test_a_copy_that_is_made_anew_has_no_facts_until_they_are_looked_up(
    store: EmbeddedStore, copy: ServingCopy
) -> None:
    visit(store, "a")
    visit(store, "a", hour=1)
    ask(store, "often", VISITED)
    follow(copy, store)
    store.apply(SPACE, ChangeSettings({"inactivity_window_s": "7200"}))
    store.apply(SPACE, CloseHistory())
    store.fold(SPACE)
    while not copy.follow(SPACE, store):
        pass
    assert served(copy, "a").demands == set()
    follow(copy, store)
    assert times(copy, "a") == [0]
    assert rows(copy) == 1


def test_of_a_space_that_is_forgotten_no_fact_is_left(store: EmbeddedStore, copy: ServingCopy) -> None:
    visit(store, "plain")
    ask(store, "often", VISITED)
    follow(copy, store)
    store.apply(SPACE, ChangeSettings({"hash_ids": "on"}))
    assert rows(copy) == 0
    follow(copy, store)
    assert rows(copy) == 1
    assert b"plain" not in b"".join(path.read_bytes() for path in store.folder.glob("serving*"))


def test_a_space_in_which_nothing_happened_is_served_and_has_all_facts(
    store: EmbeddedStore, copy: ServingCopy
) -> None:
    store.create_space("acme/test", 1)
    while not copy.follow("acme/test", store):
        pass
    assert copy.fill("acme/test", store)
    assert served(copy, "a", "acme/test") == Served(1, 0, None, {}, frozenset())


def test_a_reader_sees_at_once_which_demands_are_kept(store: EmbeddedStore, copy: ServingCopy) -> None:
    """It remembers them, until somebody writes."""
    visit(store, "a")
    follow(copy, store)
    with closing(ServingReader(store.folder)) as reader:

        def kept() -> Sequence[str]:
            found = reader.find_served(SPACE, None)
            assert found is not None
            return sorted(found.demands)

        assert kept() == []
        ask(store, "often", VISITED)
        follow(copy, store)
        (first,) = kept()
        ask(store, "long", LONG)
        store.delete_segment(SPACE, "often")
        follow(copy, store)
        assert kept() not in ([], [first])


def test_what_is_asked_of_many_persons_leaves_nothing_behind_in_the_database(
    store: EmbeddedStore, copy: ServingCopy
) -> None:
    visit(store, "a")
    ask(store, "bought", BOUGHT)
    follow(copy, store)
    left = store._execute(
        "SELECT table_name FROM duckdb_tables() WHERE temporary AND table_name LIKE 'asked_%'"
    )
    assert left == []


def test_a_sweep_that_is_at_somebody_who_is_taken_out_begins_again(tmp_path: Path) -> None:
    with closing(ServingCopy(tmp_path)) as copy:
        for space in (SPACE, "acme/test"):
            copy._execute("INSERT INTO sweeping VALUES (?, 'adam.br', 0, 7)", space)
        copy.take_out(SPACE, [UserId("adam.br", is_anonymous=False), UserId("eve", is_anonymous=False)])
        places = dict(copy._execute("SELECT space, id FROM sweeping").fetchall())
    assert places == {SPACE: "", "acme/test": "adam.br"}
