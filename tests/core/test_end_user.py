"""The End User Object: sums, last values, analytics properties."""

from __future__ import annotations

from enduser.core.end_user import end_user
from enduser.core.events import Event, UserId, take_once
from enduser.core.origin import Browser, Place
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


def test_a_property_of_an_open_session_does_not_count_yet() -> None:
    events = [event(0, properties={"role": "guest"}), event(100, properties={"role": "admin"})]
    found = end_user(events, SpaceSettings(), START + 101 * MINUTE)
    assert found is not None
    assert found.properties == {"role": "guest"}


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


def test_of_copies_the_first_stays_and_only_place_and_browser_improve() -> None:
    first = event(0, place=Place("NO"), properties={"role": "a"})
    copy = event(0, place=Place("NO", "Oslo"), browser=Browser("Chrome", "1"), properties={"role": "b"})
    [taken] = take_once([first, copy])
    assert (taken.place, taken.browser) == (Place("NO", "Oslo"), Browser("Chrome", "1"))
    assert taken.properties == {"role": "a"}
