"""The End User Object as of a time: as it was then, by what is known now (docs/end-user-object.md).

It is what `enduser.core.end_user.end_user` makes of the events until then, by a clock that stands there. Of
the events only those are needed that say something of analytics properties: a session that was closed by
then holds no later event, and of one that was not only its start counts.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from enduser.core.end_user import EndUser, object_of
from enduser.core.events import Event, UserId
from enduser.core.origin import Browser, Place
from enduser.core.settings import SpaceSettings


@dataclass(frozen=True, slots=True)
class KeptSession:
    """A session as it is kept, without its events. Times are µs."""

    started_at: int
    ended_at: int
    is_cut_off: bool
    """Whether the cap cut it off: the next session is of the same stretch."""
    place: Place | None = None
    browser: Browser | None = None
    is_closed: bool = True


def end_user_as_of(
    kept: Iterable[KeptSession],
    said: Iterable[Event],
    settings: SpaceSettings,
    at: int,
    ids: Collection[UserId],
) -> EndUser | None:
    """Return the object of the person of some ids as of a time (µs), None where there was none.

    `kept` are all his sessions in order of time, `said` all his events that say something of an analytics
    property; of both it is enough to give what is not later than the time.
    """
    begun = [session for session in kept if session.started_at <= at]
    heard = (event for event in said if event.occurred_at <= at)
    return object_of(list(_as_of(begun, at, settings.window_us)), heard, settings, ids)


def _as_of(begun: Sequence[KeptSession], at: int, window_us: int) -> Iterator[KeptSession]:
    """Yield the sessions that had begun by a time, each closed if it was then."""
    for session in begun:
        was_followed = session.is_cut_off and session is not begun[-1]
        yield replace(session, is_closed=was_followed or session.ended_at + window_us <= at)
