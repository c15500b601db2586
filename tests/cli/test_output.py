"""What people see: instants, durations, sizes, counts, tables."""

from __future__ import annotations

import pytest

from enduser import limits
from enduser.cli.output import count_of, duration, iso, print_fields, print_table, printable, short_time, size


@pytest.mark.parametrize(
    ("at_us", "text"),
    [
        (0, "1970-01-01T00:00:00.000000Z"),
        (-1, "1969-12-31T23:59:59.999999Z"),
        (limits.OCCURRED_AT_MIN_US, "0001-01-01T00:00:00.000000Z"),
        (limits.OCCURRED_AT_MAX_US, "9999-12-31T23:59:59.999999Z"),
        (None, ""),
    ],
)
def test_an_instant_is_iso_8601_in_utc_with_microseconds(at_us: int | None, text: str) -> None:
    assert iso(at_us) == text
    assert short_time(at_us) == text[:19].replace("T", " ")


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (None, ""),
        (0, "0 s"),
        (0.4, "0 s"),
        (59.4, "59 s"),
        (59.6, "1 min 00 s"),
        (61, "1 min 01 s"),
        (3_599, "59 min 59 s"),
        (3_600, "1 h 00 min"),
        (86_399, "23 h 59 min"),
        (90_000, "1 d 01 h"),
    ],
)
def test_a_duration_is_written_for_people(seconds: float | None, text: str) -> None:
    assert duration(seconds) == text


@pytest.mark.parametrize(
    ("count", "text"),
    [(0, "0 B"), (999, "999 B"), (1_500, "1.5 kB"), (63_000_000, "63.0 MB"), (2 * 10**12, "2000.0 GB")],
)
def test_a_size_is_written_for_people(count: int, text: str) -> None:
    assert size(count) == text


def test_a_count_has_its_noun_in_the_right_number() -> None:
    assert [count_of(n, "user") for n in (0, 1, 2_000)] == ["0 users", "1 user", "2,000 users"]


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain é 日本 💥", "plain é 日本 💥"),
        ("a\tb\nc\r", r"a\tb\nc\r"),
        ("\u001b[2J", r"\x1b[2J"),
        ("\u202etxt", r"\u202etxt"),
    ],
)
def test_a_text_is_shown_with_its_control_characters_escaped(text: str, shown: str) -> None:
    assert printable(text) == shown


def test_a_table_cuts_nothing_and_lines_up_wide_characters(capsys: pytest.CaptureFixture[str]) -> None:
    print_table([("id", "n"), ("x" * 300, "1"), ("日本", "22")], right=(1,))
    head, long, wide = capsys.readouterr().out.splitlines()
    assert long == "x" * 300 + "   1"
    assert (len(head), len(wide)) == (304, 302)


def test_fields_stand_below_each_other_and_steer_no_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    print_fields((("id", "x\x1b"), ("longer", "1"), ("none", "")))
    assert capsys.readouterr().out == "id     x\\x1b\nlonger 1\nnone\n"
