"""Turning `hash_ids` on while a space has users: then all is as if it had been on from the start."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from histories import Row, expected, numbered, write
from stored import LOOKUPS, NOW, RULES, SPACE, assert_same, links, take
from test_links import IDS, SPAN_MINUTES, alias, anonymous, at, random_row, user, visit
from tiers import tries

from enduser.core.events import Event, UserId, hashed_id
from enduser.core.links import ApiLinks, Edge
from enduser.core.users_query import UsersQuery
from enduser.errors import InvalidSetting
from enduser.stores.answering import answer
from enduser.stores.answers import HashingPreview
from enduser.stores.embedded import EmbeddedStore, capped, fold, rebuild
from enduser.stores.embedded.database import DATABASE_FILE
from enduser.stores.records import (
    AddLink,
    ChangeSettings,
    Chunk,
    CloseHistory,
    EventChunk,
    Form,
    Record,
    RemoveLink,
    SpooledEvents,
)
from enduser.stores.wire import decoded, encoded

SALT = "pepper"
ON = ChangeSettings({"hash_ids": "on"})
WEAK_KEY = "((id_hash >> 65) & 15)::BIGINT"


@pytest.fixture
def store(tmp_path: Path) -> Iterator[EmbeddedStore]:
    with EmbeddedStore(tmp_path / "data", now_us=NOW, lookups=LOOKUPS, memory_limit_mb=512) as opened:
        yield opened


def hashed(text: str) -> str:
    return hashed_id(SALT, text)


def salted(store: EmbeddedStore) -> EmbeddedStore:
    store.apply(SPACE, ChangeSettings({"hash_salt": SALT}))
    return store


def texts(store: EmbeddedStore) -> set[str]:
    """Return every text of the tables of the space and of what all spaces share, but for what is no id."""
    found = set()
    for table, column in store._execute(
        "SELECT table_schema || '.' || table_name, column_name FROM information_schema.columns "
        "WHERE table_catalog = 'enduser' AND data_type = 'VARCHAR'"
    ):
        found |= {text for (text,) in store._execute(f"SELECT DISTINCT {column} FROM {table}") if text}
    return found


# --- what is read, and from where


def read(store: EmbeddedStore) -> dict[str, Any]:
    """Return all that is read of the space."""
    return {
        "users": list(store.users(SPACE)),
        "sessions": list(store.sessions(SPACE)),
        "links": links(store),
        "open": store.users_page(SPACE, UsersQuery(include_open=True)),
        "status": replace(store.status(SPACE), space=""),
        "found": {one: store.find_user(SPACE, one.id, _kind(one)) for one in IDS},
    }


def _kind(one: UserId) -> str:
    return "anonymous" if one.is_anonymous else "plain"


class Two:
    """Two stores that are told the same, one of which hashes from the start, and the reference model."""

    def __init__(self, early: EmbeddedStore, late: EmbeddedStore, folder: Path) -> None:
        self.early, self.late, self.folder = salted(early), salted(late), folder
        self.batches: list[list[Row]] = []
        self.api = ApiLinks()
        self.clock = 0
        self.early.apply(SPACE, ON)

    def apply(self, record: Record) -> None:
        for store in (self.early, self.late):
            store.apply(SPACE, record)

    def take(self, rows: list[Row]) -> None:
        self.batches.append(rows)
        assert take(self.early, self.folder, rows) == take(self.late, self.folder, rows)

    def link(self, one: UserId, other: UserId, since: int) -> None:
        self.api.add(Edge(as_stored(one), as_stored(other), since))
        self.apply(AddLink(one, other, since))

    def unlink(self, one: UserId, other: UserId) -> None:
        self.api.remove(as_stored(one), as_stored(other))
        self.apply(RemoveLink(one, other, NOW))

    def close(self) -> None:
        self.apply(CloseHistory())
        times = [row.occurred_at for rows in self.batches for row in rows]
        self.clock = max(times, default=0) + self.late.settings(SPACE).window_us

    def check(self) -> None:
        """Compare the two with each other and the model, and the late one with what a rebuild would make."""
        for store in (self.early, self.late):
            store.fold(SPACE)
        assert read(self.late) == read(self.early)
        assert self.late.verify(SPACE) == []
        events = [as_hashed(event) for rows in self.batches for event in numbered(rows)]
        clock = max([self.clock, *(event.occurred_at for event in events)])
        assert_same(self.late, expected(events, self.late.settings(SPACE), clock, self.api))

    def take_again(self) -> None:
        """Take every batch once more: nothing of it is new."""
        for rows in self.batches:
            for store in (self.early, self.late):
                assert take(store, self.folder, rows).stored == 0  # type: ignore[attr-defined]


def as_stored(one: UserId) -> UserId:
    return one if one.is_anonymous else UserId(hashed(one.id), is_anonymous=False)


def as_hashed(event: Event) -> Event:
    """Return an event as it is where ids are hashed."""
    previous = event.previous_id
    return replace(event, user=as_stored(event.user), previous_id=previous and hashed(previous))


def do_something(two: Two, rng: random.Random) -> None:
    one, other = rng.sample(IDS, 2)
    match rng.choice(["take"] * 5 + ["link", "link", "unlink", "fold", "setting", "close"]):
        case "take":
            rows = [random_row(rng) for _ in range(rng.choice([1, 3, 12]))]
            for row in rows:
                row.message_id = None if rng.random() < 0.2 else row.message_id
            two.take(rows)
        case "link":
            two.link(one, other, at(rng.randrange(SPAN_MINUTES)))
        case "unlink":
            two.unlink(one, other)
        case "fold":
            rng.choice([two.early, two.late]).fold(SPACE)
        case "setting":
            two.apply(ChangeSettings({"link_on_identify": rng.choice(["on", "off"])}))
        case "close":
            two.close()


SEEDS = range(1, 1 + tries(1, 25))


@pytest.mark.parametrize("seed", SEEDS)
def test_turned_on_in_the_middle_of_any_history_it_is_as_from_the_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    rng = random.Random(seed)
    if seed % 2:  # as if the history were huge
        monkeypatch.setattr(fold, "EVENTS_PER_PART", 5)
        monkeypatch.setattr(capped, "CUT_EVENTS_PER_ROUND", 3)
    key = rng.choice([WEAK_KEY, "(id_hash >> 65)::BIGINT"])
    with ExitStack() as stack:
        stores = [
            stack.enter_context(EmbeddedStore(tmp_path / name, now_us=NOW, lookups=LOOKUPS, user_key_sql=key))
            for name in ("early", "late")
        ]
        two = Two(*stores, tmp_path)
        two.apply(ChangeSettings({"session_cap_s": rng.choice(["0", "2400", "7200"])}))
        for _ in range(rng.randrange(3, 14)):
            do_something(two, rng)
        two.late.apply(SPACE, ON)
        two.check()
        for _ in range(rng.randrange(2, 9)):
            do_something(two, rng)
        two.close()
        two.check()
        two.take_again()


def test_no_plain_user_id_is_left_in_any_table(store: EmbeddedStore, tmp_path: Path) -> None:
    take(store, tmp_path, [visit("u", 0), visit(None, 1, "a"), visit("v", 2, "b"), alias("u", 3, "old-u")])
    store.fold(SPACE)
    store.apply(SPACE, AddLink(user("u"), user("never-seen"), 1))
    assert {"u", "v", "old-u", "never-seen"} <= texts(store)
    salted(store).apply(SPACE, ON)
    assert {"u", "v", "old-u", "never-seen"} & texts(store) == set()
    assert {hashed(one) for one in ("u", "v", "old-u", "never-seen")} | {"a", "b"} <= texts(store)


def test_no_plain_user_id_is_left_in_the_log_of_the_engine(store: EmbeddedStore, tmp_path: Path) -> None:
    log = store.folder / f"{DATABASE_FILE}.wal"
    take(store, tmp_path, [visit("plain-id", 0)])
    assert b"plain-id" in log.read_bytes()
    store.apply(SPACE, ON)
    assert not log.exists() or b"plain-id" not in log.read_bytes()


def test_who_follows_the_changes_gets_everything_anew(store: EmbeddedStore, tmp_path: Path) -> None:
    take(store, tmp_path, [visit("u", 0)])
    store.apply(SPACE, CloseHistory())
    store.fold(SPACE)
    since = store.changes(SPACE, 0).fold
    store.apply(SPACE, ON)
    changes = store.changes(SPACE, since)
    assert changes.is_everything
    assert [text for text, _, _ in changes.users] == [hashed_id("", "u")]
    assert not store.changes(SPACE, changes.fold).is_everything


CLASHES = {
    "another new id has the key of the hash": lambda key, base: base,
    "another new id has the key that the user keeps": lambda key, base: key,
}


@pytest.mark.parametrize("name", CLASHES)
def test_a_new_id_that_would_have_one_of_the_two_keys_of_a_hashed_user_is_another_user(
    tmp_path: Path, name: str
) -> None:
    """Ids of 64 keys, so that one for each clash is found at once."""
    with EmbeddedStore(
        tmp_path / "data", now_us=NOW, lookups=LOOKUPS, user_key_sql="((id_hash >> 65) & 63)::BIGINT"
    ) as store:
        store._execute("UPDATE main.spaces SET secret = 'of two keys'")  # by chance both can be one
        take(store, tmp_path, [visit("u", 0)])
        store.apply(SPACE, ON)
        key, base = store._execute("SELECT user_key, base_key FROM space_1.user_ids")[0]
        assert key != base
        secret = store._execute("SELECT secret FROM main.spaces")[0][0]
        wanted = CLASHES[name](key, base)
        keys = f"user_key_of(id_hash('{secret}', false, '', hashed_id('', 'w' || i)))"
        other = store._execute(f"SELECT 'w' || i FROM range(9999) AS t(i) WHERE {keys} = {wanted} LIMIT 1")[
            0
        ][0]
        take(store, tmp_path, [visit(other, 100), visit("u", 200)])
        take(store, tmp_path, [visit(other, 100), visit("u", 200), visit("u", 0)])
        store.apply(SPACE, CloseHistory())
        store.fold(SPACE)
        assert store.status(SPACE).events == 3
        assert store.find_user(SPACE, "u")["total_sessions"] == 2
        assert store.find_user(SPACE, other)["total_sessions"] == 1
        assert store.verify(SPACE) == []


def test_a_copy_without_a_message_id_is_known_across_the_change(store: EmbeddedStore, tmp_path: Path) -> None:
    row = Row("u", None, at(0))
    take(store, tmp_path, [row, row])
    store.apply(SPACE, ON)
    assert take(store, tmp_path, [row, row]).stored == 0
    assert take(store, tmp_path, [row, row, row]).stored == 1


def test_the_copies_of_a_file_are_counted_on_when_ids_are_hashed_between_its_chunks(
    store: EmbeddedStore, tmp_path: Path
) -> None:
    row = Row("u", None, at(0))
    take(store, tmp_path, [row])
    store.apply(SPACE, ON)
    assert take(store, tmp_path, [row], is_first=False).stored == 1


def spool(store: EmbeddedStore, folder: Path, **fields: object) -> None:
    path = folder / "lines"
    line = {"got": at(0), "client": at(0), "at": at(0), "type": "page", "msg": "m", **fields}
    path.write_text(json.dumps(line) + "\n")
    store.apply_spooled(SpooledEvents({1: path}, {1: (0, 0)}, at(9_000)))


def test_more_ids_than_the_engine_holds_in_one_piece_are_hashed(store: EmbeddedStore, tmp_path: Path) -> None:
    """The engine has rows in groups of 122,880, and treats an insert of more in another way."""
    count = 130_000
    store.apply(SPACE, ChangeSettings({"link_on_identify": "on"}))
    path = tmp_path / "rows.jsonl"
    lines = ({"user_id": f"u{n}", "anonymous_id": f"a{n}", "occurred_at": n} for n in range(count))
    path.write_text("".join(f"{json.dumps(line)}\n" for line in lines))
    store.apply(SPACE, EventChunk(Chunk(path, Form.JSON_LINES), RULES))
    store.apply(SPACE, CloseHistory())
    store.fold(SPACE)
    store.apply(SPACE, ON)
    assert store.find_user(SPACE, "a7", "anonymous")["user_id"] == hashed_id("", "u7")
    assert store.status(SPACE).users == count
    assert store.verify(SPACE) == []


def test_what_was_spooled_before_the_change_is_hashed_when_it_is_taken(
    store: EmbeddedStore, tmp_path: Path
) -> None:
    spool(store, tmp_path, id="u")
    salted(store).apply(SPACE, ON)
    spool(store, tmp_path, id="u", msg="late")
    spool(store, tmp_path, id=hashed("u"), hashed=True, msg="at the door")
    spool(store, tmp_path, id="u")
    status = store.status(SPACE)
    assert (status.users, status.events) == (1, 3)
    assert texts(store) & {"u"} == set()


def test_an_id_that_was_marked_as_hashed_before_is_hashed_again_and_counted(
    store: EmbeddedStore, tmp_path: Path
) -> None:
    salted(store)
    spool(store, tmp_path, id=hashed("u"), hashed=True)
    assert store.hashing_preview(SPACE) == HashingPreview(user_ids=1, hash_forms=1, ended_links=0)
    store.apply(SPACE, ON)
    assert store.find_user(SPACE, hashed(hashed("u")), "hashed")
    assert store.find_user(SPACE, "u") is None


@pytest.mark.parametrize(
    ("rows", "ended"),
    [
        ([alias("u", 1, "a")], 1),
        ([alias("u", 1, "a"), alias("u", 2, "a")], 1),
        ([alias("u", 1, "a", "a")], 0),
        ([alias("u", 1, None, "a")], 0),
        ([alias("u", 1, "a"), alias("u", 2, "a", "a")], 0),
        ([alias("u", 1, "a", "b")], 1),
        ([alias("u", 1, "a"), alias("v", 2, "a")], 1),
        ([visit("u", 1, "a")], 0),
    ],
)
def test_the_preview_counts_the_links_that_end(
    store: EmbeddedStore, tmp_path: Path, rows: list[Row], ended: int
) -> None:
    take(store, tmp_path, [visit(None, 0, "a"), visit("u", 5), visit("v", 6), *rows])
    store.apply(SPACE, CloseHistory())
    store.fold(SPACE)
    before = links(store)
    assert store.hashing_preview(SPACE).ended_links == ended
    assert store.hashing_preview(SPACE).user_ids == 2
    store.apply(SPACE, ON)
    assert len(links(store)) == len(before) - ended


def test_a_link_that_would_end_stays_where_the_api_says_it_too(store: EmbeddedStore, tmp_path: Path) -> None:
    take(store, tmp_path, [visit(None, 0, "a"), visit("u", 5), alias("u", 1, "a")])
    store.apply(SPACE, CloseHistory())
    store.apply(SPACE, AddLink(user("u"), anonymous("a"), at(9)))
    assert store.hashing_preview(SPACE).ended_links == 0
    store.apply(SPACE, ON)
    assert store.find_user(SPACE, "a", "anonymous")["user_id"] == hashed_id("", "u")


def test_the_preview_of_a_space_that_links_on_identify_counts_what_these_do_not_tell(
    store: EmbeddedStore, tmp_path: Path
) -> None:
    store.apply(SPACE, ChangeSettings({"link_on_identify": "on"}))
    take(store, tmp_path, [visit("u", 5, "a"), alias("u", 1, "a"), alias("u", 2, "b"), visit(None, 3, "b")])
    store.fold(SPACE)
    assert store.hashing_preview(SPACE).ended_links == 1


def test_the_person_shows_the_least_hash_and_ties_go_by_hashes(store: EmbeddedStore, tmp_path: Path) -> None:
    names = sorted("uvwxyz", key=hashed)
    first, last = names[0], names[-1]
    take(
        store,
        tmp_path,
        [visit(name, 0, message="m", traits={"role": name}) for name in names],
    )
    store.apply(SPACE, CloseHistory())
    for name in names[1:]:
        store.apply(SPACE, AddLink(user(first), user(name), 1))
    salted(store).apply(SPACE, ON)
    (row,) = store.users(SPACE)
    assert (row["user_id"], row["role"]) == (hashed(first), last)
    assert store.verify(SPACE) == []


SETTLED = "cannot change any more: the space default/production has users, whose ids are hashed"


@pytest.mark.parametrize(("name", "text"), [("hash_ids", "off"), ("hash_salt", "other"), ("hash_salt", "")])
def test_once_ids_are_hashed_neither_the_switch_nor_the_salt_can_change(
    store: EmbeddedStore, tmp_path: Path, name: str, text: str
) -> None:
    take(store, tmp_path, [visit("u", 0)])
    salted(store).apply(SPACE, ON)
    with pytest.raises(InvalidSetting, match=SETTLED):
        store.apply(SPACE, ChangeSettings({name: text}))
    assert store.settings(SPACE).hash_salt == SALT
    store.apply(SPACE, ON)
    store.apply(SPACE, ChangeSettings({"hash_salt": SALT}))


def test_a_refused_setting_keeps_those_beside_it_as_they_were(store: EmbeddedStore, tmp_path: Path) -> None:
    take(store, tmp_path, [visit("u", 0)])
    store.apply(SPACE, ON)
    before = store.settings(SPACE)
    with pytest.raises(InvalidSetting) as refused:
        store.apply(SPACE, ChangeSettings({"store_ip": "on", "session_cap_s": "5", "hash_salt": "x"}))
    assert refused.value.field == "hash_salt"
    assert store.settings(SPACE) == before


def test_settings_that_change_at_once_do_what_they_do_one_by_one_and_recompute_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rng = random.Random(7)
    rows = [random_row(rng) for _ in range(300)]
    texts = {"hash_ids": "on", "session_cap_s": "2400", "link_on_identify": "on", "hash_salt": SALT}
    recomputed = []
    recompute = rebuild.recompute
    monkeypatch.setattr(rebuild, "recompute", lambda *given: recomputed.append(recompute(*given)))
    found = []
    for name, changes in {
        "at once": [texts],
        "one by one": [{key: texts[key]} for key in sorted(texts, key=lambda key: key == "hash_ids")],
    }.items():
        with EmbeddedStore(tmp_path / name, now_us=NOW, lookups=LOOKUPS, memory_limit_mb=512) as store:
            take(store, tmp_path, rows)
            store.fold(SPACE)
            recomputed.clear()
            for change in changes:
                store.apply(SPACE, ChangeSettings(change))
            found.append((read(store), len(recomputed)))
            assert store.verify(SPACE) == []
    assert found[0][0] == found[1][0]
    assert [count for _, count in found] == [1, 2]


def test_without_users_the_switch_and_the_salt_can_change_at_will(store: EmbeddedStore) -> None:
    for name, text in [("hash_ids", "on"), ("hash_salt", "x"), ("hash_ids", "off"), ("hash_salt", "y")]:
        store.apply(SPACE, ChangeSettings({name: text}))
    assert store.settings(SPACE).hash_salt == "y"


def test_the_salt_can_change_while_ids_are_plain(store: EmbeddedStore, tmp_path: Path) -> None:
    take(store, tmp_path, [visit("u", 0)])
    salted(store)
    assert store.settings(SPACE).hash_salt == SALT


def test_other_spaces_keep_their_ids(store: EmbeddedStore, tmp_path: Path) -> None:
    store.create_space("acme/test", NOW)
    take(store, tmp_path, [visit("u", 0)])
    chunk = Chunk(write(tmp_path / "rows.jsonl", [visit("u", 0)]), Form.JSON_LINES)
    store.apply("acme/test", EventChunk(chunk, RULES))
    store.apply(SPACE, ON)
    assert store._execute("SELECT id FROM space_2.user_ids") == [("u",)]


def test_the_preview_can_be_asked_from_afar(store: EmbeddedStore, tmp_path: Path) -> None:
    take(store, tmp_path, [visit("u", 0)])
    told = answer(store, "hashing_preview", encoded({"space": SPACE}))
    assert decoded(told, HashingPreview) == HashingPreview(1, 0, 0)  # type: ignore[arg-type]


def test_a_failure_in_the_middle_leaves_all_as_it_was(
    store: EmbeddedStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    take(store, tmp_path, [visit("u", 0), visit(None, 3, "a"), alias("u", 5, "a")])
    store.apply(SPACE, CloseHistory())
    store.fold(SPACE)
    before = read(store), texts(store)
    monkeypatch.setattr("enduser.stores.embedded.hashing.fold_pending", _failing)
    with pytest.raises(RuntimeError):
        store.apply(SPACE, ON)
    assert (read(store), texts(store)) == before
    assert store.settings(SPACE).hash_ids is False
    assert store.verify(SPACE) == []


def _failing(*_: object) -> None:
    raise RuntimeError
