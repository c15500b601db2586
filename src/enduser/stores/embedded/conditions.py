"""Rules as conditions of SQL on `users`: every value is a parameter, and names are those that this code owns.

A test of an unknown value is NULL, which counts as false; only where something is turned into its contrary
must that be said, by `IS NOT TRUE`. What stands in other tables is looked for there, so that nothing is
joined to ten million users: places and browsers are few, and of what happened only keys are needed.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, TypeVar
from zoneinfo import ZoneInfo

from enduser import limits
from enduser.core.attributes import AttributeType, ConflictRule
from enduser.core.rules.fields import PAGE_PATH, PROPERTIES, USER_FIELDS
from enduser.core.rules.lookups import FEW_VALUES
from enduser.core.rules.merging import merged_parts
from enduser.core.rules.operators import lower_case
from enduser.core.rules.spans import Moment
from enduser.core.rules.tree import (
    Anything,
    Changes,
    Combinator,
    Condition,
    Contains,
    Counted,
    Edge,
    EndsWith,
    Equals,
    Events,
    Field,
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
    Sessions,
    StartsWith,
    Test,
    Unknown,
    Window,
    Within,
    nodes,
)
from enduser.stores.embedded.registry import Column
from enduser.stores.embedded.statements import bound, spliced, statements

_ANY = Group(Combinator.AND, ())
_AT_LEAST_ONE = Within(low=Edge(1, is_included=True))
_MANY = 100
"""So many conditions that must all hold are told the engine one by one, so that it can skip rows by them. It
compares each with each: 4,000 took it 15 GB and half a minute before it began. More are told as one."""

_AT_ONCE = 200
"""So many conditions on what happened are put into one statement, unless one thing has more."""

_PLACE = "{at}.place_id IN (SELECT place_id FROM places WHERE {test})"
_BROWSER = "{at}.browser_id IN (SELECT browser_id FROM browsers WHERE {test})"
_ID = "{at}.person_key IN (SELECT user_key FROM user_ids WHERE {test})"
_HERE = "{test}"
_ORIGIN = {
    "country": (_PLACE, "places.country"),
    "region": (_PLACE, "places.region"),
    "city": (_PLACE, "places.city"),
    "browser_name": (_BROWSER, "browsers.name"),
    "browser_version": (_BROWSER, "browsers.version"),
}
"""Where values stand: the condition in which a test is put, and the expression that it tests."""
_USER = _ORIGIN | {
    "user_id": (_ID, "user_ids.id"),
    "average_session_duration": (_HERE, "users.duration_us / users.total_sessions / 1e6"),
    "total_session_duration": (_HERE, "users.duration_us / 1e6"),
    "average_time_between_sessions": (
        _HERE,
        "CASE WHEN users.total_sessions > 1 "
        "THEN (users.last_seen - users.first_seen - users.duration_us) / (users.total_sessions - 1) / 1e6 "
        "END",
    ),
}
_SESSION = _ORIGIN | {
    "duration_s": (_HERE, "(visits.ended_at - visits.started_at) / 1e6"),
    "interactions": (_HERE, "visits.acts + greatest(visits.page_views - 1, 0)"),
    "is_empty": (_HERE, "visits.acts = 0 AND visits.page_views <= 1"),
    "is_closed": (_HERE, "true"),
}
_EVENT = {
    "page_path": (
        _HERE,
        "CASE WHEN happened.page_url IS NOT NULL "
        f"THEN coalesce(nullif(regexp_extract(happened.page_url, '{PAGE_PATH}', 1), ''), '/') END",
    ),
}
_PROPERTIES = {
    AttributeType.STRING: "CASE WHEN json_type({json}, {key}) = 'VARCHAR' THEN {json} ->> {key} END",
    AttributeType.NUMBER: "CASE WHEN json_type({json}, {key}) IN ('UBIGINT', 'BIGINT', 'DOUBLE') "
    "THEN try_cast({json} ->> {key} AS DOUBLE) END",
    AttributeType.BOOLEAN: "CASE WHEN json_type({json}, {key}) = 'BOOLEAN' "
    "THEN {json} ->> {key} = 'true' END",
    AttributeType.DATETIME: "CASE WHEN json_type({json}, {key}) = 'VARCHAR' "
    "THEN time_of({json} ->> {key}, NULL, NULL, NULL) END",
    AttributeType.LIST: "CASE WHEN json_type({json}, {key}) = 'ARRAY' AND len(list_filter("
    "json_extract({json}, {key})::JSON[], lambda item: json_type(item) <> 'VARCHAR')) = 0 "
    "THEN json_extract({json}, {key})::VARCHAR[] END",
}
"""The values of a property of an event by the type that is asked for; what is of another is unknown."""
_KNOWN_PROPERTY = "nullif(json_type({json}, {key}), 'NULL')"
_NUMBERED = (
    "SELECT unnest(numbers) AS number, person_key, happened_at FROM ({happened}) WHERE len(numbers) > 0"
)
_ONE = "SELECT {number} AS number, person_key, happened_at FROM ({happened})"

Span = tuple[int | None, int | None]
"""From an instant on and before another, in µs; None: without an end."""
Sought = tuple[Happening | InList, Sequence[Span]]
"""What may have happened, and within which spans it is looked for."""
Key = TypeVar("Key")
Item = TypeVar("Item")


@dataclass(frozen=True, slots=True)
class Tables:
    """Which tables conditions look at: those of all users, or others of the same form that have only some."""

    users: str = "users"
    sessions: str = "sessions"
    open_sessions: str = "open_sessions"
    events: str = "events"
    candidates: str = "candidates"
    list_members: str = "list_members"
    sources: str = "sources"


@dataclass(slots=True)
class Conditions:
    """Writes conditions for one moment of a space, and gathers their parameters."""

    columns: Mapping[str, Column]
    """The custom attributes by name."""
    sources: Sequence[int]
    """The numbers of the sources of values, the first in order first."""
    now: int
    """What the clock of the space shows, in µs."""
    zone: ZoneInfo
    months: int
    """How long the space keeps users."""
    tables: Tables = Tables()
    parameters: dict[str, object] = field(default_factory=dict)

    def of(self, rule: Rule) -> str:
        """Return the condition that a user of the table `users` is meant by a rule."""
        return self._whole(rule.root, "users")

    def persons_of_lists(self, rule: Rule) -> str:
        """Return the query of the persons who are in one of the lists that a rule names."""
        names = {node.id for node in nodes(rule.root) if isinstance(node, InList)}
        which = f"id IN (SELECT unnest({self.bind(sorted(names))}))"
        return self._query("in_list", {"which": which})

    def in_list(self, node: InList) -> str:
        """Return the query of the persons in a static list, and since when (`happened_at`)."""
        return self._query("in_list", {"which": f"id = {self.bind(node.id)}"})

    def type_of(self, name: str) -> AttributeType | None:
        """Return the type of an attribute; None: there is none of this name."""
        if name in self.columns:
            return self.columns[name].attribute.type
        return USER_FIELDS.get(name)

    def value_of(self, name: str) -> str:
        """Return the expression of an attribute that stands in `users` or follows from it."""
        if name in self.columns:
            return f"users.{self.columns[name].name}"
        return _USER[name][1] if name in _USER else f'users."{name}"'

    def having(self, text: str) -> str:
        """Return the condition that a user has some text with this text in it, in any case."""
        of, tests = self.bind(lower_case(text)), defaultdict[str, list[str]](list)
        for name in (*USER_FIELDS, *self.columns):
            place, value = _USER.get(name, (_HERE, self.value_of(name)))
            if self.type_of(name) is AttributeType.STRING:
                tests[place].append(f"contains(lower({value}), {of})")
            elif self.type_of(name) is AttributeType.LIST:
                having = f"list_filter({value}, lambda item: contains(lower(item), {of}))"
                tests[place].append(f"len({having}) > 0")
        places = [place.format(at="users", test=" OR ".join(each)) for place, each in tests.items()]
        return f"({' OR '.join(places)})"

    def _query(self, name: str, splices: Mapping[str, str]) -> str:
        return spliced(statements("conditions")[name][0], (), {**splices, **asdict(self.tables)})

    def bind(self, value: object) -> str:
        """Return what stands for a value in a statement, which is then among the parameters."""
        name = f"r{len(self.parameters)}"
        self.parameters[name] = bound(value)
        return f"${name}"

    # --- nodes

    def _whole(self, group: Group, at: str) -> str:
        """Return a group that stands beside other conditions."""
        condition = self._node(group, at)
        return f"({condition}) IS TRUE" if sum(1 for _ in nodes(group)) > _MANY else condition

    def _node(self, node: Node, at: str) -> str:
        match node:
            case Group():
                return self._group(node, at)
            case Condition():
                return _contrary_if(self._condition(node, at), is_not=node.is_not)
            case Counted():
                return self._counted(node)
            case InSegment():
                return self._node(node.rule.root, at)
            case InList():
                return f"users.person_key IN (SELECT person_key FROM ({self.in_list(node)}))"

    def _group(self, group: Group, at: str) -> str:
        word = " AND " if group.combinator is Combinator.AND else " OR "
        parts = [self._node(part, at) for part in merged_parts(group)]
        return _contrary_if(f"({word.join(parts)})" if parts else "true", is_not=group.is_not)

    def _condition(self, condition: Condition, at: str) -> str:
        place, expression = self._place(condition, at)
        return place.format(at=at, test=self._test(condition.test, expression, condition.field.type))

    def _place(self, condition: Condition, at: str) -> tuple[str, str]:
        """Return the condition in which a test is to be put, and the expression that it tests."""
        name = condition.field.name
        known = {"users": _USER, "visits": _SESSION, "happened": _EVENT}[at].get(name)
        if known is not None:
            return known
        if at == "happened" and name.startswith(PROPERTIES):
            return _HERE, self._property(condition)
        return _HERE, self.value_of(name) if at == "users" else f'{at}."{name}"'

    def _property(self, condition: Condition) -> str:
        name = condition.field.name.removeprefix(PROPERTIES)
        key = self.bind("/" + name.replace("~", "~0").replace("/", "~1"))
        is_known = isinstance(condition.test, Known)
        template = _KNOWN_PROPERTY if is_known else _PROPERTIES[condition.field.type]
        return template.format(json="happened.properties", key=key)

    # --- tests

    def _test(self, test: Test, value: str, kind: AttributeType) -> str:
        if getattr(test, "ignore_case", False) and not isinstance(test, Matches):
            value = f"lower({value})"
        match test:
            case Known():
                return f"({value}) IS NOT NULL"
            case Equals():
                return self._equals(test, value)
            case Contains(text):
                return f"contains({value}, {self.bind(text)})"
            case StartsWith(text):
                return f"starts_with({value}, {self.bind(text)})"
            case EndsWith(text):
                return f"ends_with({value}, {self.bind(text)})"
            case Matches(pattern, ignore_case):
                return f"regexp_matches({value}, {self.bind(pattern)}, '{'i' if ignore_case else 'c'}')"
            case HasAny(items):
                return f"len({self._those(value, items)}) > 0"
            case HasAll(items) if len(items) > limits.LIST_ITEMS_MAX:
                return "false"  # no list has so many
            case HasAll(items):
                return f"list_unique({self._those(value, items)}) = {len(items)}"
            case Within():
                return self._within(test, value, kind)

    def _those(self, value: str, items: Sequence[str]) -> str:
        """Return those items of a list that are asked for; `list_has_any` takes four times as long."""
        return f"list_filter({value}, lambda item: list_contains({self.bind(list(items))}, item))"

    def _equals(self, test: Equals, value: str) -> str:
        if len(test.values) == 1:
            return f"({value}) = {self.bind(test.values[0])}"
        if len(test.values) <= FEW_VALUES:
            return f"({value}) IN ({', '.join(self.bind(one) for one in test.values)})"
        return f"({value}) IN (SELECT unnest({self.bind(list(test.values))}))"

    def _within(self, test: Within, value: str, kind: AttributeType) -> str:
        ends = []
        if test.low is not None:
            ends.append(f"({value}) {'>=' if test.low.is_included else '>'} {self._edge(test.low, kind)}")
        if test.high is not None:
            ends.append(f"({value}) {'<=' if test.high.is_included else '<'} {self._edge(test.high, kind)}")
        return f"({' AND '.join(ends)})"

    def _edge(self, edge: Edge, kind: AttributeType) -> str:
        if not isinstance(edge.value, Moment):
            return self.bind(edge.value)
        if kind is AttributeType.DATE:
            return self.bind(edge.value.day(self.now, self.zone))
        return self.bind(edge.value.at(self.now, self.zone))

    # --- what happened

    def _counted(self, counted: Counted) -> str:
        """Return the condition that something happened so often, looked for among whom it happened to."""
        happened, holds_for_none = self.happened(counted.what, counted.window), counted.holds_for(0)
        count = self._test(counted.count, "count(*)", AttributeType.NUMBER)
        if counted.is_not is not holds_for_none:
            count = f"NOT {count}"
        having = "" if counted.count == _AT_LEAST_ONE else f" GROUP BY person_key HAVING {count}"
        persons = f"users.person_key IN (SELECT person_key FROM ({happened}){having})"
        return _contrary_if(persons, is_not=holds_for_none)

    def happened(self, what: Happening, window: Window) -> str:
        """Return the query of whom something happened to within a window, and when (`happened_at`)."""
        begins, ends = (
            None if moment is None else moment.at(self.now, self.zone)
            for moment in (window.begins, window.ends)
        )
        return self._happened(what, [(begins, ends)])

    def each_happened(self, asked: Mapping[int, Sought]) -> str:
        """Return the query of what happened to whom, and when, of several things at once.

        Rows are (number, person_key, happened_at); a thing is looked for within any of its spans, and the
        number says which it is. Sessions are looked through once for all things, and so are events.
        """
        parts = []
        for each in (Sessions(_ANY), Events(None, _ANY)):
            some = {number: one for number, one in asked.items() if isinstance(one[0], type(each))}
            if some:
                numbers, spans = self._numbers(some), [span for _, every in some.values() for span in every]
                parts.append(_NUMBERED.format(happened=self._happened(each, spans, numbers)))
        for number, (what, every) in asked.items():
            if isinstance(what, InList):
                parts.append(_ONE.format(number=number, happened=self.in_list(what)))
            elif isinstance(what, Changes):
                parts.append(_ONE.format(number=number, happened=self._happened(what, every)))
        return " UNION ALL ".join(parts)

    def _numbers(self, asked: Mapping[int, tuple[Any, Sequence[Span]]]) -> str:
        """Return the expression of the numbers of those things that a row is."""
        tests = []
        for number, (what, spans) in asked.items():
            window, named, rules = self._within_spans(what, spans)
            tests.append(f"CASE WHEN {window} AND {named} AND {rules} THEN {number} END")
        return f"list_filter([{', '.join(tests)}], lambda number: number IS NOT NULL)"

    def _within_spans(self, what: Sessions | Events, spans: Sequence[Span]) -> tuple[str, str, str]:
        """Return the conditions that a row lies in one of some spans, has a name, and is as rules say."""
        if isinstance(what, Sessions):
            return self._window(spans, "visits.started_at"), "true", self._whole(what.rules, "visits")
        named = "true" if what.name is None else f"happened.name = {self.bind(what.name)}"
        return self._window(spans, "happened.occurred_at"), named, self._whole(what.rules, "happened")

    def _happened(self, what: Happening, spans: Sequence[Span], numbers: str = "NULL") -> str:
        if isinstance(what, Changes):
            return self._changes(what, spans)
        window, named, rules = self._within_spans(what, spans)
        splices = {"window": window, "rules": rules, "numbers": numbers}
        if isinstance(what, Sessions):
            return self._query("sessions", splices)
        self.parameters["months"] = bound(self.months)
        return self._query("events", {**splices, "named": named})

    def _window(self, spans: Sequence[Span], at: str) -> str:
        """Return the condition that a time lies in one of some spans."""
        if (None, None) in spans:
            return "true"
        ends = [
            [
                f"{at} {operator} {self.bind(end)}"
                for operator, end in zip((">=", "<"), span, strict=True)
                if end is not None
            ]
            for span in dict.fromkeys(spans)
        ]
        return f"({' OR '.join(' AND '.join(each) for each in ends)})"

    def _changes(self, what: Changes, spans: Sequence[Span]) -> str:
        column = self.columns[what.field.name]
        is_latest = column.attribute.conflict_rule is ConflictRule.LATEST
        held = statements("conditions")["held_latest" if is_latest else "held_by_order"][0]
        splices = {
            "held": spliced(held, [{"source": str(number)} for number in self.sources]),
            "n": str(column.number),
            "window": self._window(spans, "effective_at"),
            "became": self._state(what.after if is_latest else Anything(), "value", what.field),
            "before": self._state(what.before, "before", what.field),
            "after": self._state(what.after, "value", what.field),
        }
        return self._query("changes", splices)

    def _state(self, state: Equals | Known | Unknown | Anything, value: str, of: Field) -> str:
        match state:
            case Anything():
                return "true"
            case Unknown():
                return f"{value} IS NULL"
            case _:
                return self._test(state, value, of.type)


def portions(
    items: Mapping[Key, Item], at_once: int, size_of: Callable[[Item], int], size_max: int
) -> Iterator[Mapping[Key, Item]]:
    """Yield items, at most so many at once and together of at most that size, unless one alone is larger."""
    portion: dict[Key, Item] = {}
    size = 0
    for key, item in items.items():
        more = size_of(item)
        if portion and (len(portion) == at_once or size + more > size_max):
            yield portion
            portion, size = {}, 0
        portion[key] = item
        size += more
    if portion:
        yield portion


def portions_of_happenings(asked: Sequence[Sought], at_once: int) -> Iterator[Mapping[int, Sought]]:
    """Yield things that may have happened, by their numbers, so many at once as one statement asks of."""
    return portions(dict(enumerate(asked)), at_once, _conditions_on, _AT_ONCE)


def _conditions_on(asked: Sought) -> int:
    what, _ = asked
    return 0 if isinstance(what, Changes | InList) else sum(1 for _ in nodes(what.rules))


def _contrary_if(condition: str, *, is_not: bool) -> str:
    return f"({condition}) IS NOT TRUE" if is_not else condition
