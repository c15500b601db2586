"""Suppression: people who were erased stay out, whatever names them (docs/erasure.md, "Staying out")."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import replace

from enduser.core.events import Event, UserId, hashed_id
from enduser.core.settings import SpaceSettings


def kept_out(person: Iterable[UserId], settings: SpaceSettings) -> Iterator[UserId]:
    """Yield the ids that stay out with a person: his own, and the hashes that would stand for plain ones.

    These are of the salt as it is when he is suppressed, and keep him out should ids be hashed later.
    """
    for user in person:
        yield user
        if not (user.is_anonymous or settings.hash_ids):
            yield UserId(hashed_id(settings.hash_salt, user.id), is_anonymous=False)


def admitted(
    events: Iterable[Event], suppressed: Collection[UserId], settings: SpaceSettings
) -> Iterator[Event]:
    """Yield the events that a space takes in which some ids are suppressed, as what it takes them.

    Their own are excluded. Those of others do not name them: neither as the anonymous id beside, nor as the
    id before of an `alias`, which may mean an id of either kind.
    """
    before = {user.id for user in suppressed}
    if settings.hash_ids:
        before = {user.id for user in suppressed if not user.is_anonymous}
        before |= {hashed_id(settings.hash_salt, user.id) for user in suppressed}
    for event in events:
        beside = event.anonymous_id
        if event.user not in suppressed:
            yield replace(
                event,
                anonymous_id=None if beside and UserId(beside, is_anonymous=True) in suppressed else beside,
                previous_id="" if event.previous_id in before else event.previous_id,
            )
