"""Users of every kind for whom one can ask, and a plain answer to whom a question means."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from histories import AGENTS, PLACES, Row
from stored import SPACE, take

from enduser.core.attributes import API, Attribute, AttributeType
from enduser.core.end_user import USER_COLUMNS
from enduser.core.rules.fields import USER_FIELDS
from enduser.core.rules.operators import lower_case
from enduser.service.writing_values import write_json_rows
from enduser.sources.json_rows import JsonRow
from enduser.stores.embedded import EmbeddedStore
from enduser.stores.records import CloseHistory

User = Mapping[str, Any]
START = 1_767_261_600_000_000
MINUTE = 60_000_000

HOSTILE = (
    *(
        "O'Brien",
        'say "so"',
        "100%",
        "a_b",
        "$1",
        "$s0",
        "-- x",
        "'; DROP TABLE users; --",
        "{at}",
        "\\",
        "a\0b",
    ),
    *("İstanbul", "STRASSE", "Straße", "ΣΊΣΥΦΟΣ", "e\u0301", "💥 boom", "new\nline"),
)
"""Texts that somebody could have, and others could mistake for something else."""

TYPES = {
    "select": AttributeType.STRING,
    "user_id2": AttributeType.STRING,
    "users.name": AttributeType.STRING,
    "a1": AttributeType.NUMBER,
    "users": AttributeType.LIST,
    "sort_value": AttributeType.DATE,
    "listed": AttributeType.DATETIME,
    "matched": AttributeType.BOOLEAN,
    "value": AttributeType.STRING,
    "a2": AttributeType.DATE,
}
"""Attributes that are called as SQL, or the engine, calls other things."""
SORTS = [*USER_COLUMNS, *(name for name, kind in TYPES.items() if kind is not AttributeType.LIST)]


def fill(store: EmbeddedStore, folder: Path, users: int = 40) -> None:
    """Store users with equal and unknown values, and with texts of any kind."""
    rng = random.Random(11)
    ids = [*HOSTILE, *(f"User {n}" for n in range(users - len(HOSTILE)))]
    rows = []
    for number, name in enumerate(ids):
        for visit in range(rng.choice((1, 1, 2, 4))):
            at = START + (number % 7) * MINUTE + visit * rng.randrange(1, 4) * 60 * MINUTE
            said = {key: rng.choice(HOSTILE) for key in ("name", "role") if rng.random() < 0.5}
            place, agent = rng.choice([*PLACES, None]), rng.choice([*AGENTS, None])
            who = {"anonymous_id" if number % 5 == 0 else "user_id": name}
            row = Row(**who, occurred_at=at, place=place, message_id=f"{number}-{visit}")
            row.traits, row.user_agent = said, agent
            lasts = (0, MINUTE, MINUTE, 3 * MINUTE)[number % 4]
            rows += [row, Row(**who, occurred_at=at + lasts, message_id=f"{number}-{visit}-end")]
    take(store, folder, rows)
    store.apply(SPACE, CloseHistory())
    store.fold(SPACE)
    for name, kind in TYPES.items():
        store.create_attribute(Attribute(name, kind))
    told = [
        JsonRow(name, {key: value for key in TYPES if (value := _value(rng, TYPES[key])) is not None}, kind)
        for number, name in enumerate(ids)
        for kind in ("anonymous" if number % 5 == 0 else "plain",)
    ]
    write_json_rows(store, SPACE, API, told, START)


def _value(rng: random.Random, kind: AttributeType) -> object:
    texts = [text for text in HOSTILE if "\0" not in text]
    match rng.choice((kind, kind, None)):
        case None:
            return None
        case AttributeType.STRING:
            return rng.choice(texts)
        case AttributeType.NUMBER:
            return rng.choice((-1.5, 0, 2, 10, 1e15))
        case AttributeType.BOOLEAN:
            return rng.random() < 0.5
        case AttributeType.DATE:
            return rng.choice(("0001-01-01", "0999-12-31", "1969-12-31", "2026-03-01", "9999-12-31"))
        case AttributeType.DATETIME:
            return rng.choice(("0001-01-01T00:00:00Z", "1969-12-31T23:59:59.999999Z", "2026-03-01T10:00:00Z"))
        case _:
            return rng.sample(texts, 2)


def value_of(user: User, name: str) -> Any:
    """Return the value of an attribute, None if it is unknown."""
    return user[name] if name in USER_COLUMNS else user["attributes"].get(name)


def texts_of(user: User) -> Iterator[str]:
    """Yield all texts that a user has."""
    for name, kind in {**USER_FIELDS, **TYPES}.items():
        value = value_of(user, name)
        if value is not None and kind is AttributeType.STRING:
            yield value
        elif value is not None and kind is AttributeType.LIST:
            yield from value


def has(user: User, text: str) -> bool:
    """Whether some text of a user has a text in it, in any case."""
    return any(lower_case(text) in lower_case(own) for own in texts_of(user))


def in_order(users: Sequence[User], sort: str) -> list[User]:
    """Return users by an attribute, equal ones by id, unknown ones last."""
    name = sort.removeprefix("-")
    by_id = sorted(users, key=lambda user: (user["user_id"], user["is_anonymous"]))
    known = [user for user in by_id if value_of(user, name) is not None]
    known.sort(key=lambda user: value_of(user, name), reverse=sort.startswith("-"))
    return known + [user for user in by_id if value_of(user, name) is None]
