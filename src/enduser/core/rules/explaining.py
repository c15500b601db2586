"""Why a rule holds for a person, or does not: the rule again, with a verdict at each node."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import count
from typing import Any
from zoneinfo import ZoneInfo

from enduser import limits
from enduser.core.rules.changing import next_turn
from enduser.core.rules.programs import Person, Program, times_within
from enduser.core.rules.tree import Condition, Counted, Group, Node, Rule


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
        self.program = Program([rule], each_node=True)

    def explain(self, person: Person, now: int, zone: ZoneInfo) -> Verdict:
        """Return the verdict of the rule; `person` must have what `program` asks for."""
        answers, turns = _answers_and_turns(self.program, person, now, zone)
        numbers = count()

        def verdict(node: Node, said: Mapping[str, Any]) -> Verdict:
            number = next(numbers)
            found, last_at = _found(node, person, now, zone)
            own, below = dict(said), list[Verdict]()
            if isinstance(node, Group):
                below = list(map(verdict, node.parts, own.pop("rules")))
            return Verdict(own, answers[number], turns[number], found, last_at, below)

        return verdict(self.rule.root, self._said)


def judge(rule: Rule, person: Person, now: int, zone: ZoneInfo) -> Verdict:
    """Return whether a rule holds for a person and when it turns, without why."""
    answers, turns = _answers_and_turns(Program([rule]), person, now, zone)
    return Verdict({}, answers[0], turns[0])


def _answers_and_turns(
    program: Program, person: Person, now: int, zone: ZoneInfo
) -> tuple[Sequence[bool], Sequence[int | None]]:
    """Return what is answered now, and when each becomes the contrary of that, until the first does."""
    answers = program.answers(person, program.edges(now, zone))
    turns: list[int | None] = [None] * len(answers)
    at = now
    for _ in range(limits.TURNS_MAX):
        turn = next_turn(program, person, at, zone)
        if turn is None or turns[0] is not None:
            break
        at = turn
        becomes = program.answers(person, program.edges(at, zone))
        for number, later in enumerate(becomes):
            if answers[number] is not later and turns[number] is None:
                turns[number] = at
    return answers, turns


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
