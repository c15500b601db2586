"""How many looks into other tables a rule takes: to plan hundreds of them takes longer than to do them."""

from __future__ import annotations

from enduser.core.rules.merging import merged_parts
from enduser.core.rules.tree import (
    Condition,
    Counted,
    Equals,
    Events,
    Group,
    InList,
    InSegment,
    Node,
    Sessions,
    Test,
)

FEW_VALUES = 20
"""So many values are compared one by one; of more a table is made."""
_ELSEWHERE = frozenset(("country", "region", "city", "browser_name", "browser_version", "user_id"))
"""Fields of users and sessions whose values stand in tables of their own; no field of events is called so."""


def lookups_of(node: Node) -> int:
    """Return how many looks a node takes with all that is below it; a condition can take two."""
    match node:
        case Group():
            return sum(map(lookups_of, merged_parts(node)))
        case Condition():
            return (node.field.name in _ELSEWHERE) + _has_many_values(node.test)
        case Counted(Sessions(rules) | Events(_, rules), count):
            return _has_many_values(count) + lookups_of(rules)
        case Counted():
            return 0  # changes are not counted, and from and to are one value each
        case InSegment():
            return node.rule.lookups
        case InList():
            return 1


def _has_many_values(test: Test) -> bool:
    return isinstance(test, Equals) and len(test.values) > FEW_VALUES
