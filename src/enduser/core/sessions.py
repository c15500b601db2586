"""Stretches and sessions: the one idea of the product.

An event is a stretch of length zero. Stretches of one person closer than the inactivity window merge
into one: start = min, end = max, counts add. Merging is associative and commutative, so the order of
arrival, the batching and repetitions cannot matter. Sessions are cut from stretches by the cap.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from enduser.core.events import Event
from enduser.core.origin import Browser, Place
from enduser.core.settings import SpaceSettings


class AnySession(Protocol):
    """What the End User Object takes from a session, kept with its events or without. Times are µs."""

    @property
    def started_at(self) -> int:
        """Time of the first event."""

    @property
    def ended_at(self) -> int:
        """Time of the last event."""

    @property
    def is_closed(self) -> bool:
        """Whether the clock has passed it."""

    @property
    def place(self) -> Place | None:
        """The last known place."""

    @property
    def browser(self) -> Browser | None:
        """The last known browser."""


@dataclass(frozen=True, slots=True)
class Session:
    """A visit: the events from `started_at` to `ended_at` (µs), both included."""

    events: tuple[Event, ...]
    is_closed: bool

    @property
    def started_at(self) -> int:
        """Time of the first event."""
        return self.events[0].occurred_at

    @property
    def ended_at(self) -> int:
        """Time of the last event; a session of one event lasts 0."""
        return self.events[-1].occurred_at

    @property
    def page_views(self) -> int:
        """Count of `page` and `screen` events."""
        return sum(event.is_page_view for event in self.events)

    @property
    def interactions(self) -> int:
        """Acts, and every page view after the first."""
        return sum(event.is_act for event in self.events) + max(self.page_views - 1, 0)

    @property
    def is_empty(self) -> bool:
        """No interaction and at most one page view."""
        return self.interactions == 0 and self.page_views <= 1

    @property
    def place(self) -> Place | None:
        """The last known place; country, region and city come together from one event."""
        return next((e.place for e in reversed(self.events) if e.place), None)

    @property
    def browser(self) -> Browser | None:
        """The last known browser, name and version from one event."""
        return next((e.browser for e in reversed(self.events) if e.browser), None)


def stretches(visits: Iterable[Event], window_us: int) -> Iterator[list[Event]]:
    """Yield one person's visit events as maximal runs with every gap shorter than the window.

    A gap of exactly the window begins a new stretch.
    """
    run: list[Event] = []
    for event in sorted(visits, key=lambda visit: visit.order):
        if run and event.occurred_at - run[-1].occurred_at >= window_us:
            yield run
            run = []
        run.append(event)
    if run:
        yield run


def cut_starts(times: Sequence[int], cap_us: int) -> Iterator[int]:
    """Yield the indexes in a stretch's sorted `times` at which a session begins.

    An event at or after the session's start + `cap_us` begins the next; 0 means no cap.
    """
    index = 0
    while index < len(times):
        yield index
        if not cap_us:
            return
        index = bisect_left(times, times[index] + cap_us, lo=index)


def sessions(events: Iterable[Event], settings: SpaceSettings, clock: int) -> list[Session]:
    """Return the sessions of one person's events, open ones too, by the space's clock (µs).

    A session closes when the clock reaches the end of its stretch + the window; a piece that the cap
    cut off closes when the clock reaches its own end.
    """
    result = []
    for stretch in stretches((e for e in events if e.is_visit), settings.window_us):
        times = [event.occurred_at for event in stretch]
        starts = list(cut_starts(times, settings.cap_us))
        for start, end in zip(starts, [*starts[1:], len(stretch)], strict=True):
            wait_us = settings.window_us if end == len(stretch) else 0
            is_closed = clock >= times[end - 1] + wait_us
            result.append(Session(tuple(stretch[start:end]), is_closed))
    return result
