"""Events: whose they are, what counts as one, and which kind each is (docs/concepts.md, "Events")."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import NamedTuple, TypeVar

from enduser.core.origin import Browser, Place

Origin = TypeVar("Origin", Place, Browser)

EVENT_TYPES = ("page", "screen", "track", "identify", "group", "alias")
ANALYTICS_PROPERTIES = ("name", "role", "type", "status", "info")
HEARTBEAT = "$heartbeat"

JUNK_IDS = frozenset(
    ("", "null", "undefined", "0", "nan", "none", "true", "false", "anonymous", "guest", "[object object]")
)
"""Ids that are some program's word for "nobody", in lower case; treated as absent in any case."""

BLANKS = "".join(chr(c) for c in range(0x3001) if chr(c).isspace())
"""The white space that is trimmed from ids: all that Unicode has (the last is U+3000)."""


HASH_FORM = "[A-Za-z0-9+/]{43}"
"""The form of a hashed id, as an expression: base64 of 256 bits, unpadded."""


class UserId(NamedTuple):
    """An id in its namespace: user ids and anonymous ids are never compared with each other."""

    id: str
    is_anonymous: bool


@dataclass(frozen=True, slots=True)
class Event:
    """One recorded act of one user. Times are microseconds since 1970 UTC.

    `client_at` is the time as the client sent it and belongs to the event's identity; `occurred_at`
    is the same instant corrected at the door. In a file both are the time in the file.
    `properties` holds the analytics properties that the event carries; None clears one.
    """

    user: UserId
    message_id: str
    occurred_at: int
    client_at: int | None
    type: str = "track"
    name: str | None = None
    is_active: bool = True
    place: Place | None = None
    browser: Browser | None = None
    properties: Mapping[str, str | None] = field(default_factory=dict)
    anonymous_id: str | None = None
    """The anonymous id beside the user id, where an event has both."""
    previous_id: str | None = None
    """Of an `alias`: the id before; hashed where user ids are. Empty: it was erased."""

    @property
    def is_visit(self) -> bool:
        """Visit events form sessions: all but `alias`, `group` and inactive messages."""
        return self.is_active and self.type not in ("alias", "group")

    @property
    def is_page_view(self) -> bool:
        """Whether this is a visit event that shows a page or a screen."""
        return self.is_visit and self.type in ("page", "screen")

    @property
    def is_act(self) -> bool:
        """Whether the user did something besides viewing: a `track` that is no heartbeat."""
        return self.is_visit and self.type == "track" and self.name != HEARTBEAT

    @property
    def order(self) -> tuple[int, str, UserId]:
        """What "most recent" means: event time, then message id, then id (a user id before an anonymous)."""
        return (self.occurred_at, self.message_id, self.user)


def known_id(text: str | None) -> str | None:
    """Return an id trimmed, or None where it is absent or junk."""
    trimmed = (text or "").strip(BLANKS)
    return None if trimmed.lower() in JUNK_IDS else trimmed


def owner(user_id: str | None, anonymous_id: str | None) -> UserId | None:
    """Return whose an event is: the user id's if there is one, else the anonymous id's, else None."""
    if (known := known_id(user_id)) is not None:
        return UserId(known, is_anonymous=False)
    if (known := known_id(anonymous_id)) is not None:
        return UserId(known, is_anonymous=True)
    return None


def hashed_id(salt: str, user_id: str) -> str:
    """Return the id that is stored instead when `hash_ids` is on: base64(SHA-256(salt + id)), unpadded."""
    digest = hashlib.sha256((salt + user_id).encode()).digest()
    return base64.b64encode(digest).decode().rstrip("=")


def derived_message_id(parts: Iterable[str | None], copy: int) -> str:
    """Return the message id of a row that has none, from its `parts` (type, name, page, properties).

    `copy` is 1 for the first identical row of a file, 2 for the second: two equal lines of an access
    log are two requests, but the same file imported twice brings nothing new.
    """
    text = "\x1f".join([*(part if part is not None else "\x1e" for part in parts), str(copy)])
    low = int.from_bytes(hashlib.md5(text.encode(), usedforsecurity=False).digest()[8:], "little")
    return f"~{low >> 1:016x}"


def take_once(events: Iterable[Event]) -> list[Event]:
    """Return the events with each taken once, however often it came, in order of first arrival.

    The first copy stays, its time too; only place and browser improve, to the greatest known of all
    copies. Identity is (id, client time, message id).
    """
    taken: dict[tuple[UserId, int | None, str], Event] = {}
    for event in events:
        identity = (event.user, event.client_at, event.message_id)
        first = taken.setdefault(identity, event)
        taken[identity] = replace(
            first,
            place=greatest(first.place, event.place),
            browser=greatest(first.browser, event.browser),
        )
    return list(taken.values())


def greatest(first: Origin | None, second: Origin | None) -> Origin | None:
    """Return the greater of two places or browsers; part by part, unknown being the least."""
    known = [value for value in (first, second) if value is not None]
    return max(known, key=lambda value: tuple(part or "" for part in value), default=None)
