"""Rules that are measured, as JSON: what people ask for, and the largest that can be asked.

They ask about the attributes of `attributed`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from attributed import ATTRIBUTES, PLANS

from enduser import limits

Rule = Mapping[str, Any]


def condition(field: str, operator: str, value: Any = None, **more: Any) -> Rule:
    """Return a condition on an attribute, or on a field of a session or an event."""
    return {"field": field, "operator": operator, **({} if value is None else {"value": value}), **more}


def group(combinator: str, rules: Iterable[Rule], *, is_not: bool = False) -> Rule:
    """Return a group of conditions and groups."""
    return {"combinator": combinator, "not": is_not, "rules": list(rules)}


def days(count: int) -> Mapping[str, Any]:
    """Return a span of days."""
    return {"n": count, "unit": "day"}


def sessions(least: int, rules: Iterable[Rule] = (), **window: int) -> Rule:
    """Return a condition on how many sessions there were; `since` and `until` are days ago."""
    return _counted({"kind": "session", "rules": list(rules)}, least, window)


def events(least: int, rules: Iterable[Rule] = (), name: str | None = None, **window: int) -> Rule:
    """Return a condition on how many events there were."""
    named = {} if name is None else {"name": name}
    return _counted({"kind": "event", "rules": list(rules), **named}, least, window)


def changed(field: str, **window: int) -> Rule:
    """Return a condition that an attribute became another."""
    return _counted({"kind": "changed", "field": field}, None, window)


def _counted(what: Rule, least: int | None, window: Mapping[str, int]) -> Rule:
    ends = {{"since": "from", "until": "to"}[name]: days(ago) for name, ago in window.items()}
    count = {} if least is None else {"count": {"operator": "ge", "value": least}}
    return {**what, **count, **({"window": ends} if ends else {})}


# --- what people ask for

FIVE = group(
    "and",
    [
        condition("plan", "in", ["team", "vip"]),
        condition("score", "gt", 0.3),
        condition("orders", "ge", 2),
        condition("last_order_at", "in_last", days(90)),
        condition("opted_in", "is_true"),
    ],
)
"""Five predicates on attributes, of which none is rare."""


def _four(name: str, kind: str) -> Iterable[Rule]:
    """Return four conditions on an attribute that hold of everybody, so that each is looked at."""
    if kind == "list":
        return [condition(name, "has_none", [f"z{number}"]) for number in range(4)]
    if kind == "string":
        return [condition(name, "not_contains", f"z{number}") for number in range(4)]
    if kind == "number":
        return [condition(name, "ne", -1_000_000 - number) for number in range(4)]
    if kind == "boolean":
        return [condition(name, word) for word in ("is_true", "is_false", "unknown", "known")]
    return [
        *(condition(name, "before", "2100-01-01") for _ in range(2)),
        *(condition(name, word) for word in ("unknown", "known")),
    ]


HUNDRED = group(
    "and",
    [
        group("or" if kind in ("boolean", "date", "datetime") else "and", _four(name, kind))
        for name, (kind, _) in ATTRIBUTES.items()
    ],
)
"""A hundred conditions, four on each attribute."""

QUESTIONS: Mapping[str, Rule] = {
    "5 attributes": FIVE,
    "100 conditions, 25 attributes": HUNDRED,
    "≥ 8 sessions in 30 days": sessions(8, since=60, until=30),
    "event, 7 days": events(1, name="Action 3", since=7),
    "event with a property, 7 days": events(
        1, [condition("properties.amount", "gt", 50)], name="Action 3", since=7
    ),
    "plan changed, 30 days": changed("plan", since=30),
}
"""Rules that are counted; their rivals are written by hand in `rivals/`, by the same names."""


# --- segments of one user

ENGINES_SEGMENTS = 1_000


def segments_on_attributes(count: int) -> list[Rule]:
    """Return segments of two to four conditions, with operators that all engines of rules have."""
    return [_segment(number) for number in range(count)]


def _segment(number: int) -> Rule:
    first, second, third, fourth = (_simple(number * 7 + place * 3) for place in range(4))
    match number % 4:
        case 0:
            return group("and", [first, second])
        case 1:
            return group("or", [first, second, third])
        case 2:
            return group("and", [first, group("or", [second, third])])
        case _:
            return group("or", [group("and", [first, second]), group("and", [third, fourth])])


def _simple(number: int) -> Rule:
    return (
        condition("plan", "is", PLANS[number // 8 % len(PLANS)]),
        condition("seats", "gt", number % 500),
        condition("language", "in", [("en", "de", "fr", "nb", "es", "it")[(number + k) % 6] for k in (0, 2)]),
        condition("score", "lt", number % 97 / 97),
        condition("job", "in", [f"Job {(number + k) % 300}" for k in range(5)]),
        condition("opted_in", "is_true"),
        condition("industry", "is", f"Industry {number % 40}"),
        condition("orders", "ge", number % 12),
    )[number % 8]


FACTS = 50
"""Distinct happenings that segments with facts count."""


def segments_with_facts(count: int) -> list[Rule]:
    """Return segments of which every second counts something that happened."""
    return [
        group("and", [fact(number // 2), rule]) if number % 2 else rule
        for number, rule in enumerate(segments_on_attributes(count))
    ]


def fact(number: int) -> Rule:
    """Return a condition on one of `FACTS` happenings; counts and windows are more than those."""
    what, least, since = number % FACTS, 1 + number % 5, 7 + number % 24
    match what % 5:
        case 0 | 1:
            return sessions(least, [condition("duration_s", "ge", what * 10)], since=since)
        case 4:
            return changed(list(ATTRIBUTES)[what // 5], since=since)
        case _:
            amount = condition("properties.amount", "gt", what * 5)
            return events(least, [amount], name=f"Action {what % 12}", since=since)


FOLLOWED = 200
"""Segments that the feed follows."""
PROBED = "probed"
"""One of them: of whom an event of this name came."""


def followed_segments(count: int) -> list[Rule]:
    """Return segments of which a third has relative dates, and a third counts sessions or events."""
    plain = segments_on_attributes(count)
    return [(rule, _relative(number), fact(number))[number % 3] for number, rule in enumerate(plain)]


def _relative(number: int) -> Rule:
    return (
        condition("last_order_at", "in_last", {"n": 1 + number % 2_000, "unit": "hour"}),
        condition("signed_up_at", "more_than_ago", days(1 + number % 900)),
        condition("last_seen", "in_last", {"n": 5 + number % 500, "unit": "minute"}),
        condition("renews_on", "in_next", days(1 + number % 60)),
    )[number // 3 % 4]


# --- the largest

_MOST = limits.RULE_CONDITIONS_MAX
_LOOKUPS = limits.RULE_LOOKUPS_MAX
_HISTORIES = limits.RULE_HISTORIES_MAX
_WEIGHT = limits.RULE_WEIGHT_MAX


def _any(count: int, of: Callable[[int], Rule]) -> Rule:
    return group("or", map(of, range(count)))


def _all(count: int, of: Callable[[int], Rule]) -> Rule:
    return group("and", map(of, range(count)))


def _mixed(number: int) -> Rule:
    return (
        condition("company", "starts_with", f"Company {number}x"),
        condition("seats", "between", [number % 500 + 0.1, number % 500 + 0.9]),
        condition("last_order_at", "after", f"20{30 + number % 40}-01-01"),
        condition("job", "ends_with", f"{number}x"),
    )[number % 4]


def _pair(number: int) -> Rule:
    return group("and", [condition("plan", "is", "vip"), condition("seats", "gt", 500 + number)])


def _equal_pair(number: int) -> Rule:
    plan, company = condition("plan", "is", "vip"), condition("company", "is", f"Company {number}x")
    return group("and", [plan, company], is_not=True)


def _nested(depth: int, each: int) -> Rule:
    """Return groups within each other, of which each has so many conditions beside the next."""
    rule = _any(each, lambda number: condition("seats", "gt", 400 + number % 100))
    for level in range(1, depth):
        beside = [condition("company", "contains", f"{level} {number}x") for number in range(each - 1)]
        rule = group("or" if level % 2 else "and", [*beside, rule], is_not=level % 3 == 0)
    return rule


def _no_pair(number: int) -> Rule:
    """Return a look-up that cannot be one with the others."""
    few = [condition("company", "in", [f"Company {number} {k}" for k in range(21)])]
    return group("and", few, is_not=True)


LARGEST: Mapping[str, Callable[[], Rule]] = {
    "is, one of": lambda: _any(_MOST, lambda n: condition("company", "is", f"Company {n}x")),
    "is_not, all": lambda: _all(_MOST, lambda n: condition("company", "is_not", f"Company {n}x")),
    "is and is, no pair of": lambda: _all(_WEIGHT // (3 + 3), _equal_pair),
    "is and gt, one pair of": lambda: _any(_WEIGHT // (3 + 2), _pair),
    "gt, one of": lambda: _any(_WEIGHT // 2, lambda n: condition("revenue", "gt", 1e6 + n)),
    "between, one of": lambda: _any(
        _WEIGHT // (2 + 2), lambda n: condition("revenue", "between", [n, n + 0.001])
    ),
    "in_next, one of": lambda: _any(
        _WEIGHT // (2 + 2),
        lambda n: condition("last_order_at", "in_next", {"n": 1 + n, "unit": "minute"}),
    ),
    "contains, one of": lambda: _any(_WEIGHT // 8, lambda n: condition("company", "contains", f"any {n}x")),
    "not_contains, all": lambda: _all(_WEIGHT // 8, lambda n: condition("email", "not_contains", f"on{n}x")),
    "contains in any case, one of": lambda: _any(
        _WEIGHT // (8 + 8), lambda n: condition("company", "contains", f"ANY {n}x", ignore_case=True)
    ),
    "matches, one of": lambda: _any(
        _WEIGHT // 40, lambda n: condition("company", "matches", f"^Comp.*y {n}x$")
    ),
    "has_any of 2, one of": lambda: _any(
        _WEIGHT // (20 + 2), lambda n: condition("interests", "has_any", [f"i{n}x", f"j{n}x"])
    ),
    "has_all of 2, one of": lambda: _any(
        _WEIGHT // (20 + 2), lambda n: condition("interests", "has_all", [f"i{n}x", f"j{n}x"])
    ),
    "has_any of 100, one of": lambda: _any(
        _WEIGHT // (20 + 100),
        lambda n: condition("interests", "has_any", [f"i{n}x{k}" for k in range(100)]),
    ),
    "four fields, one of": lambda: _any(_WEIGHT // (8 + 4 + 2 + 8) * 4, _mixed),
    "groups within each other, few conditions": lambda: _nested(limits.RULE_DEPTH_MAX, 2),
    "groups within each other, all conditions": lambda: _nested(
        limits.RULE_DEPTH_MAX, _WEIGHT // 8 // limits.RULE_DEPTH_MAX
    ),
    "in, all values": lambda: condition(
        "company", "in", [f"Company {n}x" for n in range(limits.RULE_VALUES_MAX)]
    ),
    "user_id in, all values": lambda: condition(
        "user_id", "in", [str(n) for n in range(limits.RULE_VALUES_MAX)]
    ),
    "has_any, all items": lambda: condition(
        "interests", "has_any", [f"i{n}x" for n in range(limits.RULE_ITEMS_MAX)]
    ),
    "in of 21, all look-ups": lambda: _all(_LOOKUPS, _no_pair),
    "city contains, all look-ups": lambda: _any(_LOOKUPS, lambda n: condition("city", "contains", f"y {n}x")),
    "user_id contains, all look-ups": lambda: _any(
        _LOOKUPS, lambda n: condition("user_id", "contains", f"{n}")
    ),
    "sessions, all time": lambda: _any(
        _HISTORIES, lambda n: sessions(20 + n, [condition("duration_s", "ge", n)])
    ),
    "sessions, a month": lambda: _any(
        _HISTORIES, lambda n: sessions(3 + n, [condition("duration_s", "ge", n)], since=30 + n)
    ),
    "sessions, all conditions of one": lambda: sessions(
        1, [_any((_WEIGHT - 1) // 8 // 2, lambda n: condition("duration_s", "gt", 100_000 + n))]
    ),
    "events, all conditions of one": lambda: events(
        1, [_any((_WEIGHT - 1) // 10 // 8, lambda n: condition("page_path", "contains", f"{n}x"))], since=30
    ),
    "events, all time": lambda: _any(
        _HISTORIES, lambda n: events(50 + n, [condition("type", "is", ("page", "track")[n % 2])])
    ),
    "events, a month": lambda: _any(
        _HISTORIES, lambda n: events(5 + n, [condition("type", "is", "page")], since=30 + n)
    ),
    "events with a property, a month": lambda: _any(
        _HISTORIES, lambda n: events(5 + n, [condition("properties.amount", "gt", n)], since=30 + n)
    ),
    "changed, all time": lambda: _any(
        _HISTORIES, lambda n: changed(("plan", "company", "seats", "score")[n % 4], since=1_000 + n)
    ),
}
"""The largest rules that can be asked, in shapes that are hard: hardly a condition holds of anybody, so that
none spares another."""
