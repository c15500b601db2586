"""Stretches, sessions and the cap, by example and by property."""

from __future__ import annotations

from itertools import accumulate, pairwise
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from enduser.core.events import Event, UserId
from enduser.core.sessions import cut_starts, sessions, stretches
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


@pytest.mark.parametrize("start", [-3_600 * SECOND, 1, 7_199_999_999])
def test_the_window_is_measured_from_the_last_event_wherever_the_stretch_starts(start: int) -> None:
    inside, outside = start + 1_799_999_999, start + 1_799_999_999 + 1_800_000_000
    assert spans(start, inside, outside) == [(start, inside), (outside, outside)]
    assert spans(start, inside, outside - 1) == [(start, outside - 1)]


@pytest.mark.parametrize(("gap", "count"), [(59_999_999, 1), (60_000_000, 2), (60_000_001, 2)])
def test_the_window_is_a_setting(gap: int, count: int) -> None:
    assert len(spans(5, 5 + gap, settings=SpaceSettings(inactivity_window_s=60))) == count


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


@pytest.mark.parametrize(("clock", "closed"), [(-1, False), (0, True), (1, True)])
def test_a_piece_that_the_cap_cut_off_waits_for_no_window(clock: int, closed: bool) -> None:
    capped = SpaceSettings(session_cap_s=3_600)
    events = [event(START + i * 20 * MINUTE) for i in range(5)]
    first, _ = sessions(events, capped, clock=START + 40 * MINUTE + clock)
    assert first.is_closed is closed


def test_the_last_piece_of_a_cut_stretch_waits_for_the_window() -> None:
    capped = SpaceSettings(session_cap_s=3_600)
    events = [event(START + i * 20 * MINUTE) for i in range(5)]
    for clock, closed in [(110 * MINUTE - 1, False), (110 * MINUTE, True)]:
        _, last = sessions(events, capped, clock=START + clock)
        assert last.is_closed is closed


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
    assert (only.ended_at - only.started_at, only.interactions, only.is_empty) == (MINUTE, 0, True)


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


# The one idea, stated a second time and simply: stretches merge.

Stretch = tuple[int, int, int]
"""Start, end, count of events."""


def merge(left: list[Stretch], right: list[Stretch], window_us: int) -> list[Stretch]:
    """Stretches closer than the window become one: start = min, end = max, counts add."""
    merged: list[Stretch] = []
    for start, end, count in sorted([*left, *right]):
        if merged and start - merged[-1][1] < window_us:
            first, last, before = merged.pop()
            merged.append((first, max(last, end), before + count))
        else:
            merged.append((start, end, count))
    return merged


def merged_at_random(parts: list[list[Stretch]], window_us: int, rng: Random) -> list[Stretch]:
    """Merge any two parts, until one is left."""
    while len(parts) > 1:
        rng.shuffle(parts)
        parts.append(merge(parts.pop(), parts.pop(), window_us))
    return parts[0]


def runs_of(times: list[int], window_us: int) -> list[Stretch]:
    """Return what the reference model says."""
    runs = stretches([event(at) for at in times], window_us)
    return [(run[0].occurred_at, run[-1].occurred_at, len(run)) for run in runs]


@st.composite
def histories(draw: st.DrawFn) -> tuple[int, list[int]]:
    """A window in seconds, and times in any order whose gaps are often just around the window."""
    window_s = draw(st.integers(1, 7_200))
    window = window_s * SECOND
    near = st.sampled_from([0, 1, window // 2, window - 1, window, window + 1])
    gaps = draw(st.lists(near | st.integers(0, 3 * window), max_size=24))
    start = draw(st.integers(-(10**15), 10**16).filter(bool))
    return window_s, draw(st.permutations(list(accumulate(gaps, initial=start))))


@given(histories(), st.randoms(use_true_random=False))
def test_events_merged_one_by_one_in_any_order_and_grouping_give_the_stretches(
    history: tuple[int, list[int]], rng: Random
) -> None:
    window_s, times = history
    merged = merged_at_random([[(at, at, 1)] for at in times], window_s * SECOND, rng)
    assert merged == runs_of(times, window_s * SECOND)


@given(histories(), st.integers(0, 25), st.integers(0, 25))
def test_merging_is_associative_and_commutative(history: tuple[int, list[int]], one: int, two: int) -> None:
    window_s, times = history
    window = window_s * SECOND
    bounds = [0, *sorted((one, two)), len(times)]
    a, b, c = (runs_of(times[i:j], window) for i, j in pairwise(bounds))
    assert merge(a, b, window) == merge(b, a, window)
    assert merge(merge(a, b, window), c, window) == merge(a, merge(b, c, window), window)
    assert merge(a, merge(b, c, window), window) == runs_of(times, window)


def walked(times: list[int], settings: SpaceSettings, clock: int) -> list[tuple[int, int, int, bool]]:
    """Return start, end, count and closed of each session, by walking from event to event."""
    window, cap = settings.inactivity_window_s * SECOND, settings.session_cap_s * SECOND
    found: list[list[int]] = []
    closes_at: list[int] = []
    for at in sorted(times):
        is_near = bool(found) and at < found[-1][-1] + window
        if is_near and (cap == 0 or at < found[-1][0] + cap):
            found[-1].append(at)
            closes_at[-1] = at + window
        else:
            if is_near:
                closes_at[-1] = found[-1][-1]
            found.append([at])
            closes_at.append(at + window)
    ends = zip(found, closes_at, strict=True)
    return [(one[0], one[-1], len(one), clock >= closing) for one, closing in ends]


@given(histories(), st.data())
def test_sessions_are_what_a_walk_from_event_to_event_finds(
    history: tuple[int, list[int]], data: st.DataObject
) -> None:
    window_s, times = history
    first, last = min(times), max(times)
    to_an_event = {-((first - at) // SECOND) for at in times}
    caps = st.sampled_from(sorted(to_an_event)) | st.integers(0, 4 * window_s)
    settings = SpaceSettings(inactivity_window_s=window_s, session_cap_s=data.draw(caps))
    edges = [at + wait + step for at in times for wait in (0, window_s * SECOND) for step in (-1, 0, 1)]
    clock = data.draw(st.sampled_from(edges) | st.integers(first, last + 2 * window_s * SECOND))
    found = sessions([event(at) for at in times], settings, clock)
    assert [(s.started_at, s.ended_at, len(s.events), s.is_closed) for s in found] == walked(
        times, settings, clock
    )
