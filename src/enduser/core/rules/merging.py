"""Conditions of a group that are one: of many values of a field, one look at them all."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import date

from enduser.core.rules.tree import Combinator, Condition, Equals, Group, Node


def merged_parts(group: Group) -> Sequence[Node]:
    """Return the parts of a group, in which the same values are asked for by one condition.

    Where one must hold, `is a` and `is b` are `in [a, b]`; where all must, so are `is_not a` and `is_not b`
    `not_in [a, b]`.
    """
    wants_not = group.combinator is Combinator.AND
    parts: list[Node] = []
    places: dict[object, int] = {}
    values: dict[int, list[str | float | bool | date]] = {}
    for part in group.parts:
        if not (isinstance(part, Condition) and isinstance(part.test, Equals) and part.is_not is wants_not):
            parts.append(part)
            continue
        key = (part.field, part.test.ignore_case)
        if key not in places:
            places[key] = len(parts)
            values[len(parts)] = []
            parts.append(part)
        values[places[key]] += part.test.values
    for place, found in values.items():
        part = parts[place]
        assert isinstance(part, Condition)
        assert isinstance(part.test, Equals)
        parts[place] = replace(part, test=replace(part.test, values=tuple(dict.fromkeys(found))))
    return parts
