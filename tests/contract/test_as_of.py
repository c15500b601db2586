"""The object as of a time: the same as a space has that heard of nothing later."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest
from histories import Row, random_history, write
from owning import reached
from stored import LOOKUPS, NOW, RULES, SPACE
from tiers import tries

from enduser import limits
from enduser.core.attributes import API, Attribute, AttributeType
from enduser.core.events import UserId
from enduser.errors import LimitExceeded
from enduser.service.as_of import find_user_as_of
from enduser.service.json_form import iso_time
from enduser.service.writing_values import write_json_rows
from enduser.sources.json_rows import JsonRow
from enduser.stores.contract import Store
from enduser.stores.embedded import EmbeddedStore
from enduser.stores.records import AddLink, ChangeSettings, Chunk, EventChunk, Form, RemoveLink

SECOND = 1_000_000
MINUTE = 60 * SECOND
START = 1_700_000_000 * SECOND
USERS = [f"u{number}" for number in range(5)]
NEAR = [-1, 0, 1, MINUTE, 30 * MINUTE - 1, 30 * MINUTE, 30 * MINUTE + 1, 3_600 * 24 * 31 * SECOND]
VALUES = {
    AttributeType.STRING: ["free", "vip"],
    AttributeType.NUMBER: [1, 2.5],
    AttributeType.BOOLEAN: [True, False],
    AttributeType.DATE: ["2026-03-01"],
    AttributeType.DATETIME: ["2026-03-01T10:00:00Z"],
    AttributeType.LIST: [["a", "b"], []],
}


@pytest.fixture
def store(tmp_path: Path) -> Iterator[EmbeddedStore]:
    with EmbeddedStore(tmp_path / "data", now_us=NOW, lookups=LOOKUPS, memory_limit_mb=512) as opened:
        yield opened


@contextmanager
def asked(store: EmbeddedStore, way: str) -> Iterator[Store]:
    """Ask the store itself, or the same behind the socket of its owner."""
    if way == "embedded":
        yield store
    else:
        with reached(store.folder, store) as remote:
            yield remote


def take(store: EmbeddedStore, rows: Sequence[Row], space: str = SPACE) -> None:
    path = write(store.folder / "rows.jsonl", list(rows))
    store.apply(space, EventChunk(Chunk(path, Form.JSON_LINES), RULES))


def visit(who: str, minute: float, **more: object) -> Row:
    return Row(who, occurred_at=START + round(minute * MINUTE), message_id=f"m{minute}", **more)  # type: ignore[arg-type]


def user(text: str) -> UserId:
    return UserId(text, is_anonymous=False)


class World:
    """What is known of some users, and spaces that hear of it up to a time."""

    def __init__(self, store: EmbeddedStore, rng: random.Random) -> None:
        self._store = store
        self.rows = random_history(rng, users=len(USERS), events=20, span_s=20_000)
        self._settings = {
            "session_cap_s": rng.choice(["0", "3600", "43200"]),
            "retention_months": rng.choice(["0", "1", "6"]),
        }
        self._pairs = [tuple(rng.sample(USERS, 2)) for _ in range(rng.randrange(3))]
        self._said = [self._random_said(rng) for _ in range(20)]

    def _random_said(self, rng: random.Random) -> tuple[int, JsonRow]:
        kind = rng.choice(list(VALUES))
        at = rng.choice(self.rows).occurred_at + rng.choice(NEAR)
        value = rng.choice([*VALUES[kind], None])
        return at, JsonRow(rng.choice(USERS), {str(kind): value}, effective_at=iso_time(at))

    def tell(self, space: str, until: int = NOW) -> None:
        """Let a space know what there is up to a time, and its clock stand there."""
        self._store.apply(space, ChangeSettings(self._settings))
        clock = Row("clock", occurred_at=until, message_id="clock", type="alias")
        take(self._store, [*(row for row in self.rows if row.occurred_at <= until), clock], space)
        said = [row for at, row in self._said if at <= until]
        if said:
            write_json_rows(self._store, space, API, said, NOW)
        for one, other in self._pairs:
            self._store.apply(space, AddLink(user(one), user(other), 0))
        self._store.fold(space)


@pytest.mark.parametrize("seed", range(tries(1, 100)))
def test_it_is_what_a_space_has_that_heard_of_nothing_later(store: EmbeddedStore, seed: int) -> None:
    rng = random.Random(seed)
    for kind in VALUES:
        store.create_attribute(Attribute(str(kind), kind))
    world = World(store, rng)
    world.tell(SPACE)
    with asked(store, rng.choice(["embedded", "remote"])) as known:
        for number in range(6):
            at = rng.choice(world.rows).occurred_at + rng.choice(NEAR)
            store.create_space(f"then/{number}", NOW)
            world.tell(f"then/{number}", at)
            for name in USERS:
                then = store.find_user(f"then/{number}", name)
                assert find_user_as_of(known, SPACE, name, "plain", at) == then, (name, at)


def test_a_time_after_all_that_is_known_gives_the_object_that_there_is(store: EmbeddedStore) -> None:
    world = World(store, random.Random(7))
    for kind in VALUES:
        store.create_attribute(Attribute(str(kind), kind))
    world.tell(SPACE)
    found = [find_user_as_of(store, SPACE, name, None, NOW) for name in USERS]
    assert found == [store.find_user(SPACE, name) for name in USERS]
    assert any(found)


def test_ids_are_one_person_at_all_times_as_far_as_is_known_now(store: EmbeddedStore) -> None:
    take(store, [visit("ada", 0), visit("eve", 100), visit("eve", 500)])
    pair = (user("ada"), user("eve"))
    store.apply(SPACE, AddLink(*pair, START + 400 * MINUTE))
    found = find_user_as_of(store, SPACE, "eve", "plain", START + 200 * MINUTE)
    assert found is not None
    assert (found["user_id"], found["total_sessions"]) == ("ada", 2)
    store.apply(SPACE, RemoveLink(*pair, NOW))
    found = find_user_as_of(store, SPACE, "eve", "plain", START + 200 * MINUTE)
    assert found is not None
    assert (found["user_id"], found["total_sessions"]) == ("eve", 1)


@pytest.mark.parametrize("way", ["embedded", "remote"])
def test_what_is_said_beside_sessions_counts_at_once_and_in_an_open_one_not_yet(
    store: EmbeddedStore, way: str
) -> None:
    beside = visit("ada", 50, type="identify", active=False, traits={"role": "b"})
    take(store, [visit("ada", 0, traits={"role": "a"}), beside, visit("ada", 60, traits={"role": "c"})])
    store.fold(SPACE)
    with asked(store, way) as known:
        found = [
            find_user_as_of(known, SPACE, "ada", "plain", START + minute * MINUTE)
            for minute in (49, 50, 89, 90)
        ]
    assert [one and one["role"] for one in found] == ["a", "b", "b", "c"]


def test_without_a_kind_an_id_is_a_user_id_if_that_had_an_object_else_an_anonymous_one(
    store: EmbeddedStore,
) -> None:
    anonymous = Row(anonymous_id="ada", occurred_at=START, message_id="a")
    take(store, [visit("ada", 100), anonymous, visit("eve", 300)])
    store.fold(SPACE)
    found = [
        find_user_as_of(store, SPACE, "ada", None, START + minute * MINUTE) for minute in (-1, 50, 110, 200)
    ]
    assert [one and one["is_anonymous"] for one in found] == [None, True, True, False]
    assert find_user_as_of(store, SPACE, "nobody", None, NOW) is None


@pytest.mark.parametrize("way", ["embedded", "remote"])
@pytest.mark.parametrize("of_what", ["sessions", "values"])
def test_as_much_may_be_known_until_then_as_the_limit_and_no_more(
    store: EmbeddedStore, monkeypatch: pytest.MonkeyPatch, of_what: str, way: str
) -> None:
    monkeypatch.setattr(limits, "PAST_ROWS_MAX", 4)
    step = 60 if of_what == "sessions" else 1
    take(store, [visit("ada", n * step, traits={"role": "x"}) for n in range(5)])
    store.fold(SPACE)
    with asked(store, way) as known:
        for number in (2, 3):  # three rows and four
            assert known.find_past(SPACE, "ada", "plain", START + number * step * MINUTE) is not None
        with pytest.raises(LimitExceeded, match="more than 4 sessions, or values") as caught:
            known.find_past(SPACE, "ada", "plain", START + 4 * step * MINUTE)
    assert (caught.value.limit, caught.value.field) == (4, "as_of")
