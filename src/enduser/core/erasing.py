"""Erasure: what is left of all events when a person is erased (docs/erasure.md)."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import replace

from enduser.core.events import Event, UserId, hashed_id
from enduser.core.settings import SpaceSettings


def without(events: Iterable[Event], person: Collection[UserId], settings: SpaceSettings) -> Iterator[Event]:
    """Yield the events that stay when the person of some ids is erased.

    His own go. Those of others stay, but do not name an anonymous id of his any more.
    """
    beside = {user.id for user in person if user.is_anonymous}
    before = {hashed_id(settings.hash_salt, text) if settings.hash_ids else text for text in beside}
    for event in events:
        if event.user not in person:
            yield replace(
                event,
                anonymous_id=None if event.anonymous_id in beside else event.anonymous_id,
                previous_id="" if event.previous_id in before else event.previous_id,
            )
