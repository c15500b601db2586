"""A random world of persons to ask rules about: for a store, and as the reference model sees it."""

from __future__ import annotations

import json
import random
from collections import defaultdict
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial

from histories import AGENTS, PLACES, PROPERTIES, Row, write
from naive_rules import NaivePerson
from random_rules import ITEMS, KEYS, NAMES, NUMBERS, TEXTS, URLS, pools_of, shown_day
from rule_cases import CUSTOM_TYPES, TYPES, instant, read_value
from stored import NOW, RULES, SPACE

from enduser.core.attributes import API, MANUAL, SDK, Attribute, AttributeType, ConflictRule, Value
from enduser.core.candidates import Candidate, SourceOrder, history, winner
from enduser.core.end_user import EndUser, end_user
from enduser.core.events import Event, UserId
from enduser.core.links import ApiLinks, Edge, claims, persons, shown_id
from enduser.core.lists import ListAction
from enduser.core.lives import Life, current_life
from enduser.core.origin import Browser, Place
from enduser.core.sessions import Session, sessions
from enduser.core.settings import settings_from_text
from enduser.service.json_form import iso_time
from enduser.service.writing_values import write_json_rows
from enduser.sources.json_rows import JsonRow
from enduser.stores.contract import Store
from enduser.stores.records import AddLink, ChangeSettings, Chunk, EventChunk, Form, WriteList
from enduser.stores.row_file import write_ids

SECOND = 1_000_000
MINUTE = 60 * SECOND
DAY = 86_400 * SECOND
NOWS = [
    ("2026-03-15T12:00:00Z", "UTC"),
    ("2026-03-31T10:00:00.000007Z", "UTC"),
    ("2026-04-29T21:30:00Z", "Europe/Oslo"),
    ("2026-10-25T22:30:00Z", "Europe/Oslo"),
    ("2026-03-31T03:30:00Z", "America/New_York"),
    ("2028-02-29T20:00:00Z", "Asia/Kolkata"),
    ("2018-12-04T05:00:00Z", "America/Sao_Paulo"),
    ("2012-01-30T10:30:00Z", "Pacific/Apia"),
]
"""When it is, and where: months of different lengths, and days on which clocks are set."""
SOURCES = SourceOrder((MANUAL, API, SDK))
CONFLICT_RULES = {"seats": ConflictRule.SOURCE_ORDER}
"""Which conflict rule attributes have that have not `latest`."""
LISTS = ["friends", "staff", "nobody", "Ünïcode 'x'"]
UNSEEN = [UserId(f"unseen{number}", is_anonymous=number % 3 == 0) for number in range(12)]
"""Ids that only lists and values name."""
GAPS = [0, 1, SECOND, MINUTE - 1, MINUTE, 5 * MINUTE, 10 * MINUTE, 30 * MINUTE - 1, 30 * MINUTE]
KINDS = ["track"] * 6 + ["page"] * 4 + ["screen", "identify", "identify", "group", "alias"]


@dataclass
class RuleRow(Row):
    """A row of an event, with the page and the properties that rules speak of."""

    url: str | None = None
    properties: Mapping[str, object] = field(default_factory=dict)

    def line(self) -> str:
        """Return the row as a line of JSON."""
        more = {"url": self.url, "properties": self.properties or None}
        return json.dumps({**json.loads(super().line()), **{k: v for k, v in more.items() if v is not None}})

    def seen(self) -> dict[str, object]:
        """Return the event as conditions see it."""
        known = {"type": self.type, "name": self.name, "occurred_at": self.occurred_at}
        return {**known, "page_url": self.url, "properties": self.properties}


@dataclass(frozen=True)
class Said:
    """What a row of a run says of an id from a time on (µs)."""

    user: UserId
    at: int
    values: Mapping[str, object]

    def row(self) -> JsonRow:
        """Return it as a program sends it."""
        kind = "anonymous" if self.user.is_anonymous else "plain"
        return JsonRow(self.user.id, self.values, kind, iso_time(self.at))


class World:
    """Persons whose times lie around the ends of the spans that rules ask for. `now` is µs."""

    types = TYPES

    def __init__(self, rng: random.Random, *, users: int = 300) -> None:
        told, self.time_zone = rng.choice(NOWS)
        self.now = instant(told)
        self._texts = {"time_zone": self.time_zone, "session_cap_s": rng.choice(["0", "3600", "43200"])}
        self.settings = settings_from_text(self._texts)
        self.pools = pools_of(self.now, self.time_zone, LISTS)
        maker = _Maker(rng, self.now, self.pools.instants, self.pools.days)
        ids = [_id(number) for number in range(users)]
        self.rows = [row for user in ids for row in maker.rows(user, rng.choice(ids))]
        self.rows.append(RuleRow("clock", occurred_at=self.now, message_id="clock", type="alias"))
        rng.shuffle(self.rows)
        self.links = [Edge(*rng.sample(ids, 2), rng.choice(maker.past)) for _ in range(6)]  # each is folded
        self.runs = [(rng.choice([API, MANUAL]), list(maker.said([*ids, *UNSEEN]))) for _ in range(4)]
        self.people = self._all_people([*ids, *UNSEEN, UserId("clock", is_anonymous=False)])
        self.lists = {name: self._members(rng) for name in LISTS}
        self.lists["nobody"] = frozenset()

    # --- for a store

    def load(self, store: Store) -> None:
        """Bring all of it into the first space of a store that has no attributes yet."""
        self.prepare(store)
        for step in self.steps(store, self.rows, parts=1):
            step()
        store.fold(SPACE)

    def prepare(self, store: Store) -> None:
        """Give a store that has no attributes yet those that rules name, and the settings."""
        for name, kind in CUSTOM_TYPES.items():
            rule = CONFLICT_RULES.get(name, ConflictRule.LATEST)
            store.create_attribute(Attribute(name, AttributeType(kind), conflict_rule=rule))
        store.apply(SPACE, ChangeSettings(self._texts))

    def steps(self, store: Store, rows: Sequence[RuleRow], *, parts: int) -> Iterator[Callable[[], object]]:
        """Yield what is to be done, in any order, to bring it into a prepared store; the events in parts."""
        for link in self.links:
            yield partial(store.apply, SPACE, AddLink(link.one, link.other, link.at))
        for part in range(parts):
            yield partial(
                self._take, store, rows[part * len(rows) // parts : (part + 1) * len(rows) // parts]
            )
        for source, said in self.runs:
            yield partial(write_json_rows, store, SPACE, source, [one.row() for one in said], NOW)
        for name, members in self.lists.items():
            yield partial(self._write_list, store, name, members)

    def _take(self, store: Store, rows: Sequence[RuleRow]) -> None:
        path = write(store.folder / "rows.jsonl", list(rows))
        store.apply(SPACE, EventChunk(Chunk(path, Form.JSON_LINES), RULES))

    def _write_list(self, store: Store, name: str, members: frozenset[UserId]) -> None:
        for action, kind in ((ListAction.CREATE, "plain"), (ListAction.ADD, "anonymous")):
            texts = [user.id for user in sorted(members) if user.is_anonymous == (kind == "anonymous")]
            rows = write_ids(store.folder / "ids.txt", texts, kind)
            store.apply(SPACE, WriteList(name, action, rows, self.now))

    # --- as the reference model sees it

    def persons(self) -> dict[UserId, NaivePerson]:
        """Return all persons, also those without an object, by the id that each shows."""
        found = {}
        for ids, person in self.people.items():
            lists = frozenset(name for name, members in self.lists.items() if not members.isdisjoint(ids))
            found[shown_id(ids)] = replace(person, lists=lists)
        return found

    def _members(self, rng: random.Random) -> frozenset[UserId]:
        """Return random ids; of linked ones only those that were seen: then it is plain which id is held."""
        possible = [one for ids, p in self.people.items() if p.has_object or len(ids) == 1 for one in ids]
        return frozenset(rng.sample(sorted(possible), len(possible) // 4) + rng.sample(UNSEEN, 5))

    def _all_people(self, known: Sequence[UserId]) -> dict[frozenset[UserId], NaivePerson]:
        rows, api = {row.message_id: row for row in self.rows}, ApiLinks()
        for link in self.links:
            api.add(link)
        events = [row.event() for row in self.rows]
        joined = persons(claims(events, self.settings), api)
        by_person: dict[frozenset[UserId], list[Event]] = defaultdict(list)
        for user in known:
            by_person[joined.get(user, frozenset((user,)))] = []
        for event in events:
            by_person[joined.get(event.user, frozenset((event.user,)))].append(event)
        return {ids: self._person(ids, own, rows) for ids, own in by_person.items()}

    def _person(
        self, ids: frozenset[UserId], events: Sequence[Event], rows: Mapping[str | None, RuleRow]
    ) -> NaivePerson:
        visits = sessions(events, self.settings, self.now)
        life = current_life(visits, self.settings.retention_months)
        found = end_user(events, self.settings, self.now, ids)
        if found is None or life is None:
            shown = shown_id(ids)
            return NaivePerson({"user_id": shown.id, "is_anonymous": shown.is_anonymous}, has_object=False)
        values: dict[str, object] = dict(standard_values(found))
        changes = {}
        for name in CUSTOM_TYPES:
            said, rule = list(self._candidates(ids, name)), CONFLICT_RULES.get(name, ConflictRule.LATEST)
            held = winner(said, rule, SOURCES)
            values[name] = held.value if held else None
            changes[name] = [(one.at, one.before, one.after) for one in history(said, rule, SOURCES)]
        return NaivePerson(
            values={name: value for name, value in values.items() if value is not None},
            sessions=[session_values(one) for one in visits if one.is_closed and one in life.sessions],
            events=[rows[one.message_id].seen() for one in counted(events, life)],
            changes=changes,
        )

    def _candidates(self, ids: Collection[UserId], name: str) -> Iterator[Candidate]:
        for run, (source, said) in enumerate(self.runs, 1):
            for row, one in enumerate(said, 1):
                if one.user in ids and name in one.values:
                    value = _value(name, one.values[name])
                    yield Candidate(value, one.at, source, run, row, one.user)


def _id(number: int) -> UserId:
    is_anonymous = number % 5 == 4
    return UserId(f"{'a' if is_anonymous else 'u'}{number}", is_anonymous)


def _value(name: str, told: object) -> Value | None:
    """Return a value as a store keeps it."""
    if told is None:
        return None
    if CUSTOM_TYPES[name] == "number":
        return float(told)  # type: ignore[arg-type]
    return read_value(name, told)  # type: ignore[return-value]


def counted(events: Sequence[Event], life: Life) -> Iterator[Event]:
    """Yield the events that conditions count: of closed sessions of the life, and those of no session."""
    for session in life.sessions:
        if session.is_closed:
            assert isinstance(session, Session)
            yield from session.events
    yield from (event for event in events if not event.is_visit and life.holds(event.occurred_at))


def standard_values(found: EndUser) -> Iterator[tuple[str, object]]:
    """Yield what every object has, with what is unknown as None; durations in seconds."""
    yield from (("user_id", found.user.id), ("is_anonymous", found.user.is_anonymous))
    yield from (("first_seen", found.first_seen), ("last_seen", found.last_seen))
    yield "total_sessions", found.total_sessions
    yield "total_session_duration", found.total_session_duration_us / SECOND
    yield "average_session_duration", found.average_session_duration_us / SECOND
    between = found.average_time_between_sessions_us
    yield "average_time_between_sessions", None if between is None else between / SECOND
    yield from zip(("country", "region", "city"), found.place or Place(), strict=True)
    yield from zip(("browser_name", "browser_version"), found.browser or Browser(), strict=True)
    yield from ((name, found.properties.get(name)) for name in PROPERTIES)


def session_values(session: Session) -> dict[str, object]:
    """Return a session as conditions see it."""
    return {
        "started_at": session.started_at,
        "ended_at": session.ended_at,
        "duration_s": (session.ended_at - session.started_at) / SECOND,
        "events": len(session.events),
        "page_views": session.page_views,
        "interactions": session.interactions,
        "is_empty": session.is_empty,
        "is_closed": session.is_closed,
        **dict(zip(("country", "region", "city"), session.place or Place(), strict=True)),
        **dict(zip(("browser_name", "browser_version"), session.browser or Browser(), strict=True)),
    }


class _Maker:
    """Makes what happens to users, and what is said of them."""

    def __init__(self, rng: random.Random, now: int, instants: Sequence[int], days: Sequence[int]) -> None:
        self.rng, self.now = rng, now
        self.instants, self.days = instants, days
        self.past = [at for at in instants if at <= now]
        self._messages = 0

    def rows(self, user: UserId, other: UserId) -> Iterator[RuleRow]:
        """Yield the events of a user; some say that another id was his."""
        for _ in range(self.rng.choice([0, 1, 1, 2, 2, 3, 4, 6])):
            at = self._start()
            for _ in range(self.rng.choice([1, 1, 2, 3, 5])):
                if at <= self.now:
                    yield self._row(user, other, at)
                at += self.rng.choice(GAPS)

    def _start(self) -> int:
        """Return a time at the end of a span, lately, or in another life."""
        dice = self.rng.random()
        if dice < 0.5:
            return self.rng.choice(self.past)
        return self.now - self.rng.randrange(60 * DAY if dice < 0.8 else 600 * DAY)

    def _row(self, user: UserId, other: UserId, at: int) -> RuleRow:
        rng, kind = self.rng, self.rng.choice(KINDS)
        self._messages += 1
        names = {"track": [*NAMES, None], "page": ["Search", None]}.get(kind, [None])
        said = rng.sample(PROPERTIES, 2) if kind in ("identify", "group") else []
        return RuleRow(
            user_id=None if user.is_anonymous else user.id,
            anonymous_id=user.id if user.is_anonymous else None,
            occurred_at=at,
            message_id=f"m{self._messages}",
            type=kind,
            name=rng.choice(names),
            active=rng.random() > 0.1,
            place=rng.choice(PLACES) if rng.random() < 0.5 else None,
            user_agent=rng.choice(AGENTS) if rng.random() < 0.6 else None,
            traits={name: rng.choice(["a", "b", "c", None]) for name in said},
            previous_id=other.id if kind == "alias" and other.is_anonymous else None,
            url=rng.choice(URLS) if kind in ("page", "screen") or rng.random() < 0.1 else None,
            properties={key: self._property() for key in rng.sample(KEYS, rng.choice([0, 1, 2, 4]))},
        )

    def _property(self) -> object:
        kinds = [self._text, self._number, self._time, self._items, self._odd]
        return self.rng.choice(kinds)()

    def _text(self) -> str:
        return self.rng.choice(TEXTS[:5] if self.rng.random() < 0.6 else TEXTS)

    def _number(self) -> float:
        return self.rng.choice(NUMBERS)

    def _time(self) -> str:
        return iso_time(self.rng.choice(self.instants))

    def _day(self) -> str:
        return shown_day(self.rng.choice(self.days))

    def _items(self) -> list[str]:
        return self.rng.sample(ITEMS, self.rng.randrange(1, 4))

    def _boolean(self) -> bool:
        return self.rng.random() < 0.5

    def _odd(self) -> object:
        return self.rng.choice([True, False, None, "", [], {"amount": 5}, ["boards", 5], "5", "true"])

    def said(self, users: Sequence[UserId]) -> Iterator[Said]:
        """Yield what a run says of some of the users; some of it of times to come."""
        ways = {
            "string": self._text,
            "number": self._number,
            "boolean": self._boolean,
            "date": self._day,
            "datetime": self._time,
            "list": self._items,
        }
        for user in users:
            for _ in range(self.rng.choice([0, 0, 1, 2, 3])):
                names = self.rng.sample([*CUSTOM_TYPES], self.rng.randrange(1, 4))
                values = {
                    name: None if self.rng.random() < 0.12 else ways[CUSTOM_TYPES[name]]() for name in names
                }
                at = self.rng.choice(self.instants if self.rng.random() < 0.05 else self.past)
                yield Said(user, at, values)
