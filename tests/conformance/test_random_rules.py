"""Random rules are of all kinds, and say something of random persons."""

from __future__ import annotations

import random
from collections.abc import Iterator

import pytest
from naive_rules import EVENT_TYPES, SESSION_TYPES, holds, leaves, type_asked
from random_rules import (
    CONDITIONS_MAX,
    OPERATORS,
    RELATIVE,
    Node,
    random_list_rule,
    random_rule,
    random_segments,
)
from rule_cases import TYPES
from rule_world import World


@pytest.fixture(scope="module")
def world() -> World:
    return World(random.Random(7), users=60)


def nodes(rule: Node) -> Iterator[Node]:
    """Yield all nodes of a rule, also those in conditions on sessions and events."""
    yield rule
    for node in rule.get("rules", []):  # type: ignore[attr-defined]
        yield from nodes(node)


def test_every_operator_is_asked_of_every_type_and_everywhere(world: World) -> None:
    rng = random.Random(1)
    asked = set()
    for _ in range(1_500):
        for node in nodes(random_rule(rng, world.pools)):
            kind = node.get("kind")
            for one in nodes(node) if kind in ("session", "event") else [node]:
                if "operator" in one:
                    types = {"session": SESSION_TYPES, "event": EVENT_TYPES}.get(str(kind), TYPES)
                    name = str(one["field"])
                    is_plain = one["operator"] in ("known", "unknown") or not name.startswith("properties.")
                    asked.add((kind, types.get(name) if is_plain else type_asked(one), one["operator"]))
    for kind in (None, "session", "event"):
        for of, operators in OPERATORS.items():
            found = {operator for where, what, operator in asked if (where, what) == (kind, of)}
            if (kind, of) not in (("session", "date"), ("session", "list"), ("event", "date")):
                expected = set(operators.split()) - (set() if kind is None else set(RELATIVE))
                assert found >= expected, (kind, of)


def test_rules_of_all_kinds_stay_small(world: World) -> None:
    rng = random.Random(2)
    pools = random_segments(rng, world.pools, 4)
    rules = [random_rule(rng, pools) for _ in range(500)]
    kinds = {node.get("kind") for rule in rules for node in nodes(rule)}
    assert kinds == {None, "session", "event", "changed", "segment", "list"}
    counts = [len(list(leaves(rule, pools.segments))) for rule in rules]
    assert min(counts) == 0
    assert 10 < max(counts) <= CONDITIONS_MAX + 4


def test_most_rules_hold_for_some_and_not_for_others(world: World) -> None:
    rng = random.Random(3)
    pools = random_segments(rng, world.pools, 4)
    people = list(world.persons().values())
    telling = 0
    for _ in range(100):
        rule = random_rule(rng, pools)
        found = [
            holds(
                rule,
                person,
                now=world.now,
                time_zone=world.time_zone,
                types=world.types,
                segments=pools.segments,
            )
            for person in people
            if person.has_object
        ]
        telling += any(found) and not all(found)
    assert telling > 50


def test_rules_of_lists_alone_hold_ids_that_were_not_seen(world: World) -> None:
    rng = random.Random(4)
    unseen = [person for person in world.persons().values() if not person.has_object]
    held = 0
    for _ in range(50):
        rule = random_list_rule(rng, world.pools)
        held += sum(
            holds(rule, person, now=world.now, time_zone=world.time_zone, types=world.types)
            for person in unseen
        )
    assert held > 50


def test_a_seed_makes_the_same_world_and_rules() -> None:
    one, other = (World(random.Random(5), users=30) for _ in range(2))
    assert one.persons() == other.persons()
    rngs = random.Random(6), random.Random(6)
    assert random_rule(rngs[0], one.pools) == random_rule(rngs[1], other.pools)
