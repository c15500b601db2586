"""Random rules whose conditions hold often, and often at a boundary."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from zoneinfo import ZoneInfo

from naive_rules import EVENT_TYPES, SESSION_TYPES, Times, leaves
from rule_cases import CUSTOM_TYPES, TYPES

from enduser.service.json_form import iso_time

Node = dict[str, object]

TEXTS = [
    "vip",
    "Vip",
    "VIP",
    "free",
    "team",
    "Straße",
    "STRAẞE",
    "İstanbul",
    "istanbul",
    "ΟΔΟΣ",
    "οδοσ",
    "οδος",
]
TEXTS += [
    "caf\u00e9",
    "cafe\u0301",
    "100%",
    "a_b",
    "a.b*",
    "👩\u200d💻",
    'it\'s "x"',
    "one\ntwo",
    "C:\\d",
    "null",
]
PATTERNS = ["^v", "p$", "(?i)VIP", "^\\w+$", "e.m", "^.{3,4}$", "one.two", "(?s)one.two", "%", "^(vip|team)$"]
PATTERNS += ["\\\\", "stra(ss|ß)e", "\\p{Greek}", "\\D", "[^a-z]", "x*", "\\.\\*"]
PATTERNS_OF_ANY_CASE = ["VIP", "^v", "P$", "team|FREE", "^\\D+$"]
"""What ignoring case means for letters that only some know is left to the tables."""
ITEMS = ["boards", "Boards", "reports", "invoices", "a;b", "caf\u00e9"]
NUMBERS = [0, 1, 2, 3, 5, 2.5, -1, 0.1, 60, 300, 1_799.999999, 1_800]
NAMES = ["Checkout", "checkout", "Search", "Café «é»", "$heartbeat"]
URLS = ["https://acme.com", "https://acme.com/pricing?ref=mail", "https://acme.com/docs/a#b", "/docs/a?x=/y"]
PATHS = ["/", "/pricing", "/docs/a", "/docs", "ref"]
KEYS = ["amount", "cart.amount", "$plan", "a\"b'c", "due", "tags", "trial", "beløp"]
TYPES_OF_EVENTS = ["track", "page", "screen", "identify", "group", "alias"]
COUNTRIES = ["NO", "DE", "KE", "no"]
CITIES = ["Oslo", "Berlin", "Nairobi", "oslo"]
BROWSERS = ["Chrome", "Firefox", "Safari", "chrome"]
VERSIONS = ["120.1", "121", "120", "12"]
PROPERTIES = ["a", "b", "c", "A"]

SPANS = [
    {"n": 7, "unit": "day"},
    {"n": 1, "unit": "week"},
    {"n": 30, "unit": "day"},
    {"n": 1, "unit": "month"},
]
SPANS += [
    {"n": 2, "unit": "month"},
    {"n": 1, "unit": "day"},
    {"n": 90, "unit": "minute"},
    {"n": 6, "unit": "hour"},
]
SPANS += [{"n": 7, "unit": "month"}]
DAY_SPANS = [span for span in SPANS if span["unit"] in ("day", "week", "month")]

TEXTS_OF = {
    **dict.fromkeys(("name", "role", "type", "status", "info"), PROPERTIES),
    "country": COUNTRIES,
    "region": CITIES,
    "city": CITIES,
    "browser_name": BROWSERS,
    "browser_version": VERSIONS,
    "user_id": ["u1", "u2", "U3", "u10", "a4"],
}
TEXTS_OF_EVENTS = {"type": TYPES_OF_EVENTS, "name": NAMES, "page_url": URLS, "page_path": PATHS}
RELATIVE = ("in_last", "more_than_ago", "in_next")
OPERATORS = {
    "string": "is is_not contains not_contains starts_with ends_with matches in not_in",
    "number": "eq ne lt le gt ge between in not_in",
    "date": "before after on between in_last more_than_ago in_next",
    "datetime": "before after on between in_last more_than_ago in_next",
    "boolean": "is_true is_false",
    "list": "has_any has_all has_none",
}
SOME_TIME = 1_767_225_600_000_000
"""When windows must end after they begin, whenever a rule is asked (2026-01-01)."""
CONDITIONS_MAX = 20
"""Far below the limits of rules, which have tests of their own."""
HISTORY_CONDITIONS_MAX = 6


@dataclass(frozen=True)
class Pools:
    """What rules are made of, for one now in one zone. Instants are µs, days ordinals."""

    times: Times
    instants: Sequence[int]
    """Those at which answers change, and their neighbours."""
    days: Sequence[int]
    lists: Sequence[str] = ()
    segments: Mapping[str, Node] = field(default_factory=dict)
    """Those that a rule may name."""


def pools_of(now: int, time_zone: str, lists: Sequence[str] = ()) -> Pools:
    """Return pools whose times lie at the ends of the spans that rules ask for."""
    times = Times(now, ZoneInfo(time_zone))
    today = times.today()
    edges = [times.moved(span, sign) for span in SPANS for sign in (-1, 1)]
    edges += [now, *(times.begins(today + number) for number in (-30, -7, -1, 0, 1, 2))]
    moved = [times.day_moved(span, sign) for span in DAY_SPANS for sign in (-1, 1)]
    return Pools(
        times,
        instants=sorted({edge + near for edge in edges for near in (-1, 0, 1)}),
        days=sorted({day + near for day in (*moved, today) for near in (-1, 0, 1)}),
        lists=lists,
    )


def random_segments(rng: random.Random, pools: Pools, count: int) -> Pools:
    """Return pools with so many segments, of which each can name those before it."""
    for number in range(count):
        rule = RuleMaker(rng, pools).group(2)
        pools = replace(pools, segments={**pools.segments, f"s{number}": rule})
    return pools


def random_rule(rng: random.Random, pools: Pools) -> Node:
    """Return a rule of any conditions in up to four groups within each other."""
    dice = rng.random()
    if dice < 0.02:
        return {"combinator": rng.choice(["and", "or"]), "not": rng.random() < 0.5, "rules": []}
    maker = RuleMaker(rng, pools)
    return maker.condition() if dice < 0.25 else maker.group(4)


def random_list_rule(rng: random.Random, pools: Pools) -> Node:
    """Return a rule of static lists alone, which can hold ids that were not seen."""
    return RuleMaker(rng, pools, only_lists=True).group(2)


@dataclass
class RuleMaker:
    """Makes the nodes of one rule, and counts its conditions."""

    rng: random.Random
    pools: Pools
    only_lists: bool = False
    conditions: int = 0
    histories: int = 0

    def group(self, depth: int) -> Node:
        """Return a group of up to so many groups within each other."""
        nodes: list[Node] = []
        for _ in range(self.rng.choice([1, 2, 2, 3])):
            if nodes and self.conditions >= CONDITIONS_MAX:
                break
            is_deeper = depth > 1 and self.rng.random() < 0.35
            nodes.append(self.group(depth - 1) if is_deeper else self.condition())
        return self._joined(nodes)

    def _joined(self, nodes: list[Node]) -> Node:
        found: Node = {"combinator": self.rng.choice(["and", "or"]), "rules": nodes}
        return {**found, "not": True} if self.rng.random() < 0.25 else found

    def condition(self) -> Node:
        """Return a condition of any kind; of attributes alone where there are many others."""
        kind = self.rng.choice(
            ["attribute"] * 6 + ["session", "event", "event", "changed", "segment", "list"]
        )
        if self.only_lists or (kind == "list" and self.pools.lists):
            return self._counted({"kind": "list", "id": self.rng.choice(self.pools.lists)})
        if kind in ("session", "event", "changed") and self.histories < HISTORY_CONDITIONS_MAX:
            return self._counted(self._history(kind))
        if kind == "segment" and (found := self._segment()) is not None:
            return self._counted(found)
        name = self.rng.choice([*CUSTOM_TYPES] * 3 + [*TYPES])
        return self._counted(self._compared(name, TYPES[name], TEXTS_OF.get(name, TEXTS)))

    def _counted(self, node: Node) -> Node:
        for leaf in leaves(node, self.pools.segments):
            self.conditions += 1
            self.histories += leaf.get("kind") in ("session", "event", "changed")
        return node

    def _segment(self) -> Node | None:
        """Return a condition on a segment that leaves the rule small; None where there is none."""
        for name in self.rng.sample([*self.pools.segments], len(self.pools.segments)):
            found = list(leaves(self.pools.segments[name], self.pools.segments))
            histories = sum(leaf.get("kind") in ("session", "event", "changed") for leaf in found)
            is_small = self.conditions + len(found) <= CONDITIONS_MAX
            if is_small and self.histories + histories <= HISTORY_CONDITIONS_MAX:
                return {"kind": "segment", "id": name}
        return None

    # --- conditions on fields

    def _compared(self, name: str, kind: str, texts: Sequence[str], *, has_now: bool = True) -> Node:
        """Return a condition on a field; without `has_now` it is not relative to now."""
        known = [one for one in OPERATORS[kind].split() if has_now or one not in RELATIVE]
        operator = self.rng.choice([*known, *(["known", "unknown"] if self._is(0.3) else [])])
        node: Node = {"field": name, "operator": operator}
        if operator in ("known", "unknown", "is_true", "is_false"):
            return node
        if kind == "string":
            return {**node, **self._of_text(operator, texts)}
        value = {"number": self._number, "date": self._day, "datetime": self._time, "list": self._items}[kind]
        return {**node, "value": value(operator)}

    def _is(self, chance: float) -> bool:
        return self.rng.random() < chance

    def _of_text(self, operator: str, texts: Sequence[str]) -> Node:
        """Return the value of a condition on texts: one of them, or a part, in one case or another."""
        ignored: Node = {"ignore_case": self._is(0.7)} if self._is(0.5) else {}
        if operator == "matches":
            patterns = PATTERNS_OF_ANY_CASE if ignored.get("ignore_case") else PATTERNS
            return {"value": self.rng.choice(patterns), **ignored}
        if operator in ("in", "not_in"):
            return {"value": [self._text(texts) for _ in range(self.rng.randrange(1, 4))], **ignored}
        text = self._text(texts)
        if operator in ("contains", "not_contains", "starts_with", "ends_with") and self._is(0.7):
            start = 0 if operator == "starts_with" else self.rng.randrange(len(text))
            end = len(text) if operator == "ends_with" else start + self.rng.randrange(1, 4)
            text = text[start:end]
        return {"value": text, **ignored}

    def _text(self, texts: Sequence[str]) -> str:
        text = self.rng.choice(texts[:5] if self._is(0.5) else texts)
        return self.rng.choice([text, text, text.upper(), text.lower()])

    def _number(self, operator: str) -> object:
        return self._numbers(operator, NUMBERS)

    def _numbers(self, operator: str, numbers: Sequence[float]) -> object:
        if operator == "between":
            return sorted(self.rng.choices(numbers, k=2))
        if operator in ("in", "not_in"):
            return self.rng.choices(numbers, k=self.rng.randrange(1, 4))
        return self.rng.choice(numbers)

    def _items(self, _: str) -> object:
        return self.rng.sample(ITEMS, self.rng.randrange(1, 4))

    def _day(self, operator: str) -> object:
        if operator in RELATIVE:
            return self.rng.choice(DAY_SPANS)
        if operator == "between":
            return [shown_day(day) for day in sorted(self.rng.choices(self.pools.days, k=2))]
        return shown_day(self.rng.choice(self.pools.days))

    def _time(self, operator: str) -> object:
        times = self.pools.times
        if operator in RELATIVE:
            return self.rng.choice(SPANS)
        if operator == "on" or self._is(0.3):
            return self._day(operator)
        if operator == "between":
            return [iso_time(at) for at in sorted(self.rng.choices(self.pools.instants, k=2))]
        at = self.rng.choice(self.pools.instants)
        return times.local(at).isoformat() if self._is(0.2) else iso_time(at)

    # --- conditions on what happened

    def _history(self, kind: str) -> Node:
        node: Node = {"kind": kind}
        if self._is(0.6):
            node["window"] = self._window()
        if kind == "changed":
            return {**node, **self._change()}
        if kind == "event" and self._is(0.5):
            node["name"] = self.rng.choice(NAMES)
        if self._is(0.6):
            operator = self.rng.choice(OPERATORS["number"].split())
            node["count"] = {"operator": operator, "value": self._numbers(operator, [0, 1, 2, 3])}
        if self._is(0.6):
            node |= self._rules(kind)
        return node

    def _window(self) -> Node:
        begin, end = sorted(self.rng.sample(SPANS, 2), key=lambda span: self.pools.times.moved(span, -1))
        for times in (self.pools.times, Times(SOME_TIME, self.pools.times.zone)):
            if times.moved(begin, -1) >= times.moved(end, -1):  # thirty days and a month, perhaps
                return {"from": begin}
        return self.rng.choice([{"from": begin}, {"to": end}, {"from": begin, "to": end}])

    def _rules(self, kind: str) -> Node:
        one = self._of_session if kind == "session" else self._of_event
        nodes = [one() for _ in range(self.rng.choice([1, 1, 2]))]
        if self._is(0.2):
            nodes.append(self._joined([one(), one()]))
        joined = self._joined(nodes)
        if self._is(0.3):
            del joined["combinator"]
        return joined

    def _of_session(self) -> Node:
        name = self.rng.choice([*SESSION_TYPES])
        return self._compared(name, SESSION_TYPES[name], TEXTS_OF.get(name, TEXTS), has_now=False)

    def _of_event(self) -> Node:
        if self._is(0.5):
            name = self.rng.choice([*EVENT_TYPES])
            texts = TEXTS_OF_EVENTS.get(name, TEXTS)
            return self._compared(name, EVENT_TYPES[name], texts, has_now=False)
        kind = self.rng.choice([kind for kind in OPERATORS if kind != "date"])
        return self._compared(f"properties.{self.rng.choice(KEYS)}", kind, TEXTS, has_now=False)

    def _change(self) -> Node:
        name = self.rng.choice([*CUSTOM_TYPES])
        node: Node = {"field": name}
        for end in ("from", "to"):
            if self._is(0.5):
                node[end] = {"unknown": True} if name == "products" or self._is(0.25) else self._value(name)
        return node

    def _value(self, name: str) -> object:
        if CUSTOM_TYPES[name] == "string":
            return self.rng.choice(TEXTS[:5])
        if CUSTOM_TYPES[name] == "number":
            return self.rng.choice(NUMBERS[:5])
        if CUSTOM_TYPES[name] == "boolean":
            return self._is(0.5)
        return (
            self._day("before")
            if CUSTOM_TYPES[name] == "date"
            else iso_time(self.rng.choice(self.pools.instants))
        )


def shown_day(day: int) -> str:
    """Return a day, which is given by its ordinal, as rules write it."""
    return date.fromordinal(day).isoformat()
