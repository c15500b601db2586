"""The object as of a time: what the events until then make of a clock that stands there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from enduser.core.as_of import KeptSession, end_user_as_of
from enduser.core.end_user import EndUser, end_user
from enduser.core.events import Event, UserId
from enduser.core.origin import Browser, Place
from enduser.core.sessions import sessions
from enduser.core.settings import SpaceSettings

SECOND = 1_000_000
MINUTE = 60 * SECOND
DAY = 24 * 60 * MINUTE
START = 1_700_000_000_000_000
FAR = 10**17
ADA = UserId("ada", is_anonymous=False)
BROWSER = UserId("b", is_anonymous=True)
DEFAULTS = SpaceSettings()


def event(minute: float, message_id: str = "m", kind: str = "track", **more: object) -> Event:
    at = START + round(minute * MINUTE)
    return Event(ADA, message_id, at, at, kind, **more)


def kept(events: Sequence[Event], settings: SpaceSettings) -> list[KeptSession]:
    """Return the sessions of events as a store keeps them."""
    found = sessions(events, settings, FAR)
    if not found:
        return []
    follows = [after.started_at - one.ended_at < settings.window_us for one, after in pairwise(found)]
    return [
        KeptSession(one.started_at, one.ended_at, is_cut_off, one.place, one.browser)
        for one, is_cut_off in zip(found, [*follows, False], strict=True)
    ]


def as_of(events: Sequence[Event], at: int, settings: SpaceSettings = DEFAULTS) -> EndUser | None:
    return end_user_as_of(kept(events, settings), events, settings, at, [ADA])


@pytest.mark.parametrize(("minute", "is_there"), [(29.999, False), (30, True), (70, True)])
def test_a_session_counts_from_the_moment_it_was_closed(minute: float, is_there: bool) -> None:
    found = as_of([event(0), event(60), event(80)], START + round(minute * MINUTE))
    assert (found is not None) is is_there
    assert found is None or (found.total_sessions, found.last_seen) == (1, START)


def test_a_session_that_went_on_after_the_time_does_not_count_yet() -> None:
    events = [event(0), event(60), event(80)]
    assert as_of(events, START + 109 * MINUTE) == as_of(events[:1], START + 40 * MINUTE)


@pytest.mark.parametrize(("minute", "total"), [(59, None), (60, 1), (100, 1), (120, 2), (149, 2), (150, 3)])
def test_a_piece_that_the_cap_cut_off_counts_from_the_start_of_the_next(
    minute: int, total: int | None
) -> None:
    events = [event(n) for n in (0, 20, 40, 59, 60, 80, 100, 119, 120)]
    found = as_of(events, START + minute * MINUTE, replace(DEFAULTS, session_cap_s=3_600))
    assert (found and found.total_sessions) == total


def test_the_life_is_the_one_that_was_current_then() -> None:
    events = [event(0), event(40), event(400 * 24 * 60), event(400 * 24 * 60 + 40)]
    one, other = (START + round(minute * MINUTE) for minute in (200 * 24 * 60, 400 * 24 * 60 + 30))
    assert as_of(events, one) == EndUser(ADA, 2, START, START + 40 * MINUTE, 0)
    assert as_of(events, other - 1) is None
    assert as_of(events, other) == EndUser(ADA, 1, events[2].occurred_at, events[2].occurred_at, 0)


def test_properties_are_those_said_by_then_in_closed_sessions_and_beside_sessions() -> None:
    events = [
        event(0, properties={"role": "a"}),
        event(31, kind="identify", is_active=False, properties={"role": "b"}),
        event(40, properties={"role": "c"}),
        event(90, kind="alias", properties={"role": "d"}),
    ]
    said = {
        minute: as_of(events, START + minute * MINUTE).properties["role"]  # type: ignore[union-attr]
        for minute in (30, 31, 69, 70, 90)
    }
    assert said == {30: "a", 31: "b", 69: "b", 70: "c", 90: "d"}


def test_group_traits_never_count() -> None:
    events = [event(0), event(31, kind="group", properties={"role": "b"})]
    assert as_of(events, START + 40 * MINUTE).properties == {}  # type: ignore[union-attr]


def test_before_the_first_event_there_is_nobody() -> None:
    assert as_of([event(0)], START - 1) is None
    assert end_user_as_of([], [], DEFAULTS, FAR, [ADA]) is None


_GAPS = st.one_of(
    st.sampled_from([0, 1, MINUTE, 30 * MINUTE - 1, 30 * MINUTE, 30 * MINUTE + 1, 60 * MINUTE]),
    st.sampled_from([20 * MINUTE, 25 * MINUTE, DAY, 28 * DAY, 31 * DAY, 62 * DAY]),
    st.integers(0, 40 * MINUTE),
)
_SPOKEN = st.dictionaries(st.sampled_from(["role", "info"]), st.sampled_from(["a", "b", None]), max_size=2)


@st.composite
def _histories(draw: st.DrawFn) -> list[Event]:
    at = START
    events = []
    for number in range(draw(st.integers(0, 14))):
        at += draw(_GAPS)
        events.append(
            Event(
                draw(st.sampled_from([ADA, BROWSER])),
                f"m{draw(st.integers(0, 9))}-{number}",
                at,
                at,
                draw(st.sampled_from(["track", "page", "identify", "alias", "group"])),
                is_active=draw(st.booleans()) or draw(st.booleans()),
                place=draw(st.sampled_from([None, Place("NO"), Place("DE", "Berlin")])),
                browser=draw(st.sampled_from([None, Browser("Firefox", "140.0"), Browser("Chrome")])),
                properties=draw(_SPOKEN),
            )
        )
    return events


@given(
    events=_histories(),
    beside=st.sampled_from([-1, 0, 1, 30 * MINUTE - 1, 30 * MINUTE, 30 * MINUTE + 1, 31 * DAY]),
    which=st.integers(0, 13),
    cap_s=st.sampled_from([0, 2_400, 3_600, 43_200]),
    months=st.sampled_from([0, 1, 6]),
)
def test_it_is_what_the_events_until_then_make_of_a_clock_that_stands_there(
    events: list[Event], beside: int, which: int, cap_s: int, months: int
) -> None:
    settings = replace(DEFAULTS, session_cap_s=cap_s, retention_months=months)
    at = (events[which % len(events)].occurred_at if events else START) + beside
    until = [one for one in events if one.occurred_at <= at]
    assert as_of(events, at, settings) == end_user(until, settings, at, [ADA])
