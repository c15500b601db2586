"""Retention: who is deleted by age, and what of a space stays then (docs/retention.md)."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field

from enduser import limits
from enduser.core.events import Event, UserId
from enduser.core.links import ApiLinks, Pair, claims, persons
from enduser.core.lives import add_months, current_life
from enduser.core.sessions import sessions
from enduser.core.settings import SpaceSettings

DAY_US = 86_400_000_000


def last_to_go(as_of: int, months: int) -> int | None:
    """Return the last instant (µs) that is more than so many calendar months before `as_of`.

    Whose last visit event is then or before is deleted by age; whose is exactly as many months ago is not.
    None: nobody is, for there is no such instant, or 0 months: never.
    """
    if not months or add_months(limits.OCCURRED_AT_MIN_US, months) >= as_of:
        return None
    least, most = limits.OCCURRED_AT_MIN_US, as_of
    while least < most:
        middle = (least + most + 1) // 2
        if add_months(middle, months) < as_of:
            least = middle
        else:
            most = middle - 1
    return least


def deletes_from(live_since: int | None) -> int | None:
    """Return from when on users of a space are deleted by age (µs); None: its clock is a history clock."""
    return None if live_since is None else live_since + limits.RETENTION_GRACE_DAYS * DAY_US


def latest_as_of(live_since: int | None, clock: int | None, now: int) -> int:
    """Return the latest time (µs) by which users may be judged: where a live clock stands, else now."""
    return now if live_since is None else clock or 0


@dataclass(frozen=True, slots=True)
class Known:
    """What a space knows, as far as retention asks for it."""

    events: Collection[Event]
    """Each taken once."""
    writes: Mapping[UserId, int] = field(default_factory=dict)
    """When values or places in static lists were written last, by id: server time in µs."""
    api: ApiLinks = field(default_factory=ApiLinks)
    said_at: Mapping[Pair, int] = field(default_factory=dict)
    """When the API said last what it says of two ids."""


def after_retention(known: Known, settings: SpaceSettings, as_of: int) -> Known:
    """Return what a space knows when everything has gone that is to go by age.

    A person goes with all ids whose last visit event is too old; one without visit events, whose last event
    or write is. Of others the earlier lives go. What the API said of two ids goes when it is too old and
    nothing is known of both. That can part persons, of whom some are too old by themselves: it is done until
    nothing goes any more.
    """
    last = last_to_go(as_of, settings.retention_months)
    while last is not None:
        rest = _step(known, settings, as_of, last)
        if rest == known:
            break
        known = rest
    return known


def _step(known: Known, settings: SpaceSettings, as_of: int, last: int) -> Known:
    joined = persons(claims(known.events, settings), known.api)
    ids = {event.user for event in known.events}.union(known.writes)
    gone: set[UserId] = set()
    kept: list[Event] = []
    for person in {joined.get(user, frozenset([user])) for user in ids}:
        own = [event for event in known.events if event.user in person]
        if _last_activity(own, known.writes, person) <= last:
            gone |= person
        else:
            kept += _of_current_life(own, settings, as_of)
    writes = {user: at for user, at in known.writes.items() if user not in gone}
    named = {event.user for event in kept}.union(writes)
    said_at = {pair: at for pair, at in known.said_at.items() if pair & named or at > last}
    api = ApiLinks(
        {pair: link for pair, link in known.api.links.items() if pair in said_at},
        {pair for pair in known.api.removed if pair in said_at},
    )
    return Known(sorted(kept, key=lambda e: e.order), writes, api, said_at)


def _last_activity(own: Collection[Event], writes: Mapping[UserId, int], person: Collection[UserId]) -> int:
    """Return the time of a person's last visit event, else of the last event or write: there is one."""
    visits = [event.occurred_at for event in own if event.is_visit]
    written = [writes[user] for user in person if user in writes]
    return max(visits or [*(event.occurred_at for event in own), *written])


def _of_current_life(own: Collection[Event], settings: SpaceSettings, as_of: int) -> Iterator[Event]:
    """Yield the events of a person that belong to no life that was over as of a time."""
    life = current_life(sessions(list(own), settings, as_of), settings.retention_months)
    if life is None or life.begins_after is None or life.begins_after >= as_of:
        yield from own
        return
    for event in own:
        if event.is_visit:
            if event.occurred_at >= life.sessions[0].started_at:
                yield event
        elif event.occurred_at > life.begins_after:
            yield event
