"""Links: which ids are one person (docs/concepts.md, "Links").

Claims come from events, links and removals from the API. What holds of them are edges between ids; the
persons are what the edges join, the earliest first, so that the order of arrival cannot matter.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Literal, get_args

from enduser import limits
from enduser.core.events import Event, UserId, hashed_id
from enduser.core.settings import SpaceSettings

IdKind = Literal["plain", "hashed", "anonymous"]
"""What an id is that a reader gives: a user id, one as stored where ids are hashed, or an anonymous id."""
ID_KINDS: tuple[IdKind, ...] = get_args(IdKind)
OTHER_ID = f"look for another spelling, or another kind of id: {', '.join(ID_KINDS)}"
"""What to do where nothing is known under an id."""

Pair = frozenset[UserId]
Persons = Mapping[UserId, frozenset[UserId]]
"""The ids of the person of an id, for each id that is joined to another."""


@dataclass(frozen=True, slots=True)
class Edge:
    """Two ids that are said to be one person, since a time (µs).

    A claim has the id of the message that it comes from; a link of the API has none.
    """

    one: UserId
    other: UserId
    at: int
    message_id: str = ""

    @property
    def pair(self) -> Pair:
        """The two ids; neither comes first."""
        return frozenset((self.one, self.other))

    @property
    def order(self) -> tuple[int, str, list[UserId]]:
        """Which of several edges is earlier: by time, message id, ids."""
        return (self.at, self.message_id, sorted(self.pair))


def claims(events: Iterable[Event], settings: SpaceSettings) -> Iterator[Edge]:
    """Yield what events (each taken once) say: an anonymous id is this user.

    An `alias` says so of the id before it, and with `link_on_identify` every event of the anonymous id
    that it has beside its user id. Where ids are hashed, an id before is kept hashed only: it can be no
    other anonymous id than the event's own.
    """
    for event in events:
        if event.user.is_anonymous:
            continue
        claimed = {event.anonymous_id if settings.link_on_identify else None}
        if event.type == "alias":
            claimed.add(_aliased(event, settings))
        for text in filter(None, claimed):
            anonymous = UserId(text, is_anonymous=True)
            yield Edge(anonymous, event.user, event.occurred_at, event.message_id)


def _aliased(event: Event, settings: SpaceSettings) -> str | None:
    if event.previous_id is None:
        return event.anonymous_id
    if not settings.hash_ids:
        return event.previous_id
    own = event.anonymous_id
    return own if own and hashed_id(settings.hash_salt, own) == event.previous_id else None


@dataclass(slots=True)
class ApiLinks:
    """What the API said of pairs of ids, in order."""

    links: dict[Pair, Edge] = field(default_factory=dict)
    removed: set[Pair] = field(default_factory=set)

    def add(self, link: Edge) -> None:
        """Join two ids; joining them again changes nothing, joining after a removal ends that."""
        self.removed.discard(link.pair)
        self.links.setdefault(link.pair, link)

    def remove(self, one: UserId, other: UserId) -> None:
        """Take back the link of two ids, whatever made it, until they are joined again."""
        pair = frozenset((one, other))
        self.links.pop(pair, None)
        self.removed.add(pair)


def held_claims(claims: Iterable[Edge], api: ApiLinks) -> Iterator[Edge]:
    """Yield the claims that hold: of each anonymous id the least one that was not removed.

    Only an unlinked anonymous id can be claimed: none holds that is later than a link of the API.
    """
    linked_at: dict[UserId, int] = {}
    for link in api.links.values():
        for user in link.pair:
            linked_at[user] = min(link.at, linked_at.get(user, link.at))
    least: dict[UserId, Edge] = {}
    for claim in sorted(claims, key=lambda c: (c.at, c.message_id, c.other)):
        if claim.pair not in api.removed and claim.at <= linked_at.get(claim.one, claim.at):
            least.setdefault(claim.one, claim)
    yield from least.values()


def united(edges: Iterable[Edge]) -> Persons:
    """Return the persons that edges make, taking the earliest first.

    An edge that would make a person of more ids than `PERSON_IDS_MAX` is not taken.
    """
    persons: dict[UserId, frozenset[UserId]] = {}
    for edge in sorted(edges, key=lambda e: e.order):
        ids = _person(persons, edge.one) | _person(persons, edge.other)
        if len(ids) <= limits.PERSON_IDS_MAX:
            persons |= dict.fromkeys(ids, ids)
    return persons


def _person(persons: Persons, user: UserId) -> frozenset[UserId]:
    return persons.get(user, frozenset((user,)))


def persons(claims: Iterable[Edge], api: ApiLinks) -> Persons:
    """Return the persons of all ids that are joined to another."""
    return united([*held_claims(claims, api), *api.links.values()])


def shown_id(ids: Collection[UserId]) -> UserId:
    """Return the id that a person shows: the least user id in byte order, else the least anonymous id."""
    return min(ids, key=lambda user: (user.is_anonymous, user.id))


def stored_ids(settings: SpaceSettings, text: str, id_kind: str | None) -> Iterator[UserId]:
    """Yield the ids that a reader's text can mean: of a kind; None means `plain`, then `anonymous`."""
    if id_kind in (None, "plain"):
        yield UserId(hashed_id(settings.hash_salt, text) if settings.hash_ids else text, is_anonymous=False)
    if id_kind == "hashed" and settings.hash_ids:
        yield UserId(text, is_anonymous=False)
    if id_kind in (None, "anonymous"):
        yield UserId(text, is_anonymous=True)
