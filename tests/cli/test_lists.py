"""`enduser lists`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from ready_made import copied
from running import enduser, event, write_lines


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder with one user and a list of him and another."""
    folder = tmp_path_factory.mktemp("made") / "data"
    events = write_lines(folder.parent / "e.jsonl", event("adam"))
    enduser("import", "events", events, "--close", data=folder)
    told = enduser("lists", "create", "staff", "adam", "eve", "--name", "Sales", data=folder)
    assert (told.exit_code, told.stdout) == (0, "staff: 2 added, 0 removed; 2 members, 1 not yet seen\n")
    return folder


@pytest.fixture
def data(made: Path, tmp_path: Path) -> Path:
    """A copy of it."""
    return copied(made, tmp_path)


def members(data: Path, list_id: str = "staff") -> list[str]:
    told = enduser("lists", "members", list_id, "--limit", 1000, "--format", "json", data=data)
    return [row["user_id"] for row in map(json.loads, told.stdout.splitlines())]


def test_lists_are_listed_and_shown_with_their_counts(data: Path) -> None:
    enduser("lists", "create", "empty", data=data)
    rows = [line.split() for line in enduser("lists", "list", data=data).stdout.splitlines()[1:]]
    assert [row[:-2] for row in rows] == [["empty", "0", "0"], ["staff", "Sales", "2", "1"]]
    told: list[dict[str, Any]] = json.loads(enduser("lists", "list", "--format", "json", data=data).stdout)
    assert told[1] == {"id": "staff", "name": "Sales", "members": 2, "seen": 1}
    lines = enduser("lists", "show", "staff", data=data).stdout.splitlines()
    shown = dict(line.split(maxsplit=1) for line in lines)
    assert {name: shown[name] for name in ("id", "name", "members", "seen", "not_yet_seen")} == {
        "id": "staff",
        "name": "Sales",
        "members": "2",
        "seen": "1",
        "not_yet_seen": "1",
    }


def test_members_are_listed_as_far_as_is_asked_for(data: Path) -> None:
    enduser("lists", "add", "staff", "x\u001b[31m", "--id-kind", "anonymous", data=data)
    enduser("lists", "add", "staff", "zoe", "--id-kind", "anonymous", data=data)
    lines = enduser("lists", "members", "staff", data=data).stdout.splitlines()[1:]
    assert [line.split()[0] for line in lines] == ["adam", "eve", "zoe", "3"]
    assert lines[0].endswith("yes")
    assert "zoe (anonymous)" in lines[2]
    assert lines[2].endswith("not yet")
    assert enduser("lists", "members", "staff", "--limit", 1, data=data).stdout.endswith("1 of 3 members\n")


def test_ids_are_added_removed_and_overridden(data: Path) -> None:
    told = enduser("lists", "add", "staff", "bob", "eve", data=data)
    assert told.stdout == "staff: 1 added, 0 removed; 3 members, 2 not yet seen\n"
    enduser("lists", "remove", "staff", "adam", data=data)
    assert members(data) == ["bob", "eve"]
    told = enduser("lists", "override", "staff", "eve", "zoe", data=data)
    assert told.stdout == "staff: 1 added, 1 removed; 2 members, 2 not yet seen\n"
    assert members(data) == ["eve", "zoe"]


def test_ids_come_from_a_file_or_from_standard_input(data: Path, tmp_path: Path) -> None:
    file = write_lines(tmp_path / "ids.txt", "bob", "", " zoe ")
    assert enduser("lists", "override", "staff", "--from", file, data=data).exit_code == 0
    assert members(data) == ["bob", "zoe"]
    assert enduser("lists", "add", "staff", "--from", "-", data=data, stdin="ann\r\nbob\n").exit_code == 0
    assert members(data) == ["ann", "bob", "zoe"]


def test_more_ids_come_from_a_file_than_a_call_may_have(data: Path, tmp_path: Path) -> None:
    file = write_lines(tmp_path / "ids.txt", *(f"u{number}" for number in range(60_000)))
    told = enduser("lists", "create", "all", "--from", file, data=data)
    assert told.stdout == "all: 60,000 added, 0 removed; 60,000 members, 60,000 not yet seen\n"


def test_ids_that_cannot_be_are_told_and_the_others_are_taken(data: Path) -> None:
    told = enduser("lists", "add", "staff", "null", "bob", "a\tb\u0007", data=data)
    assert told.exit_code == 1
    assert told.stderr.splitlines()[0] == "2 ids cannot be:"
    assert [line.split(":")[0].strip() for line in told.stderr.splitlines()[1:]] == ["id 1", "id 3"]
    assert members(data) == ["adam", "bob", "eve"]


def test_an_argument_that_is_no_utf_8_is_an_id_that_cannot_be(data: Path) -> None:
    told = enduser("lists", "add", "staff", "a\udcff", "bob", data=data)
    assert (told.exit_code, told.stderr.splitlines()[1:]) == (
        1,
        ["  id 1: the user id has control characters, or is no UTF-8"],
    )
    assert members(data) == ["adam", "bob", "eve"]


def test_of_many_ids_that_cannot_be_the_first_are_told(data: Path, tmp_path: Path) -> None:
    file = write_lines(tmp_path / "ids.txt", *["null"] * 30_000)
    told = enduser("lists", "add", "staff", "--from", file, data=data)
    lines = told.stderr.splitlines()
    assert (told.exit_code, lines[0], len(lines)) == (1, "30,000 ids cannot be:", 11)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("add", "staff"), "no id is named"),
        (("override", "staff"), "no id is named"),
        (("add", "staff", "bob", "--from", "-"), "a file of them too"),
        (("add", "staff", "--from", "gone.txt"), "no file gone.txt"),
        (("override", "staff", "null", ""), "every id was rejected (the first: junk_user_id)"),
        (("add", "gone", "bob"), "there is no list 'gone'"),
        (("create", "staff"), "has the id 'staff' already"),
        (("create", " x"), "no list can have the id"),
        (("show", "gone"), "there is no list 'gone'"),
        (("members", "gone"), "there is no list 'gone'"),
        (("delete", "gone", "--yes"), "there is no list 'gone'"),
        (("delete", "staff"), "Nobody is there to ask"),
    ],
)
def test_what_cannot_be_done_is_told_and_changes_nothing(
    data: Path, arguments: tuple[str, ...], message: str
) -> None:
    told = enduser("lists", *arguments, data=data)
    assert (told.exit_code, message in told.stderr) == (2, True), told.stderr
    assert members(data) == ["adam", "eve"]


def test_a_list_is_deleted(data: Path) -> None:
    assert enduser("lists", "delete", "staff", "--yes", data=data).stdout == "the list staff is gone\n"
    assert enduser("lists", "list", "--format", "json", data=data).stdout == "[]\n"
    assert enduser("verify", data=data).exit_code == 0
