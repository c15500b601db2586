"""From JSON to a rule: what cannot be is refused, with the node that is wrong (docs/rules.md).

A node is named by its path in the rule, such as `rules[1].rules[0].value`; the root's is empty.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import Any
from zoneinfo import ZoneInfo

from enduser import limits
from enduser.core.attributes import AttributeType
from enduser.core.rules.fields import EVENT_SCOPE, PROPERTIES, SESSION_SCOPE, USER_FIELDS, Scope
from enduser.core.rules.lookups import FEW_VALUES, lookups_of
from enduser.core.rules.operators import COUNT_OPERATORS, OPERATORS, Form, Operator
from enduser.core.rules.spans import Moment, Unit
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
    InList,
    InSegment,
    Known,
    Node,
    Rule,
    Sessions,
    Unknown,
    Window,
    Within,
)
from enduser.core.rules.values import ValueReader, read_span, refused, shown
from enduser.core.rules.weighing import weight_of
from enduser.errors import InvalidRule, RuleTooLarge, UsersNotTracked

_UTC = ZoneInfo("UTC")
_VALUE_SOURCE = "valueSource"
_ADDED_BY_EDITORS = ("id", "path", _VALUE_SOURCE)
_UNKNOWN = {"unknown": True}
_AT_LEAST_ONE = Within(low=Edge(1, is_included=True))


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """What the words of a rule mean in a space."""

    custom: Mapping[str, AttributeType] = field(default_factory=dict)
    """The custom attributes."""
    zone: ZoneInfo = _UTC
    lists: Collection[str] = ()
    """The ids of the static lists."""
    segment_of: Callable[[str], Rule | None] = lambda _: None
    """Returns the rule of a segment by its id, None if there is none; raises what `read_rule` does, and in a
    circle InvalidRule without a field."""
    tracks_users: bool = True


def read_rule(data: object, words: Vocabulary) -> Rule:
    """Return the rule that decoded JSON says.

    Raises:
        InvalidRule: it cannot be; `field` names the node.
        RuleTooLarge: it is larger than a rule may be.
        UsersNotTracked: it asks about users, and the space keeps none.
    """
    reader = _Reader(words)
    root = reader.root(data, Scope("attribute", {**USER_FIELDS, **words.custom}))
    if not words.tracks_users and reader.others:
        raise UsersNotTracked(
            "the space does not track users (unique_user is none), so rules cannot ask about them",
            hint="name static lists only, or let the space track users: enduser config set unique_user …",
            field=reader.others[0],
        )
    rule = Rule(
        root,
        conditions=reader.conditions,
        depth=reader.depth,
        histories=reader.histories,
        weight=weight_of(root),
        lookups=lookups_of(root),
        is_of_lists=reader.conditions > 0 and not reader.others,
    )
    _require_light(rule.weight)
    _require_few(rule.lookups)
    return rule


def _require_light(weight: int) -> None:
    most = limits.RULE_WEIGHT_MAX
    if weight > most:
        raise RuleTooLarge(
            f"the rule weighs {weight:,}: it would take too long to answer",
            hint=f"the limit is {most:,} (RULE_WEIGHT_MAX); docs/rules.md says what conditions weigh; "
            "of many values make one condition with in",
            field="",
            limit=most,
        )


def _require_few(lookups: int) -> None:
    most = limits.RULE_LOOKUPS_MAX
    if lookups > most:
        raise RuleTooLarge(
            f"the rule has {lookups:,} conditions on places, browsers, ids, static lists, or with more than "
            f"{FEW_VALUES} values, segments within it included",
            hint=f"the limit is {most} (RULE_LOOKUPS_MAX); of many values of one field make one with in",
            field="",
            limit=most,
        )


def with_root(data: Any) -> Any:
    """Return a rule that can be read, with a group at its root."""
    return {"combinator": Combinator.AND, "rules": [data]} if _is_alone(data) else data


def _is_alone(data: object) -> bool:
    """Whether a rule is a condition without a group around it."""
    return isinstance(data, Mapping) and ("field" in data or "kind" in data)


def without_additions(node: Any) -> Any:
    """Return a rule that can be read, as it is kept: without what editors add."""
    has_id = node.get("kind") in ("segment", "list")
    kept = {name: value for name, value in node.items() if name not in _ADDED_BY_EDITORS}
    if has_id:
        kept["id"] = node["id"]
    if "rules" in kept:
        kept["rules"] = [without_additions(part) for part in kept["rules"]]
    return kept


class _Reader:
    """Reads one rule, and counts what it has."""

    def __init__(self, words: Vocabulary) -> None:
        self._words = words
        self.conditions = 0
        self.histories = 0
        self.depth = 0
        self.others: list[str] = []
        """The paths of conditions that are no static lists."""
        self._kinds: Mapping[str, Callable[[Mapping[str, Any], str, int], Node]] = {
            "session": self._sessions,
            "event": self._events,
            "changed": self._changed,
            "segment": self._segment,
            "list": self._list,
        }

    def root(self, data: object, scope: Scope) -> Group:
        if _is_alone(data):
            self._count(depth=1)
            return Group(Combinator.AND, (self._node(data, "", 1, scope),))
        return self.group(data, "", 1, scope)

    def group(self, data: object, at: str, depth: int, scope: Scope) -> Group:
        node = _object(data, at, ("combinator", "not", "rules"))
        return self._group_of(node, at, depth, scope, is_root=not at)

    def _group_of(
        self, node: Mapping[str, Any], at: str, depth: int, scope: Scope, *, is_root: bool
    ) -> Group:
        self._count(depth=depth, conditions=int(not is_root))
        combinator, is_not, rules = node.get("combinator", "and"), node.get("not", False), node.get("rules")
        if combinator not in tuple(Combinator):
            raise refused(_under(at, "combinator"), f"{shown(combinator)} joins nothing", "write and, or or")
        if not isinstance(is_not, bool):
            raise refused(
                _under(at, "not"), f"{shown(is_not)} is neither true nor false", "write true or false"
            )
        if not isinstance(rules, list):
            what = f"{shown(rules)} is no list" if "rules" in node else "it is missing"
            raise refused(_under(at, "rules"), what, "write a list of conditions and groups")
        if not rules and not is_root:
            raise refused(
                _under(at, "rules"), "a group within a rule must have conditions", "take the group out"
            )
        path = _under(at, "rules")
        parts = tuple(
            self._node(part, f"{path}[{number}]", depth, scope) for number, part in enumerate(rules)
        )
        return Group(Combinator(combinator), parts, is_not)

    def _node(self, data: object, at: str, depth: int, scope: Scope) -> Node:
        if not isinstance(data, Mapping) or not data.keys() - set(_ADDED_BY_EDITORS):
            raise refused(
                at, f"{shown(data)} is no condition", 'write one as {"field": …, "operator": …, "value": …}'
            )
        if "kind" in data:
            return self._kind(data, at, depth, scope)
        if "rules" in data or "combinator" in data:
            return self.group(data, at, depth + 1, scope)
        self.others.append(at)
        return self._condition(data, at, scope)

    def _kind(self, data: Mapping[str, Any], at: str, depth: int, scope: Scope) -> Node:
        kind = data["kind"]
        is_known = isinstance(kind, str) and kind in self._kinds
        if not is_known or scope in (SESSION_SCOPE, EVENT_SCOPE):
            known = "no kind can stand here" if is_known else f"write one of: {', '.join(self._kinds)}"
            raise refused(_under(at, "kind"), f"{shown(kind)} is no kind of condition here", known)
        if kind not in ("segment", "list"):
            self.others.append(at)
        return self._kinds[kind](data, at, depth)

    def _count(self, *, depth: int = 0, conditions: int = 0, histories: int = 0) -> None:
        """Count a part of the rule.

        Raises:
            RuleTooLarge: it has too many, or they are too deep.
        """
        self.depth = max(self.depth, depth)
        self.conditions += conditions
        self.histories += histories
        for word, count, name, hint in (
            ("groups deep", self.depth, "RULE_DEPTH_MAX", "take groups apart"),
            (
                "conditions and groups large",
                self.conditions,
                "RULE_CONDITIONS_MAX",
                "of many values make one condition with in",
            ),
            (
                "conditions on sessions, events and changes large",
                self.histories,
                "RULE_HISTORIES_MAX",
                "part it into segments that are asked one by one",
            ),
        ):
            most: int = getattr(limits, name)
            if count > most:
                raise RuleTooLarge(
                    f"the rule is more than {most:,} {word}, segments within it included",
                    hint=f"the limit is {most:,} ({name}); {hint}",
                    field="",
                    limit=most,
                )

    # --- conditions

    def _condition(self, data: Mapping[str, Any], at: str, scope: Scope) -> Condition:
        node = _object(data, at, ("field", "operator", "value", "ignore_case"))
        name = _required_text(node, "field", at)
        operator, kind = self._operator(node, at, scope, self._types(name, at, scope))
        ignore_case = node.get("ignore_case", False)
        if not isinstance(ignore_case, bool):
            raise refused(
                _under(at, "ignore_case"), f"{shown(ignore_case)} is neither true nor false", "write true"
            )
        if ignore_case and (kind is not AttributeType.STRING or operator.form is Form.NONE):
            raise refused(_under(at, "ignore_case"), "only texts have upper and lower case", "leave it out")
        value = ValueReader(kind, self._words.zone, _under(at, "value"), ignore_case)
        try:
            test = value.test(operator, node.get("value"))
        except InvalidRule as error:
            if "value" in node:
                raise
            raise refused(_under(at, "value"), "it is missing", str(error.hint)) from None
        self._count(conditions=1)
        return Condition(Field(name, kind), test, operator.is_not)

    def _types(self, name: str, at: str, scope: Scope) -> Collection[AttributeType]:
        """Return the types that a field can have: one, of a property all."""
        if name in scope.fields:
            return (scope.fields[name],)
        if scope.has_properties and len(name) > len(PROPERTIES) and name.startswith(PROPERTIES):
            return [kind for kind in AttributeType if kind is not AttributeType.DATE]
        known = sorted(scope.fields, key=lambda one: (one.lower() != name.lower(), one))
        hint = f"names are case-sensitive; there are: {', '.join(known[:30])}"
        if scope.has_properties:
            hint += f"; and {PROPERTIES}… with the name of a property"
        raise refused(_under(at, "field"), f"there is no {scope.word} {shown(name)}", hint)

    def _operator(
        self, node: Mapping[str, Any], at: str, scope: Scope, types: Collection[AttributeType]
    ) -> tuple[Operator, AttributeType]:
        """Return the operator of a condition, and the type by which it compares."""
        name = _required_text(node, "operator", at)
        fitting = [kind for kind in types if name in OPERATORS[kind]]
        is_within = scope in (SESSION_SCOPE, EVENT_SCOPE)
        if not fitting:
            known = {
                word: None
                for kind in types
                for word, one in OPERATORS[kind].items()
                if not (is_within and one.form is Form.SPAN)
            }
            of = f" of the type {next(iter(types))}" if len(types) == 1 else f", a {scope.word}"
            raise refused(
                _under(at, "operator"),
                f"there is no operator {shown(name)} for {shown(node['field'])}{of}",
                f"there are: {', '.join(known)}",
            )
        kind = fitting[0]
        if is_within and OPERATORS[kind][name].form is Form.SPAN:
            raise refused(
                _under(at, "operator"),
                f"{name} cannot stand here: what happened is judged by when it did",
                'give the condition a window, such as {"from": {"n": 7, "unit": "day"}}',
            )
        value = node.get("value")
        if len(fitting) > 1 and isinstance(value, list) and value and not isinstance(value[0], str):
            kind = AttributeType.NUMBER
        elif AttributeType.DATETIME in fitting and AttributeType.STRING not in fitting:
            kind = AttributeType.DATETIME
        return OPERATORS[kind][name], kind

    # --- sessions, events, changes

    def _sessions(self, data: Mapping[str, Any], at: str, depth: int) -> Counted:
        _object(data, at, ("kind", "count", "rules", "combinator", "not", "window"))
        return self._counted(data, at, lambda: Sessions(self._inner(data, at, depth, SESSION_SCOPE)))

    def _events(self, data: Mapping[str, Any], at: str, depth: int) -> Counted:
        _object(data, at, ("kind", "name", "count", "rules", "combinator", "not", "window"))
        name = _required_text(data, "name", at) if "name" in data else None
        return self._counted(data, at, lambda: Events(name, self._inner(data, at, depth, EVENT_SCOPE)))

    def _inner(self, data: Mapping[str, Any], at: str, depth: int, scope: Scope) -> Group:
        return self._group_of({"rules": [], **data}, at, depth + 1, scope, is_root=True)

    def _changed(self, data: Mapping[str, Any], at: str, _: int) -> Counted:
        _object(data, at, ("kind", "field", "from", "to", "window"))
        name = _required_text(data, "field", at)
        if name not in self._words.custom:
            raise refused(
                _under(at, "field"),
                f"there is no custom attribute {shown(name)}",
                f"only those have a history; there are: {', '.join(self._words.custom) or 'none'}",
            )
        of = Field(name, self._words.custom[name])
        before = self._state(data, "from", at, of) if "from" in data else Known()
        after = self._state(data, "to", at, of) if "to" in data else Anything()
        return self._counted(data, at, lambda: Changes(of, before, after))

    def _state(self, data: Mapping[str, Any], key: str, at: str, of: Field) -> Equals | Unknown:
        """Return what a value was, or became."""
        path, value = _under(at, key), data[key]
        if value == _UNKNOWN and value["unknown"] is True:  # 1 equals True
            return Unknown()
        if of.type is AttributeType.LIST:
            raise refused(path, "whole lists are not compared", 'write {"unknown": true}, or leave it out')
        if of.type is AttributeType.BOOLEAN:
            if not isinstance(value, bool):
                raise refused(path, f"{shown(value)} is neither true nor false", "write true or false")
            return Equals((value,))
        return ValueReader(of.type, self._words.zone, path).same(value)

    def _counted(
        self, data: Mapping[str, Any], at: str, what: Callable[[], Sessions | Events | Changes]
    ) -> Counted:
        self._count(conditions=1, histories=1)
        count, is_not = self._occurrences(data, at)
        return Counted(what(), count, is_not, self._window(data, at))

    def _occurrences(self, data: Mapping[str, Any], at: str) -> tuple[Equals | Within, bool]:
        """Return by which test a count is judged, and whether by its contrary."""
        if "count" not in data:
            return _AT_LEAST_ONE, False
        path = _under(at, "count")
        count = _object(data["count"], path, ("operator", "value"))
        name = _required_text(count, "operator", path)
        if name not in COUNT_OPERATORS:
            raise refused(
                _under(path, "operator"),
                f"there is no operator {shown(name)} for a count",
                f"there are: {', '.join(COUNT_OPERATORS)}",
            )
        value, path = count.get("value"), _under(path, "value")
        for number in value if isinstance(value, list) else [value]:
            if isinstance(number, float | int) and (number < 0 or number % 1):
                raise refused(path, f"{shown(number)} is no count", "write a whole number from 0")
        operator = COUNT_OPERATORS[name]
        test = ValueReader(AttributeType.NUMBER, self._words.zone, path).test(operator, value)
        assert isinstance(test, Equals | Within)
        return test, operator.is_not

    def _window(self, data: Mapping[str, Any], at: str) -> Window:
        if "window" not in data:
            return Window()
        path = _under(at, "window")
        window = _object(data["window"], path, ("from", "to"))
        spans = {
            name: read_span(window[name], _under(path, name), tuple(Unit))
            for name in ("from", "to")
            if name in window
        }
        if not spans:
            raise refused(
                path, "a window must have an end", "give from, or to, or both; or leave the window out"
            )
        begins, ends = ((Moment(-s.n, s.unit) if s else None) for s in (spans.get("from"), spans.get("to")))
        if begins and ends and not begins.at(_SOME_TIME, _UTC) < ends.at(_SOME_TIME, _UTC):
            raise refused(path, "it ends before it begins", "from must lie further back than to")
        return Window(begins, ends)

    # --- segments and lists

    def _segment(self, data: Mapping[str, Any], at: str, depth: int) -> InSegment:
        _object(data, at, ("kind", "id"))
        name, path = _required_text(data, "id", at), _under(at, "id")
        try:
            rule = self._words.segment_of(name)
        except (InvalidRule, RuleTooLarge) as error:
            within = "" if error.field is None else f"in the segment {shown(name)}, "
            raise type(error)(
                f"{path}: {within}{error.message}", hint=error.hint, field=path, limit=error.limit
            ) from None
        if rule is None:
            raise refused(
                path,
                f"there is no segment {shown(name)} in use",
                "the segments: enduser segments list; one that is archived must be restored first",
            )
        self._count(depth=depth + rule.depth, conditions=1 + rule.conditions, histories=rule.histories)
        if not rule.is_of_lists:
            self.others.append(at)
        return InSegment(name, rule)

    def _list(self, data: Mapping[str, Any], at: str, _: int) -> InList:
        _object(data, at, ("kind", "id"))
        self._count(conditions=1)
        name = _required_text(data, "id", at)
        if name not in self._words.lists:
            raise refused(
                _under(at, "id"), f"there is no static list {shown(name)}", "the lists: enduser lists list"
            )
        return InList(name)


_SOME_TIME = 1_767_225_600_000_000
"""A time (2026-01-01) by which spans are compared in length, in UTC: a rule stays one in any time zone."""


def _under(at: str, key: str) -> str:
    return f"{at}.{key}" if at else key


def _object(data: object, at: str, keys: Collection[str]) -> Mapping[str, Any]:
    """Return a node that is an object with these keys and no others, but for what editors add."""
    if not isinstance(data, Mapping):
        raise refused(at, f"{shown(data)} is no object", "write an object, in braces")
    for key in data:
        if key not in keys and key not in _ADDED_BY_EDITORS:
            raise refused(_under(at, key), "there is no such key here", f"there are: {', '.join(keys)}")
    if data.get(_VALUE_SOURCE, "value") != "value":
        raise refused(_under(at, _VALUE_SOURCE), "fields are compared with values only", 'write "value"')
    return data


def _required_text(node: Mapping[str, Any], key: str, at: str) -> str:
    value = node.get(key)
    if not isinstance(value, str) or not value:
        what = f"{shown(value)} is no name" if key in node else "it is missing"
        raise refused(_under(at, key), what, f"give {key} as a text")
    return value
