"""Suppression: who stays out is taken by no way, and of others what the reference says."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from histories import Row, numbered
from stored import LOOKUPS, NOW, RULES, SPACE, take
from test_erasing import (
    ADA,
    EVE,
    MINUTE,
    START,
    Both,
    anonymous,
    enlist,
    fill,
    listed,
    make,
    random_row,
    say,
    traces,
    user,
    visit,
)
from tiers import IS_FULL, tries

from enduser import limits
from enduser.core.events import UserId, hashed_id, take_once
from enduser.core.links import IdKind, claims, persons
from enduser.core.lists import ListAction
from enduser.core.suppressing import admitted, kept_out
from enduser.errors import (
    InvalidList,
    InvalidSetting,
    LimitExceeded,
    SuppressionNotFound,
    UsageError,
    UserNotFound,
    UserSuppressed,
)
from enduser.service.writing_values import write_json_rows
from enduser.sources.json_rows import JsonRow
from enduser.stores.answers import Erased
from enduser.stores.contract import Store
from enduser.stores.embedded import EmbeddedStore
from enduser.stores.records import (
    AddLink,
    ChangeSettings,
    Chunk,
    EraseUser,
    EventChunk,
    Form,
    LiftSuppression,
    RemoveLink,
    SpooledEvents,
    UndoRun,
    WriteList,
)
from enduser.stores.row_file import write_ids

NOTHING = Erased(ids=0, events=0, sessions=0, values=0)


@pytest.fixture
def store(tmp_path: Path):
    with EmbeddedStore(tmp_path / "data", now_us=NOW, lookups=LOOKUPS, memory_limit_mb=512) as opened:
        yield opened


def suppress(store: Store, one: UserId, *, is_hashed: bool = False) -> Erased:
    erased = store.apply(SPACE, EraseUser(one, is_hashed, suppresses=True)).erased
    assert erased is not None
    return erased


def excluded(store: EmbeddedStore, folder: Path, *rows: Row) -> int:
    """Take rows, and return how many of them were left out as of suppressed ids."""
    outcomes = take(store, folder, list(rows))
    assert outcomes.excluded.keys() <= {"suppressed"}  # type: ignore[attr-defined]
    return outcomes.excluded["suppressed"]  # type: ignore[attr-defined]


def columns(store: EmbeddedStore) -> list[tuple[object, ...]]:
    """Return what events of others say beside their own ids."""
    rows = store._execute(
        "SELECT id, anonymous_id, previous_id FROM space_1.events JOIN space_1.user_ids USING (user_key)"
    )
    return sorted(rows, key=str)


# --- who stays out


def test_all_ids_of_the_person_stay_out_and_nothing_else_is_known_of_them(
    any_store: Store, tmp_path: Path
) -> None:
    fill(any_store, tmp_path, *ADA, EVE)
    assert suppress(any_store, anonymous("browser")) == Erased(ids=2, events=4, sessions=3, values=0)
    for text, kind in (("ada", "plain"), ("browser", "anonymous"), (" ada\t", "plain")):
        assert any_store.is_suppressed(SPACE, text, kind)
    for text, kind in (("ada", "anonymous"), ("browser", "plain"), ("eve", "plain"), ("ada", "hashed")):
        assert not any_store.is_suppressed(SPACE, text, kind)
    assert not any_store.is_suppressed(SPACE, "null", "plain")
    assert any_store.verify(SPACE) == []


def test_who_was_only_erased_does_not_stay_out(store: EmbeddedStore, tmp_path: Path) -> None:
    fill(store, tmp_path, *ADA)
    store.apply(SPACE, EraseUser(user("ada")))
    assert not store.is_suppressed(SPACE, "ada", "plain")
    assert excluded(store, tmp_path, visit("ada", 900)) == 0


def test_an_id_of_which_nothing_is_known_stays_out_too(any_store: Store, tmp_path: Path) -> None:
    for one in (user(" never-seen "), anonymous("not-either")):
        assert suppress(any_store, one) == NOTHING
    assert any_store.is_suppressed(SPACE, "never-seen", "plain")
    assert any_store.is_suppressed(SPACE, "not-either", "anonymous")


@pytest.mark.parametrize(
    ("text", "error"),
    [("null", UsageError), (" ", UsageError), ("x" * (limits.ID_BYTES_MAX + 1), LimitExceeded)],
)
def test_what_is_no_id_cannot_stay_out(store: EmbeddedStore, text: str, error: type[Exception]) -> None:
    with pytest.raises(error):
        suppress(store, user(text))
    assert store._execute("SELECT count(*) FROM space_1.suppressed") == [(0,)]
    assert suppress(store, user("x" * limits.ID_BYTES_MAX)) == NOTHING


def test_an_anonymous_id_that_nothing_but_an_event_of_another_names_is_forgotten_there(
    store: EmbeddedStore, tmp_path: Path
) -> None:
    fill(
        store, tmp_path, visit("eve", 0, "browser"), visit(None, 1, "b2", type="alias", previous_id="browser")
    )
    with pytest.raises(UserNotFound):
        store.apply(SPACE, EraseUser(anonymous("browser")))
    assert suppress(store, anonymous("browser")) == NOTHING
    assert columns(store) == [("b2", None, ""), ("eve", None, None)]
    store.apply(SPACE, ChangeSettings({"link_on_identify": "on"}))
    assert store._execute("SELECT count(*) FROM space_1.claims") == [(0,)]


# --- events


def test_events_of_who_stays_out_are_excluded_and_counted(any_store: Store, tmp_path: Path) -> None:
    fill(any_store, tmp_path, *ADA, EVE)
    suppress(any_store, user("ada"))
    late = [
        *ADA,
        visit("ada", 900),
        visit(None, 901, "browser"),
        visit("eve", 902),
        visit("nobody", 903, "browser"),
    ]
    outcomes = take(any_store, tmp_path, late)  # type: ignore[arg-type]
    assert (outcomes.stored, dict(outcomes.excluded)) == (2, {"suppressed": 6})  # type: ignore[attr-defined]
    assert any_store.status(SPACE).outcomes.excluded == {"suppressed": 6}
    any_store.fold(SPACE)
    found = {row["user_id"] for row in any_store.users(SPACE, limit=10)}
    assert found == {"eve"}
    assert any_store.preview_erasure(SPACE, "ada", "plain") is None
    assert any_store.preview_erasure(SPACE, "browser", "anonymous") is None
    assert any_store.verify(SPACE) == []


def test_a_row_that_is_bad_or_excluded_otherwise_has_that_reason(
    store: EmbeddedStore, tmp_path: Path
) -> None:
    store.apply(SPACE, ChangeSettings({"exclude": "user:zoe"}))
    suppress(store, user("ada"))
    suppress(store, user("zoe"))
    outcomes = take(
        store, tmp_path, [visit("ada", 0, "x" * 300), visit("zoe", 1), visit("ada", 2, type="none")]
    )
    assert dict(outcomes.rejected) == {"user_id_too_long": 1, "invalid_type": 1}  # type: ignore[attr-defined]
    assert dict(outcomes.excluded) == {"user": 1}  # type: ignore[attr-defined]


def test_where_events_are_only_counted_those_are_not(store: EmbeddedStore, tmp_path: Path) -> None:
    suppress(store, user("ada"))
    store.apply(SPACE, ChangeSettings({"unique_user": "none"}))
    outcomes = take(store, tmp_path, [visit("ada", 0), visit("eve", 1)])
    assert (outcomes.counted, outcomes.excluded["suppressed"]) == (1, 1)  # type: ignore[attr-defined]
    path = tmp_path / "lines"
    path.write_text(json.dumps({"got": START, "at": START, "type": "page", "msg": "m", "id": "ada"}))
    store.apply_spooled(SpooledEvents({1: path}, {1: (0, 0)}, START))
    assert store.status(SPACE).live_since is None


def test_events_of_others_do_not_name_who_stays_out(store: EmbeddedStore, tmp_path: Path) -> None:
    store.apply(SPACE, ChangeSettings({"link_on_identify": "on"}))
    suppress(store, user("ada"))
    suppress(store, anonymous("browser"))
    named = [
        visit("eve", 1, "browser"),
        visit("eve", 2, "own", type="alias", previous_id="browser"),
        visit("eve", 3, None, type="alias", previous_id="ada"),
        visit("eve", 4, "ada", type="alias", previous_id="other"),
    ]
    assert excluded(store, tmp_path, *named) == 0
    told = [("eve", None, ""), ("eve", None, None), ("eve", "ada", "other"), ("eve", "own", "")]
    assert columns(store) == sorted(told, key=str)
    assert {row[0] for row in store._execute("SELECT id FROM space_1.user_ids")} == {
        "eve",
        "own",
        "ada",
        "other",
    }
    store.rebuild(SPACE)
    assert store.find_user(SPACE, "browser", "anonymous", include_open=True) is None


def test_ids_of_one_key_are_told_apart(tmp_path: Path) -> None:
    few_keys = "((id_hash >> 65) & 127)::BIGINT"
    with EmbeddedStore(tmp_path / "data", now_us=NOW, user_key_sql=few_keys) as store:
        out, others = (
            [f"{kind}{number}" for number in range(count)] for kind, count in (("o", 20), ("u", 60))
        )
        for text in out:
            suppress(store, user(text))
        assert excluded(store, tmp_path, *(visit(text, 0) for text in (*out, *others))) == len(out)


def test_an_excluded_event_makes_no_space_live_and_is_seen_by_who_watches_without_its_id(
    store: EmbeddedStore, tmp_path: Path
) -> None:
    suppress(store, user("ada"))
    path = tmp_path / "lines"
    lines = [
        {
            "got": START,
            "client": START,
            "at": START,
            "type": "page",
            "msg": f"m{who}",
            "id": who,
            "url": f"/{who}",
        }
        for who in ("ada", "eve")
    ]
    path.write_text("".join(f"{json.dumps(line)}\n" for line in lines[:1]))
    spooled = SpooledEvents({1: path}, {1: (0, 0)}, START, sample_rows=5)
    (sample,) = store.apply_spooled(spooled)[SPACE].samples
    assert (sample.user_id, sample.page_url, sample.reason) == (None, None, "suppressed")
    assert store.status(SPACE).live_since is None
    path.write_text("".join(f"{json.dumps(line)}\n" for line in lines))
    samples = store.apply_spooled(spooled)[SPACE].samples
    assert [(one.user_id, one.outcome) for one in samples] == [(None, "excluded"), ("eve", "stored")]


def test_rows_of_parquet_are_left_out_too(store: EmbeddedStore, tmp_path: Path) -> None:
    suppress(store, user("ada"))
    path = tmp_path / "rows.parquet"
    rows = f"SELECT unnest(['ada', 'eve']) AS user_id, {START} AS occurred_at"
    store._execute(f"COPY ({rows}) TO '{path}' (FORMAT parquet)")
    chunk = EventChunk(Chunk(path, Form.PARQUET, rows=2), RULES)
    outcomes = store.apply(SPACE, chunk).outcomes
    assert (outcomes.stored, outcomes.excluded["suppressed"]) == (1, 1)
    assert traces(store, "ada") == []


# --- values, lists, links


def test_rows_of_values_are_rejected_and_those_of_others_taken(any_store: Store) -> None:
    make(any_store, plan="string")
    suppress(any_store, user("ada"))
    suppress(any_store, anonymous("browser"))
    rows = [
        JsonRow("ada", {"plan": "vip"}),
        JsonRow("eve", {"plan": "vip"}),
        JsonRow("browser", {"plan": "vip"}, "anonymous"),
        JsonRow("ada", {"plan": "vip"}, "anonymous"),
    ]
    found = write_json_rows(any_store, SPACE, "api", rows, NOW)
    assert (found.written.new, found.written.rejected) == (2, 2)
    assert {row: [flaw.code for flaw in flaws] for row, flaws in found.flaws.items()} == {
        1: ["suppressed"],
        3: ["suppressed"],
    }
    assert any_store.find_candidates(SPACE, "ada", "plain") == {}


def test_an_edit_by_hand_of_who_stays_out_is_refused(any_store: Store) -> None:
    make(any_store, plan="string")
    suppress(any_store, user("ada"))
    with pytest.raises(UserSuppressed, match="was erased, and is to stay out") as refused:
        say(any_store, user("ada"), plan="vip")
    assert refused.value.field == "user_id"
    assert any_store.find_candidates(SPACE, "ada", "plain") == {}


def test_no_static_list_takes_who_stays_out(any_store: Store) -> None:
    enlist(any_store, "ada", "eve")
    suppress(any_store, user("ada"))
    assert listed(any_store) == ["eve"]
    rows = write_ids(any_store.folder / "ids.txt", ["ada", "zoe"], "plain")
    told = any_store.apply(SPACE, WriteList("staff", ListAction.ADD, rows, NOW)).listed
    assert told is not None
    assert (told.added, told.rejected, told.rejections[0].reason) == (1, 1, "suppressed")
    assert listed(any_store) == ["eve", "zoe"]
    alone = write_ids(any_store.folder / "ids.txt", ["ada"], "plain")
    with pytest.raises(InvalidList, match="suppressed"):
        any_store.apply(SPACE, WriteList("staff", ListAction.OVERRIDE, alone, NOW))


@pytest.mark.parametrize("record", [AddLink, RemoveLink])
def test_nobody_is_linked_to_who_stays_out(
    any_store: Store, record: Callable[[UserId, UserId, int], AddLink | RemoveLink]
) -> None:
    suppress(any_store, user("ada"))
    for pair in ((user("ada"), user("eve")), (user("eve"), user(" ada "))):
        with pytest.raises(UserSuppressed, match="'ada' was erased, and is to stay out"):
            any_store.apply(SPACE, record(*pair, NOW))
    assert any_store.preview_erasure(SPACE, "eve", "plain") is None
    any_store.apply(SPACE, record(anonymous("ada"), user("eve"), NOW))


def test_a_run_that_is_undone_brings_nobody_back(store: EmbeddedStore, tmp_path: Path) -> None:
    make(store, plan="string")
    fill(store, tmp_path, *ADA, EVE)
    rows = [JsonRow("ada", {"plan": "a"}), JsonRow("eve", {"plan": "a"})]
    run = write_json_rows(store, SPACE, "api", rows, NOW).written.run
    suppress(store, user("ada"))
    store.apply(SPACE, UndoRun(run))
    assert store.find_candidates(SPACE, "eve") == {}
    assert traces(store, "ada", "browser") == []


# --- lifting


def test_who_wants_to_be_known_again_is_under_all_his_ids(any_store: Store, tmp_path: Path) -> None:
    fill(any_store, tmp_path, *ADA)
    suppress(any_store, user("ada"))
    suppress(any_store, user("eve"))
    any_store.apply(SPACE, LiftSuppression(anonymous(" browser ")))
    assert not any_store.is_suppressed(SPACE, "ada", "plain")
    assert any_store.is_suppressed(SPACE, "eve", "plain")
    outcomes = take(any_store, tmp_path, list(ADA))  # type: ignore[arg-type]
    assert outcomes.stored == 4  # type: ignore[attr-defined]
    any_store.fold(SPACE)
    assert any_store.find_user(SPACE, "browser", "anonymous", include_open=True)["user_id"] == "ada"  # type: ignore[index]


def test_who_was_suppressed_twice_is_known_again_at_once(store: EmbeddedStore) -> None:
    for _ in range(2):
        suppress(store, user("ada"))
    store.apply(SPACE, LiftSuppression(user("ada")))
    assert store._execute("SELECT count(*) FROM space_1.suppressed") == [(0,)]


@pytest.mark.parametrize("one", [user("eve"), anonymous("ada"), user("null"), user("x" * 999)])
def test_an_id_that_does_not_stay_out_cannot_be_lifted(any_store: Store, one: UserId) -> None:
    suppress(any_store, user("ada"))
    with pytest.raises(SuppressionNotFound, match="is no id that is to stay out"):
        any_store.apply(SPACE, LiftSuppression(one))
    assert any_store.is_suppressed(SPACE, "ada", "plain")


# --- hashing of ids


def test_who_stays_out_does_so_when_ids_are_hashed_later(any_store: Store, tmp_path: Path) -> None:
    any_store.apply(SPACE, ChangeSettings({"hash_salt": "sea"}))
    fill(any_store, tmp_path, *ADA, EVE)
    suppress(any_store, user("ada"))
    assert any_store.hashing_preview(SPACE).lost_suppressions == 0
    any_store.apply(SPACE, ChangeSettings({"hash_ids": "on"}))
    for text, kind in (("ada", "plain"), (hashed_id("sea", "ada"), "hashed"), ("browser", "anonymous")):
        assert any_store.is_suppressed(SPACE, text, kind)
    named = [visit("eve", 901, "browser"), visit("eve", 902, type="alias", previous_id="ada")]
    outcomes = take(any_store, tmp_path, [visit("ada", 900), *named])  # type: ignore[arg-type]
    assert (outcomes.stored, outcomes.excluded["suppressed"]) == (2, 1)  # type: ignore[attr-defined]
    any_store.fold(SPACE)
    assert any_store.verify(SPACE) == []
    any_store.apply(SPACE, LiftSuppression(user("ada")))
    assert not any_store.is_suppressed(SPACE, "ada", "plain")


def test_in_a_space_that_hashes_ids_the_hash_stays_out(store: EmbeddedStore, tmp_path: Path) -> None:
    store.apply(SPACE, ChangeSettings({"hash_salt": "sea", "hash_ids": "on"}))
    suppress(store, user("ada"))
    suppress(store, user(hashed_id("sea", "zoe")), is_hashed=True)
    suppress(store, anonymous("browser"))
    assert excluded(store, tmp_path, visit("ada", 0), visit("zoe", 1), visit("eve", 2)) == 2
    said = [
        visit("eve", 10 + n, type="alias", previous_id=text)
        for n, text in enumerate(["ada", "browser", "other"])
    ]
    assert excluded(store, tmp_path, *said) == 0
    assert {row[2] for row in columns(store)} == {None, "", hashed_id("sea", "other")}
    store.apply(SPACE, LiftSuppression(user(hashed_id("sea", "ada")), is_hashed=True))
    assert excluded(store, tmp_path, visit("ada", 5)) == 0


def test_the_preview_counts_who_would_be_known_no_more_under_another_salt(any_store: Store) -> None:
    suppress(any_store, user("ada"))
    suppress(any_store, anonymous("browser"))
    any_store.apply(SPACE, ChangeSettings({"hash_salt": "sea"}))
    suppress(any_store, user("eve"))
    assert any_store.hashing_preview(SPACE).lost_suppressions == 1
    assert any_store.hashing_preview(SPACE, "").lost_suppressions == 1
    assert any_store.hashing_preview(SPACE, "other").lost_suppressions == 2
    suppress(any_store, user("ada"))
    assert any_store.hashing_preview(SPACE).lost_suppressions == 0
    any_store.apply(SPACE, ChangeSettings({"hash_ids": "on"}))
    assert any_store.is_suppressed(SPACE, "ada", "plain")


def test_while_hashes_stay_out_neither_hashing_nor_its_salt_can_change(store: EmbeddedStore) -> None:
    store.apply(SPACE, ChangeSettings({"hash_ids": "on"}))
    suppress(store, user("ada"))
    for texts in ({"hash_ids": "off"}, {"hash_salt": "x"}):
        with pytest.raises(InvalidSetting, match="has people who are to stay out, whose ids are hashed"):
            store.apply(SPACE, ChangeSettings(texts))
    store.apply(SPACE, LiftSuppression(user("ada")))
    store.apply(SPACE, ChangeSettings({"hash_salt": "x"}))


# --- nothing is left in any table


def test_no_table_gets_the_id_of_who_stays_out_whatever_names_it(
    store: EmbeddedStore, tmp_path: Path
) -> None:
    make(store, plan="string")
    store.apply(SPACE, ChangeSettings({"link_on_identify": "on"}))
    fill(store, tmp_path, *ADA, EVE)
    suppress(store, user("ada"))
    ids = ("ada", "browser")
    assert traces(store, *ids) == []
    named = [
        visit("ada", 900, "browser", traits={"role": "ada"}),
        visit(None, 901, "browser"),
        visit("eve", 902, "browser", type="identify"),
        visit("eve", 903, type="alias", previous_id="ada"),
        visit("eve", 904, "own", type="alias", previous_id="browser"),
        visit("ada", 905, type="none"),
    ]
    assert excluded(store, tmp_path, *named) == 2
    assert traces(store, *ids) == []
    for _ in range(2):
        write_json_rows(
            store, SPACE, "api", [JsonRow("ada", {"plan": "x"}), JsonRow("eve", {"plan": "y"})], NOW
        )
        assert traces(store, *ids) == []
    enlist(store, "ada", "eve")
    assert traces(store, *ids) == []
    with pytest.raises(UserSuppressed):
        store.apply(SPACE, AddLink(user("eve"), user("ada"), NOW))
    assert traces(store, *ids) == []
    store.rebuild(SPACE)
    store.apply(SPACE, ChangeSettings({"hash_ids": "on"}))
    assert excluded(store, tmp_path, *named) == 2
    assert traces(store, *ids) == []
    assert store.verify(SPACE) == []


# --- as the reference says


@dataclass
class Closed(Both):
    """An engine and the reference model, told the same, while some ids stay out."""

    members: set[UserId] = field(default_factory=set)
    """Who is in a static list."""
    out: list[set[UserId]] = field(default_factory=list)
    """The ids that stay out, person by person."""

    @property
    def suppressed(self) -> set[UserId]:
        return set[UserId]().union(*self.out)

    def take(self, rows: list[Row]) -> None:
        settings = self.store.settings(SPACE)
        fresh = list(admitted(numbered(rows), self.suppressed, settings))
        self.events = take_once([*self.events, *fresh])
        self.clock = max([self.clock, *(event.occurred_at for event in fresh)])
        outcomes = take(self.store, self.folder, rows)
        assert outcomes.excluded["suppressed"] == len(rows) - len(fresh)  # type: ignore[attr-defined]

    def suppress(self, one: UserId) -> None:
        settings = self.store.settings(SPACE)
        joined = persons(claims(self.events, settings), self.api)
        person = joined.get(one, frozenset([one]))
        erased = suppress(self.store, one)
        assert erased.events == sum(event.user in person for event in self.events)
        self.out.append(set(kept_out(person, settings)))
        self.forget(person)
        self.members -= person

    def erase(self, one: UserId) -> None:
        joined = persons(claims(self.events, self.store.settings(SPACE)), self.api)
        super().erase(one)
        self.members -= joined.get(one, frozenset([one]))

    def link(self, one: UserId, other: UserId, since: int) -> None:
        if self.suppressed & {one, other}:
            with pytest.raises(UserSuppressed):
                self.store.apply(SPACE, AddLink(one, other, since))
        else:
            super().link(one, other, since)

    def enlist(self, one: UserId) -> None:
        kind: IdKind = "anonymous" if one.is_anonymous else "plain"
        rows = write_ids(self.folder / "ids.txt", [one.id], kind)
        written = self.store.apply(SPACE, WriteList("staff", ListAction.ADD, rows, NOW)).listed
        assert written is not None
        assert written.rejected == (one in self.suppressed)
        self.members |= {one} - self.suppressed

    def say(self, one: UserId) -> None:
        if one in self.suppressed:
            with pytest.raises(UserSuppressed):
                say(self.store, one, plan="vip")
        else:
            say(self.store, one, plan="vip")

    def lift(self, one: UserId) -> None:
        if one in self.suppressed:
            self.store.apply(SPACE, LiftSuppression(one))
        else:
            with pytest.raises(SuppressionNotFound):
                self.store.apply(SPACE, LiftSuppression(one))
        self.out = [ids for ids in self.out if one not in ids]

    def check(self, *, verifies: bool = True) -> None:
        super().check(verifies=verifies)
        found = self.store.list_members_page(SPACE, "staff").items
        assert {UserId(row["user_id"], row["is_anonymous"]) for row in found} == self.members  # type: ignore[arg-type]
        for one in IDS:
            kind = "anonymous" if one.is_anonymous else "plain"
            assert self.store.is_suppressed(SPACE, one.id, kind) == (one in self.suppressed)
            if one in self.suppressed:
                assert self.store.preview_erasure(SPACE, one.id, kind) is None
                assert self.store.find_candidates(SPACE, one.id, kind) == {}


IDS = [*map(user, "uvw"), *map(anonymous, "abc")]


def closed(store: EmbeddedStore, folder: Path, rng: random.Random) -> Closed:
    make(store, plan="string")
    enlist(store)
    store.apply(SPACE, ChangeSettings({"link_on_identify": rng.choice(["on", "off"])}))
    return Closed(store, folder)


@pytest.mark.parametrize("seed", range(tries(2, 150)))
def test_whatever_comes_is_taken_as_the_reference_says(
    store: EmbeddedStore, tmp_path: Path, seed: int
) -> None:
    rng = random.Random(seed)
    both = closed(store, tmp_path, rng)
    came: list[Row] = []
    for _ in range(rng.randrange(4, 8)):
        rows = [random_row(rng, len(came) + n) for n in range(rng.randrange(1, 10))]
        copies = rng.sample(came, rng.randrange(min(len(came), 5) + 1))
        came += rows
        both.take([*rows, *copies])
        both.enlist(rng.choice(IDS))
        both.say(rng.choice(IDS))
        if rng.random() < 0.5:
            both.link(*rng.sample(IDS, 2), START + rng.randrange(3_000) * MINUTE)
        if rng.random() < 0.3:
            both.lift(rng.choice(IDS))
        if rng.random() < 0.7:
            rng.choice([both.erase, both.suppress, both.suppress])(rng.choice(IDS))
        both.check(verifies=IS_FULL)
    both.check()


@pytest.mark.parametrize("seed", range(tries(1, 50)))
def test_in_what_order_events_come_afterwards_does_not_matter(
    store: EmbeddedStore, tmp_path: Path, seed: int
) -> None:
    rng = random.Random(seed)
    both = closed(store, tmp_path, rng)
    came = [random_row(rng, n) for n in range(12)]
    both.take(came)
    both.suppress(rng.choice(IDS))
    late = [*came, *(random_row(rng, n) for n in range(12, 30))]
    for row in came:
        row.traits = {}  # a copy says nothing new
    events = admitted(numbered(late), both.suppressed, store.settings(SPACE))
    wanted = take_once([*both.events, *events])
    rng.shuffle(late)
    while late:
        part, late = late[:7], late[7:]
        both.take(part)
    both.check()
    assert sorted(both.events, key=str) == sorted(wanted, key=str)
