"""`enduser demo`: invented users that show what the product shows."""

from __future__ import annotations

from pathlib import Path

import pytest
from running import counts, enduser, event, exported, write_lines

ROOT = Path(__file__).parents[2]
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
    assert {row["plan"] for row in users} == {"", "free", "team", "vip"}
    assert {row["plan"] for row in users if row["is_anonymous"] == "true"} == {""}


def test_the_same_seed_on_the_same_day_gives_the_same_users(tmp_path: Path) -> None:
    for name, seed in (("a", 5), ("b", 5), ("c", 6)):
        assert enduser("demo", "--users", 20, "--seed", seed, data=tmp_path / name).exit_code == 0
    assert exported("users", tmp_path / "a") == exported("users", tmp_path / "b")
    assert exported("users", tmp_path / "a") != exported("users", tmp_path / "c")


def test_a_demo_can_fill_a_space_of_its_own_and_says_how_to_look_at_it(tmp_path: Path) -> None:
    data = tmp_path / "my data"
    enduser("systems", "create", "demo/test", data=data)
    result = enduser("demo", "--users", 5, "--space", "demo/test", data=data)
    assert result.exit_code == 0
    assert result.stdout.endswith(f"Look around: enduser users list --data '{data}' --space demo/test\n")
    assert counts(enduser("status", "--space", "default/production", data=data).stdout)["events"] == 0


@pytest.mark.parametrize("arguments", [["--users", "0"], ["--users", "x"], ["--seed", "x"]])
def test_wrong_numbers_end_with_2(tmp_path: Path, arguments: list[str]) -> None:
    assert enduser("demo", *arguments, data=tmp_path / "data").exit_code == 2


def test_invented_users_are_not_mixed_into_events_that_are_there(tmp_path: Path) -> None:
    data = tmp_path / "data"
    enduser("import", "events", write_lines(tmp_path / "x", event("real")), data=data)
    result = enduser("demo", "--users", 5, data=data)
    assert result.exit_code == 2
    assert "default/production has 1 event already" in result.stderr
    assert "name a new folder with --data or an empty space with --space; or add --yes" in result.stderr
    assert counts(enduser("status", data=data).stdout)["events"] == 1


def test_a_yes_mixes_them_and_the_same_demo_twice_adds_nothing(tmp_path: Path) -> None:
    data = tmp_path / "data"
    assert enduser("demo", "--users", 5, data=data).exit_code == 0
    again = enduser("demo", "--users", 5, "--yes", data=data)
    assert again.exit_code == 0
    assert again.stdout.startswith("0 events stored")


def test_make_demo_begins_with_its_own_folder_anew() -> None:
    recipe = (ROOT / "Makefile").read_text(encoding="utf-8").split("\ndemo: ")[1].split("\n\n")[0]
    assert [line.strip() for line in recipe.splitlines()[1:3]] == [
        "rm -rf $(DEMO)",
        "$(BIN)/enduser demo --data $(DEMO)",
    ]
