"""The persons that rules are tested on are in a store what they are in the reference model."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from naive_rules import NaivePerson
from rule_cases import read_value
from rule_world import CONFLICT_RULES, SOURCES, World
from stored import LOOKUPS, NOW, SPACE
from tiers import tries

from enduser.core.attributes import ConflictRule
from enduser.core.candidates import history
from enduser.core.events import UserId
from enduser.stores.embedded import EmbeddedStore

Values = Mapping[str, object]


@pytest.fixture(scope="module", params=range(tries(2, 20)))
def loaded(
    tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest
) -> Iterator[tuple[EmbeddedStore, World]]:
    """A store, and the world that is in it."""
    data = tmp_path_factory.mktemp("world") / "data"
    with EmbeddedStore(data, now_us=NOW, lookups=LOOKUPS, memory_limit_mb=512) as store:
        world = World(random.Random(request.param), users=200)
        world.load(store)
        yield store, world


@pytest.fixture
def store(loaded: tuple[EmbeddedStore, World]) -> EmbeddedStore:
    return loaded[0]


@pytest.fixture
def world(loaded: tuple[EmbeddedStore, World]) -> World:
    return loaded[1]


def seen(world: World) -> dict[UserId, NaivePerson]:
    return {user: person for user, person in world.persons().items() if person.has_object}


def values_of(row: Mapping[str, Any]) -> Values:
    """Return the known values of an object as conditions see them."""
    custom = {name: read_value(name, value) for name, value in row["attributes"].items()}
    known = {**row, **custom, "attributes": None}
    return {name: value for name, value in known.items() if value is not None}


def test_a_store_shows_the_values_that_persons_have(store: EmbeddedStore, world: World) -> None:
    assert store.status(SPACE).clock_at == world.now
    found = {
        UserId(str(row["user_id"]), bool(row["is_anonymous"])): values_of(row) for row in store.users(SPACE)
    }
    right = seen(world)
    assert found.keys() == right.keys()
    for user, person in right.items():
        averages = {name: pytest.approx(one) for name, one in person.values.items() if "average" in name}
        assert found[user] == {**person.values, **averages}


def test_a_store_has_the_sessions_that_persons_have(store: EmbeddedStore, world: World) -> None:
    right = seen(world)
    found: dict[UserId, list[Values]] = {user: [] for user in right}
    for row in store.sessions(SPACE):
        user = UserId(str(row.pop("user_id")), bool(row.pop("is_anonymous")))
        if user in right and row["is_closed"] and row["started_at"] >= right[user].values["first_seen"]:
            found[user].append(row)
    assert found == {user: person.sessions for user, person in right.items()}


def test_a_store_knows_of_the_changes_that_persons_have(store: EmbeddedStore, world: World) -> None:
    assert store.source_order(SPACE).names == list(SOURCES.names)
    for user, person in seen(world).items():
        kind = "anonymous" if user.is_anonymous else "plain"
        found = {}
        for name, said in store.find_candidates(SPACE, user.id, kind).items():
            rule = CONFLICT_RULES.get(name, ConflictRule.LATEST)
            found[name] = [(one.at, one.before, one.after) for one in history(said, rule, SOURCES)]
        assert {name: found.get(name, []) for name in person.changes} == person.changes


def test_a_store_has_the_members_of_lists_that_persons_are_in(store: EmbeddedStore, world: World) -> None:
    whose = {user: person for ids, person in world.people.items() for user in ids}
    found = {one.id: (one.members, one.seen) for one in store.lists(SPACE)}
    assert found == {
        name: (len(members), sum(whose[user].has_object for user in members))
        for name, members in world.lists.items()
    }
    for name, members in world.lists.items():
        assert any(name in person.lists for person in world.persons().values()) == bool(members)
