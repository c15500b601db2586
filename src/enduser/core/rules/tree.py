"""What a rule is: a tree of typed nodes, made by `reading` only, with nothing left to be guessed.

Operators are brought down to a few *tests*, each of which is false for an unknown value; the others are their
contraries: `is_not` is a condition with the test of `is`, and `is_not` true.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from enum import StrEnum

from enduser.core.attributes import AttributeType
from enduser.core.rules.spans import Moment


class Combinator(StrEnum):
    """How the parts of a group are joined."""

    AND = "and"
    OR = "or"


# --- tests of a value


@dataclass(frozen=True, slots=True)
class Equals:
    """The value is one of these; with `ignore_case` both are in lower case."""

    values: tuple[str | float | bool | date, ...]
    ignore_case: bool = False


@dataclass(frozen=True, slots=True)
class Contains:
    """The text has this text in it."""

    text: str
    ignore_case: bool = False


@dataclass(frozen=True, slots=True)
class StartsWith:
    """The text begins with this text."""

    text: str
    ignore_case: bool = False


@dataclass(frozen=True, slots=True)
class EndsWith:
    """The text ends with this text."""

    text: str
    ignore_case: bool = False


@dataclass(frozen=True, slots=True)
class Matches:
    """The text has a part that fits this expression of RE2."""

    pattern: str
    ignore_case: bool = False


@dataclass(frozen=True, slots=True)
class Edge:
    """An end of a range."""

    value: float | date | Moment
    """A number, an instant in µs, a day; or what lies a span from now."""
    is_included: bool


@dataclass(frozen=True, slots=True)
class Within:
    """The value lies in a range; None: without an end."""

    low: Edge | None = None
    high: Edge | None = None


@dataclass(frozen=True, slots=True)
class HasAny:
    """One of these items is in the list."""

    items: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class HasAll:
    """Each of these items is in the list."""

    items: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Known:
    """There is a value."""


Test = Equals | Contains | StartsWith | EndsWith | Matches | Within | HasAny | HasAll | Known
TextTest = Contains | StartsWith | EndsWith | Matches


# --- nodes


@dataclass(frozen=True, slots=True)
class Field:
    """What has a value: an attribute of the user; within a condition on sessions or events, one of theirs."""

    name: str
    type: AttributeType


@dataclass(frozen=True, slots=True)
class Condition:
    """A test of a field, or the contrary."""

    field: Field
    test: Test
    is_not: bool = False


@dataclass(frozen=True, slots=True)
class Group:
    """Parts that must all hold, or one of them, or the contrary. Without parts it holds."""

    combinator: Combinator
    parts: tuple[Node, ...]
    is_not: bool = False


class _LookedUp:
    """What is looked up for each user: its hash, which takes all that is within, is worked out once."""

    __slots__ = ("_hash",)
    _hash: int

    def _hash_of(self, *values: object) -> int:
        try:
            return self._hash
        except AttributeError:
            object.__setattr__(self, "_hash", hash(values))
            return self._hash


@dataclass(frozen=True, slots=True)
class Sessions(_LookedUp):
    """What is counted: sessions, by their start."""

    rules: Group

    def __hash__(self) -> int:
        """Return what equal ones have in common."""
        return self._hash_of(Sessions, self.rules)


@dataclass(frozen=True, slots=True)
class Events(_LookedUp):
    """What is counted: events, by their time."""

    name: str | None
    """None: of any name."""
    rules: Group

    def __hash__(self) -> int:
        """Return what equal ones have in common."""
        return self._hash_of(Events, self.name, self.rules)


@dataclass(frozen=True, slots=True)
class Unknown:
    """There is no value; said of what was, or became, only."""


@dataclass(frozen=True, slots=True)
class Anything:
    """There is a value, or none."""


@dataclass(frozen=True, slots=True)
class Changes(_LookedUp):
    """What is counted: changes of a custom attribute, by their effective time."""

    field: Field
    before: Equals | Known | Unknown
    after: Equals | Unknown | Anything

    def __hash__(self) -> int:
        """Return what equal ones have in common."""
        return self._hash_of(Changes, self.field, self.before, self.after)


Happening = Sessions | Events | Changes
"""What happened to a user, of which a condition counts how often."""


@dataclass(frozen=True, slots=True)
class Window:
    """A time that is half open: from `begins` on, before `ends`; None: without an end."""

    begins: Moment | None = None
    ends: Moment | None = None


@dataclass(frozen=True, slots=True)
class Counted:
    """How often something happened within a window."""

    what: Happening
    count: Equals | Within
    is_not: bool
    """Whether the contrary of `count` is asked for, as `ne` and `not_in` do."""
    window: Window

    def holds_for(self, times: int) -> bool:
        """Return whether the condition holds where it happened so often."""
        if isinstance(self.count, Equals):
            return (times in self.count.values) is not self.is_not
        low, high = self.count.low, self.count.high
        is_within = (low is None or _is_before(low, times)) and (high is None or _is_behind(high, times))
        return is_within is not self.is_not


def _is_before(edge: Edge, times: int) -> bool:
    assert isinstance(edge.value, float | int)
    return edge.value <= times if edge.is_included else edge.value < times


def _is_behind(edge: Edge, times: int) -> bool:
    assert isinstance(edge.value, float | int)
    return edge.value >= times if edge.is_included else edge.value > times


@dataclass(frozen=True, slots=True)
class InSegment:
    """The segment of this id holds."""

    id: str
    rule: Rule


@dataclass(frozen=True, slots=True)
class InList:
    """An id of the person is in the static list of this id."""

    id: str


Node = Group | Condition | Counted | InSegment | InList


@dataclass(frozen=True, slots=True)
class Rule:
    """A rule that was read, and how large it is, with the segments within it."""

    root: Group
    conditions: int
    """Conditions, and groups and segments that stand beside them."""
    depth: int
    histories: int
    """Conditions on sessions, events and changes."""
    weight: int
    """How long it takes, as `weighing` says."""
    lookups: int
    """How many looks into other tables it takes, as `lookups` says."""
    is_of_lists: bool
    """Whether all its conditions are static lists, and there are some: it can hold ids that were not seen."""


def nodes(node: Node) -> Iterator[Node]:
    """Yield a node and all below it, also those of segments, but not what is within sessions and events."""
    yield node
    below: tuple[Node, ...] = ()
    if isinstance(node, Group):
        below = node.parts
    elif isinstance(node, InSegment):
        below = (node.rule.root,)
    for part in below:
        yield from nodes(part)


def own_nodes(node: Node) -> Iterator[Node]:
    """Yield a node and all below it, each before its own, but not those of segments."""
    yield node
    for part in node.parts if isinstance(node, Group) else ():
        yield from own_nodes(part)
