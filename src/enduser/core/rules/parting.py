"""What is counted, by what does not change as the clock goes on.

"Sessions that began in the last week", said by a condition on `started_at`, are others tomorrow. Said by a
window they are the same sessions, and others of them lie within it. So a condition that compares the time of
what happened with now is made a window: one of the things for which the rest holds if it is true, and others
of those for which the rest holds if it is false.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from enduser.core.rules.spans import Moment
from enduser.core.rules.tree import (
    Changes,
    Combinator,
    Condition,
    Counted,
    Edge,
    Events,
    Group,
    Happening,
    Node,
    Sessions,
    Within,
)

_OWN_TIME: Mapping[type, str] = {Sessions: "started_at", Events: "occurred_at"}
"""The field that has the time by which a thing lies in a window."""
_MADE_WINDOWS_MAX = 2
"""Conditions that are made windows; each makes up to three parts of one."""


@dataclass(frozen=True, slots=True)
class Bound:
    """A time by the clock: a moment, or the microsecond behind it."""

    moment: Moment
    is_behind: bool = False


@dataclass(frozen=True, slots=True)
class Part:
    """Things that are counted if they happened within a time that is half open."""

    what: Happening
    begins: tuple[Bound, ...] = ()
    """Not before any of these."""
    ends: tuple[Bound, ...] = ()
    """Before each of these."""


def parts_of(counted: Counted) -> tuple[Part, ...]:
    """Return parts that have nothing in common and together are what is counted.

    Those that `depends_on_now` stay so.
    """
    window = counted.window
    begins = () if window.begins is None else (Bound(window.begins),)
    ends = () if window.ends is None else (Bound(window.ends),)
    return tuple(_parted(Part(counted.what, begins, ends), _MADE_WINDOWS_MAX))


def depends_on_now(what: Happening) -> bool:
    """Return whether it depends on the clock for what things a rule on them holds, wherever they lie."""
    return not isinstance(what, Changes) and any(_edges(one.test) for one in _conditions(what.rules))


def _parted(part: Part, left: int) -> Iterator[Part]:
    condition = _on_own_time(part.what) if left else None
    if condition is None:
        yield part
        return
    for bounded, holds in _bounded(part, condition):
        what = _given(part.what, condition, holds=holds)
        if what is not None:
            yield from _parted(replace(bounded, what=what), left - 1)


def _on_own_time(what: Happening) -> Condition | None:
    """Return a condition that compares the time of what happened with now; None: there is none."""
    if isinstance(what, Changes):
        return None
    own = _OWN_TIME[type(what)]
    found = (one for one in _conditions(what.rules) if one.field.name == own and _edges(one.test))
    return next(found, None)


def _bounded(part: Part, condition: Condition) -> Iterator[tuple[Part, bool]]:
    """Yield the parts of a part within which the test of a condition holds, or does not."""
    assert isinstance(condition.test, Within)
    low, high = condition.test.low, condition.test.high
    begin = () if low is None else (_bound(low, is_behind=not low.is_included),)
    end = () if high is None else (_bound(high, is_behind=high.is_included),)
    yield replace(part, begins=(*part.begins, *begin), ends=(*part.ends, *end)), True
    if begin:
        yield replace(part, ends=(*part.ends, *begin)), False
    if end:
        yield replace(part, begins=(*part.begins, *end)), False


def _bound(edge: Edge, *, is_behind: bool) -> Bound:
    assert isinstance(edge.value, Moment)
    return Bound(edge.value, is_behind)


def _edges(test: object) -> bool:
    """Return whether a test compares with now."""
    edges = (test.low, test.high) if isinstance(test, Within) else ()
    return any(edge is not None and isinstance(edge.value, Moment) for edge in edges)


def _conditions(node: Node) -> Iterator[Condition]:
    if isinstance(node, Condition):
        yield node
    elif isinstance(node, Group):
        for part in node.parts:
            yield from _conditions(part)


# --- what is left of a rule of which a condition is known


def _given(what: Happening, condition: Condition, *, holds: bool) -> Happening | None:
    """Return what is counted if the test of a condition holds, or does not; None: nothing is."""
    assert not isinstance(what, Changes)
    left = _rest(what.rules, condition, holds=holds)
    if left is False:
        return None
    if left is True:
        left = Group(Combinator.AND, ())
    return replace(what, rules=left if isinstance(left, Group) else Group(Combinator.AND, (left,)))


def _rest(node: Node, condition: Condition, *, holds: bool) -> Node | bool:
    """Return what is left of a rule; True or False: it is that."""
    if isinstance(node, Condition):
        is_same = (node.field, node.test) == (condition.field, condition.test)
        return holds is not node.is_not if is_same else node
    assert isinstance(node, Group)
    if not node.parts:
        return not node.is_not
    decisive = node.combinator is Combinator.OR
    parts = [_rest(part, condition, holds=holds) for part in node.parts]
    if decisive in parts:
        return decisive is not node.is_not
    open_parts = tuple(part for part in parts if not isinstance(part, bool))
    if not open_parts:
        return decisive is node.is_not
    return replace(node, parts=open_parts)
