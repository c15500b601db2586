"""Deleting by age: who goes, who stays, and that nothing on the way matters for the end."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import pytest
from histories import Row, expected, numbered
from stored import LOOKUPS, NOW, SPACE, assert_same, take
from tiers import tries

from enduser import limits
from enduser.core.attributes import Attribute, AttributeType
from enduser.core.events import Event, UserId, take_once
from enduser.core.links import Edge, claims
from enduser.core.lists import ListAction
from enduser.core.retention import Known, after_retention
from enduser.errors import RetentionRefused, RunNotFound
from enduser.service.writing_values import edit_by_hand
from enduser.sources.json_rows import JsonRow
from enduser.stores.answers import IdleUser, RetentionAmount, RetentionRun
from enduser.stores.contract import Store
from enduser.stores.embedded import EmbeddedStore
from enduser.stores.import_lock import one_import
from enduser.stores.records import (
    AddLink,
    BeginRetention,
    ChangeSettings,
    CloseHistory,
    ForgetOld,
    RemoveLink,
    WriteList,
)
from enduser.stores.row_file import write_ids

DAY = 86_400_000_000
START = 1_600_000_000_000_000


def at(text: str) -> int:
    """Return the µs of a time in UTC."""
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()) * 1_000_000


@pytest.fixture
def store(tmp_path: Path):
    with EmbeddedStore(tmp_path / "data", now_us=NOW, lookups=LOOKUPS, memory_limit_mb=512) as opened:
        yield opened


def user(text: str) -> UserId:
    return UserId(text, is_anonymous=False)


def anonymous(text: str) -> UserId:
    return UserId(text, is_anonymous=True)


def begin(store: Store, as_of: int | None = None) -> RetentionRun:
    begun = store.apply(SPACE, BeginRetention(NOW, as_of)).retention
    assert begun is not None
    return begun


def step(store: Store, number: int) -> RetentionRun:
    done = store.apply(SPACE, ForgetOld(number, NOW)).retention
    assert done is not None
    return done


def run(store: Store, as_of: int | None = None) -> RetentionRun:
    """Delete by age until nothing is left; return the receipt."""
    number = begin(store, as_of).number
    while (done := step(store, number)).ended_at is None:
        pass
    return done


def visit(who: str | None, text: str, anon: str | None = None, **more: object) -> Row:
    return Row(who, anon, at(text), more.pop("message", f"m{text}"), **more)  # type: ignore[arg-type]


def fill(store: Store, folder: Path, *rows: Row) -> None:
    """Take rows, and close all their sessions."""
    take(store, folder, list(rows))  # type: ignore[arg-type]
    store.apply(SPACE, CloseHistory())
    store.fold(SPACE)


def users(store: Store) -> list[object]:
    return [row["user_id"] for row in store.users(SPACE)]


# --- who goes


@pytest.mark.parametrize(
    ("last", "deadline"),
    [
        ("2024-01-15T10:00:00", "2024-07-15T10:00:00"),
        ("2024-08-31T10:00:00", "2025-03-01T00:00:00"),
        ("2023-08-31T23:59:59", "2024-03-01T00:00:00"),
        ("2023-12-31T10:00:00", "2024-07-01T00:00:00"),
    ],
)
def test_exactly_six_months_are_no_more_than_six_months(
    store: EmbeddedStore, tmp_path: Path, last: str, deadline: str
) -> None:
    fill(store, tmp_path, visit("ada", last))
    assert run(store, at(deadline)).amount.users == 0
    assert users(store) == ["ada"]
    assert run(store, at(deadline) + 1).amount.users == 1
    assert users(store) == []
    assert store.verify(SPACE) == []


def test_everything_of_a_person_goes_and_the_receipt_says_how_much(any_store: Store, tmp_path: Path) -> None:
    any_store.create_attribute(Attribute("plan", AttributeType.STRING))
    fill(
        any_store,
        tmp_path,
        visit("ada", "2024-01-01", "browser", type="alias", previous_id="browser"),
        visit("ada", "2024-01-02"),
        visit(None, "2024-01-03", "browser"),
        visit("eve", "2024-09-01"),
    )
    edit_by_hand(any_store, SPACE, JsonRow("ada", {"plan": "vip"}, "plain"), at("2024-08-01"))
    as_of = at("2024-09-02")
    previewed = any_store.preview_retention(SPACE, as_of)
    assert previewed.amount == RetentionAmount(users=1, ids=2, events=3, sessions=2, values=1)
    assert previewed.examples == [IdleUser("ada", False, at("2024-01-03"))]
    assert previewed.deletes_from is None
    done = run(any_store, as_of)
    assert done.amount == previewed.amount
    assert (done.as_of, done.began_at, done.ended_at, done.gone_at) == (as_of, NOW, NOW, None)
    assert any_store.retention_runs(SPACE) == [done]
    assert users(any_store) == ["eve"]
    for text, kind in (("ada", "plain"), ("browser", "anonymous")):
        assert any_store.find_user(SPACE, text, kind, include_open=True) is None
        assert any_store.find_candidates(SPACE, text, kind) == {}
        assert any_store.user_sessions(SPACE, text, kind).items == []
    assert any_store.status(SPACE).events == 1
    assert any_store.verify(SPACE) == []


def test_no_table_has_an_id_or_a_key_of_who_went(store: EmbeddedStore, tmp_path: Path) -> None:
    store.create_attribute(Attribute("plan", AttributeType.STRING))
    fill(
        store,
        tmp_path,
        visit("ada", "2024-01-01", "browser", traits={"role": "x"}),
        visit("eve", "2024-09-01"),
    )
    edit_by_hand(store, SPACE, JsonRow("ada", {"plan": "vip"}, "plain"), at("2024-01-02"))
    ((key,),) = store._execute("SELECT user_key FROM space_1.user_ids WHERE id = 'ada'")
    run(store, at("2024-09-02"))
    tables = store._execute(
        "SELECT table_name, column_name, data_type FROM duckdb_columns() WHERE schema_name = 'space_1'"
    )
    for table, column, kind in tables:
        wanted = f'"{column}" = {key}' if kind == "BIGINT" else f"contains(\"{column}\"::VARCHAR, 'ada')"
        found = store._execute(f'SELECT count(*) FROM space_1."{table}" WHERE {wanted}')
        assert found == [(0,)], (table, column)


def test_who_comes_again_starts_a_new_life(store: EmbeddedStore, tmp_path: Path) -> None:
    store.create_attribute(Attribute("plan", AttributeType.STRING))
    fill(store, tmp_path, visit("ada", "2024-01-01", traits={"role": "admin"}))
    edit_by_hand(store, SPACE, JsonRow("ada", {"plan": "vip"}, "plain"), NOW)
    run(store, at("2024-09-02"))
    fill(store, tmp_path, visit("ada", "2024-09-10"))
    found = store.find_user(SPACE, "ada")
    assert found is not None
    assert (found["total_sessions"], found["role"], found["attributes"]) == (1, None, {})


def test_what_is_written_of_a_user_does_not_keep_who_was_seen_but_who_was_not(
    store: EmbeddedStore, tmp_path: Path
) -> None:
    store.create_attribute(Attribute("plan", AttributeType.STRING))
    fill(store, tmp_path, visit("seen", "2024-01-01"))
    for name in ("seen", "unseen"):
        edit_by_hand(store, SPACE, JsonRow(name, {"plan": "vip"}, "plain"), at("2024-06-01"))
    assert run(store, at("2024-08-01")).amount.users == 1
    assert users(store) == []
    assert store.find_candidates(SPACE, "unseen").keys() == {"plan"}
    assert run(store, at("2024-12-01")).amount.users == 0
    assert run(store, at("2024-12-01") + 1).amount.users == 1
    assert store.find_candidates(SPACE, "unseen") == {}
    assert store._execute("SELECT count(*) FROM space_1.user_ids") == [(0,)]


def test_an_id_that_only_a_static_list_names_goes_too(store: EmbeddedStore, tmp_path: Path) -> None:
    fill(store, tmp_path, visit("eve", "2024-09-01"))
    ids = write_ids(tmp_path / "ids.txt", ["beta", "eve"], "plain")
    store.apply(SPACE, WriteList("staff", ListAction.CREATE, ids, at("2024-02-01")))
    assert run(store, at("2024-08-01")).amount.users == 0
    assert run(store, at("2024-08-02")).amount.users == 1
    assert [row["user_id"] for row in store.list_members_page(SPACE, "staff").items] == ["eve"]


def test_earlier_lives_go_and_the_object_stays_as_it_is(store: EmbeddedStore, tmp_path: Path) -> None:
    fill(
        store,
        tmp_path,
        visit("ada", "2023-01-01"),
        visit("ada", "2023-01-02"),
        visit("ada", "2024-01-01", traits={"role": "admin"}),
    )
    before = store.find_user(SPACE, "ada")
    done = run(store, at("2024-02-01"))
    assert (done.amount.users, done.amount.lives, done.amount.events, done.amount.sessions) == (0, 1, 2, 2)
    assert store.find_user(SPACE, "ada") == before
    assert store.status(SPACE).events == 1
    assert store.verify(SPACE) == []
    assert run(store, at("2024-02-01")).amount.lives == 0


@pytest.mark.parametrize("names", [("u", "v"), ("v", "u"), ("a", "z"), ("z", "a")])
def test_what_goes_of_one_makes_no_earlier_life_of_another_go_or_stay(
    store: EmbeddedStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, names: tuple[str, str]
) -> None:
    """The browser was the first's in his earlier life, and is the second's then, whose lives it bridges."""
    monkeypatch.setattr(limits, "RETENTION_PERSONS_AT_ONCE", 1)
    first, second = names
    rows = [
        visit(first, "2022-01-01", type="alias", previous_id="browser", message="a1"),
        visit(first, "2022-01-01"),
        visit(first, "2024-05-01", message="m1"),
        visit(None, "2024-04-01", "browser", message="b1"),
        visit(None, "2023-09-01", "browser", message="b2"),
        visit(second, "2023-06-01", message="m2"),
        visit(second, "2024-05-02", type="alias", previous_id="browser", message="a2"),
        visit(second, "2024-05-02", message="m3"),
    ]
    both = Both(store, tmp_path)
    both.take(rows)
    both.forget(at("2024-05-03"))
    both.check(verifies=True)


def test_where_lives_do_not_end_nobody_goes(store: EmbeddedStore, tmp_path: Path) -> None:
    store.apply(SPACE, ChangeSettings({"retention_months": "0"}))
    fill(store, tmp_path, visit("ada", "2001-01-01"))
    assert run(store, NOW).amount.users == 0
    assert users(store) == ["ada"]


# --- when


def go_live(store: EmbeddedStore, live_since: int, clock_at: int) -> None:
    store._execute(f"UPDATE space_1.state SET live_since = {live_since}, clock_at = {clock_at}")


def test_for_seven_days_after_going_live_nobody_goes_and_it_is_said_who_would(
    store: EmbeddedStore, tmp_path: Path
) -> None:
    fill(store, tmp_path, visit("ada", "2024-01-01"))
    live_since = at("2024-09-01")
    begins = live_since + limits.RETENTION_GRACE_DAYS * DAY
    go_live(store, live_since, begins - 1)
    previewed = store.preview_retention(SPACE)
    assert (previewed.amount.users, previewed.deletes_from) == (1, begins)
    with pytest.raises(RetentionRefused, match="less than 7 days ago"):
        begin(store)
    go_live(store, live_since, begins)
    assert run(store).amount.users == 1


def test_a_live_space_is_judged_by_its_clock_at_most_a_history_space_by_the_time(
    store: EmbeddedStore, tmp_path: Path
) -> None:
    fill(store, tmp_path, visit("ada", "2024-01-01"))
    assert begin(store, NOW).as_of == NOW
    with pytest.raises(RetentionRefused, match="has not come"):
        begin(store, NOW + 1)
    go_live(store, at("2024-01-01"), at("2024-05-01"))
    with pytest.raises(RetentionRefused, match="has not come"):
        begin(store, at("2024-05-01") + 1)
    assert begin(store).as_of == at("2024-05-01")
    assert users(store) == ["ada"]


def test_nobody_goes_while_an_import_runs(store: EmbeddedStore, tmp_path: Path) -> None:
    fill(store, tmp_path, visit("ada", "2024-01-01"))
    number = begin(store, NOW).number
    with one_import(store.folder):
        with pytest.raises(RetentionRefused, match="an import is running"):
            step(store, number)
        with pytest.raises(RetentionRefused, match="an import is running"):
            begin(store, NOW)
    assert step(store, number).amount.users == 1


def test_who_comes_back_between_two_portions_stays(
    store: EmbeddedStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "RETENTION_PERSONS_AT_ONCE", 1)
    fill(store, tmp_path, visit("ada", "2024-01-01"), visit("eve", "2024-01-02"))
    number = begin(store, at("2024-09-01")).number
    step(store, number)
    (left,) = store.users(SPACE)
    take(store, tmp_path, [visit(str(left["user_id"]), "2024-08-31T10:00:00")])
    while (done := step(store, number)).ended_at is None:
        pass
    assert (done.amount.users, done.amount.lives) == (1, 1)
    assert store.find_user(SPACE, str(left["user_id"]), include_open=True) is not None


def test_a_run_that_is_over_or_was_never_begun_has_no_next_portion(
    store: EmbeddedStore, tmp_path: Path
) -> None:
    fill(store, tmp_path, visit("ada", "2024-01-01"))
    done = run(store, NOW)
    for number in (done.number, done.number + 1):
        with pytest.raises(RunNotFound, match=f"no run {number} of the retention"):
            step(store, number)


def test_so_many_receipts_are_kept(
    store: EmbeddedStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "RETENTION_RUNS_KEPT", 2)
    numbers = [run(store, NOW).number for _ in range(3)]
    assert [one.number for one in store.retention_runs(SPACE)] == numbers[:0:-1]
    assert [one.number for one in store.retention_runs(SPACE, before=numbers[2], limit=1)] == [numbers[1]]


# --- content of old events


def test_the_content_of_old_events_goes_and_all_else_stays(
    store: EmbeddedStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "RETENTION_EVENTS_AT_ONCE", 2)
    store.apply(SPACE, ChangeSettings({"event_retention_months": "1", "retention_months": "0"}))
    rows = [visit("ada", f"2024-01-{day:02}", name="Old", traits={"role": "x"}) for day in range(1, 6)]
    rows += [visit("ada", "2024-03-01", name="New"), visit("ada", "2024-01-01T12:00:00", type="page")]
    fill(store, tmp_path, *rows)
    before = list(store.users(SPACE)), list(store.sessions(SPACE))
    assert store.preview_retention(SPACE, at("2024-03-02")).amount.contents == 5
    assert run(store, at("2024-03-02")).amount.contents == 5
    assert store._execute(
        "SELECT name, count(traits), count(*) FROM space_1.events GROUP BY 1 ORDER BY 1"
    ) == [
        ("New", 0, 1),
        (None, 0, 6),
    ]
    assert (list(store.users(SPACE)), list(store.sessions(SPACE))) == before
    assert store.verify(SPACE) == []
    assert take(store, tmp_path, rows).duplicate == len(rows)  # type: ignore[attr-defined]
    late = visit("ada", "2024-01-03T12:00:00", traits={"role": "late"}, name="Late")
    fill(store, tmp_path, late)
    found = store.find_user(SPACE, "ada")
    assert found is not None
    assert found["role"] == "x"
    store.rebuild(SPACE)
    assert store.find_user(SPACE, "ada") == found
    assert run(store, at("2024-03-02")).amount.contents == 1
    assert store.verify(SPACE) == []


# --- over random histories, as the reference model says


@dataclass
class Both:
    """An engine and the reference model, told the same."""

    store: EmbeddedStore
    folder: Path
    known: Known = field(default_factory=lambda: Known([]))
    clock: int = 0

    def take(self, rows: list[Row]) -> None:
        self._know(events=take_once([*self.known.events, *numbered(rows)]))
        self.clock = max([self.clock, *(row.occurred_at for row in rows)])
        take(self.store, self.folder, rows)

    def link(self, one: UserId, other: UserId, since: int) -> None:
        api, said_at = self.known.api, dict(self.known.said_at)
        pair = frozenset([one, other])
        if pair not in api.links:
            said_at[pair] = since
        api.add(Edge(one, other, since))
        self._know(said_at=said_at)
        self.store.apply(SPACE, AddLink(one, other, since))

    def unlink(self, one: UserId, other: UserId, since: int) -> None:
        api, said_at = self.known.api, dict(self.known.said_at)
        pair = frozenset([one, other])
        if pair not in api.removed:
            said_at[pair] = since
        api.remove(one, other)
        self._know(said_at=said_at)
        self.store.apply(SPACE, RemoveLink(one, other, since))

    def say(self, one: UserId, written_at: int) -> None:
        self._know(writes={**self.known.writes, one: max(written_at, self.known.writes.get(one, written_at))})
        kind = "anonymous" if one.is_anonymous else "plain"
        edit_by_hand(self.store, SPACE, JsonRow(one.id, {"plan": "vip"}, kind), written_at)

    def forget(self, as_of: int) -> None:
        self.known = after_retention(self.known, self.store.settings(SPACE), as_of)
        run(self.store, as_of)

    def _know(self, **changes: object) -> None:
        self.known = Known(**{**vars_of(self.known), **changes})  # type: ignore[arg-type]

    def check(self, *, verifies: bool) -> None:
        self.store.fold(SPACE)
        settings = self.store.settings(SPACE)
        events: list[Event] = list(self.known.events)
        assert_same(self.store, expected(events, settings, self.clock, self.known.api))
        assert self.ids() == self.named()
        assert not verifies or self.store.verify(SPACE) == []

    def ids(self) -> set[UserId]:
        return {UserId(*row) for row in self.store._execute("SELECT id, is_anonymous FROM space_1.user_ids")}

    def named(self) -> set[UserId]:
        """Return the ids that something names still."""
        edges = claims(self.known.events, self.store.settings(SPACE))
        pairs = [*(edge.pair for edge in edges), *self.known.said_at]
        return {event.user for event in self.known.events}.union(self.known.writes, *pairs)


def vars_of(known: Known) -> dict[str, object]:
    return {name: getattr(known, name) for name in ("events", "writes", "api", "said_at")}


def random_row(rng: random.Random, number: int, at: int) -> Row:
    who, anon = rng.choice([*"uvw", None]), rng.choice([*"abc", None])
    kind = rng.choice(["track", "track", "page", "identify", "alias"])
    return Row(
        who,
        anon if who else anon or "a",
        at,
        f"m{number}",
        type=kind,
        active=rng.random() > 0.2,
        previous_id=rng.choice([*"abcu", None]) if kind == "alias" else None,
        traits={"role": rng.choice("xyz")} if rng.random() < 0.4 else {},
    )


@pytest.mark.parametrize("seed", range(tries(4, 600)))
def test_what_stays_is_what_the_reference_model_says(
    store: EmbeddedStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    rng = random.Random(seed)
    monkeypatch.setattr(limits, "RETENTION_PERSONS_AT_ONCE", rng.choice([1, 2, 1_000]))
    store.create_attribute(Attribute("plan", AttributeType.STRING))
    texts = {"link_on_identify": rng.choice(["on", "off"]), "retention_months": rng.choice(["1", "6"])}
    store.apply(SPACE, ChangeSettings(texts))
    both, number = Both(store, tmp_path), 0
    ids = [*map(user, "uvw"), *map(anonymous, "abc")]
    span = 30 * DAY * int(texts["retention_months"]) * 4
    for _ in range(rng.randrange(2, 5)):
        rows = [random_row(rng, number + n, START + rng.randrange(span)) for n in range(rng.randrange(1, 12))]
        number += len(rows)
        both.take(rows)
        if rng.random() < 0.5:
            both.link(*rng.sample(ids, 2), START + rng.randrange(span))
        if rng.random() < 0.4:
            both.unlink(*rng.sample(ids, 2), START + rng.randrange(span))
        if rng.random() < 0.5:
            both.say(rng.choice(ids), START + rng.randrange(span))
        if rng.random() < 0.7:
            both.forget(START + rng.randrange(span * 5 // 4))
        both.check(verifies=False)
    both.check(verifies=True)
