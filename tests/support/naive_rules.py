"""What a rule means for one person, written operator by operator after docs/rules.md.

It is slow, and makes nothing of a rule beforehand: evaluators that do must give the same answers. Rules are
taken as checked.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import re2

from enduser.core.times import iso_instant

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)
DAY_US = 86_400_000_000
UNITS_US = {"minute": 60_000_000, "hour": 3_600_000_000, "day": DAY_US, "week": 7 * DAY_US}
UNITS_DAYS = {"day": 1, "week": 7}
LAST_DAY = date.max.toordinal()
HAS_ZONE = re.compile(r"([Zz]|[+-][0-9]{2}(:?[0-9]{2})?)$")
DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
PATH_OF_URL = re.compile(r"(?:[A-Za-z][A-Za-z0-9+.-]*:)?(?://[^/?#]*)?([^?#]*)")

SESSION_TYPES = {
    **dict.fromkeys(("started_at", "ended_at"), "datetime"),
    **dict.fromkeys(("duration_s", "events", "page_views", "interactions"), "number"),
    **dict.fromkeys(("is_empty", "is_closed"), "boolean"),
    **dict.fromkeys(("country", "region", "city", "browser_name", "browser_version"), "string"),
}
EVENT_TYPES = {
    **dict.fromkeys(("type", "name", "page_url", "page_path"), "string"),
    "occurred_at": "datetime",
}


@dataclass(frozen=True)
class NaivePerson:
    """One person as rules see it. Times are µs since 1970 UTC."""

    values: Mapping[str, object]
    """Known attributes: texts, numbers, booleans, dates as YYYY-MM-DD, datetimes as µs, lists as tuples."""
    sessions: Sequence[Mapping[str, object]] = ()
    """Closed ones of the current life. Unknown fields are absent or None."""
    events: Sequence[Mapping[str, object]] = ()
    """Those that count: type, name, occurred_at, page_url, properties."""
    changes: Mapping[str, Sequence[tuple[int, object, object]]] = field(default_factory=dict)
    """By attribute: when, before, after; None is unknown."""
    lists: frozenset[str] = frozenset()
    """The static lists that the person is in."""
    has_object: bool = True


def holds(
    rule: object,
    person: NaivePerson,
    *,
    now: int,
    time_zone: str,
    types: Mapping[str, str],
    segments: Mapping[str, object] = {},
) -> bool:
    """Return whether a rule (decoded JSON) holds for a person by a clock (µs).

    `types` has the type of every attribute, `segments` the rules of segments by id.
    """
    assert isinstance(rule, Mapping)
    if not person.has_object:
        found = list(leaves(rule, segments))
        is_of_lists = all(leaf.get("kind") == "list" for leaf in found)
        if not is_of_lists or not any(leaf["id"] in person.lists for leaf in found):
            return False
    return Asked(person, Times(now, ZoneInfo(time_zone)), types, segments).of_person(rule)


def leaves(node: Mapping[str, object], segments: Mapping[str, object]) -> Iterator[Mapping[str, object]]:
    """Yield the conditions of a rule, those of its segments in their place."""
    if node.get("kind") == "segment":
        yield from leaves(segments[node["id"]], segments)  # type: ignore[index, arg-type]
    elif is_group(node):
        for one in node["rules"]:  # type: ignore[attr-defined]
            yield from leaves(one, segments)
    else:
        yield node


def is_group(node: Mapping[str, object]) -> bool:
    """Return whether a node is a group; conditions on sessions and events have rules too."""
    return "kind" not in node and "field" not in node


def group(node: Mapping[str, object], holds_one: Callable[[Mapping[str, object]], bool]) -> bool:
    """Return whether a group holds, by what says it of each of its nodes."""
    answers = [holds_one(one) for one in node.get("rules", [])]  # type: ignore[attr-defined]
    if not answers:
        found = True
    elif node.get("combinator", "and") == "and":
        found = all(answers)
    else:
        found = any(answers)
    return not found if node.get("not", False) else found


# --- times


@dataclass(frozen=True)
class Times:
    """The calendar of a zone, and now (µs)."""

    now: int
    zone: ZoneInfo

    def local(self, at: int) -> datetime:
        """Return what the clocks on the walls show at an instant."""
        return (EPOCH + timedelta(microseconds=at)).astimezone(self.zone).replace(tzinfo=None)

    def instant(self, wall: datetime, fold: int = 0) -> int:
        """Return when clocks show this: where they do so twice the first time, where never as if not set."""
        offset = wall.replace(tzinfo=self.zone, fold=fold).utcoffset()
        assert offset is not None
        return (wall.replace(tzinfo=UTC) - EPOCH - offset) // MICROSECOND

    def begins(self, day: int) -> int:
        """Return the first instant of a day, which is given by its ordinal."""
        if day > LAST_DAY:
            return self.begins(LAST_DAY) + DAY_US
        midnight = datetime.fromordinal(day)
        at, before_gap = self.instant(midnight), self.instant(midnight, fold=1)
        if at <= before_gap:
            return at
        while before_gap + 1 < at:  # clocks leave midnight out: the first instant behind that
            middle = (before_gap + at) // 2
            if self.local(middle) >= midnight:
                at = middle
            else:
                before_gap = middle
        return at

    def today(self) -> int:
        """Return the ordinal of the day of now."""
        return self.local(self.now).toordinal()

    def moved(self, span: Mapping[str, object], sign: int) -> int:
        """Return the instant a span before now (-1) or after it (1)."""
        count = sign * span["n"]  # type: ignore[operator]
        if span["unit"] != "month":
            return self.now + count * UNITS_US[span["unit"]]  # type: ignore[index]
        today = self.today()
        since_midnight = self.now - self.begins(today)
        day, is_there = same_day(today, count)
        if not is_there:
            return self.begins(day)
        return min(self.begins(day) + since_midnight, self.begins(day + 1))

    def day_moved(self, span: Mapping[str, object], sign: int) -> int:
        """Return the ordinal of the day a span before today (-1) or after it (1)."""
        count = sign * span["n"]  # type: ignore[operator]
        if span["unit"] == "month":
            return same_day(self.today(), count)[0]
        return self.today() + count * UNITS_DAYS[span["unit"]]  # type: ignore[index]

    def is_before(self, at: int, value: str) -> bool:
        """Return whether an instant lies before another, or before a day begins."""
        if DAY.fullmatch(value):
            return at < self.begins(date.fromisoformat(value).toordinal())
        return at < self.read(value)

    def is_after(self, at: int, value: str) -> bool:
        """Return whether an instant lies after another, or after a day is over."""
        if DAY.fullmatch(value):
            return at >= self.begins(date.fromisoformat(value).toordinal() + 1)
        return at > self.read(value)

    def read(self, text: str) -> int:
        """Return the instant that a text means; without a zone it is the space's."""
        at = iso_instant(text)
        assert at is not None
        if HAS_ZONE.search(text[10:]):
            return at
        return self.instant((EPOCH + timedelta(microseconds=at)).replace(tzinfo=None))


def same_day(day: int, months: int) -> tuple[int, bool]:
    """Return the same day of another month; the first day after it, and False, where that month lacks it."""
    start = date.fromordinal(day)
    year, month = divmod(start.year * 12 + start.month - 1 + months, 12)
    try:
        return date(year, month + 1, start.day).toordinal(), True
    except ValueError:
        year, month = divmod(year * 12 + month + 1, 12)
        return date(year, month + 1, 1).toordinal(), False


# --- operators


def lower(text: str) -> str:
    """Return a text in lower case by Unicode's simple mapping: one character becomes one."""
    return "".join("i" if one == "İ" else one.lower() for one in text)


def case(node: Mapping[str, object], text: object) -> str:
    """Return a text as a condition compares it."""
    assert isinstance(text, str)
    return lower(text) if node.get("ignore_case", False) else text


def matches(node: Mapping[str, object], text: str) -> bool:
    """Return whether the pattern of a condition is found in a text.

    Ignoring case, the pattern itself stays as it is: `\\D` in lower case would mean something else.
    """
    options = re2.Options()
    options.case_sensitive = not node.get("ignore_case", False)
    return re2.compile(node["value"], options).search(case(node, text)) is not None


def holds_string(operator: str, text: str | None, node: Mapping[str, object], _: Times) -> bool:
    """Return whether a condition on a string holds."""
    value = node["value"]
    match operator:
        case "is":
            return text is not None and case(node, text) == case(node, value)
        case "is_not":
            return text is None or case(node, text) != case(node, value)
        case "contains":
            return text is not None and case(node, value) in case(node, text)
        case "not_contains":
            return text is None or case(node, value) not in case(node, text)
        case "starts_with":
            return text is not None and case(node, text).startswith(case(node, value))
        case "ends_with":
            return text is not None and case(node, text).endswith(case(node, value))
        case "matches":
            return text is not None and matches(node, text)
        case "in":
            return text is not None and any(case(node, text) == case(node, one) for one in value)  # type: ignore[attr-defined]
        case "not_in":
            return text is None or all(case(node, text) != case(node, one) for one in value)  # type: ignore[attr-defined]
    raise AssertionError(operator)


def holds_number(operator: str, number: float | None, node: Mapping[str, object], _: Times) -> bool:
    """Return whether a condition on a number holds."""
    value: object = node["value"]
    match operator:
        case "eq":
            return number is not None and number == value
        case "ne":
            return number is None or number != value
        case "lt":
            return number is not None and number < value  # type: ignore[operator]
        case "le":
            return number is not None and number <= value  # type: ignore[operator]
        case "gt":
            return number is not None and number > value  # type: ignore[operator]
        case "ge":
            return number is not None and number >= value  # type: ignore[operator]
        case "between":
            return number is not None and value[0] <= number <= value[1]  # type: ignore[index]
        case "in":
            return number is not None and any(number == one for one in value)  # type: ignore[attr-defined]
        case "not_in":
            return number is None or all(number != one for one in value)  # type: ignore[attr-defined]
    raise AssertionError(operator)


def holds_boolean(operator: str, value: bool | None, _: Mapping[str, object], __: Times) -> bool:
    """Return whether a condition on a boolean holds."""
    match operator:
        case "is_true":
            return value is True
        case "is_false":
            return value is False
    raise AssertionError(operator)


def holds_datetime(operator: str, at: int | None, node: Mapping[str, object], times: Times) -> bool:
    """Return whether a condition on an instant holds."""
    if at is None:
        return False
    value: object = node["value"]
    match operator:
        case "before":
            return times.is_before(at, value)  # type: ignore[arg-type]
        case "after":
            return times.is_after(at, value)  # type: ignore[arg-type]
        case "on":
            return not times.is_before(at, value) and not times.is_after(at, value)  # type: ignore[arg-type]
        case "between":
            return not times.is_before(at, value[0]) and not times.is_after(at, value[1])  # type: ignore[index]
        case "in_last":
            return times.moved(value, -1) <= at <= times.now  # type: ignore[arg-type]
        case "more_than_ago":
            return at < times.moved(value, -1)  # type: ignore[arg-type]
        case "in_next":
            return times.now < at <= times.moved(value, 1)  # type: ignore[arg-type]
    raise AssertionError(operator)


def holds_date(operator: str, text: str | None, node: Mapping[str, object], times: Times) -> bool:
    """Return whether a condition on a day holds."""
    if text is None:
        return False
    day = date.fromisoformat(text).toordinal()
    value: object = node["value"]
    match operator:
        case "before":
            return day < ordinal(value)
        case "after":
            return day > ordinal(value)
        case "on":
            return day == ordinal(value)
        case "between":
            return ordinal(value[0]) <= day <= ordinal(value[1])  # type: ignore[index]
        case "in_last":
            return times.day_moved(value, -1) < day <= times.today()  # type: ignore[arg-type]
        case "more_than_ago":
            return day < times.day_moved(value, -1)  # type: ignore[arg-type]
        case "in_next":
            return times.today() < day <= times.day_moved(value, 1)  # type: ignore[arg-type]
    raise AssertionError(operator)


def ordinal(value: object) -> int:
    assert isinstance(value, str)
    return date.fromisoformat(value).toordinal()


def holds_list(operator: str, items: Sequence[str] | None, node: Mapping[str, object], _: Times) -> bool:
    """Return whether a condition on a list holds."""
    value: Sequence[str] = node["value"]  # type: ignore[assignment]
    match operator:
        case "has_any":
            return items is not None and any(one in items for one in value)
        case "has_all":
            return items is not None and all(one in items for one in value)
        case "has_none":
            return items is None or all(one not in items for one in value)
    raise AssertionError(operator)


OPERATORS: Mapping[str, Callable[..., bool]] = {
    "string": holds_string,
    "number": holds_number,
    "boolean": holds_boolean,
    "datetime": holds_datetime,
    "date": holds_date,
    "list": holds_list,
}


# --- properties of events


def type_asked(node: Mapping[str, object]) -> str:
    """Return the type that a condition on a property is of, by its operator and its values."""
    operator, value = node["operator"], node.get("value")
    if operator in ("is", "is_not", "contains", "not_contains", "starts_with", "ends_with", "matches"):
        return "string"
    if operator in ("eq", "ne", "lt", "le", "gt", "ge"):
        return "number"
    if operator in ("is_true", "is_false"):
        return "boolean"
    if operator in ("has_any", "has_all", "has_none"):
        return "list"
    if operator in ("before", "after", "on", "in_last", "more_than_ago", "in_next"):
        return "datetime"
    is_of_texts = isinstance(value[0], str)  # type: ignore[index]
    if operator == "between":
        return "datetime" if is_of_texts else "number"
    return "string" if is_of_texts else "number"


def property_as(kind: str, value: object) -> object:
    """Return a property if it is of a type, else None."""
    if kind == "string":
        return value if isinstance(value, str) else None
    if kind == "number":
        return value if isinstance(value, int | float) and not isinstance(value, bool) else None
    if kind == "boolean":
        return value if isinstance(value, bool) else None
    if kind == "datetime":
        return iso_instant(value) if isinstance(value, str) else None
    is_list = isinstance(value, list) and all(isinstance(one, str) for one in value)
    return value if is_list else None


def path_of(url: object) -> str | None:
    """Return the path of the address of a page."""
    if url is None:
        return None
    assert isinstance(url, str)
    found = PATH_OF_URL.match(url)
    assert found is not None
    return found[1] or "/"


# --- conditions


@dataclass(frozen=True)
class Asked:
    """A person who is asked about, and what conditions need to know."""

    person: NaivePerson
    times: Times
    types: Mapping[str, str]
    segments: Mapping[str, object]

    def of_person(self, node: Mapping[str, object]) -> bool:
        """Return whether a node of a rule holds for the person."""
        if is_group(node):
            return group(node, self.of_person)
        match node.get("kind"):
            case None:
                return self.compared(node, self.person.values, self.types)
            case "list":
                return node["id"] in self.person.lists
            case "segment":
                return self.of_person(self.segments[node["id"]])  # type: ignore[index, arg-type]
            case "session":
                return self.counted(node, self.person.sessions, "started_at", self.of_session)
            case "event":
                named = [e for e in self.person.events if "name" not in node or e.get("name") == node["name"]]
                return self.counted(node, named, "occurred_at", self.of_event)
            case "changed":
                return self.changed(node)
        raise AssertionError(node)

    def compared(
        self, node: Mapping[str, object], row: Mapping[str, object], types: Mapping[str, str]
    ) -> bool:
        """Return whether a condition on a field holds for a row of values."""
        name, operator = node["field"], node["operator"]
        assert isinstance(name, str)
        value = row.get(name)
        if operator == "known":
            return value is not None
        if operator == "unknown":
            return value is None
        return OPERATORS[types[name]](operator, value, node, self.times)

    def of_session(self, session: Mapping[str, object], node: Mapping[str, object]) -> bool:
        """Return whether a node holds for a session."""
        if is_group(node):
            return group(node, lambda one: self.of_session(session, one))
        return self.compared(node, session, SESSION_TYPES)

    def of_event(self, event: Mapping[str, object], node: Mapping[str, object]) -> bool:
        """Return whether a node holds for an event."""
        if is_group(node):
            return group(node, lambda one: self.of_event(event, one))
        name = node["field"]
        assert isinstance(name, str)
        if not name.startswith("properties."):
            return self.compared(node, {**event, "page_path": path_of(event.get("page_url"))}, EVENT_TYPES)
        properties: Mapping[str, object] = event.get("properties") or {}  # type: ignore[assignment]
        value = properties.get(name.removeprefix("properties."))
        if node["operator"] in ("known", "unknown"):
            return self.compared(node, {name: value}, {})
        kind = type_asked(node)
        return self.compared(node, {name: property_as(kind, value)}, {name: kind})

    def counted(
        self,
        node: Mapping[str, object],
        rows: Sequence[Mapping[str, object]],
        time: str,
        holds_one: Callable[[Mapping[str, object], Mapping[str, object]], bool],
    ) -> bool:
        """Return whether there are as many rows as asked that lie in the window and for which rules hold."""
        right = [
            row
            for row in rows
            if self.in_window(node, row[time])
            and ("rules" not in node or group(node, lambda one, row=row: holds_one(row, one)))  # type: ignore[misc]
        ]
        if "count" not in node:
            return len(right) >= 1
        count: Mapping[str, object] = node["count"]  # type: ignore[assignment]
        return holds_number(str(count["operator"]), len(right), count, self.times)

    def in_window(self, node: Mapping[str, object], at: object) -> bool:
        """Return whether an instant lies in the window of a condition: from its begin, before its end."""
        window: Mapping[str, Mapping[str, object]] = node.get("window", {})  # type: ignore[assignment]
        assert isinstance(at, int)
        if "from" in window and at < self.times.moved(window["from"], -1):
            return False
        return "to" not in window or at < self.times.moved(window["to"], -1)

    def changed(self, node: Mapping[str, object]) -> bool:
        """Return whether an attribute became another as asked, in the window."""
        for at, before, after in self.person.changes.get(str(node["field"]), ()):
            is_from = self.is_asked(node, "from", before) if "from" in node else before is not None
            is_to = self.is_asked(node, "to", after) if "to" in node else True
            if is_from and is_to and self.in_window(node, at):
                return True
        return False

    def is_asked(self, node: Mapping[str, object], end: str, value: object) -> bool:
        """Return whether a value before or after a change is the one that is asked for."""
        asked = node[end]
        if isinstance(asked, Mapping):
            return value is None
        if value is not None and self.types[str(node["field"])] == "datetime":
            assert isinstance(asked, str)
            return value == self.times.read(asked)
        return value is not None and value == asked
