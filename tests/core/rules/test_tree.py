"""What is looked up for each user, and when what was counted is as often as it must be."""

from __future__ import annotations

import pytest

from enduser.core.attributes import AttributeType
from enduser.core.rules.tree import (
    Anything,
    Changes,
    Combinator,
    Condition,
    Counted,
    Edge,
    Equals,
    Events,
    Field,
    Group,
    Happening,
    Known,
    Sessions,
    Window,
    Within,
)

CITY = Field("city", AttributeType.STRING)
RULES = Group(Combinator.AND, (Condition(CITY, Known()),))


@pytest.mark.parametrize(
    ("what", "parts"),
    [
        (Sessions(RULES), (RULES,)),
        (Events("x", RULES), ("x", RULES)),
        (Changes(CITY, Known(), Anything()), (CITY, Known(), Anything())),
    ],
)
def test_the_hash_of_what_is_looked_up_takes_all_that_is_within(
    what: Happening, parts: tuple[object, ...]
) -> None:
    assert hash(what) == hash(what) == hash((type(what), *parts))


TWO = {included: Edge(2, is_included=included) for included in (True, False)}
FOUR = {included: Edge(4, is_included=included) for included in (True, False)}


@pytest.mark.parametrize(
    ("count", "held"),
    [
        (Equals((2, 4)), {2, 4}),
        (Within(low=TWO[True]), {2, 3, 4, 5}),
        (Within(low=TWO[False]), {3, 4, 5}),
        (Within(high=FOUR[True]), {0, 1, 2, 3, 4}),
        (Within(high=FOUR[False]), {0, 1, 2, 3}),
        (Within(TWO[True], FOUR[False]), {2, 3}),
        (Within(TWO[False], FOUR[True]), {3, 4}),
    ],
)
def test_what_is_counted_is_as_often_as_its_test_says_or_the_contrary(
    count: Equals | Within, held: set[int]
) -> None:
    for is_not in (False, True):
        counted = Counted(Sessions(RULES), count, is_not, Window())
        assert {times for times in range(6) if counted.holds_for(times)} == (
            set(range(6)) - held if is_not else held
        )
