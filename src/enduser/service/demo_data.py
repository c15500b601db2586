"""An invented year of history of an invented web app, the same for the same seed.

"Fjordboard" is a project-management app. Its people visit in their own working hours, some daily, most
rarely; they travel, update browsers, quit, come back. Some messages arrive late, some twice.
"""

from __future__ import annotations

import heapq
import json
import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

SECOND = 1_000_000
HOUR = 3_600 * SECOND
DAY = 24 * HOUR
HOST = "https://fjordboard.example"

CITIES = (
    ("NO", "Oslo", "Oslo", 1),
    ("NO", "Vestland", "Bergen", 1),
    ("DE", "Berlin", "Berlin", 1),
    ("GB", "England", "London", 0),
    ("US", "New York", "New York", -5),
    ("US", "California", "San Francisco", -8),
    ("BR", "São Paulo", "São Paulo", -3),
    ("KE", "Nairobi County", "Nairobi", 3),
    ("IN", "Karnataka", "Bengaluru", 5),
    ("JP", "Tokyo", "Tokyo", 9),
)
"""Country, region, city, hours from UTC."""

GIVEN = (
    "Adam Ada Amara Bjørn Chidi Chiara Dmitri Elena Fatima Goran Hana Ingrid Jamal Kaito Lena Mateo Nia Oskar"
)
GIVEN += " Priya Quentin Rosa Sven Tariq Uma Viktor Wanjiru Ximena Yusuf Zofia"
FAMILY = (
    "Berg Brandt Castillo Dahl Eze Fischer Garcia Haugen Ito Jensen Kamau Larsen Mbeki Novak Okafor Patel"
)
FAMILY += " Quist Rossi Silva Tanaka Umar Vogel Weber Xu Yilmaz Zhang"
ROLES = ("member", "member", "member", "admin", "guest")
STATUSES = ("trial", "active", "active", "paused")
PAGES = ("/", "/boards", "/boards/42", "/boards/7", "/reports", "/settings/billing", "/checkout")
TRACKS = (
    "Task Completed",
    "Task Completed",
    "Board Created",
    "Report Exported",
    "$click",
    "$click",
    "Checkout",
)
CRAWLER = "(compatible; ExampleBot/2.1; +https://bot.example/about)"

BROWSERS = (
    "(Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/{v}.0.0.0 Safari/537.36",
    "(Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/537.36 (KHTML, like Gecko) "
    "Chrome/{v}.0.0.0 Safari/537.36",
    "(Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) "
    "Chrome/{v}.0.0.0 Safari/537.36 Edg/{v}.0.0.0",
    "(X11; Linux x86_64; rv:{v}.0) Gecko/20100101 Firefox/{v}.0",
    "(Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) "
    "Version/{s}.1 Safari/605.1.15",
    "(iPhone; CPU iPhone OS {s}_1 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) "
    "Version/{s}.1 Mobile/15E148 Safari/604.1",
    "(Linux; Android 14; SAMSUNG SM-S911B) AppleWebKit/537.36 (KHTML, like Gecko) "
    "SamsungBrowser/{s}.0 Chrome/{v}.0.0.0 Mobile Safari/537.36",
)
"""User agents after "Mozilla/5.0 "; {v} is the month's version of Chrome and its like, {s} of Safari."""

_LATE_MAX = 21 * DAY
Message = dict[str, Any]


@dataclass(slots=True)
class Person:
    """Who is behind the messages, and how they behave."""

    number: int
    rng: random.Random
    joined_at: int
    left_at: int
    visits_per_day: float
    user_id: str | None
    anonymous_id: str
    city: tuple[str, str, str, int]
    agent: str
    traits: dict[str, Any] = field(default_factory=dict)
    sent: int = 0


def write_demo(path: Path, *, ends_at_us: int, seed: int = 1, users: int = 2_000, days: int = 365) -> int:
    """Write a history that ends at `ends_at_us` as JSON lines in the Segment form; return the messages.

    The file is roughly in order of arrival: people are merged by the hour in which a message arrives,
    so that only one waiting message per person is held in memory.
    """
    streams = (_arrivals(person, ends_at_us) for person in people(seed, users, ends_at_us, days))
    count = 0
    with path.open("w", encoding="utf-8") as target:
        for _, _, message in heapq.merge(*streams, key=lambda arrival: arrival[:2]):
            target.write(json.dumps(message, ensure_ascii=False) + "\n")
            count += 1
    return count


def people(seed: int, users: int, ends_at_us: int, days: int = 365) -> Iterator[Person]:
    """Yield who is behind the messages."""
    return (_person(seed, number, ends_at_us, days) for number in range(users))


def _person(seed: int, number: int, ends_at: int, days: int) -> Person:
    rng = random.Random(f"{seed}/{number}")
    begins_at = ends_at - days * DAY
    joined_at = begins_at + int(rng.random() * (ends_at - begins_at))
    pace = min(rng.paretovariate(1.1) * 0.012, 1.5)
    left_at = ends_at
    kind = rng.random()
    if kind < 0.08:  # noqa: PLR2004 - the joiners of the last week
        joined_at = ends_at - int(rng.random() * 7 * DAY)
    elif kind < 0.28:  # noqa: PLR2004 - came once
        left_at = joined_at
    elif kind < 0.36:  # noqa: PLR2004 - regulars who quit a month ago
        joined_at, left_at, pace = begins_at, ends_at - int((31 + rng.random() * 5) * DAY), 0.35
    elif kind < 0.39:  # noqa: PLR2004 - back after more than six months
        joined_at, pace = begins_at, 0.0
    given, family = rng.choice(GIVEN.split()), rng.choice(FAMILY.split())
    is_known = rng.random() < 0.8  # noqa: PLR2004 - the others never log in
    handle = f"{given[:4]}.{family[:2]}{number}".lower() if number % 3 else f"u-{1_000 + number}"
    return Person(
        number,
        rng,
        joined_at,
        left_at,
        pace,
        handle if is_known else None,
        f"{rng.getrandbits(64):016x}",
        rng.choice(CITIES),
        CRAWLER if rng.random() < 0.01 else rng.choice(BROWSERS),  # noqa: PLR2004 - few crawlers
        {
            "name": f"{given} {family}",
            "role": rng.choice(ROLES),
            "status": rng.choice(STATUSES),
            "type": "person",
        },
    )


def _arrivals(person: Person, ends_at: int) -> Iterator[tuple[int, int, Message]]:
    """Yield (arrival, person, message) in order of arrival: late ones later, some twice."""
    waiting: list[tuple[int, int, Message]] = []
    serial = 0
    for at, message in _messages(person, ends_at):
        for arrival in _arrival_times(person.rng, at):
            heapq.heappush(waiting, (arrival, serial, message))
            serial += 1
        while waiting and waiting[0][0] <= at:
            arrival, _, ready = heapq.heappop(waiting)
            yield arrival, person.number, ready
    while waiting:
        arrival, _, ready = heapq.heappop(waiting)
        yield arrival, person.number, ready


def _arrival_times(rng: random.Random, at: int) -> Iterator[int]:
    chance = rng.random()
    yield at + (int(rng.random() ** 3 * _LATE_MAX) + HOUR if chance < 0.02 else 0)  # noqa: PLR2004 - late
    if chance > 0.99:  # noqa: PLR2004 - sent twice
        yield at + int(rng.random() * 60) * SECOND


def _messages(person: Person, ends_at: int) -> Iterator[tuple[int, Message]]:
    for visit, starts_at in enumerate(_visits(person)):
        for at, message in _session(person, starts_at, is_first=visit == 0):
            if at <= ends_at:
                yield at, message


def _visits(person: Person) -> Iterator[int]:
    """Yield the starts of visits: working hours of the person's city, weekdays more than weekends."""
    rng = person.rng
    day = person.joined_at // DAY * DAY
    yield _working_time(person, day)
    if person.visits_per_day == 0:  # came back after more than six months
        yield _working_time(person, day + int(rng.uniform(200, 330)) * DAY)
        return
    while (day := day + DAY) < person.left_at:
        weekend = datetime.fromtimestamp(day / SECOND, UTC).weekday() >= 5  # noqa: PLR2004 - Saturday
        rate = person.visits_per_day * (0.3 if weekend else 1.3)
        for _ in range(int(rate + rng.random())):
            yield _working_time(person, day)


def _working_time(person: Person, day: int) -> int:
    hour = min(max(person.rng.gauss(13, 2.8), 0), 23.9) - person.city[3]
    return day + int(hour * 3_600_000) * 1_000


def _session(person: Person, starts_at: int, *, is_first: bool) -> Iterator[tuple[int, Message]]:
    rng = person.rng
    if rng.random() < 0.01:  # noqa: PLR2004 - moved or travels
        person.city = rng.choice(CITIES)
    at = starts_at
    steps = 1 if rng.random() < 0.12 else min(int(rng.expovariate(1 / 4)) + 2, 40)  # noqa: PLR2004 - bounces
    logged_in = not is_first
    for step in range(steps):
        yield at, _step(person, at, step, logged_in=logged_in)
        if step == 0 and person.user_id and (is_first or rng.random() < 0.1):  # noqa: PLR2004 - says who it is
            at += 2 * SECOND
            yield at, _identify(person, at)
            logged_in = True
        at += _pause(rng)
    if person.user_id and rng.random() < 0.02:  # noqa: PLR2004 - a server's message about the person
        yield (
            at,
            _message(person, at, "track", event="Invoice Paid", active=False, properties={"amount": 49.5}),
        )


def _pause(rng: random.Random) -> int:
    chance = rng.random()
    if chance < 0.03:  # noqa: PLR2004 - a coffee, nearly too long
        return int(rng.uniform(1_200, 1_790) * 1_000) * 1_000
    if chance < 0.05:  # noqa: PLR2004 - a meeting: the session ends
        return int(rng.uniform(1_801, 7_000) * 1_000) * 1_000
    return int(min(rng.expovariate(1 / 50) + 1, 1_100) * 1_000) * 1_000


def _step(person: Person, at: int, step: int, *, logged_in: bool) -> Message:
    rng = person.rng
    if step == 0 or rng.random() < 0.4:  # noqa: PLR2004 - moves on to another page
        name = "/login" if step == 0 and not logged_in else rng.choice(PAGES)
        return _message(
            person, at, "page", name=name.strip("/").title() or "Home", page=name, logged_in=logged_in
        )
    event = "$heartbeat" if rng.random() < 0.2 else rng.choice(TRACKS)  # noqa: PLR2004 - reads for long
    properties = {"amount": rng.choice([49.5, 99])} if event == "Checkout" else {}
    return _message(person, at, "track", event=event, properties=properties, logged_in=logged_in)


def _identify(person: Person, at: int) -> Message:
    rng = person.rng
    if rng.random() < 0.1:  # noqa: PLR2004 - promoted
        person.traits["role"] = "admin"
    if rng.random() < 0.05:  # noqa: PLR2004 - a note, sometimes cleared again
        person.traits["info"] = None if person.traits.get("info") else "met at the fair"
    kind = "group" if rng.random() < 0.03 else "identify"  # noqa: PLR2004 - says which company
    traits = (
        {"name": "Fjord AS"} if kind == "group" else {**person.traits, "plan": rng.choice(["free", "team"])}
    )
    return _message(person, at, kind, traits=traits)


def _message(
    person: Person,
    at: int,
    kind: str,
    *,
    page: str = "/boards",
    logged_in: bool = True,
    active: bool = True,
    **more: Any,
) -> Message:
    person.sent += 1
    country, region, city, _ = person.city
    month = at // (30 * DAY)
    agent = "Mozilla/5.0 " + person.agent.format(v=month - 540, s=max(month // 12 - 38, 1))
    context: Message = {
        "userAgent": agent,
        "page": {"url": HOST + page, "path": page},
        "location": {"country": country, "region": region, "city": city},
    }
    if not active:
        context["active"] = False
    message: Message = {
        "messageId": f"{person.number:x}-{person.sent:x}",
        "type": kind,
        "timestamp": datetime.fromtimestamp(at / SECOND, UTC).isoformat(timespec="milliseconds"),
        "context": context,
        **more,
    }
    if person.user_id and logged_in:
        message["userId"] = person.user_id
    if not (person.user_id and logged_in) or kind == "identify":
        message["anonymousId"] = person.anonymous_id
    return message
