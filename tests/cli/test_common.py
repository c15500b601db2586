"""What people see: instants, durations, sizes, counts, tables."""

from __future__ import annotations

from pathlib import Path

import pytest
from running import enduser

from enduser import limits
from enduser.cli.common import count_of, duration, iso, print_table, printable, short_time, size


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


NO_JSON = {
    "no text": b'{"field": "\xff"}',
    "text in UTF-16": '{"field": "name"}'.encode("utf-16"),
    "no object": b"[1]",
    "cut off": b'{"field"',
    "too deep": b'{"rules": ' + b"[" * 100_000,
    "nothing": b"",
}


@pytest.mark.parametrize("content", NO_JSON.values(), ids=NO_JSON)
@pytest.mark.parametrize("is_file", [True, False], ids=["in a file", "by standard input"])
@pytest.mark.parametrize(
    "command",
    [
        ("segments", "create", "x", "--rule"),
        ("segments", "change", "x", "--rule"),
        ("segments", "preview", "--rule"),
        ("filters", "save", "x", "--where"),
        ("users", "list", "--where"),
        ("users", "count", "--where"),
        ("users", "export", "--where"),
        ("content", "create", "x", "--payload"),
        ("content", "change", "x", "--payload"),
    ],
    ids=" ".join,
)
def test_a_file_that_is_no_json_object_is_refused_by_each_command_that_takes_one(
    tmp_path: Path, command: tuple[str, ...], content: bytes, is_file: bool
) -> None:
    (tmp_path / "told.json").write_bytes(content)
    named, stdin = (tmp_path / "told.json", None) if is_file else ("-", content)
    found = enduser(*command, named, data=tmp_path / "data", stdin=stdin)
    assert (found.exit_code, " is no JSON object: " in found.stderr) == (2, True), found.output


def test_an_option_that_is_no_text_is_refused_like_a_file(tmp_path: Path) -> None:
    """A byte that is no UTF-8 comes from the shell as half of a surrogate pair."""
    found = enduser("segments", "preview", "--rule", '{"field": "\udcff"}', data=tmp_path)
    assert (found.exit_code, "the rule is no JSON object" in found.stderr) == (2, True), found.output
