"""Random histories, and what the reference model says about them."""

from __future__ import annotations

import json
import random
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path

from enduser.core.end_user import EndUser, end_user
from enduser.core.events import Event, UserId, derived_message_id, known_id, owner, take_once
from enduser.core.links import ApiLinks, claims, persons, shown_id
from enduser.core.origin import Browser, Place
from enduser.core.sessions import sessions
from enduser.core.settings import SpaceSettings

SECOND = 1_000_000
PLACES = [("NO", "Oslo", "Oslo"), ("NO", None, None), ("DE", "Berlin", "Berlin"), ("KE", None, "Nairobi")]
AGENTS = ["Chrome/120.1", "Chrome/121", "Firefox/120", "Safari", "?"]
PROPERTIES = ("name", "role", "type", "status", "info")


def browser_of(user_agent: str) -> Browser | None:
    """Return the browser of a user agent such as `Firefox/120`; `?` is none that is known."""
    name, _, version = user_agent.partition("/")
    return None if name == "?" else Browser(name, version or None)


@dataclass
class Row:
    """One line of a flat JSON-lines file."""

    user_id: str | None = None
    anonymous_id: str | None = None
    occurred_at: int = 0
    message_id: str | None = None
    type: str = "track"
    name: str | None = None
    active: bool = True
    place: tuple[str | None, str | None, str | None] | None = None
    user_agent: str | None = None
    traits: dict[str, object] = field(default_factory=dict)
    previous_id: str | None = None

    def line(self) -> str:
        """Return the row as a line of JSON; the time as whole microseconds."""
        row = {
            "user_id": self.user_id,
            "anonymous_id": self.anonymous_id,
            "occurred_at": self.occurred_at,
            "message_id": self.message_id,
            "type": self.type,
            "name": self.name,
            "active": self.active,
            "user_agent": self.user_agent,
            "traits": self.traits or None,
            "previousId": self.previous_id,
        }
        if self.place:
            row |= dict(zip(("country", "region", "city"), self.place, strict=True))
        return json.dumps({key: value for key, value in row.items() if value is not None})

    def event(self, copy: int = 1) -> Event:
        """Return the row as the reference model sees it."""
        user = owner(self.user_id, self.anonymous_id)
        assert user is not None
        derived = derived_message_id((self.type, self.name, None, None), copy)
        said = {} if self.type == "group" else self.traits
        return Event(
            user=user,
            message_id=self.message_id or derived,
            occurred_at=self.occurred_at,
            client_at=self.occurred_at,
            type=self.type,
            name=self.name,
            is_active=self.active,
            place=Place(*self.place) if self.place else None,
            browser=browser_of(self.user_agent) if self.user_agent else None,
            properties={k: v for k, v in said.items() if v != ""},  # type: ignore[misc]
            anonymous_id=None if user.is_anonymous else known_id(self.anonymous_id),
            previous_id=known_id(self.previous_id),
        )


def write(path: Path, rows: list[Row]) -> Path:
    """Write rows as a JSON-lines file."""
    path.write_text("".join(row.line() + "\n" for row in rows))
    return path


def random_history(rng: random.Random, *, users: int, events: int, span_s: int) -> list[Row]:
    """Return rows of a few users with gaps near the window, the cap and the retention."""
    rows = []
    for number in range(users):
        at = 1_600_000_000 * SECOND + rng.randrange(span_s) * SECOND
        steady = rng.random() < 0.3
        for _ in range(rng.randrange(1, events)):
            at += random_gap(rng, steady=steady)
            rows.append(_random_row(rng, f"u{number}", at))
    return rows


def random_gap(rng: random.Random, *, steady: bool) -> int:
    """Return a gap in µs, often exactly at a boundary."""
    if steady:
        return rng.choice([0, 60, 300, 900, 1_200]) * SECOND
    return rng.choice(
        [0, 1, SECOND, 60 * SECOND, 1_799 * SECOND, 1_800 * SECOND - 1, 1_800 * SECOND]
        + [1_800 * SECOND + 1, 7_200 * SECOND, 86_400 * SECOND, 184 * 86_400 * SECOND]
        + [rng.randrange(4_000 * SECOND)] * 6
    )


def _random_row(rng: random.Random, user: str, at: int) -> Row:
    kind = rng.choice(["track"] * 5 + ["page"] * 4 + ["screen", "identify", "identify", "group", "alias"])
    traits: dict[str, object] = {}
    if kind in ("identify", "group") or rng.random() < 0.05:
        for name in rng.sample(PROPERTIES, rng.randrange(1, 3)):
            traits[name] = rng.choice(["a", "b", "c", None, ""])
    return Row(
        user_id=user,
        occurred_at=at,
        message_id=f"m{rng.randrange(10**9)}" if rng.random() < 0.8 else None,
        type=kind,
        name=rng.choice([None, "$heartbeat", "Click"]) if kind == "track" else None,
        active=rng.random() > 0.07,
        place=rng.choice(PLACES) if rng.random() < 0.5 else None,
        user_agent=rng.choice(AGENTS) if rng.random() < 0.6 else None,
        traits=traits,
    )


@dataclass
class Expected:
    """Objects and sessions by user, as the reference model has them."""

    users: dict[UserId, EndUser]
    sessions: dict[UserId, list[tuple[object, ...]]]


def expected(
    events: list[Event], settings: SpaceSettings, clock: int, api: ApiLinks | None = None
) -> Expected:
    """Return what the reference model makes of events that may hold copies."""
    taken = take_once(events)
    joined = persons(claims(taken, settings), api or ApiLinks())
    by_person: dict[frozenset[UserId], list[Event]] = defaultdict(list)
    for event in taken:
        by_person[joined.get(event.user, frozenset((event.user,)))].append(event)
    objects = (end_user(own, settings, clock, ids) for ids, own in by_person.items())
    users = {found.user: found for found in objects if found}
    visits = {}
    for ids, own in by_person.items():
        found = sessions(own, settings, clock)
        if found:
            visits[shown_id(ids)] = [
                (
                    *(s.started_at, s.ended_at, len(s.events), s.page_views, s.interactions),
                    *(s.is_empty, s.is_closed, *(s.place or Place()), *(s.browser or Browser())),
                )
                for s in found
            ]
    return Expected(users, visits)


def numbered(rows: list[Row]) -> list[Event]:
    """Return the events of one file, the k-th identical row without message id being its k-th."""
    seen: dict[tuple[object, ...], int] = defaultdict(int)
    events = []
    for row in rows:
        key = (owner(row.user_id, row.anonymous_id), row.occurred_at, row.type, row.name)
        if row.message_id is None:
            seen[key] += 1
        events.append(row.event(seen[key] or 1))
    return events
