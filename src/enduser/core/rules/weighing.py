"""How long a rule takes to answer, as a weight: a million users take at most a millisecond for each one.

So it was measured (`bench/rules.py`, "The largest rules"), where nothing spares a look at anybody, and users
have four sessions and, in a month, three events. What is asked of more events takes as much longer; the limit
of a read (`READ_SECONDS_MAX`) then ends it.
"""

from __future__ import annotations

from enduser.core.rules.fields import PROPERTIES
from enduser.core.rules.merging import merged_parts
from enduser.core.rules.tree import (
    Condition,
    Contains,
    Counted,
    EndsWith,
    Equals,
    Events,
    Group,
    Happening,
    HasAll,
    HasAny,
    InList,
    InSegment,
    Known,
    Matches,
    Node,
    Sessions,
    StartsWith,
    Test,
    Within,
)

_EQUALS, _EDGE, _TEXT, _ANY_CASE, _MATCHES, _LIST, _PROPERTY = 3, 2, 8, 8, 40, 20, 20
_SESSIONS, _EVENTS = 8, 10
"""How many times as much a condition weighs that is looked at for each session, or event."""


def weight_of(node: Node) -> int:
    """Return the weight of a node with all that is below it."""
    match node:
        case Group():
            return sum(map(weight_of, merged_parts(node)))
        case Condition():
            return _weight_of_test(node.test)
        case Counted():
            return 1 + _weight_of_happening(node.what)
        case InSegment():
            return node.rule.weight
        case InList():
            return 1


def _weight_of_happening(what: Happening) -> int:
    match what:
        case Sessions(rules):
            return _SESSIONS * weight_of(rules)
        case Events(_, rules):
            return _EVENTS * _weight_of_event(rules)
        case _:
            return 0


def _weight_of_event(node: Node) -> int:
    if isinstance(node, Group):
        return sum(map(_weight_of_event, merged_parts(node)))
    is_property = isinstance(node, Condition) and node.field.name.startswith(PROPERTIES)
    return weight_of(node) + _PROPERTY * is_property


def _weight_of_test(test: Test) -> int:
    match test:
        case Known():
            return 1
        case Equals(_, ignore_case):
            return _EQUALS + _ANY_CASE * ignore_case
        case Within(low, high):
            return _EDGE * ((low is not None) + (high is not None))
        case Contains() | StartsWith() | EndsWith():
            return _TEXT + _ANY_CASE * test.ignore_case
        case Matches():
            return _MATCHES
        case HasAny(items) | HasAll(items):
            return _LIST + len(items)
