"""A rule means the same everywhere: in a count, in a list, in a decision, and in words."""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from naive_rules import NaivePerson, holds
from random_rules import random_list_rule, random_rule, random_segments
from rule_cases import TYPES
from rule_world import World
from stored import LOOKUPS, NOW, SPACE
from tiers import tries

from enduser.core.events import UserId
from enduser.core.rules.demands import demands_of
from enduser.core.rules.programs import Person, Program
from enduser.core.rules.tree import Happening, InList
from enduser.core.segments import Saving, Segment
from enduser.stores.embedded import EmbeddedStore
from enduser.stores.embedded.asking import rules_of

RULES = tries(250, 2_500)
"""Of each world, for each of its 200 persons: 100,000 pairs, and a million."""


@pytest.fixture(scope="module", params=range(2))
def asked(
    tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest
) -> Iterator[tuple[EmbeddedStore, World, Mapping[str, Any], Sequence[Any]]]:
    """A store, the world that is in it, its segments, and rules."""
    data = tmp_path_factory.mktemp("rules") / "data"
    with EmbeddedStore(data, now_us=NOW, lookups=LOOKUPS, memory_limit_mb=512) as store:
        rng = random.Random(f"rules/{request.param}")
        world = World(rng, users=200)
        world.load(store)
        pools = random_segments(rng, world.pools, 6)
        for segment_id, rule in pools.segments.items():
            store.save_segment(SPACE, Segment(id=segment_id, name="one", rule=rule), Saving(NOW, "me", True))
        rules = [random_rule(rng, pools) for _ in range(RULES)]
        rules += [random_list_rule(rng, pools) for _ in range(RULES // 10)]
        yield store, world, pools.segments, rules


def meant_in_words(rule: Any, world: World, segments: Mapping[str, Any]) -> set[UserId]:
    return {
        user
        for user, person in world.persons().items()
        if holds(rule, person, now=world.now, time_zone=world.time_zone, types=TYPES, segments=segments)
    }


def listed(store: EmbeddedStore, rule: Any) -> set[UserId]:
    page = store.users_page(SPACE, limit=1_000, rule=rule)
    assert page.next_cursor is None
    return {UserId(str(row["user_id"]), bool(row["is_anonymous"])) for row in page.items}


def test_counts_lists_and_words_agree_on_random_rules(
    asked: tuple[EmbeddedStore, World, Mapping[str, Any], Sequence[Any]],
) -> None:
    store, world, segments, rules = asked
    persons = world.persons()
    for rule in rules:
        meant = meant_in_words(rule, world, segments)
        seen = {user for user in meant if persons[user].has_object}
        (counts,) = store.count_users(SPACE, [rule]).counts
        assert listed(store, rule) == seen, rule
        assert (counts.users, counts.not_yet_seen) == (len(seen), len(meant - seen)), rule


def test_decisions_agree_with_words_on_random_rules(
    asked: tuple[EmbeddedStore, World, Mapping[str, Any], Sequence[Any]],
) -> None:
    store, world, segments, rules = asked
    with store.reader.looking_at(SPACE) as look:
        program = Program([rules_of(look).read(rule) for rule in rules])
    edges = program.edges(world.now, ZoneInfo(world.time_zone))
    times, lists = told(store, program, ZoneInfo(world.time_zone))
    for user, person in world.persons().items():
        known = Person(
            person.values if person.has_object else None,
            {what: times[user].get(what, ()) for what in program.happenings},
            lists[user],
        )
        for rule, answer in zip(rules, program.answers(known, edges), strict=True):
            assert answer is in_words(rule, person, world, segments), (user, rule)


def told(
    store: EmbeddedStore, program: Program, zone: ZoneInfo
) -> tuple[Mapping[UserId, Mapping[Happening, Sequence[int]]], Mapping[UserId, set[str]]]:
    """Return what the store tells of each id for decisions."""
    times: dict[UserId, dict[Happening, Sequence[int]]] = defaultdict(dict)
    lists: dict[UserId, set[str]] = defaultdict(set)
    for fact in store.facts(SPACE, demands_of(program, zone), 0, 1):
        user, what = UserId(fact.id, fact.is_anonymous), fact.demand.what
        assert fact.times is not None
        if isinstance(what, InList):
            lists[user].add(what.id)
        else:
            times[user][what] = fact.times
    return times, lists


def in_words(rule: Any, person: NaivePerson, world: World, segments: Mapping[str, Any]) -> bool:
    return holds(rule, person, now=world.now, time_zone=world.time_zone, types=TYPES, segments=segments)
