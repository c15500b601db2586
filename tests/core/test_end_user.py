"""The End User Object: sums, last values, analytics properties."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from enduser.core.end_user import end_user
from enduser.core.events import Event, UserId
from enduser.core.origin import Browser, Place
from enduser.core.sessions import sessions
from enduser.core.settings import SpaceSettings

MINUTE = 60_000_000
START = 1_700_000_000_000_000
FAR = 10**18
USER = UserId("u", is_anonymous=False)


def event(minute: float, message_id: str = "m", kind: str = "track", **more: object) -> Event:
    at = START + round(minute * MINUTE)
    return Event(USER, message_id, at, at, kind, **more)


def test_sums_and_averages_come_from_closed_sessions() -> None:
    found = end_user([event(0), event(10), event(100), event(130.5), event(300)], SpaceSettings(), FAR)
    assert found is not None
    assert found.total_sessions == 4
    assert found.total_session_duration_us == 10 * MINUTE
    assert found.average_session_duration_us == 2.5 * MINUTE
    assert found.average_time_between_sessions_us == (300 - 10) * MINUTE / 3


def test_time_between_sessions_is_unknown_below_two() -> None:
    found = end_user([event(0)], SpaceSettings(), FAR)
    assert found is not None
    assert found.average_time_between_sessions_us is None


def test_there_is_no_object_before_the_first_session_closes() -> None:
    assert end_user([event(0)], SpaceSettings(), START + 29 * MINUTE) is None


def test_country_region_and_city_come_together_from_one_event() -> None:
    events = [event(0, place=Place("NO", "Oslo", "Oslo")), event(1, place=Place("DE")), event(2)]
    assert end_user(events, SpaceSettings(), FAR).place == Place("DE")  # type: ignore[union-attr]


def test_of_two_values_at_the_same_microsecond_the_greater_message_id_wins() -> None:
    events = [event(0, "b", browser=Browser("Firefox")), event(0, "a", browser=Browser("Chrome"))]
    assert end_user(events, SpaceSettings(), FAR).browser == Browser("Firefox")  # type: ignore[union-attr]


def test_a_property_is_the_most_recent_by_event_time_and_null_clears_it() -> None:
    events = [
        event(2, "c", properties={"role": "admin"}),
        event(0, "a", properties={"role": "guest", "info": "x"}),
        event(3, "d", properties={"info": None}),
    ]
    assert end_user(events, SpaceSettings(), FAR).properties == {"role": "admin"}  # type: ignore[union-attr]


def test_the_five_analytics_properties_are_kept_and_no_other() -> None:
    five = {name: f"my {name}" for name in ("name", "role", "type", "status", "info")}
    found = end_user([event(0, properties={**five, "plan": "free"})], SpaceSettings(), FAR)
    assert found is not None
    assert found.properties == five


def test_a_property_of_an_open_session_does_not_count_yet() -> None:
    events = [event(0, properties={"role": "guest"}), event(100, properties={"role": "admin"})]
    found = end_user(events, SpaceSettings(), START + 101 * MINUTE)
    assert found is not None
    assert found.properties == {"role": "guest"}


def test_a_property_of_a_session_of_an_earlier_life_does_not_count() -> None:
    events = [event(0, properties={"role": "admin"}), event(400 * 24 * 60)]
    found = end_user(events, SpaceSettings(), FAR)
    assert found is not None
    assert (found.total_sessions, found.properties) == (1, {})


def test_a_non_visit_event_counts_at_once_but_group_traits_never() -> None:
    events = [
        event(0),
        event(100, "i", "identify", is_active=False, properties={"role": "admin"}),
        event(101, "g", "group", properties={"role": "company"}),
    ]
    found = end_user(events, SpaceSettings(), START + 101 * MINUTE)
    assert found is not None
    assert found.properties == {"role": "admin"}
    assert found.last_seen == START


def test_time_between_two_sessions_is_their_gap() -> None:
    found = end_user([event(7), event(10), event(100)], SpaceSettings(), FAR)
    assert found is not None
    assert (found.total_sessions, found.average_time_between_sessions_us) == (2, 90 * MINUTE)


@pytest.mark.parametrize("events", [[], [event(0, kind="alias")], [event(0, kind="page", is_active=False)]])
def test_there_is_no_object_without_a_visit(events: list[Event]) -> None:
    assert end_user(events, SpaceSettings(), FAR) is None


@pytest.mark.parametrize(
    ("ids", "least"),
    [
        ([("b", False), ("a", False)], ("a", False)),
        ([("a", True), ("z", False), ("y", False)], ("y", False)),
        ([("b", True), ("a", True)], ("a", True)),
    ],
)
def test_a_person_shows_the_least_user_id_or_else_the_least_anonymous_id(
    ids: list[tuple[str, bool]], least: tuple[str, bool]
) -> None:
    events = [replace(event(minute), user=UserId(*user)) for minute, user in enumerate(ids)]
    found = end_user(events, SpaceSettings(), FAR)
    assert found is not None
    assert found.user == UserId(*least)


def test_a_non_visit_event_of_an_earlier_life_or_after_this_one_does_not_count() -> None:
    day = 24 * 60
    events = [
        event(0),
        event(100 * day, "b", kind="identify", is_active=False, properties={"role": "before"}),
        event(300 * day, "c"),
        event(900 * day, "d", kind="identify", is_active=False, properties={"role": "after"}),
    ]
    found = end_user(events, SpaceSettings(), FAR)
    assert found is not None
    assert (found.first_seen, found.properties) == (START + 300 * day * MINUTE, {})


@given(
    st.lists(st.integers(0, 10**12), min_size=1, max_size=30, unique=True),
    st.integers(1, 86_400),
    st.sampled_from([0, 1, 60, 43_200]),
)
def test_count_first_last_and_sum_of_durations_are_enough_for_every_average(
    offsets: list[int], window_s: int, cap_s: int
) -> None:
    settings = SpaceSettings(inactivity_window_s=window_s, session_cap_s=cap_s, retention_months=0)
    events = [Event(USER, str(at), START + at, START + at) for at in offsets]
    found, visits = end_user(events, settings, FAR), sessions(events, settings, FAR)
    assert found is not None
    n, durations = len(visits), [visit.ended_at - visit.started_at for visit in visits]
    gaps = [following.started_at - before.ended_at for before, following in pairwise(visits)]
    assert (found.total_sessions, found.total_session_duration_us) == (n, sum(durations))
    assert found.average_session_duration_us == sum(durations) / n
    assert found.average_time_between_sessions_us == (sum(gaps) / len(gaps) if gaps else None)
