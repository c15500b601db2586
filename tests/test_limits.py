"""Every bound at, below and above; those of settings stand in tests/core/test_settings.py."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from running import AT, counts, enduser, event, exported, rejections, write_lines

from enduser import limits
from enduser.cli import imports

TESTS = Path(__file__).parent
LIMITS = [name for name in vars(limits) if name.isupper()]
NOW_US = 1_767_261_600_000_000


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return tmp_path / "data"


@pytest.mark.parametrize("name", LIMITS)
def test_some_test_goes_to_this_limit(name: str) -> None:
    pattern = re.compile(rf"\blimits\.{name}\b|\"{name}\"")
    assert any(pattern.search(path.read_text(encoding="utf-8")) for path in TESTS.rglob("test_*.py"))


def around(limit: int) -> dict[int, bool]:
    """Return sizes below, at and above a limit, and whether each is good."""
    return {limit - 1: True, limit: True, limit + 1: False}


def rejected(data: Path) -> list[tuple[int, str]]:
    """Return line and reason of the rejected rows."""
    return [(int(row["line"]), row["reason"]) for row in rejections(data)]


def text_of(size: int) -> str:
    """Return a text of so many bytes of UTF-8 with characters of two."""
    text = "é" * ((size - 1) // 2)
    return text + "x" * (size - len(text.encode()))


@pytest.mark.parametrize("field", ["user_id", "anonymous_id"])
def test_an_id_may_have_as_many_bytes_as_the_limit(tmp_path: Path, data: Path, field: str) -> None:
    sizes = around(limits.ID_BYTES_MAX)
    lines = [event(**{"user_id": None, field: f"  {text_of(size)} "}) for size in sizes]
    enduser("import", "events", write_lines(tmp_path / "x", *lines), "--close", data=data)
    good = [text_of(size) for size, is_good in sizes.items() if is_good]
    assert sorted(row["user_id"] for row in exported("users", data)) == sorted(good)
    assert rejected(data) == [(3, "user_id_too_long")]


def test_a_message_id_may_have_as_many_bytes_as_the_limit(tmp_path: Path, data: Path) -> None:
    lines = [event(message_id=text_of(size)) for size in around(limits.MESSAGE_ID_BYTES_MAX)]
    result = enduser("import", "events", write_lines(tmp_path / "x", *lines), data=data)
    assert counts(result.stdout)["stored"] == 2
    assert rejected(data) == [(3, "message_id_too_long")]


def test_a_property_may_have_as_many_characters_as_the_limit_and_is_else_ignored_and_counted(
    tmp_path: Path, data: Path
) -> None:
    sizes = around(limits.PROPERTY_CHARACTERS_MAX)
    lines = [event(str(size), type="identify", traits={"role": "é" * size}) for size in sizes]
    result = enduser("import", "events", write_lines(tmp_path / "x", *lines), "--close", data=data)
    assert {row["user_id"]: row["role"] for row in exported("users", data)} == {
        str(size): "é" * size if is_good else "" for size, is_good in sizes.items()
    }
    assert "or too long): 1" in result.stdout


def test_an_event_may_lie_so_far_in_the_future_and_no_farther(
    tmp_path: Path, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(imports, "now_us", lambda: NOW_US)
    latest = NOW_US + limits.FUTURE_TOLERANCE_S * 1_000_000
    lines = [event(occurred_at=at) for at in around(latest)]
    enduser("import", "events", write_lines(tmp_path / "x", *lines), "--time-unit", "us", data=data)
    assert rejected(data) == [(3, "future_time")]


@pytest.mark.parametrize("form", ["jsonl", "csv"])
def test_a_line_may_have_as_many_bytes_as_the_limit(tmp_path: Path, data: Path, form: str) -> None:
    if form == "jsonl":
        start, end, header = event()[:-1] + ', "properties": {"x": "', '"}}', []
    else:
        start, end, header = f'u1,{AT},"{{""x"": ""', '""}"', ["user_id,occurred_at,properties"]
    lines = [start + "x" * (size - len(start) - len(end)) + end for size in around(limits.LINE_BYTES_MAX)]
    path = write_lines(tmp_path / "x", *header, *lines)
    assert counts(enduser("import", "events", path, data=data).stdout)["stored"] == 2
    assert rejected(data) == [(3 + len(header), "line_too_long")]


def test_an_event_may_be_as_old_and_as_far_ahead_as_a_date_can_be_written(
    tmp_path: Path, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(imports, "now_us", lambda: limits.OCCURRED_AT_MAX_US)
    least, most = limits.OCCURRED_AT_MIN_US, limits.OCCURRED_AT_MAX_US
    times = [least - 1, least, least + 1, most - 1, most, most + 1]
    path = write_lines(tmp_path / "x", *[event(f"u{line}", at) for line, at in enumerate(times, 1)])
    result = enduser("import", "events", path, "--time-unit", "us", data=data)
    assert counts(result.stdout)["stored"] == 4
    assert rejected(data) == [(1, "invalid_time"), (6, "invalid_time")]
    assert [row["started_at"] for row in exported("sessions", data)] == [
        "0001-01-01T00:00:00.000000Z",
        "0001-01-01T00:00:00.000001Z",
        "9999-12-31T23:59:59.999998Z",
        "9999-12-31T23:59:59.999999Z",
    ]
    assert enduser("verify", data=data).exit_code == 0


def test_a_system_and_an_environment_have_names_as_long_as_the_limit(data: Path) -> None:
    for size, is_good in around(limits.SPACE_NAME_CHARACTERS_MAX).items():
        for name in (f"{'s' * size}/e", f"s/{'e' * size}"):
            result = enduser("systems", "create", name, data=data)
            assert result.exit_code == (0 if is_good else 2), result.output


def test_a_folder_has_as_many_spaces_as_the_limit(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "SPACES_MAX", 3)
    results = [enduser("systems", "create", f"s{n}/e", data=data) for n in (1, 2, 3)]
    assert [result.exit_code for result in results] == [0, 0, 2]
    assert "there are 3 spaces" in results[-1].stderr
    assert len(enduser("systems", "list", data=data).stdout.splitlines()) == 1 + 3


def test_the_engine_works_with_as_little_memory_as_the_limit_and_refuses_less(
    tmp_path: Path, data: Path
) -> None:
    path = write_lines(tmp_path / "x", *[event(f"u{n % 900}", NOW_US + n) for n in range(20_000)])
    least = limits.MEMORY_LIMIT_MB_MIN
    for limit, is_good in ((least + 1, True), (least, True), (least - 1, False)):
        result = enduser("import", "events", path, "--close", "--memory-limit", limit, data=data)
        assert result.exit_code == (0 if is_good else 2), result.output
    assert f"a memory limit of {least - 1} MB is too small\n  the least is {least} MB" in result.stderr


@pytest.mark.parametrize(("count", "code"), [(limits.LISTED_USERS_MAX, 0), (limits.LISTED_USERS_MAX + 1, 2)])
def test_a_table_lists_as_many_users_as_the_limit(tmp_path: Path, count: int, code: int) -> None:
    assert enduser("users", "list", "--limit", count, data=tmp_path).exit_code == code
