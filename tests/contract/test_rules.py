"""A rule means the same everywhere: in a count, in a list, in a decision, and in words."""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from naive_rules import NaivePerson, holds
from random_rules import random_list_rule, random_rule, random_segments
from rule_cases import TYPES
from rule_world import World
from stored import LOOKUPS, NOW, SPACE
from tiers import tries

from enduser import limits
from enduser.core.events import UserId
from enduser.core.rules.demands import demands_of
from enduser.core.rules.programs import Person, Program
from enduser.core.rules.tree import Happening, InList
from enduser.core.segments import Saving, Segment
from enduser.core.users_query import UsersQuery
from enduser.stores.embedded import EmbeddedStore
from enduser.stores.embedded.asking import rules_of

RULES = tries(75, 2_500)
"""Of each world, for each of its 200 persons: 30,000 pairs, and a million."""


@dataclass(frozen=True)
class Asked:
    """A store, the persons who are in it, and rules with whom they mean in words."""

    store: EmbeddedStore
    world: World
    persons: Mapping[UserId, NaivePerson]
    rules: Sequence[Any]
    meant: Sequence[frozenset[UserId]]


@pytest.fixture(scope="module", params=range(2))
def asked(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Iterator[Asked]:
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
        persons = world.persons()
        meant = [meant_in_words(rule, world, persons, pools.segments) for rule in rules]
        yield Asked(store, world, persons, rules, meant)


def meant_in_words(
    rule: Any, world: World, persons: Mapping[UserId, NaivePerson], segments: Mapping[str, Any]
) -> frozenset[UserId]:
    known: Any = {"now": world.now, "time_zone": world.time_zone, "types": TYPES, "segments": segments}
    return frozenset(user for user, person in persons.items() if holds(rule, person, **known))


def listed(store: EmbeddedStore, rule: Any) -> frozenset[UserId]:
    page = store.users_page(SPACE, UsersQuery(rule=rule), limit=1_000)
    assert page.next_cursor is None
    return frozenset(UserId(str(row["user_id"]), bool(row["is_anonymous"])) for row in page.items)


def test_counts_and_lists_agree_with_words_on_random_rules(asked: Asked) -> None:
    seen = {user for user, person in asked.persons.items() if person.has_object}
    for first in range(0, len(asked.rules), limits.RULES_COUNTED_MAX):
        some = slice(first, first + limits.RULES_COUNTED_MAX)
        counted = asked.store.count_users(SPACE, asked.rules[some]).counts
        for rule, meant, counts in zip(asked.rules[some], asked.meant[some], counted, strict=True):
            assert listed(asked.store, rule) == meant & seen, rule
            assert (counts.users, counts.not_yet_seen) == (len(meant & seen), len(meant - seen)), rule


def test_decisions_agree_with_words_on_random_rules(asked: Asked) -> None:
    with asked.store.reader.looks.at(SPACE) as look:
        program = Program([rules_of(look).read(rule) for rule in asked.rules])
    edges = program.edges(asked.world.now, ZoneInfo(asked.world.time_zone))
    times, lists = told(asked.store, program, ZoneInfo(asked.world.time_zone))
    for user, person in asked.persons.items():
        known = Person(
            person.values if person.has_object else None,
            {what: times[user].get(what, ()) for what in program.happenings},
            lists[user],
        )
        in_words = [user in meant for meant in asked.meant]
        assert list(program.answers(known, edges)) == in_words, user


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
