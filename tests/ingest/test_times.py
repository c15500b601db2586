"""Instants over HTTP mean what they mean in files: the same table of cases, as text and as numbers."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from enduser import limits
from enduser.ingest import times
from enduser.ingest.times import time_of

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
