"""Reading one person and page by page: the same as reading everything, beside the writer, within a time."""

from __future__ import annotations

import base64
import json
import random
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest
from histories import Row, expected, numbered, random_history
from hypothesis import example, given
from hypothesis import strategies as st
from stored import LOOKUPS, NOW, SPACE, assert_object, take
from tiers import IS_FULL, tries

from enduser import limits
from enduser.core.end_user import USER_COLUMNS
from enduser.core.events import UserId, hashed_id
from enduser.core.users_query import UsersQuery
from enduser.errors import InvalidCursor, InvalidSpace, LimitExceeded, ReadTimeout, StoreError, UsageError
from enduser.stores.answering import answer
from enduser.stores.answers import Page
from enduser.stores.embedded import EmbeddedStore
from enduser.stores.embedded.reading import Look
from enduser.stores.records import ChangeSettings, CloseHistory
from enduser.stores.wire import decoded, encoded

MINUTE = 60_000_000
START = 1_700_000_000_000_000
NEVER = 10**18
"""A clock that every session is closed by."""

HOSTILE = ["", "a", "=", "é", "\0", "W10", "bnVsbA", "[]", "A" * 10_000, "W1tb" * 50_000, "\ud800"]


@pytest.fixture
def store(tmp_path: Path):
    with EmbeddedStore(tmp_path / "data", now_us=NOW, lookups=LOOKUPS, memory_limit_mb=512) as opened:
        yield opened


@pytest.fixture(scope="module")
def full(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedStore]:
    """A store that tests only read, of many users with equal and unknown values, of which some are open."""
    folder = tmp_path_factory.mktemp("full")
    with EmbeddedStore(folder / "data", now_us=NOW, lookups=LOOKUPS, memory_limit_mb=512) as opened:
        take(opened, folder, history())
        opened.fold(SPACE)
        yield opened


def history() -> list[Row]:
    rng = random.Random(7)
    rows = random_history(rng, users=40, events=25, span_s=4_000_000)
    rows += [replace(row, user_id=None, anonymous_id=row.user_id) for row in rows if rng.random() < 0.2]
    last = max(row.occurred_at for row in rows)
    for number in range(0, 60, 4):  # of old users and of new ones
        name = f"u{number}"
        rows.append(Row(user_id=name, occurred_at=last - number * MINUTE // 4, message_id=f"end{name}"))
        traits = {"role": rng.choice(["x", None]), "info": name}
        rows.append(Row(user_id=name, occurred_at=last, message_id=f"new{name}", traits=traits))
    return rows


def pages(store: EmbeddedStore, limit: int = 100, **asked: object) -> list[dict[str, object]]:
    """Return the rows of all pages."""
    rows, cursor = [], None
    while True:
        page = store.users_page(SPACE, UsersQuery(**asked), limit=limit, cursor=cursor)  # type: ignore[arg-type]
        rows += page.items
        if (cursor := page.next_cursor) is None:
            return rows


# --- page by page


@pytest.mark.parametrize("include_open", [False, True])
@pytest.mark.parametrize("sign", ["", "-"])
def test_all_pages_together_are_the_whole_list_for_every_attribute(
    full: EmbeddedStore, sign: str, include_open: bool
) -> None:
    for name in USER_COLUMNS if IS_FULL else USER_COLUMNS[include_open::2]:
        sort = f"{sign}{name}"
        whole = pages(full, sort=sort, limit=1_000, include_open=include_open)
        assert pages(full, sort=sort, limit=31, include_open=include_open) == whole
        assert whole == list(full.users(SPACE, UsersQuery(sort=sort, include_open=include_open)))


def test_a_list_stays_whole_while_it_changes(store: EmbeddedStore, tmp_path: Path) -> None:
    def visit(*users: str) -> None:
        take(store, tmp_path, [Row(user_id=user, occurred_at=START, message_id=user) for user in users])
        store.apply(SPACE, CloseHistory())
        store.fold(SPACE)

    visit("b", "d", "f", "h")
    first = store.users_page(SPACE, limit=2)
    visit("a", "c", "e", "g")
    second = store.users_page(SPACE, limit=2, cursor=first.next_cursor)
    third = store.users_page(SPACE, limit=2, cursor=second.next_cursor)
    assert [row["user_id"] for row in (*first.items, *second.items, *third.items)] == list("bdefgh")
    assert third.next_cursor is None


def test_the_last_page_has_no_cursor_even_if_it_is_full(full: EmbeddedStore) -> None:
    count = len(list(full.users(SPACE)))
    assert full.users_page(SPACE, limit=count).next_cursor is None
    assert full.users_page(SPACE, limit=count - 1).next_cursor is not None


def test_an_empty_space_has_one_empty_page(store: EmbeddedStore) -> None:
    page = store.users_page(SPACE)
    assert (page.items, page.next_cursor) == ([], None)


def test_a_page_may_have_as_many_rows_as_the_limit(store: EmbeddedStore) -> None:
    for limit in (1, limits.PAGE_ROWS_MAX - 1, limits.PAGE_ROWS_MAX):
        assert store.users_page(SPACE, limit=limit).items == []
        assert store.user_sessions(SPACE, "u", limit=limit).items == []
    for limit in (-1, 0, limits.PAGE_ROWS_MAX + 1):
        with pytest.raises(LimitExceeded, match="a page cannot have"):
            store.users_page(SPACE, limit=limit)


def test_an_unknown_attribute_is_refused_with_those_that_are(store: EmbeddedStore) -> None:
    for sort in ("plan", "", "-", "--user_id", 'user_id"', "User_id", "person_key"):
        with pytest.raises(UsageError, match="there is no attribute"):
            store.users_page(SPACE, UsersQuery(sort=sort))


def test_a_store_reached_from_afar_gives_the_same_pages(full: EmbeddedStore) -> None:
    for method, arguments in {
        "users_page": {
            "space": SPACE,
            "asked": UsersQuery(sort="-last_seen", include_open=True, columns=("country",)),
            "limit": 5,
        },
        "user_sessions": {"space": SPACE, "user_id": "u4", "limit": 1},
    }.items():
        told = answer(full, method, encoded(arguments))
        assert isinstance(told, bytes)
        assert decoded(told, Page) == getattr(full, method)(**arguments)


# --- cursors


def cursor_of(*place: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(place).encode()).decode().rstrip("=")


def test_a_cursor_belongs_to_its_sort(full: EmbeddedStore) -> None:
    cursor = full.users_page(SPACE, UsersQuery(sort="first_seen"), limit=1).next_cursor
    for sort in ("-first_seen", "last_seen", "user_id"):
        with pytest.raises(InvalidCursor, match="sorted by 'first_seen'"):
            full.users_page(SPACE, UsersQuery(sort=sort), cursor=cursor)


@pytest.mark.parametrize(
    "cursor",
    [
        *HOSTILE,
        cursor_of("first_seen", 1, "u"),
        cursor_of("first_seen", 1, "u", False, 1),
        cursor_of("first_seen", 1, "u", 0),
        cursor_of("first_seen", 1, 2, False),
        cursor_of("first_seen", "1", "u", False),
        cursor_of("first_seen", 1.5, "u", False),
        cursor_of("first_seen", True, "u", False),
        cursor_of("first_seen", 2**63, "u", False),
        cursor_of("first_seen", [1], "u", False),
        cursor_of("first_seen", 10**400, "u", False),
        '{"sort": "first_seen"}',
    ],
    ids=lambda cursor: repr(cursor)[:30],
)
def test_what_is_no_cursor_is_refused(full: EmbeddedStore, cursor: str) -> None:
    with pytest.raises(InvalidCursor):
        full.users_page(SPACE, UsersQuery(sort="first_seen"), cursor=cursor)
    with pytest.raises(InvalidCursor):
        full.user_sessions(SPACE, "u", cursor=cursor)


# --- with open sessions


def live_history(rng: random.Random) -> list[Row]:
    """Return the rows of a morning on which many sessions are open at the end, some after an earlier life."""
    rows = random_history(rng, users=30, events=30, span_s=3_000)
    ends_at = sorted(row.occurred_at for row in rows)[len(rows) // 4]
    rows = [row for row in rows if row.occurred_at <= ends_at]
    rows.append(Row(user_id="u0", occurred_at=ends_at, message_id="last", traits={"role": "last"}))
    half_a_year = 200 * 1_440 * MINUTE
    return rows + [
        replace(row, occurred_at=row.occurred_at - half_a_year, message_id=f"old{number}")
        for number, row in enumerate(rows)
        if rng.random() < 0.2
    ]


@pytest.mark.parametrize("seed", range(tries(2, 5)))
@pytest.mark.parametrize("texts", [{}, {"session_cap_s": "900", "retention_months": "1"}], ids=str)
def test_with_open_sessions_an_object_is_as_if_they_were_closed(
    store: EmbeddedStore, tmp_path: Path, texts: dict[str, str], seed: int
) -> None:
    for name, text in texts.items():
        store.apply(SPACE, ChangeSettings({name: text}))
    rng = random.Random(seed)
    rows = live_history(rng)
    take(store, tmp_path, rows)
    store.fold(SPACE)
    assert store.status(SPACE).open_sessions > 5
    settings = store.settings(SPACE)
    right = expected(numbered(rows), settings, NEVER)
    found = {UserId(row["user_id"], row["is_anonymous"]): row for row in pages(store, include_open=True)}  # type: ignore[arg-type]
    assert found.keys() == right.users.keys()
    for user, row in found.items():
        assert_object(row, right.users[user])
        assert store.find_user(SPACE, user.id, include_open=True) == row
    for row in store.users(SPACE):
        assert store.find_user(SPACE, str(row["user_id"])) == row


def test_a_user_whose_only_session_is_open_has_an_object_only_if_asked_for(
    store: EmbeddedStore, tmp_path: Path
) -> None:
    take(store, tmp_path, [Row(user_id="u", occurred_at=START, message_id="a", traits={"role": "x"})])
    store.fold(SPACE)
    assert store.find_user(SPACE, "u") is None
    assert store.users_page(SPACE).items == []
    found = store.find_user(SPACE, "u", include_open=True)
    assert found is not None
    assert (found["total_sessions"], found["role"]) == (1, "x")
    assert store.users_page(SPACE, UsersQuery(include_open=True)).items == [found]


def test_a_new_life_that_is_still_open_shows_nothing_of_the_old_one(
    store: EmbeddedStore, tmp_path: Path
) -> None:
    old = Row(user_id="u", occurred_at=START, message_id="a", traits={"role": "old", "info": "old"})
    new = Row(user_id="u", occurred_at=START + 400 * 1_440 * MINUTE, message_id="b", traits={"role": "new"})
    take(store, tmp_path, [old, new])
    store.fold(SPACE)
    assert store.find_user(SPACE, "u") is None
    found = store.find_user(SPACE, "u", include_open=True)
    assert found is not None
    assert (found["first_seen"], found["role"], found["info"]) == (new.occurred_at, "new", None)


# --- one person


def test_ids_are_told_apart_by_their_kind(store: EmbeddedStore, tmp_path: Path) -> None:
    user = Row(user_id="u", occurred_at=START, message_id="a")
    visitor = Row(anonymous_id="u", occurred_at=START + 1, message_id="b")
    other = Row(anonymous_id="v", occurred_at=START + 2, message_id="c")
    take(store, tmp_path, [user, visitor, other])
    store.apply(SPACE, CloseHistory())
    store.fold(SPACE)

    def found(user_id: str, kind: str | None) -> list[object]:
        row = store.find_user(SPACE, user_id, kind)
        sessions = store.user_sessions(SPACE, user_id, kind).items
        return [row and row["first_seen"], *(session["started_at"] for session in sessions)]

    assert found("u", None) == found("u", "plain") == [START, START]
    assert found("u", "anonymous") == [START + 1, START + 1]
    assert found("v", None) == found("v", "anonymous") == [START + 2, START + 2]
    assert found("v", "plain") == found("u", "hashed") == found("w", None) == [None]


def test_hashed_ids_are_found_by_the_plain_id_and_by_the_hash(store: EmbeddedStore, tmp_path: Path) -> None:
    store.apply(SPACE, ChangeSettings({"hash_salt": "salt"}))
    store.apply(SPACE, ChangeSettings({"hash_ids": "on"}))
    take(store, tmp_path, [Row(user_id="u", occurred_at=START, message_id="a")])
    store.apply(SPACE, CloseHistory())
    store.fold(SPACE)
    stored_id = hashed_id("salt", "u")
    for user_id, kind in [("u", None), ("u", "plain"), (stored_id, "hashed")]:
        found = store.find_user(SPACE, user_id, kind)
        assert found is not None
        assert found["user_id"] == stored_id
        assert len(store.user_sessions(SPACE, user_id, kind).items) == 1
    assert store.find_user(SPACE, "u", "hashed") is store.find_user(SPACE, stored_id, "plain") is None


def test_the_sessions_of_a_person_are_those_of_the_list_the_newest_first(full: EmbeddedStore) -> None:
    whole = list(full.sessions(SPACE))
    assert any(not session["is_closed"] for session in whole)
    for user in {(session["user_id"], session["is_anonymous"]) for session in whole}:
        kind = "anonymous" if user[1] else "plain"
        found: list[object] = []
        cursor = None
        while True:
            page = full.user_sessions(SPACE, str(user[0]), kind, limit=3, cursor=cursor)
            found += page.items
            if (cursor := page.next_cursor) is None:
                break
        own = [session for session in whole if (session["user_id"], session["is_anonymous"]) == user]
        assert found == own[::-1]


@given(user_id=st.text(max_size=20))
@example(user_id="\0")
@example(user_id="'; --")
def test_any_text_can_be_asked_for(user_id: str, shared_store: EmbeddedStore) -> None:
    assert shared_store.find_user(SPACE, user_id) is None
    assert shared_store.user_sessions(SPACE, user_id).items == []


@pytest.fixture(scope="module")
def shared_store(tmp_path_factory: pytest.TempPathFactory):
    folder = tmp_path_factory.mktemp("shared")
    with EmbeddedStore(folder, now_us=NOW, memory_limit_mb=512) as opened:
        yield opened


def test_an_unknown_space_is_an_error(store: EmbeddedStore) -> None:
    reader = store.reader
    for read in (reader.settings, reader.status, reader.users_page):
        with pytest.raises(InvalidSpace):
            read("no/space")
    for find in (reader.find_user, reader.user_sessions):
        with pytest.raises(InvalidSpace):
            find("no/space", "u")


# --- beside the writer


def test_readers_see_what_was_while_the_writer_changes_it(store: EmbeddedStore, tmp_path: Path) -> None:
    take(store, tmp_path, [Row(user_id="u", occurred_at=START, message_id="a")])
    store.apply(SPACE, CloseHistory())
    store.fold(SPACE)
    reader = store.reader

    def read() -> tuple[object, ...]:
        page, found = reader.users_page(SPACE), reader.find_user(SPACE, "u")
        sessions = reader.user_sessions(SPACE, "u")
        assert found is not None
        return (
            *(len(page.items), found["total_sessions"], len(sessions.items)),
            *(reader.settings(SPACE).session_cap_s, reader.status(SPACE).sessions, reader.spaces()),
        )

    before = read()
    with (
        ThreadPoolExecutor(4) as threads,
        store._database.changing(store._database.schema(SPACE)),
    ):
        store._database.execute("DELETE FROM users")
        store._database.execute("DELETE FROM sessions")
        store._database.execute("INSERT INTO main.settings VALUES ($1, 'session_cap_s', '5')", [SPACE])
        assert {future.result() for future in [threads.submit(lambda: repr(read())) for _ in range(20)]} == {
            repr(before)
        }
    assert store.settings(SPACE).session_cap_s == 5
    assert (store.status(SPACE).sessions, store.users_page(SPACE).items) == (0, [])


def test_many_threads_read_while_batches_are_applied(store: EmbeddedStore, tmp_path: Path) -> None:
    stop, failed, reads = threading.Event(), [], []

    def read() -> None:
        try:
            while not stop.is_set():
                rows = store.reader.users_page(SPACE, UsersQuery(sort="-last_seen", include_open=True)).items
                assert all(row["total_sessions"] for row in rows)
                reads.append(len(rows))
        except BaseException as error:  # noqa: BLE001 - shown below
            failed.append(error)

    threads = [threading.Thread(target=read) for _ in range(3)]
    for thread in threads:
        thread.start()
    for number in range(tries(4, 10)):
        rows = [Row(user_id=f"u{n}", occurred_at=START + number * n * MINUTE) for n in range(30)]
        take(store, tmp_path, rows, is_first=False)
        store.fold(SPACE)
    stop.set()
    for thread in threads:
        thread.join()
    assert failed == []
    assert reads


def test_a_read_that_takes_too_long_is_stopped_and_the_next_one_works(
    store: EmbeddedStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "READ_SECONDS_MAX", 0.05)
    for _ in range(2):
        with (
            pytest.raises(ReadTimeout, match=r"longer than 0\.05 s"),
            store.reader.looks.at(SPACE) as look,
        ):
            look.rows("SELECT count(*) FROM range(1000000000000) AS n(i) WHERE hash(i) = 1", {})
    monkeypatch.setattr(limits, "READ_SECONDS_MAX", 30)
    assert store.users_page(SPACE).items == []


def test_a_read_that_runs_out_of_time_between_two_statements_is_stopped(
    store: EmbeddedStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "READ_SECONDS_MAX", 0)
    with pytest.raises(ReadTimeout), store.reader.looks.at(SPACE) as look:
        read_often(look)


def read_often(look: Look) -> None:
    for _ in range(20_000):  # quick statements: most interrupts come between two
        look.rows("SELECT 1", {})


def test_what_the_engine_refuses_is_an_error_of_the_store(store: EmbeddedStore) -> None:
    with pytest.raises(StoreError, match="could not answer"), store.reader.looks.at(SPACE) as look:
        look.rows("SELECT 1 FROM nothing", {})
    assert store.users_page(SPACE).items == []


def test_who_reads_is_stopped_when_the_database_is_closed(store: EmbeddedStore) -> None:
    begun = threading.Event()

    def read() -> None:
        with store.reader.looks.at(SPACE, "EXPORT_SECONDS_MAX") as look:
            begun.set()
            look.rows("SELECT count(*) FROM range(1000000000000) AS n(i) WHERE hash(i) = 1", {})

    with ThreadPoolExecutor(1) as thread:
        reading = thread.submit(read)
        assert begun.wait(20)
        store.looks.close()
        with pytest.raises(ReadTimeout, match="being closed"):
            reading.result(20)
    store.looks.begin(store._database.connection)
    assert store.users_page(SPACE).items == []
