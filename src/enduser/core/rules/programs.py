"""Rules as one function of Python, which answers them all for a user at once.

It is built as a syntax tree: names and values are bound in it, no text is put together. A thousand segments
on attributes take some 20 µs.
"""

from __future__ import annotations

import ast
from bisect import bisect_left
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from operator import and_
from typing import Any
from zoneinfo import ZoneInfo

from enduser.core.attributes import AttributeType
from enduser.core.rules.expressions import expression
from enduser.core.rules.operators import lower_case
from enduser.core.rules.spans import Moment
from enduser.core.rules.tree import (
    Combinator,
    Condition,
    Contains,
    Counted,
    Edge,
    EndsWith,
    Equals,
    Group,
    Happening,
    HasAll,
    HasAny,
    InList,
    InSegment,
    Known,
    Matches,
    Node,
    Rule,
    StartsWith,
    Test,
    Within,
    nodes,
    own_nodes,
)


@dataclass(frozen=True, slots=True)
class Person:
    """What rules need to know of a person. Times are µs."""

    values: Mapping[str, object] | None
    """The attributes that are known, a date as `YYYY-MM-DD`, a list as a sequence; None: no object."""
    times: Mapping[Happening, Sequence[int]] = field(default_factory=dict)
    """When each thing happened of which rules count how often, the earliest first."""
    lists: Collection[str] = ()
    """The static lists that the person is in, by any id."""


Edges = Sequence[float | str | None]
"""What relative times mean at a time, by their places in a program."""


class Program:
    """Some rules, ready to be asked of many users."""

    def __init__(self, rules: Sequence[Rule], *, each_node: bool = False) -> None:
        """Make the function; with `each_node` it answers `own_nodes` of each rule, not the rules alone."""
        asked = [
            (node, rule) for rule in rules for node in (own_nodes(rule.root) if each_node else [rule.root])
        ]
        self._deciding_lists = [_lists_of(node) if rule.is_of_lists else frozenset() for node, rule in asked]
        """For each of what is asked that is of lists alone, which they are."""
        writer = _Writer([node for node, _ in asked] if each_node else ())
        answers = [writer.node(rule.root) for rule in rules]
        if each_node:
            answers = [writer.node(node) for node, _ in asked]
        self.fields = tuple(writer.fields)
        """The names of the attributes that it looks at."""
        self.happenings = tuple(writer.happenings)
        self.since: Mapping[Happening, Collection[Moment | None]] = writer.since
        """Before which times each thing is not counted; None: it is, however long ago."""
        self.compared_fields: Mapping[tuple[Moment, bool], Collection[tuple[str, bool]]] = writer.compared
        """By relative time, and whether days are meant, what is compared with it: an attribute, and whether
        the answer turns when the time is behind its value rather than at it."""
        places = {what: place for place, what in enumerate(self.happenings)}
        self.compared_times: Mapping[Moment, Sequence[int]] = {
            moment: [places[what] for what in bounded] for moment, bounded in writer.bounded.items()
        }
        """By relative time the places in `happenings` of what is counted within windows that it bounds."""
        self.lists = tuple(writer.lists)
        """The ids of the static lists that it looks at."""
        self._moments = tuple(writer.moments)
        self._function = writer.function(answers)

    def edges(self, now: int, zone: ZoneInfo) -> Edges:
        """Return what relative times mean at a time of the space's clock, for `answers`."""
        return [
            moment.day(now, zone).isoformat() if is_day else moment.at(now, zone)
            for moment, is_day in self._moments
        ]

    def answers(self, person: Person, edges: Edges) -> Sequence[bool]:
        """Return whether each of what is asked holds for a person."""
        if person.values is None:
            return self._answers_without_object(person, edges)
        values = [person.values.get(name) for name in self.fields]
        times = [person.times[what] for what in self.happenings]
        return self._function(values, times, person.lists, edges)

    def _answers_without_object(self, person: Person, edges: Edges) -> Sequence[bool]:
        """Only rules of lists can hold; whom no list knows they hold as little as others."""
        can = [not lists.isdisjoint(person.lists) for lists in self._deciding_lists]
        if not any(can):
            return can
        nothing: list[Any] = [None] * len(self.fields)
        never: list[Sequence[int]] = [()] * len(self.happenings)
        held = self._function(nothing, never, person.lists, edges)
        return list(map(and_, held, can))


_Function = Callable[[Sequence[Any], Sequence[Sequence[int]], Collection[str], Edges], Sequence[bool]]


class _Writer:
    """Writes the syntax tree, and gives whatever it needs a place."""

    def __init__(self, apart: Sequence[Node]) -> None:
        """Give each of some nodes a variable of its own."""
        self._apart = {id(node): f"node_{number}" for number, node in enumerate(apart)}
        self.fields: dict[str, int] = {}
        self.happenings: dict[Happening, int] = {}
        self.moments: dict[tuple[Moment, bool], int] = {}
        """Relative times, and whether days are meant."""
        self.compared: dict[tuple[Moment, bool], dict[tuple[str, bool], None]] = {}
        self.bounded: dict[Moment, dict[Happening, None]] = {}
        self.since: dict[Happening, dict[Moment | None, None]] = {}
        self.lists: dict[str, None] = {}
        self._bound: dict[str, object] = {"between": _between, "lower_case": lower_case}
        self._before: dict[str, ast.expr] = {}
        """What is worked out once, by the name of its variable, in order."""
        self._segments: dict[str, str] = {}

    def function(self, answers: Sequence[ast.expr]) -> _Function:
        """Return the function that returns these answers."""
        body: list[ast.stmt] = [
            ast.Assign([ast.Name(name, ast.Store())], value) for name, value in self._before.items()
        ]
        body.append(ast.Return(ast.List(list(answers), ast.Load())))
        names = [ast.arg(name) for name in ("values", "times", "lists", "edges")]
        parameters = ast.arguments(posonlyargs=[], args=names, kwonlyargs=[], kw_defaults=[], defaults=[])
        function = ast.FunctionDef("answers", parameters, body, decorator_list=[])
        module = ast.fix_missing_locations(ast.Module([function], type_ignores=[]))
        exec(compile(module, "<rules>", "exec"), self._bound)  # noqa: S102 - a tree of our own, no text
        return self._bound["answers"]  # type: ignore[return-value]

    def node(self, node: Node) -> ast.expr:
        name = self._apart.get(id(node))
        if name is None:
            return self._answer(node)
        if name not in self._before:
            self._variable(name, self._answer(node))
        return _name(name)

    def _answer(self, node: Node) -> ast.expr:
        match node:
            case Group():
                return self._group(node)
            case Condition():
                return _contrary_if(self._condition(node), is_not=node.is_not)
            case Counted():
                return _contrary_if(self._counted(node), is_not=node.is_not)
            case InSegment():
                return self._segment(node)
            case InList():
                self.lists.setdefault(node.id)
                return _compare(ast.Constant(node.id), ast.In(), _name("lists"))

    def _group(self, group: Group) -> ast.expr:
        parts = [self.node(part) for part in group.parts]
        if not parts:
            joined: ast.expr = ast.Constant(value=True)
        elif len(parts) == 1:
            joined = parts[0]
        else:
            joined = ast.BoolOp(ast.And() if group.combinator is Combinator.AND else ast.Or(), parts)
        return _contrary_if(joined, is_not=group.is_not)

    def _segment(self, node: InSegment) -> ast.expr:
        if node.id not in self._segments:
            answer = self.node(node.rule.root)
            self._segments[node.id] = self._variable(f"segment_{len(self._segments)}", answer)
        return _name(self._segments[node.id])

    def _variable(self, name: str, value: ast.expr) -> str:
        self._before.setdefault(name, value)
        return name

    def _place(self, places: dict[Any, int], of: object) -> int:
        return places.setdefault(of, len(places))

    def _condition(self, condition: Condition) -> ast.expr:
        place = self._place(self.fields, condition.field.name)
        variable = self._variable(f"value_{place}", _item("values", place))
        if (
            isinstance(condition.test, Equals | Contains | StartsWith | EndsWith)
            and condition.test.ignore_case
        ):
            lowered = _call("lower_case", _name(variable))
            known = ast.IfExp(_is_known(variable), lowered, ast.Constant(None))
            variable = self._variable(f"lower_{place}", known)
        is_day = condition.field.type is AttributeType.DATE
        if isinstance(condition.test, Within):
            for edge, is_low in ((condition.test.low, True), (condition.test.high, False)):
                if edge is not None and isinstance(edge.value, Moment):
                    compared = self.compared.setdefault((edge.value, is_day), {})
                    compared.setdefault((condition.field.name, edge.is_included is is_low))
        return self._test(condition.test, variable, is_day=is_day)

    def _test(self, test: Test, variable: str, *, is_day: bool) -> ast.expr:
        value = _name(variable)
        match test:
            case Known():
                return _is_known(variable)
            case Equals():
                return _equals(test, value)
            case Contains(text):
                return _if_known(variable, _compare(ast.Constant(text), ast.In(), value))
            case StartsWith(text):
                return _if_known(variable, _method(value, "startswith", ast.Constant(text)))
            case EndsWith(text):
                return _if_known(variable, _method(value, "endswith", ast.Constant(text)))
            case Matches(pattern, ignore_case):
                name = f"pattern_{len(self._bound)}"
                self._bound[name] = expression(pattern, ignore_case=ignore_case).search
                found = _compare(_call(name, value), ast.IsNot(), ast.Constant(None))
                return _if_known(variable, found)
            case HasAny(items):
                apart = _method(_constant(frozenset(items)), "isdisjoint", value)
                return _if_known(variable, ast.UnaryOp(ast.Not(), apart))
            case HasAll(items):
                return _if_known(variable, _method(_constant(frozenset(items)), "issubset", value))
            case Within():
                return _if_known(variable, self._within(test, value, is_day=is_day))

    def _within(self, test: Within, value: ast.expr, *, is_day: bool = False) -> ast.expr:
        left, right = value, list[ast.expr]()
        operators: list[ast.cmpop] = []
        if test.low is not None:
            left = self._edge(test.low, is_day=is_day)
            operators.append(ast.LtE() if test.low.is_included else ast.Lt())
            right.append(value)
        if test.high is not None:
            operators.append(ast.LtE() if test.high.is_included else ast.Lt())
            right.append(self._edge(test.high, is_day=is_day))
        return ast.Compare(left, operators, right)

    def _edge(self, edge: Edge, *, is_day: bool) -> ast.expr:
        if isinstance(edge.value, Moment):
            return self._moment(edge.value, is_day=is_day)
        return _constant(_plain(edge.value))

    def _moment(self, moment: Moment, *, is_day: bool = False) -> ast.expr:
        return _item("edges", self._place(self.moments, (moment, is_day)))

    def _counted(self, counted: Counted) -> ast.expr:
        what, window = counted.what, counted.window
        self.since.setdefault(what, {}).setdefault(window.begins)
        for moment in (window.begins, window.ends):
            if moment is not None:
                self.bounded.setdefault(moment, {}).setdefault(what)
        times = _item("times", self._place(self.happenings, what))
        begins, ends = (
            ast.Constant(None) if moment is None else self._moment(moment)
            for moment in (window.begins, window.ends)
        )
        count = _call("between", times, begins, ends)
        if isinstance(counted.count, Equals):
            return _equals(counted.count, count)
        return self._within(counted.count, count)


def _lists_of(node: Node) -> frozenset[str]:
    return frozenset(part.id for part in nodes(node) if isinstance(part, InList))


def times_within(times: Sequence[int], begins: int | None, ends: int | None) -> Sequence[int]:
    """Return those of sorted times that lie in a window, which is half open."""
    first = 0 if begins is None else bisect_left(times, begins)
    behind = len(times) if ends is None else bisect_left(times, ends)
    return times[first:behind]


def _between(times: Sequence[int], begins: int | None, ends: int | None) -> int:
    """Return how many of sorted times lie in a window."""
    if not times:
        return 0
    first = 0 if begins is None else bisect_left(times, begins)
    return (len(times) if ends is None else bisect_left(times, ends, first)) - first


def _equals(test: Equals, value: ast.expr) -> ast.expr:
    values = [_plain(one) for one in test.values]
    if len(values) == 1:
        return _compare(value, ast.Eq(), ast.Constant(values[0]))
    return _compare(value, ast.In(), _constant(frozenset(values)))


def _plain(value: float | str | date) -> float | str:
    return value.isoformat() if isinstance(value, date) else value


def _constant(value: Any) -> ast.expr:
    """Return a constant; also a set, which the compiler takes, though its types do not say so."""
    return ast.Constant(value)


def _contrary_if(answer: ast.expr, *, is_not: bool) -> ast.expr:
    return ast.UnaryOp(ast.Not(), answer) if is_not else answer


def _name(name: str) -> ast.expr:
    return ast.Name(name, ast.Load())


def _item(name: str, place: int) -> ast.expr:
    return ast.Subscript(_name(name), ast.Constant(place), ast.Load())


def _compare(left: ast.expr, operator: ast.cmpop, right: ast.expr) -> ast.expr:
    return ast.Compare(left, [operator], [right])


def _is_known(variable: str) -> ast.expr:
    return _compare(_name(variable), ast.IsNot(), ast.Constant(None))


def _if_known(variable: str, answer: ast.expr) -> ast.expr:
    return ast.BoolOp(ast.And(), [_is_known(variable), answer])


def _call(name: str, *arguments: ast.expr) -> ast.expr:
    return ast.Call(_name(name), list(arguments), keywords=[])


def _method(value: ast.expr, name: str, argument: ast.expr) -> ast.expr:
    return ast.Call(ast.Attribute(value, name, ast.Load()), [argument], keywords=[])
