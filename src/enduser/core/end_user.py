"""The End User Object: a fold over the closed sessions of a person's current life."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from enduser.core.events import ANALYTICS_PROPERTIES, Event, UserId
from enduser.core.links import shown_id
from enduser.core.lives import Life, current_life
from enduser.core.origin import Browser, Place
from enduser.core.sessions import AnySession, sessions
from enduser.core.settings import SpaceSettings

STANDARD_ATTRIBUTES = (
    "first_seen",
    "last_seen",
    "total_sessions",
    "average_session_duration",
    "total_session_duration",
    "average_time_between_sessions",
    "country",
    "region",
    "city",
    "browser_name",
    "browser_version",
)
USER_COLUMNS = ("user_id", "is_anonymous", *STANDARD_ATTRIBUTES, *ANALYTICS_PROPERTIES)
"""What every End User Object has, in the order in which it is shown; no custom attribute is called so."""


@dataclass(frozen=True, slots=True)
class EndUser:
    """One person as stored. Sums are whole microseconds; averages are derived when read."""

    user: UserId
    total_sessions: int
    first_seen: int
    last_seen: int
    total_session_duration_us: int
    place: Place | None = None
    browser: Browser | None = None
    properties: dict[str, str] = field(default_factory=dict)

    @property
    def average_session_duration_us(self) -> float:
        """Total duration over count of closed sessions, in microseconds."""
        return self.total_session_duration_us / self.total_sessions

    @property
    def average_time_between_sessions_us(self) -> float | None:
        """Mean of (start of next - end of previous) in microseconds; None below two sessions.

        The gaps are what is left of first start to last end when the sessions are taken out.
        """
        if self.total_sessions < 2:  # noqa: PLR2004 - a gap needs two sessions
            return None
        gaps_us = self.last_seen - self.first_seen - self.total_session_duration_us
        return gaps_us / (self.total_sessions - 1)


def end_user(
    events: Sequence[Event],
    settings: SpaceSettings,
    clock: int,
    ids: Collection[UserId] = (),
) -> EndUser | None:
    """Return the End User Object of one person's events (each taken once), None where there is none.

    None until the first session of the current life closes. `clock` is the space's, in microseconds;
    `ids` are those that links made one person (without links: the one of the events).
    """
    visits = sessions(events, settings, clock)
    return object_of(visits, events, settings, ids or {event.user for event in events})


def object_of(
    visits: Sequence[AnySession], events: Iterable[Event], settings: SpaceSettings, ids: Collection[UserId]
) -> EndUser | None:
    """Return the object of one person's sessions (in order of time, open ones too), None where there is none.

    Of `events` only what they say of the analytics properties is taken.
    """
    life = current_life(visits, settings.retention_months)
    closed = [session for session in life.sessions if session.is_closed] if life else []
    if life is None or not closed:
        return None
    return EndUser(
        user=shown_id(ids),
        total_sessions=len(closed),
        first_seen=closed[0].started_at,
        last_seen=closed[-1].ended_at,
        total_session_duration_us=sum(session.ended_at - session.started_at for session in closed),
        place=next((s.place for s in reversed(closed) if s.place), None),
        browser=next((s.browser for s in reversed(closed) if s.browser), None),
        properties=analytics_properties(_speaking(events, life, closed)),
    )


def _speaking(events: Iterable[Event], life: Life, closed: Sequence[AnySession]) -> Iterator[Event]:
    """Yield the events whose traits count: of closed sessions, and non-visit events of the life."""
    starts = [session.started_at for session in closed]
    for event in events:
        if event.is_visit:
            begun = bisect_right(starts, event.occurred_at)
            if begun and event.occurred_at <= closed[begun - 1].ended_at:
                yield event
        elif event.type != "group" and life.holds(event.occurred_at):
            yield event


def analytics_properties(events: Iterable[Event]) -> dict[str, str]:
    """Return the most recent value of each analytics property by event time; a null clears it."""
    latest: dict[str, str | None] = {}
    for event in sorted(events, key=lambda e: e.order):
        latest.update(event.properties)
    return {name: value for name in ANALYTICS_PROPERTIES if (value := latest.get(name)) is not None}
