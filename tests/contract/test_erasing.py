"""Erasure: of a person nothing stays, and of all others what the reference model says."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from histories import PLACES, Row, expected, numbered
from stored import LOOKUPS, NOW, SPACE, assert_same, take
from tiers import IS_FULL, tries

from enduser import limits
from enduser.core.attributes import Attribute, AttributeType
from enduser.core.erasing import without
from enduser.core.events import Event, UserId, hashed_id, take_once
from enduser.core.links import ApiLinks, Edge, claims, persons
from enduser.core.lists import ListAction
from enduser.errors import StoreError, UserNotFound
from enduser.service.writing_values import edit_by_hand
from enduser.sources.json_rows import JsonRow
from enduser.stores.answers import Erased
from enduser.stores.contract import Store
from enduser.stores.embedded import EmbeddedStore, erasing
from enduser.stores.records import AddLink, ChangeSettings, CloseHistory, EraseUser, RemoveLink, WriteList
from enduser.stores.row_file import write_ids

MINUTE = 60_000_000
START = 1_700_000_000_000_000


@pytest.fixture
def store(tmp_path: Path):
    with EmbeddedStore(tmp_path / "data", now_us=NOW, lookups=LOOKUPS, memory_limit_mb=512) as opened:
        yield opened


def user(text: str) -> UserId:
    return UserId(text, is_anonymous=False)


def anonymous(text: str) -> UserId:
    return UserId(text, is_anonymous=True)


def visit(who: str | None, minute: float, anon: str | None = None, **more: object) -> Row:
    return Row(who, anon, START + round(minute * MINUTE), more.pop("message", f"m{minute}"), **more)  # type: ignore[arg-type]


def erase(store: Store, one: UserId) -> Erased:
    erased = store.apply(SPACE, EraseUser(one)).erased
    assert erased is not None
    return erased


def make(store: Store, **types: str) -> None:
    for name, kind in types.items():
        store.create_attribute(Attribute(name, AttributeType(kind)))


def say(store: Store, one: UserId, **values: object) -> None:
    kind = "anonymous" if one.is_anonymous else "plain"
    edit_by_hand(store, SPACE, JsonRow(one.id, values, kind), NOW)


def fill(store: Store, folder: Path, *rows: Row) -> None:
    """Take rows, and close all their sessions."""
    take(store, folder, list(rows))  # type: ignore[arg-type]
    store.apply(SPACE, CloseHistory())
    store.fold(SPACE)


ADA = (
    visit("ada", 0, traits={"role": "admin"}),
    visit(None, 100, "browser", place=PLACES[0]),
    visit("ada", 101, type="alias", previous_id="browser"),
    visit("ada", 500),
)
EVE = visit("eve", 3, traits={"role": "guest"})


def test_all_ids_of_a_person_go_and_it_is_told_how_much_that_is(any_store: Store, tmp_path: Path) -> None:
    make(any_store, plan="string", seats="number")
    fill(any_store, tmp_path, *ADA, EVE)
    say(any_store, user("ada"), plan="vip", seats=3)
    say(any_store, anonymous("browser"), plan="free")
    much = Erased(ids=2, events=4, sessions=3, values=3)
    assert any_store.preview_erasure(SPACE, "browser", "anonymous") == much
    assert erase(any_store, anonymous("browser")) == much
    for text, kind in (("ada", "plain"), ("browser", "anonymous")):
        assert any_store.find_user(SPACE, text, kind, include_open=True) is None
        assert any_store.find_candidates(SPACE, text, kind) == {}
        assert any_store.user_sessions(SPACE, text, kind).items == []
        assert any_store.preview_erasure(SPACE, text, kind) is None
    assert [row["user_id"] for row in any_store.users(SPACE)] == ["eve"]
    assert any_store.verify(SPACE) == []


def test_nobody_is_erased_who_is_not_known(any_store: Store, tmp_path: Path) -> None:
    fill(any_store, tmp_path, EVE)
    for one in (user("ada"), anonymous("eve"), user("null"), user("x" * limits.ID_BYTES_MAX * 2)):
        with pytest.raises(UserNotFound, match="there is no user"):
            any_store.apply(SPACE, EraseUser(one))
    assert any_store.preview_erasure(SPACE, "ada", "plain") is None
    assert any_store.status(SPACE).users == 1


def test_a_user_of_whom_only_values_are_known_can_be_erased(store: EmbeddedStore, tmp_path: Path) -> None:
    make(store, plan="string")
    say(store, user("ada"), plan="vip")
    assert erase(store, user("ada")) == Erased(ids=1, events=0, sessions=0, values=1)
    fill(store, tmp_path, ADA[0])
    assert store.find_user(SPACE, "ada")["attributes"] == {}


def test_who_comes_again_starts_anew(store: EmbeddedStore, tmp_path: Path) -> None:
    make(store, plan="string")
    fill(store, tmp_path, *ADA)
    say(store, user("ada"), plan="vip")
    erase(store, user("ada"))
    fill(store, tmp_path, visit("ada", 900), visit(None, 2_000, "browser"))
    found = store.find_user(SPACE, "ada")
    assert (found["total_sessions"], found["role"], found["attributes"]) == (1, None, {})
    assert found["first_seen"] == START + 900 * MINUTE
    assert store.find_user(SPACE, "browser", "anonymous")["user_id"] == "browser"
    assert store.verify(SPACE) == []


def test_a_link_that_was_removed_by_hand_is_forgotten_with_the_person(
    store: EmbeddedStore, tmp_path: Path
) -> None:
    fill(store, tmp_path, *ADA)
    store.apply(SPACE, RemoveLink(user("ada"), anonymous("browser"), NOW))
    erase(store, user("ada"))
    assert store.find_user(SPACE, "browser", "anonymous") is not None
    fill(store, tmp_path, visit("ada", 900), visit("ada", 901, type="alias", previous_id="browser"))
    assert store.find_user(SPACE, "browser", "anonymous")["user_id"] == "ada"


def test_where_ids_are_hashed_a_plain_id_is_hashed_and_a_hash_is_taken_as_it_is(
    store: EmbeddedStore, tmp_path: Path
) -> None:
    store.apply(SPACE, ChangeSettings({"hash_ids": "on", "hash_salt": "s"}))
    fill(store, tmp_path, visit("ada", 0), visit("eve", 3))
    erase(store, user("ada"))
    store.apply(SPACE, EraseUser(user(hashed_id("s", "eve")), is_hashed=True))
    assert store.status(SPACE).users == 0


def test_an_alias_of_another_that_named_the_person_claims_nobody_in_his_place(
    store: EmbeddedStore, tmp_path: Path
) -> None:
    both = Both(store, tmp_path)
    both.take(
        [*ADA, EVE, visit(None, 50, "other"), visit("eve", 700, "other", type="alias", previous_id="browser")]
    )
    both.erase(user("ada"))
    both.check()
    assert store.find_user(SPACE, "other", "anonymous", include_open=True)["user_id"] == "other"


def test_ids_that_nothing_but_the_person_named_go_with_him(store: EmbeddedStore, tmp_path: Path) -> None:
    fill(store, tmp_path, *ADA, visit("ada", 600, type="alias", previous_id="never-seen"))
    store.apply(SPACE, RemoveLink(user("ada"), anonymous("never-seen"), NOW))
    store.apply(SPACE, RemoveLink(user("ada"), user("nor-this-one"), NOW))
    assert erase(store, user("ada")).ids == 2
    assert traces(store, "never-seen", "nor-this-one") == []


def test_an_id_beside_the_person_of_which_only_values_are_known_stays(
    store: EmbeddedStore, tmp_path: Path
) -> None:
    make(store, plan="string")
    fill(store, tmp_path, *ADA)
    say(store, user("eve"), plan="vip")
    store.apply(SPACE, RemoveLink(user("ada"), user("eve"), NOW))
    erase(store, user("ada"))
    assert store.find_candidates(SPACE, "eve").keys() == {"plan"}


def test_an_id_that_only_a_static_list_names_can_be_erased_and_one_beside_the_person_stays_in_it(
    store: EmbeddedStore, tmp_path: Path
) -> None:
    fill(store, tmp_path, *ADA)
    enlist(store, "nobody-yet", "beside")
    store.apply(SPACE, RemoveLink(user("ada"), user("beside"), NOW))
    assert erase(store, user("nobody-yet")) == Erased(ids=1, events=0, sessions=0, values=0)
    erase(store, user("ada"))
    assert listed(store) == ["beside"]
    assert traces(store, "nobody-yet") == []


def enlist(store: EmbeddedStore, *ids: str) -> None:
    rows = write_ids(store.folder / "ids.txt", ids, "plain")
    store.apply(SPACE, WriteList("staff", ListAction.CREATE, rows, NOW))


def listed(store: EmbeddedStore) -> list[object]:
    return [row["user_id"] for row in store.list_members_page(SPACE, "staff").items]


# --- nothing is left in any table


def traces(store: EmbeddedStore, *ids: str, keys: frozenset[int] = frozenset()) -> list[str]:
    """Return the columns of all tables, temporary ones too, in which an id or a key of it stands.

    What is random of spaces and write keys, and keyed hashes, can have an id in it, as `ada`: left out.
    """
    columns = store._execute(
        "SELECT schema_name, table_name, column_name, data_type FROM duckdb_columns() "
        "SEMI JOIN duckdb_tables() USING (database_name, schema_name, table_name) "
        "WHERE column_name NOT IN ('guid', 'secret', 'write_key', 'id_hash', 'id_hashes')"
    )
    found = []
    for schema, table, column, kind in columns:
        name = f'"{schema}"."{table}"' if schema.startswith("space_") else f'"{table}"'
        if kind == "BIGINT":
            wanted = f'"{column}" IN ({", ".join(map(str, keys)) or "NULL"})'
        else:
            wanted = " OR ".join(f"contains(\"{column}\"::VARCHAR, '{text}')" for text in ids)
        if store._execute(f"SELECT count(*) FROM {name} WHERE {wanted}")[0][0]:
            found.append(f"{schema}.{table}.{column}")
    return found


def test_no_table_and_no_column_has_an_id_or_a_key_of_the_person(
    store: EmbeddedStore, tmp_path: Path
) -> None:
    make(store, plan="string")
    store.apply(SPACE, ChangeSettings({"link_on_identify": "on"}))
    shared = [visit("eve", 700, "browser"), visit("eve", 701, type="alias", previous_id="browser")]
    fill(store, tmp_path, *ADA, *shared)
    say(store, user("ada"), plan="vip")
    say(store, anonymous("browser"), plan="vip")
    store.apply(SPACE, AddLink(user("ada"), user("second-of-ada"), NOW))
    enlist(store, "ada", "eve")
    take(store, tmp_path, [visit("ada", 2_000)])
    known = {text: key for key, text in store._execute("SELECT user_key, id FROM space_1.user_ids")}
    ids = ("ada", "browser", "second-of-ada")
    keys = frozenset(known[text] for text in ids)
    before = set(traces(store, *ids, keys=keys))
    assert {"space_1.events.anonymous_id", "space_1.claims.user_key", "space_1.links.one_key"} <= before
    assert {"space_1.events.previous_id", "space_1.persons.person_key", "space_1.users.person_key"} <= before
    assert "space_1.list_members.user_key" in before
    erase(store, user("ada"))
    assert traces(store, *ids, keys=keys) == []
    assert listed(store) == ["eve"]
    assert store.verify(SPACE) == []


# --- what stays


@dataclass
class Both:
    """An engine and the reference model, told the same."""

    store: EmbeddedStore
    folder: Path
    events: list[Event] = field(default_factory=list)
    api: ApiLinks = field(default_factory=ApiLinks)
    clock: int = 0

    def take(self, rows: list[Row]) -> None:
        self.events = take_once([*self.events, *numbered(rows)])
        self.clock = max([self.clock, *(row.occurred_at for row in rows)])
        take(self.store, self.folder, rows)

    def link(self, one: UserId, other: UserId, since: int) -> None:
        self.api.add(Edge(one, other, since))
        self.store.apply(SPACE, AddLink(one, other, since))

    def unlink(self, one: UserId, other: UserId) -> None:
        self.api.remove(one, other)
        self.store.apply(SPACE, RemoveLink(one, other, NOW))

    def erase(self, one: UserId) -> None:
        joined = persons(claims(self.events, self.store.settings(SPACE)), self.api)
        person = joined.get(one, frozenset([one]))
        try:
            erased = erase(self.store, one)
        except UserNotFound:
            assert one not in joined
            assert all(event.user != one for event in self.events)
            return
        assert erased.ids == len(person)
        assert erased.events == sum(event.user in person for event in self.events)
        self.forget(person)

    def forget(self, person: frozenset[UserId]) -> None:
        self.events = list(without(self.events, person, self.store.settings(SPACE)))
        for pair in [*self.api.links]:
            if pair & person:
                del self.api.links[pair]
        self.api.removed -= {pair for pair in self.api.removed if pair & person}

    def check(self, *, verifies: bool = True) -> None:
        """Compare with the reference model; `verifies`: also with a fold of everything anew."""
        self.store.fold(SPACE)
        settings = self.store.settings(SPACE)
        assert_same(self.store, expected(self.events, settings, self.clock, self.api))
        assert not verifies or self.store.verify(SPACE) == []


def random_row(rng: random.Random, number: int) -> Row:
    who, anon = rng.choice([*"uvw", None]), rng.choice([*"abc", None])
    kind = rng.choice(["track", "page", "identify", "alias"])
    return visit(
        who,
        rng.randrange(3_000),
        anon if who else anon or "a",
        message=f"m{number}",
        type=kind,
        previous_id=rng.choice([*"abcu", None]) if kind == "alias" else None,
        traits={"role": rng.choice("xyz")} if rng.random() < 0.4 else {},
        place=rng.choice([*PLACES, None]),
    )


@pytest.mark.parametrize("seed", range(tries(2, 150)))
def test_of_others_that_stays_which_the_reference_says_and_later_events_come_as_to_anybody(
    store: EmbeddedStore, tmp_path: Path, seed: int
) -> None:
    rng = random.Random(seed)
    both = Both(store, tmp_path)
    store.apply(SPACE, ChangeSettings({"link_on_identify": rng.choice(["on", "off"])}))
    ids = [*map(user, "uvw"), *map(anonymous, "abc")]
    number = 0
    for _ in range(rng.randrange(3, 7)):
        rows = [random_row(rng, number + n) for n in range(rng.randrange(1, 12))]
        number += len(rows)
        both.take(rows)
        if rng.random() < 0.5:
            both.link(*rng.sample(ids, 2), START + rng.randrange(3_000) * MINUTE)
        if rng.random() < 0.3:
            both.unlink(*rng.sample(ids, 2))
        if rng.random() < 0.7:
            both.erase(rng.choice(ids))
        both.check(verifies=IS_FULL)
    both.check()


def test_an_id_that_had_no_room_in_the_person_goes_to_the_next_who_claims_it(
    store: EmbeddedStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "PERSON_IDS_MAX", 2)
    both = Both(store, tmp_path)
    both.take(
        [
            *(visit("ada", n, type="alias", previous_id=f"b{n}") for n in range(2)),
            *(visit(None, 100 + n, f"b{n}") for n in range(2)),
            visit("eve", 50, type="alias", previous_id="b1"),
        ]
    )
    both.check()
    assert store.find_user(SPACE, "b1", "anonymous", include_open=True)["user_id"] == "b1"
    both.erase(user("ada"))
    assert store.find_user(SPACE, "b1", "anonymous", include_open=True)["user_id"] == "eve"
    both.check()


def test_an_erasure_that_fails_midway_erases_nothing(
    store: EmbeddedStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(store, tmp_path, *ADA)
    before = store.find_user(SPACE, "ada")

    def fails(*_: object, **__: object) -> None:
        raise StoreError("the disk is full")

    monkeypatch.setattr(erasing, "fold_pending", fails)
    monkeypatch.setattr(erasing, "tell", lambda *_: [user("ada")])
    with pytest.raises(StoreError, match="the disk is full"):
        store.apply(SPACE, EraseUser(user("ada")))
    assert store.find_user(SPACE, "ada") == before
    assert store.verify(SPACE) == []
