"""Stretches, sessions and the cap, by example and by property."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from enduser.core.events import Event, UserId
from enduser.core.sessions import cut_starts, sessions
from enduser.core.settings import SpaceSettings

SECOND = 1_000_000
MINUTE = 60 * SECOND
START = 1_700_000_000 * SECOND
FAR = 10**18
DEFAULTS = SpaceSettings()


def event(at: int, kind: str = "track", **more: object) -> Event:
    return Event(UserId("u", is_anonymous=False), f"m{at}", at, at, kind, **more)


def spans(*times: int, settings: SpaceSettings = DEFAULTS, clock: int = FAR) -> list[tuple[int, int]]:
    found = sessions([event(START + t) for t in times], settings, clock)
    return [(s.started_at - START, s.ended_at - START) for s in found]


@pytest.mark.parametrize(
    ("gap", "count"),
    [(1_799_999_999, 1), (1_800_000_000, 2), (1_800_000_001, 2), (0, 1)],
)
def test_a_gap_of_exactly_the_window_begins_a_new_session(gap: int, count: int) -> None:
    assert len(spans(0, gap)) == count


def test_a_late_event_never_makes_a_duration_negative_or_huge() -> None:
    ten = 10 * 60 * MINUTE
    times = (ten, ten + 5 * MINUTE, 5 * 60 * MINUTE, ten + 6 * MINUTE)
    assert spans(*times) == [(5 * 60 * MINUTE, 5 * 60 * MINUTE), (ten, ten + 6 * MINUTE)]


def test_a_late_event_bridges_two_sessions() -> None:
    assert spans(0, 50 * MINUTE) == [(0, 0), (50 * MINUTE, 50 * MINUTE)]
    assert spans(0, 50 * MINUTE, 25 * MINUTE) == [(0, 50 * MINUTE)]


def test_one_event_lasts_no_time() -> None:
    assert spans(7) == [(7, 7)]


@pytest.mark.parametrize(
    ("last", "expected"),
    [
        (3_599_999_999, [(0, 3_599_999_999)]),
        (3_600_000_000, [(0, 2_400 * SECOND), (3_600_000_000, 3_600_000_000)]),
        (3_600_000_001, [(0, 2_400 * SECOND), (3_600_000_001, 3_600_000_001)]),
    ],
)
def test_an_event_at_the_cap_begins_the_next_session(last: int, expected: list[tuple[int, int]]) -> None:
    capped = SpaceSettings(session_cap_s=3_600)
    assert spans(0, 1_200 * SECOND, 2_400 * SECOND, last, settings=capped) == expected


def test_without_a_cap_a_robot_of_six_months_is_one_session() -> None:
    times = range(0, 180 * 24 * 60 * MINUTE, 25 * MINUTE)
    assert len(spans(*times, settings=SpaceSettings(session_cap_s=0))) == 1
    assert len(spans(*times)) > 350


def test_a_late_event_before_a_cut_stretch_moves_all_cuts() -> None:
    capped = SpaceSettings(session_cap_s=3_600)
    steady = [i * 20 * MINUTE for i in range(9)]
    assert [s for s, _ in spans(*steady, settings=capped)] == [0, 60 * MINUTE, 120 * MINUTE]
    late = [s for s, _ in spans(*steady, -10 * MINUTE, settings=capped)]
    assert late == [-10 * MINUTE, 60 * MINUTE, 120 * MINUTE]


def test_a_session_closes_when_the_clock_reaches_its_end_plus_the_window() -> None:
    ends = START + 5 * MINUTE
    for clock, closed in [(ends + 1_800 * SECOND - 1, False), (ends + 1_800 * SECOND, True)]:
        [only] = sessions([event(START), event(ends)], DEFAULTS, clock)
        assert only.is_closed is closed


def test_a_piece_that_the_cap_cut_off_closes_at_its_own_end() -> None:
    capped = SpaceSettings(session_cap_s=3_600)
    events = [event(START + i * 20 * MINUTE) for i in range(5)]
    first, second = sessions(events, capped, clock=START + 80 * MINUTE)
    assert first.is_closed
    assert not second.is_closed


@pytest.mark.parametrize(
    ("kinds", "interactions", "is_empty"),
    [
        (["page"], 0, True),
        (["page", "page"], 1, False),
        (["screen", "page", "page"], 2, False),
        (["identify"], 0, True),
        (["page", "track"], 1, False),
        (["track"], 1, False),
    ],
)
def test_interactions_are_acts_and_page_views_after_the_first(
    kinds: list[str], interactions: int, is_empty: bool
) -> None:
    [only] = sessions([event(START + i, kind) for i, kind in enumerate(kinds)], DEFAULTS, FAR)
    assert (only.interactions, only.is_empty) == (interactions, is_empty)


def test_a_heartbeat_lengthens_a_session_but_is_no_interaction() -> None:
    [only] = sessions([event(START, "page"), event(START + MINUTE, name="$heartbeat")], DEFAULTS, FAR)
    assert (only.duration_us, only.interactions, only.is_empty) == (MINUTE, 0, True)


@pytest.mark.parametrize("kind", ["alias", "group"])
def test_alias_and_group_touch_no_session(kind: str) -> None:
    assert sessions([event(START, kind)], DEFAULTS, FAR) == []


def test_an_inactive_message_touches_no_session() -> None:
    assert sessions([event(START, "page", is_active=False)], DEFAULTS, FAR) == []


@given(st.lists(st.integers(0, 10**10), min_size=1, max_size=40), st.randoms())
def test_sessions_do_not_depend_on_the_order_of_events(times: list[int], rng: object) -> None:
    shuffled = list(times)
    rng.shuffle(shuffled)  # type: ignore[attr-defined]
    assert spans(*times) == spans(*shuffled)


@given(st.lists(st.integers(0, 10**9), min_size=1, max_size=60), st.integers(1, 10**8))
def test_cuts_are_at_least_the_cap_apart_and_no_event_between_could_have_begun_one(
    gaps: list[int], cap: int
) -> None:
    times = sorted(gaps)
    starts = list(cut_starts(times, cap))
    assert starts[0] == 0
    for start, following in zip(starts, [*starts[1:], len(times)], strict=True):
        assert all(time < times[start] + cap for time in times[start:following])
