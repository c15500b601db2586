"""Instants over HTTP mean what they mean in files: the same table of cases, as text and as numbers."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from enduser import limits
from enduser.core import times
from enduser.core.times import iso_instant, time_of

CASES = json.loads((Path(__file__).parents[1] / "conformance" / "times.json").read_text(encoding="utf-8"))
NUMBERS = [
    (name, text, at) for name, text, _, at in CASES if at is not None and times._NUMBER.fullmatch(text)
]


@pytest.mark.parametrize(("name", "text", "unit", "at"), CASES, ids=[case[0] for case in CASES])
def test_a_text_means_the_same_instant_as_in_a_file(name: str, text: str, unit: str, at: int | None) -> None:
    assert time_of(text) == at


@pytest.mark.parametrize(("name", "text", "at"), NUMBERS, ids=[case[0] for case in NUMBERS])
def test_a_number_means_the_same_instant_as_its_text(name: str, text: str, at: int) -> None:
    assert abs(time_of(json.loads(text)) - at) <= (1 if "." in text else 0)


@pytest.mark.parametrize(
    ("number", "at"),
    [
        (10**11 - 1, (10**11 - 1) * 1_000_000),
        (10**11, 10**11 * 1_000),
        (-(10**11), -(10**11) * 1_000),
        (10**14 - 1, (10**14 - 1) * 1_000),
        (10**14, 10**14),
        (0.0000005, 1),
        (0.0000004, 0),
        (limits.OCCURRED_AT_MAX_US, limits.OCCURRED_AT_MAX_US),
        (limits.OCCURRED_AT_MAX_US + 1, None),
        (limits.OCCURRED_AT_MIN_US, limits.OCCURRED_AT_MIN_US),
        (limits.OCCURRED_AT_MIN_US - 1, None),
        (10**30, None),
        (1e300, None),
    ],
)
def test_the_unit_of_a_number_is_told_by_its_size(number: float, at: int | None) -> None:
    assert time_of(number) == at


@pytest.mark.parametrize(
    "text",
    ["2026-03-01T10:05:00,123Z", "2026-W09-1T10:05:00.123Z", "2026-03-01x10:05:00.123Z", "२०२६-०३-०१", ""],
)
def test_what_python_alone_would_read_is_no_time(text: str) -> None:
    assert time_of(text) is None
    assert iso_instant(text) is None


@pytest.mark.parametrize(
    ("text", "at"),
    [
        ("2026-03-01T10:05:00.1234", 1_772_359_500_123_400),
        ("2026-03-01T10:05:00.1+01", 1_772_355_900_100_000),
        ("2026-03-01T10:05:00.1+19", None),
    ],
)
def test_times_as_long_as_the_common_ones_have_their_own_zone(text: str, at: int | None) -> None:
    assert time_of(text) == at


def test_plain_blanks_and_line_ends_around_a_time_do_not_count() -> None:
    assert time_of(" \t2026-03-01\r\n") == 1_772_323_200_000_000


@pytest.mark.parametrize("around", ["\u00a0", "\u3000", "\x0b", "X", ";"])
def test_nothing_else_may_stand_around_a_time(around: str) -> None:
    assert time_of(f"{around}2026-03-01") is None
    assert time_of(f"2026-03-01{around}") is None


def test_a_time_as_javascript_writes_it_is_read_the_short_way() -> None:
    assert times._is_common("2026-03-01T10:05:00.123Z")


@given(
    st.datetimes().map(lambda at: at.isoformat(timespec="milliseconds") + "Z"),
    st.integers(0, 23),
    st.sampled_from("0129:-+.TtZz ,W٣"),
    st.booleans(),
)
def test_the_short_way_for_common_times_gives_what_the_long_way_gives(
    text: str, position: int, character: str, is_changed: bool
) -> None:
    text = text[:position] + character + text[position + 1 :] if is_changed else text
    assert time_of(text) == times._text(text.strip(" "))


ISO = [(name, text.strip(), at) for name, text, _, at in CASES if not times._NUMBER.fullmatch(text)]


@pytest.mark.parametrize(("name", "text", "at"), ISO, ids=[case[0] for case in ISO])
def test_an_iso_text_alone_means_what_it_means_among_numbers(name: str, text: str, at: int | None) -> None:
    assert iso_instant(text) == at


@pytest.mark.parametrize(("name", "text", "at"), NUMBERS, ids=[case[0] for case in NUMBERS])
def test_a_number_is_no_iso_text(name: str, text: str, at: int) -> None:
    assert iso_instant(text) is None


@pytest.mark.parametrize(
    ("text", "at"),
    [
        ("9999-12-31T23:59:59.999998Z", limits.OCCURRED_AT_MAX_US - 1),
        ("9999-12-31T23:59:59.999999Z", limits.OCCURRED_AT_MAX_US),
        ("9999-12-31T24:00:00Z", None),
        ("9999-12-31T23:59:59.999999-00:01", None),
        ("0001-01-01T00:00:00.000001Z", limits.OCCURRED_AT_MIN_US + 1),
        ("0001-01-01T00:00:00Z", limits.OCCURRED_AT_MIN_US),
        ("0001-01-01T00:00:59.999999+00:01", None),
    ],
)
def test_an_iso_text_lies_between_the_bounds_both_included(text: str, at: int | None) -> None:
    assert iso_instant(text) == at
    assert time_of(text) == at


@given(
    st.datetimes(datetime(2, 1, 1), datetime(9998, 12, 31), timezones=st.just(UTC)),  # noqa: DTZ001
    st.integers(-18 * 60 - 59, 18 * 60 + 59),
)
def test_an_instant_is_the_same_in_every_zone(at: datetime, zone_minutes: int) -> None:
    zone = timezone(timedelta(minutes=zone_minutes))
    right = (at - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)
    assert iso_instant(at.astimezone(zone).isoformat()) == right
