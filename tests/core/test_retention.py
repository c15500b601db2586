"""Deleting by age: which instants are too old, and what of a space stays."""

from __future__ import annotations

from collections.abc import Collection
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from enduser import limits
from enduser.core.events import Event, UserId
from enduser.core.links import ApiLinks, Edge, Pair
from enduser.core.lives import add_months
from enduser.core.retention import (
    DAY_US,
    Known,
    after_retention,
    deletes_from,
    last_to_go,
    latest_as_of,
)
from enduser.core.settings import SpaceSettings

FIRST, LAST = limits.OCCURRED_AT_MIN_US, limits.OCCURRED_AT_MAX_US
SIX = SpaceSettings()
ADA, EVE, ZOE = (UserId(text, is_anonymous=False) for text in ("ada", "eve", "zoe"))
BROWSER = UserId("browser", is_anonymous=True)


def at(text: str) -> int:
    """Return the µs of a time in UTC."""
    epoch = datetime(1970, 1, 1, tzinfo=UTC)
    return (datetime.fromisoformat(text).replace(tzinfo=UTC) - epoch) // timedelta(microseconds=1)


# --- by which time it is judged


def test_a_live_space_is_judged_by_its_clock_at_most_and_another_by_what_time_it_is() -> None:
    assert latest_as_of(live_since=None, clock=7, now=9) == 9
    assert latest_as_of(live_since=0, clock=7, now=9) == 7
    assert latest_as_of(live_since=0, clock=None, now=9) == 0, "no event has moved the clock"


# --- the last instant that is too old


@pytest.mark.parametrize(
    ("as_of", "months", "last"),
    [
        ("2026-07-15T10:00:00", 6, "2026-01-15T09:59:59.999999"),
        ("2026-02-28T12:00:00", 6, "2025-08-28T11:59:59.999999"),
        ("2026-03-01T00:00:00", 6, "2025-08-28T23:59:59.999999"),
        ("2026-03-01T00:00:00.000001", 6, "2025-09-01T00:00:00"),
        ("2024-02-29T12:00:00", 6, "2023-08-29T11:59:59.999999"),
        ("2024-03-01T00:00:00", 6, "2023-08-29T23:59:59.999999"),
        ("2024-02-29T10:00:00", 12, "2023-02-28T23:59:59.999999"),
        ("2025-03-01T00:00:00", 12, "2024-02-28T23:59:59.999999"),
        ("2025-03-01T00:00:00.000001", 12, "2024-03-01T00:00:00"),
        ("9999-12-31T23:59:59.999999", 1, "9999-11-30T23:59:59.999999"),
    ],
)
def test_days_that_a_month_lacks_end_on_the_first_of_the_next(as_of: str, months: int, last: str) -> None:
    assert last_to_go(at(as_of), months) == at(last)


def test_before_the_calendar_begins_nobody_was_seen() -> None:
    first_end = at("0001-07-01T00:00:00")
    assert [last_to_go(first_end + step, 6) for step in (-1, 0, 1, 2)] == [None, None, FIRST, FIRST + 1]
    assert last_to_go(FIRST, 1) is None


@pytest.mark.parametrize("as_of", [FIRST, 0, LAST])
def test_no_months_are_never(as_of: int) -> None:
    assert last_to_go(as_of, 0) is None


NEAR_MONTH_ENDS = st.builds(
    lambda year, month, day, step: at(f"{year:04}-{month:02}-{day:02}T00:00:00") + step,
    st.sampled_from([1, 2, 1969, 1970, 2023, 2024, 2100, 9998, 9999]),
    st.integers(1, 12),
    st.sampled_from([1, 28]),
    st.sampled_from([-1, 0, 1]) | st.integers(0, 4 * DAY_US),
).filter(lambda instant: FIRST <= instant <= LAST)
INSTANTS = NEAR_MONTH_ENDS | st.integers(FIRST, LAST)


@given(as_of=INSTANTS, seen_at=INSTANTS, months=st.integers(1, 130))
def test_an_instant_is_too_old_if_the_retention_from_it_is_over(
    as_of: int, seen_at: int, months: int
) -> None:
    last = last_to_go(as_of, months)
    assert (last is not None and seen_at <= last) is (add_months(seen_at, months) < as_of)


@given(as_of=INSTANTS, months=st.integers(1, 130))
def test_the_last_instant_is_too_old_and_the_next_is_not(as_of: int, months: int) -> None:
    last = last_to_go(as_of, months)
    if last is None:
        assert add_months(FIRST, months) >= as_of
    else:
        assert add_months(last, months) < as_of <= add_months(last + 1, months)


def test_users_are_deleted_from_some_days_after_a_space_went_live() -> None:
    assert deletes_from(None) is None
    assert deletes_from(0) == limits.RETENTION_GRACE_DAYS * 86_400_000_000
    assert deletes_from(17) == limits.RETENTION_GRACE_DAYS * 86_400_000_000 + 17


# --- what stays

NOW = at("2026-08-15T00:00:00")
IN_TIME = at("2026-02-15T00:00:00")
"""Exactly six months ago."""
TOO_OLD = IN_TIME - 1
LONG_AGO = at("2024-01-01T00:00:00")


def event(user: UserId, occurred_at: int, **more: object) -> Event:
    """Return a visit event, or another of another type."""
    return Event(user, f"m{occurred_at}", occurred_at, occurred_at, **more)  # type: ignore[arg-type]


def said(links: Collection[Edge] = (), removed: Collection[Edge] = ()) -> tuple[ApiLinks, dict[Pair, int]]:
    """Return what the API says, and when it was said."""
    api = ApiLinks()
    for edge in links:
        api.add(edge)
    for edge in removed:
        api.remove(edge.one, edge.other)
    return api, {edge.pair: edge.at for edge in (*links, *removed)}


def left(*events: Event, settings: SpaceSettings = SIX, as_of: int = NOW, **more: object) -> Known:
    """Return what is known of a space after deleting by age."""
    return after_retention(Known(events, **more), settings, as_of)  # type: ignore[arg-type]


def test_who_was_seen_last_more_than_six_months_ago_goes_with_all_ids() -> None:
    joined = event(ADA, LONG_AGO, type="alias", previous_id="browser")
    assert left(joined, event(ADA, LONG_AGO), event(BROWSER, TOO_OLD)).events == []
    stays = [joined, event(ADA, IN_TIME - 2), event(BROWSER, IN_TIME)]
    assert left(*stays).events == stays


def test_what_is_no_visit_and_what_is_written_keep_nobody_who_was_seen() -> None:
    seen = [event(ADA, TOO_OLD), event(ADA, IN_TIME, type="group"), event(ZOE, LONG_AGO)]
    assert left(*seen, writes=dict.fromkeys((ADA, EVE, ZOE), NOW)) == Known([], {EVE: NOW})


def test_who_was_never_seen_goes_after_the_last_event_or_write_of_all_ids() -> None:
    api, said_at = said([Edge(ADA, BROWSER, LONG_AGO)])
    for in_time in (ADA, BROWSER):
        events = [
            event(user, IN_TIME if user is in_time else TOO_OLD, type="group") for user in (BROWSER, ADA)
        ]
        assert len(left(*events, api=api, said_at=said_at).events) == 2
        writes = {user: IN_TIME if user is in_time else TOO_OLD for user in (ADA, BROWSER)}
        assert left(writes=writes, api=api, said_at=said_at).writes == writes
    old = dict.fromkeys((ADA, BROWSER), TOO_OLD)
    assert left(event(ADA, TOO_OLD, type="group"), writes=old, api=api, said_at=said_at) == Known([])
    assert left(event(ADA, IN_TIME, type="group"), writes=old, api=api, said_at=said_at).writes == old


def test_of_several_persons_each_goes_or_stays_by_himself_and_events_stay_in_order() -> None:
    gone = dict.fromkeys((ADA, BROWSER), TOO_OLD)
    seen = [event(user, IN_TIME + n) for n, user in enumerate((ZOE, EVE, ZOE, EVE))]
    writes = {**gone, EVE: LONG_AGO}
    known = left(*seen[::-1], writes=writes)
    assert known == Known(seen, {EVE: LONG_AGO})


def test_where_lives_do_not_end_nobody_goes() -> None:
    events = (event(ADA, FIRST), event(ADA, IN_TIME))
    assert left(*events, settings=SpaceSettings(retention_months=0)) == Known(events)


def test_before_anything_is_too_old_all_stays() -> None:
    events = (event(ADA, FIRST),)
    assert left(*events, as_of=at("0001-07-01T00:00:00")) == Known(events)


# --- earlier lives

BACK = at("2025-08-01T00:00:00")
"""Long after the life of 2024 ended, and within a year of `NOW`."""
FIRST_ENDS = at("2024-07-01T00:00:00")
"""Six months after `LONG_AGO`."""


def test_of_who_came_back_the_earlier_lives_go() -> None:
    current = [event(ADA, NOW - 2 * DAY_US), event(ADA, NOW - DAY_US)]
    assert left(event(ADA, LONG_AGO), event(ADA, BACK), *current).events == current


def test_what_is_no_visit_goes_with_the_life_up_to_whose_end_it_was() -> None:
    within = event(ADA, FIRST_ENDS, type="group")
    after = event(ADA, FIRST_ENDS + 1, type="group")
    came_back = event(ADA, NOW)
    assert left(event(ADA, LONG_AGO), within, after, came_back).events == [after, came_back]


def test_an_earlier_life_goes_once_its_retention_is_over() -> None:
    events = [event(ADA, LONG_AGO), event(ADA, FIRST_ENDS, type="group"), event(ADA, NOW)]
    assert left(*events, as_of=FIRST_ENDS).events == events
    assert left(*events, as_of=FIRST_ENDS + 1).events == events[2:]


def test_of_who_was_seen_in_one_life_or_not_at_all_every_event_stays() -> None:
    one_life = [event(ADA, IN_TIME), event(ADA, IN_TIME + 1, type="group"), event(ADA, NOW)]
    assert left(*one_life).events == one_life
    unseen = [event(EVE, LONG_AGO, type="group"), event(EVE, NOW, type="group")]
    assert left(*unseen).events == unseen


# --- what the API said


@pytest.mark.parametrize("removes", [False, True])
def test_what_was_said_of_two_ids_goes_when_it_is_too_old_and_nothing_is_known_of_both(removes: bool) -> None:
    def stays(since: int, *events: Event, **writes: int) -> bool:
        edge = Edge(EVE, ZOE, since)
        api, said_at = said(removed=[edge]) if removes else said([edge])
        by_id = {UserId(text, is_anonymous=False): written_at for text, written_at in writes.items()}
        known = left(event(ADA, NOW), *events, writes=by_id, api=api, said_at=said_at)
        assert known.said_at == (said_at if known.said_at else {})
        assert known.api == (api if known.said_at else ApiLinks())
        return bool(known.said_at)

    assert [stays(since) for since in (TOO_OLD, IN_TIME)] == [False, True]
    assert stays(TOO_OLD, event(EVE, NOW))
    assert stays(TOO_OLD, zoe=IN_TIME)
    assert not stays(TOO_OLD, event(EVE, TOO_OLD), zoe=TOO_OLD)


def test_who_is_parted_when_the_claim_of_an_earlier_life_goes_is_judged_by_himself() -> None:
    claim = event(ADA, LONG_AGO, type="alias", previous_id="browser")
    back = event(BROWSER, NOW)
    assert left(claim, event(ADA, LONG_AGO), back, writes={ADA: LONG_AGO}) == Known([back])
    still = {ADA: IN_TIME}
    assert left(claim, event(ADA, LONG_AGO), back, writes=still) == Known([back], still)
