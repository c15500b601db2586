"""Calendar months and lives."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from enduser.core.end_user import end_user
from enduser.core.events import Event, UserId
from enduser.core.lives import Life, add_months, current_life
from enduser.core.sessions import Session, sessions
from enduser.core.settings import SpaceSettings

FAR = 10**18


def at(text: str) -> int:
    return round(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp() * 1_000_000)


@pytest.mark.parametrize(
    ("start", "months", "end"),
    [
        ("2025-08-31T12:00:00", 6, "2026-03-01T00:00:00"),
        ("2027-08-31T12:00:00", 6, "2028-03-01T00:00:00"),
        ("2027-08-29T12:00:00", 6, "2028-02-29T12:00:00"),
        ("2025-08-28T12:00:00", 6, "2026-02-28T12:00:00"),
        ("2024-02-29T01:02:03.000004", 12, "2025-03-01T00:00:00"),
        ("1970-01-01T00:00:00", 6, "1970-07-01T00:00:00"),
        ("1969-12-31T23:59:59", 2, "1970-03-01T00:00:00"),
        ("2025-12-15T00:00:00", 1, "2026-01-15T00:00:00"),
    ],
)
def test_months_are_counted_forward_and_a_missing_day_is_the_next_first(
    start: str, months: int, end: str
) -> None:
    assert add_months(at(start), months) == at(end)


def test_months_past_the_calendar_are_its_last_instant() -> None:
    assert add_months(at("9999-08-31T00:00:00"), 6) == 253_402_300_799_999_999
    assert add_months(at("9999-11-30T00:00:00"), 1) == at("9999-12-30T00:00:00")


def test_a_microsecond_of_the_year_9000_is_not_rounded_away() -> None:
    year_9000 = 221_845_392_000_000_000
    january_us = 31 * 86_400 * 1_000_000
    for step in (1, 3, 5):
        assert add_months(year_9000 + step, 1) == year_9000 + january_us + step


def visits(*texts: str) -> list[Event]:
    user = UserId("u", is_anonymous=False)
    return [Event(user, text, at(text), at(text)) for text in texts]


def test_exactly_six_months_is_still_the_same_life() -> None:
    events = visits("2025-01-15T10:00:00", "2025-07-15T10:00:00")
    found = end_user(events, SpaceSettings(), FAR)
    assert found is not None
    assert found.total_sessions == 2


def test_a_microsecond_over_six_months_is_a_new_life() -> None:
    events = visits("2025-01-15T10:00:00", "2025-07-15T10:00:00.000001")
    found = end_user(events, SpaceSettings(), FAR)
    assert found is not None
    assert (found.total_sessions, found.first_seen) == (1, at("2025-07-15T10:00:00.000001"))


def test_the_end_of_august_lives_until_the_end_of_february() -> None:
    same = visits("2025-08-31T10:00:00", "2026-03-01T00:00:00")
    later = visits("2025-08-31T10:00:00", "2026-03-01T00:00:00.000001")
    assert end_user(same, SpaceSettings(), FAR).total_sessions == 2  # type: ignore[union-attr]
    assert end_user(later, SpaceSettings(), FAR).total_sessions == 1  # type: ignore[union-attr]


def test_without_retention_lives_never_end() -> None:
    events = visits("1975-01-01T00:00:00", "2025-01-01T00:00:00")
    assert end_user(events, SpaceSettings(retention_months=0), FAR).total_sessions == 2  # type: ignore[union-attr]


def test_from_the_first_event_of_a_new_life_until_its_session_closes_there_is_no_object() -> None:
    events = visits("2025-01-15T10:00:00", "2025-09-15T10:00:00")
    assert end_user(events, SpaceSettings(), clock=at("2025-09-15T10:29:59")) is None
    assert end_user(events, SpaceSettings(), clock=at("2025-09-15T10:30:00")) is not None


def sessions_of(*texts: str) -> list[Session]:
    return sessions(visits(*texts), SpaceSettings(), FAR)


def test_of_several_lives_the_last_is_the_current_one() -> None:
    found = sessions_of("2020-01-01", "2020-03-01", "2021-01-01", "2022-01-01", "2022-05-01", "2022-10-31")
    life = current_life(found, 6)
    assert life is not None
    assert life.sessions == tuple(found[3:])


def test_a_life_runs_from_the_end_of_the_retention_before_to_the_end_of_its_own() -> None:
    life = current_life(sessions_of("2020-01-15", "2021-01-01", "2021-03-10"), 6)
    assert life is not None
    assert (life.begins_after, life.ends_at) == (at("2020-07-15"), at("2021-09-10"))


def test_the_first_life_has_no_beginning_and_without_retention_no_end() -> None:
    found = sessions_of("2020-01-15", "2021-01-01")
    assert current_life(found[:1], 6) == Life((found[0],), None, at("2020-07-15"))
    assert current_life(found, 0) == Life(tuple(found), None, None)
    assert current_life([], 6) is None


@pytest.mark.parametrize(
    ("begins_after", "ends_at", "held"),
    [
        (10, 20, [11, 20]),
        (None, 20, [9, 10, 11, 20]),
        (10, None, [11, 20, 21]),
        (None, None, [9, 10, 11, 20, 21]),
    ],
)
def test_a_life_holds_what_comes_after_the_one_before_up_to_its_end(
    begins_after: int | None, ends_at: int | None, held: list[int]
) -> None:
    life = Life((), begins_after, ends_at)
    assert [time for time in (9, 10, 11, 20, 21) if life.holds(time)] == held
