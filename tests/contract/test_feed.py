"""The feed tells each change once: who reads it knows who is in which segment, and what attributes are."""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
from random_rules import random_rule, random_segments
from rule_world import World
from stored import LOOKUPS, NOW, SPACE
from tiers import tries

from enduser.core.events import UserId
from enduser.core.feed import CHANGED, ENTERED
from enduser.core.segments import EVERYONE, Saving, Segment
from enduser.core.users_query import UsersQuery
from enduser.stores.embedded import EmbeddedStore, feed
from enduser.stores.records import ChangeSettings, CloseHistory, EraseUser

FOLLOWED = ("plan", "seats", "products", "renews_on", "country", "role")


@dataclass
class Reader:
    """Who reads the feed from its beginning and believes it."""

    store: EmbeddedStore
    number: int = 0
    members: dict[str, set[UserId]] = field(default_factory=lambda: defaultdict(set))
    values: dict[UserId, dict[str, Any]] = field(default_factory=lambda: defaultdict(dict))

    def read(self) -> None:
        while rows := self.store.feed_page(SPACE, self.number, limit=1_000).rows:
            for row in rows:
                assert row.number > self.number
                self.number = row.number
                user = UserId(row.user_id, row.is_anonymous)
                if row.kind == CHANGED:
                    assert self.values[user].get(row.subject) == row.before
                    self.values[user][row.subject] = row.after
                elif row.kind == ENTERED:
                    assert user not in self.members[row.subject]
                    self.members[row.subject].add(user)
                else:
                    self.members[row.subject].remove(user)

    def known(self) -> Mapping[UserId, Mapping[str, Any]]:
        found = {
            user: {name: value for name, value in values.items() if value is not None}
            for user, values in self.values.items()
        }
        return {user: values for user, values in found.items() if values}


def listed(store: EmbeddedStore, rule: Any) -> set[UserId]:
    page = store.users_page(SPACE, UsersQuery(rule=rule), limit=1_000)
    return {UserId(str(row["user_id"]), bool(row["is_anonymous"])) for row in page.items}


def values(store: EmbeddedStore) -> Mapping[UserId, Mapping[str, Any]]:
    found = {}
    for row in store.users(SPACE):
        every: dict[str, Any] = {**row, **row["attributes"]}  # type: ignore[dict-item]
        known = {name: every[name] for name in FOLLOWED if every.get(name) is not None}
        if known:
            found[UserId(str(row["user_id"]), bool(row["is_anonymous"]))] = known
    return found


def follow(store: EmbeddedStore) -> None:
    store.fold(SPACE)
    store.follow_feed(SPACE, NOW)


def save(store: EmbeddedStore, name: str, rule: Any, *, is_new: bool = True) -> None:
    segment = Segment(id=name, name=name, rule=rule, is_followed=True)
    store.save_segment(SPACE, segment, Saving(NOW, "me", is_new))


@pytest.fixture
def store(tmp_path: Path) -> Iterator[EmbeddedStore]:
    with EmbeddedStore(tmp_path / "data", now_us=NOW, lookups=LOOKUPS, memory_limit_mb=512) as opened:
        yield opened


@pytest.mark.parametrize("few", [50_000, 0], ids=["person by person", "all at once"])
@pytest.mark.parametrize("seed", range(tries(2, 20)))
def test_who_reads_the_feed_knows_what_holds(
    store: EmbeddedStore, seed: int, few: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feed, "_FEW", few)
    rng = random.Random(f"feed/{seed}")
    world = World(rng, users=40)
    world.prepare(store)
    steps = list(world.steps(store, sorted(world.rows, key=lambda row: row.occurred_at), parts=12))
    lists = steps[-len(world.lists) :]
    for step in lists:  # rules name them
        step()
    store.apply(SPACE, ChangeSettings({"feed_attributes": ", ".join(FOLLOWED)}))
    pools = random_segments(rng, world.pools, 6)
    rules = dict(pools.segments)
    for name, rule in rules.items():
        save(store, name, rule)
    follow(store)
    reader = Reader(store)
    others = steps[: -len(world.lists)]
    events = others[len(world.links) : len(world.links) + 12]
    rest = [step for step in others if step not in events]
    for step in events:
        step()
        if rest and rng.random() < 0.8:
            rest.pop(rng.randrange(len(rest)))()
        if rng.random() < 0.3:
            name = rng.choice(list(rules))
            rules[name] = random_rule(rng, replace(pools, segments={}))
            save(store, name, rules[name], is_new=False)
        follow(store)
        reader.read()
        assert {name: listed(store, rule) for name, rule in rules.items()} == {
            name: reader.members[name] for name in rules
        }
        assert reader.known() == values(store)


def test_nothing_is_told_where_nothing_is_another(store: EmbeddedStore) -> None:
    world = World(random.Random(5), users=40)
    world.load(store)
    save(store, "all", EVERYONE)
    assert store.follow_feed(SPACE, NOW) == 0
    assert store.follow_feed(SPACE, NOW) == 0
    store.rebuild(SPACE)
    assert store.follow_feed(SPACE, NOW) == 0


def test_those_who_are_in_a_segment_when_it_is_followed_are_not_told(store: EmbeddedStore) -> None:
    world = World(random.Random(6), users=40)
    world.load(store)
    save(store, "all", EVERYONE)
    follow(store)
    save(store, "all", {**EVERYONE, "not": True}, is_new=False)
    follow(store)
    rows = store.feed_page(SPACE, 0, limit=1_000).rows
    assert {row.kind for row in rows} == {"left"}
    assert len(rows) == store.status(SPACE).users


def test_a_clock_that_moves_alone_is_told(store: EmbeddedStore) -> None:
    world = World(random.Random(7), users=40)
    world.load(store)
    rule = {"field": "last_seen", "operator": "more_than_ago", "value": {"n": 20, "unit": "minute"}}
    save(store, "away", rule)
    follow(store)
    before = listed(store, rule)
    store.apply(SPACE, CloseHistory())
    follow(store)
    entered = [row for row in store.feed_page(SPACE, 0, limit=1_000).rows if row.kind == ENTERED]
    assert {UserId(row.user_id, row.is_anonymous) for row in entered} == listed(store, rule) - before


def test_of_an_erased_person_nothing_is_told_any_more(store: EmbeddedStore) -> None:
    world = World(random.Random(8), users=40)
    world.load(store)
    save(store, "all", {**EVERYONE, "not": True})
    follow(store)
    save(store, "all", EVERYONE, is_new=False)
    follow(store)
    first = store.feed_page(SPACE, 0).rows[0]
    store.apply(SPACE, EraseUser(UserId(first.user_id, first.is_anonymous)))
    follow(store)
    told = {row.user_id for row in store.feed_page(SPACE, 0, limit=1_000).rows}
    assert first.user_id not in told
    assert told
