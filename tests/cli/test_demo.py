"""`enduser demo`: invented users that show what the product shows."""

from __future__ import annotations

from pathlib import Path

import pytest
from running import counts, enduser, exported

DAY_US = 86_400_000_000
NOW = 1_780_000_000_000_000


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("enduser.cli.demo.now_us", lambda: NOW)


def test_a_demo_fills_a_new_folder_with_closed_sessions_of_many_kinds_of_users(tmp_path: Path) -> None:
    data = tmp_path / "not" / "there"
    result = enduser("demo", "--users", 150, data=data)
    assert result.exit_code == 0, result.output
    assert "events stored" in result.stdout
    assert f"enduser users list --data {data}" in result.stdout
    users = exported("users", data)
    assert 100 < len(users) < 350
    assert {row["is_anonymous"] for row in users} == {"true", "false"}
    assert len({row["country"] for row in users}) > 4
    assert all(row["browser_name"] for row in users)
    assert sum(row["name"] != "" for row in users) > 50
    assert {row["is_closed"] for row in exported("sessions", data)} == {"true"}
    assert enduser("verify", data=data).exit_code == 0


def test_the_same_seed_on_the_same_day_gives_the_same_users(tmp_path: Path) -> None:
    for name, seed in (("a", 5), ("b", 5), ("c", 6)):
        assert enduser("demo", "--users", 20, "--seed", seed, data=tmp_path / name).exit_code == 0
    assert exported("users", tmp_path / "a") == exported("users", tmp_path / "b")
    assert exported("users", tmp_path / "a") != exported("users", tmp_path / "c")


def test_a_demo_can_fill_a_space_of_its_own_and_run_twice(tmp_path: Path) -> None:
    data = tmp_path / "data"
    enduser("spaces", "create", "demo/test", data=data)
    first = enduser("demo", "--users", 5, "--space", "demo/test", data=data)
    again = enduser("demo", "--users", 5, "--space", "demo/test", data=data)
    assert (first.exit_code, again.exit_code) == (0, 0)
    assert again.stdout.startswith("0 events stored")
    assert counts(enduser("status", "--space", "default/production", data=data).stdout)["events"] == 0


@pytest.mark.parametrize("arguments", [["--users", "0"], ["--users", "x"], ["--seed", "x"]])
def test_wrong_numbers_end_with_2(tmp_path: Path, arguments: list[str]) -> None:
    assert enduser("demo", *arguments, data=tmp_path / "data").exit_code == 2
