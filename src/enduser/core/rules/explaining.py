"""Why a rule holds for a person, or does not: the rule again, with a verdict at each node."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import count
from typing import Any
from zoneinfo import ZoneInfo

from enduser import limits
from enduser.core.rules.changing import next_turn
from enduser.core.rules.programs import Person, Program, times_within
from enduser.core.rules.tree import Combinator, Condition, Counted, Group, Node, Rule


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a node of a rule comes to for a person. Times are µs."""

    said: Mapping[str, Any]
    """The node as the rule has it, without those below it."""
    holds: bool
    turns_at: int | None
    """When it becomes the contrary by itself, if it does before the rule, or with it; None: not known to."""
    found: Any = None
    """Of a condition on an attribute its value, of what is counted how often it was; None: unknown."""
    last_at: int | None = None
    """When what is counted was last."""
    rules: Sequence[Verdict] = ()


class Explainer:
    """Explains a rule for persons. What a segment within it comes to is said, not why."""

    def __init__(self, said: Mapping[str, Any], rule: Rule) -> None:
        """Take a rule, and the JSON that it was read from, with a group at its root."""
        self.rule = rule
        self._said = said
        self.program = Program([_alone(node, rule) for node in _in_order(rule.root)])

    def explain(self, person: Person, now: int, zone: ZoneInfo) -> Verdict:
        """Return the verdict of the rule; `person` must have what `program` asks for."""
        answers = self.program.answers(person, self.program.edges(now, zone))
        turns = self._turns(person, answers, now, zone)
        numbers = count()

        def verdict(node: Node, said: Mapping[str, Any]) -> Verdict:
            number = next(numbers)
            found, last_at = _found(node, person, now, zone)
            own, below = dict(said), list[Verdict]()
            if isinstance(node, Group):
                below = list(map(verdict, node.parts, own.pop("rules")))
            return Verdict(own, answers[number], turns[number], found, last_at, below)

        return verdict(self.rule.root, self._said)

    def _turns(
        self, person: Person, answers: Sequence[bool], now: int, zone: ZoneInfo
    ) -> Sequence[int | None]:
        """Return when each node becomes the contrary of what it is now, until the root does."""
        turns: list[int | None] = [None] * len(answers)
        at = now
        for _ in range(limits.TURNS_MAX):
            turn = next_turn(self.program, person, at, zone)
            if turn is None or turns[0] is not None:
                break
            at = turn
            becomes = self.program.answers(person, self.program.edges(at, zone))
            for number, later in enumerate(becomes):
                if answers[number] is not later and turns[number] is None:
                    turns[number] = at
        return turns


def _in_order(node: Node) -> Iterator[Node]:
    """Yield a node and all below it, each before its own, but not those of segments."""
    yield node
    for part in node.parts if isinstance(node, Group) else ():
        yield from _in_order(part)


def _alone(node: Node, rule: Rule) -> Rule:
    """Return a node of a rule as one of its own; it can hold whom the rule can."""
    return replace(rule, root=Group(Combinator.AND, (node,)))


def _found(node: Node, person: Person, now: int, zone: ZoneInfo) -> tuple[object, int | None]:
    """Return what a condition looks at, and when that was last."""
    if person.values is None:
        return None, None
    if isinstance(node, Condition):
        return person.values.get(node.field.name), None
    if isinstance(node, Counted):
        window = node.window
        begins, ends = (
            None if moment is None else moment.at(now, zone) for moment in (window.begins, window.ends)
        )
        times = times_within(person.times[node.what], begins, ends)
        return len(times), times[-1] if times else None
    return None, None
