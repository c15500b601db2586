"""`enduser segments`: keeping them."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from ready_made import copied
from running import enduser, event, file_of, write_lines

NORWAY = {"field": "country", "operator": "is", "value": "NO"}
RULE = json.dumps(NORWAY)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder with a user of Norway, and a segment of it."""
    folder = tmp_path_factory.mktemp("made") / "data"
    events = write_lines(folder.parent / "e.jsonl", event("adam", country="NO"), event("eve", country="DE"))
    enduser("import", "events", events, "--close", data=folder)
    told = enduser("segments", "create", "Norway", "--id", "norway", "--rule", RULE, data=folder)
    assert (told.exit_code, told.stdout) == (
        0,
        "the segment norway is there; count its users: enduser segments count norway\n",
    )
    return folder


@pytest.fixture
def data(made: Path, tmp_path: Path) -> Path:
    """A copy of it."""
    return copied(made, tmp_path)


def shown(data: Path, segment_id: str = "norway") -> dict[str, Any]:
    told = enduser("segments", "show", segment_id, "--format", "json", data=data)
    found: dict[str, Any] = json.loads(told.stdout)
    return found


def listed(data: Path, *options: str) -> list[str]:
    told = enduser("segments", "list", "--format", "json", *options, data=data)
    return [one["id"] for one in json.loads(told.stdout)]


def test_segments_are_listed_and_shown(data: Path) -> None:
    enduser("segments", "create", "A", "--id", "a", "--rule", RULE, "--tags", "x, y", "--public", data=data)
    rows = [line.split() for line in enduser("segments", "list", data=data).stdout.splitlines()[1:]]
    assert [row[:4] for row in rows] == [["a", "A", "x,", "y"], ["norway", "Norway", "1", rows[1][3]]]
    assert listed(data, "--tag", "x") == ["a"]
    assert (shown(data, "a")["tags"], shown(data, "a")["public"]) == (["x", "y"], True)
    lines = enduser("segments", "show", "norway", data=data).stdout.splitlines()
    assert lines[0].split() == ["id", "norway"]
    assert "saved_by    command line" in lines
    assert json.loads("".join(lines[11:])) == {"combinator": "and", "rules": [NORWAY]}


def test_a_folder_without_segments_says_how_to_have_one(tmp_path: Path) -> None:
    enduser("config", "list", data=tmp_path / "data")
    assert "enduser segments create" in enduser("segments", "list", data=tmp_path / "data").stdout


def test_without_an_id_a_segment_gets_one_at_random(data: Path) -> None:
    told = enduser("segments", "create", "Some", "--rule", RULE, data=data)
    assert re.match("the segment [0-9a-f]{12} is there", told.stdout)


def test_a_rule_comes_from_a_file_or_from_standard_input(data: Path, tmp_path: Path) -> None:
    file = file_of(tmp_path, "rule.json", json.dumps({"combinator": "or", "rules": [NORWAY]}))
    enduser("segments", "create", "File", "--id", "file", "--rule", file, data=data)
    enduser("segments", "create", "In", "--id", "in", "--rule", "-", data=data, stdin=RULE)
    assert shown(data, "file")["rule"]["combinator"] == "or"
    assert shown(data, "in")["rule"]["rules"] == [NORWAY]


def test_a_segment_is_made_of_a_template(data: Path) -> None:
    told = ("--template", "quit", "--set", "sessions=3", "--set", "from_days=50")
    enduser("segments", "create", "Quit", "--id", "quit", *told, data=data)
    sessions = shown(data, "quit")["rule"]["rules"][1]
    assert (sessions["count"]["value"], sessions["window"]["from"]["n"]) == (3, 50)


def test_what_a_change_does_not_name_stays(data: Path) -> None:
    told = enduser("segments", "change", "norway", "--name", "Land", "--tags", "a,b", "--followed", data=data)
    assert told.stdout == "the segment norway is changed: version 2\n"
    found = shown(data)
    assert (found["name"], found["tags"], found["followed"]) == ("Land", ["a", "b"], True)
    assert found["rule"]["rules"] == [NORWAY]
    rule = json.dumps({**NORWAY, "value": "DE"})
    enduser("segments", "change", "norway", "--rule", rule, "--tags", "", "--no-followed", data=data)
    found = shown(data)
    assert (found["name"], found["tags"], found["followed"]) == ("Land", [], False)
    assert found["rule"]["rules"][0]["value"] == "DE"
    told = enduser("segments", "change", "norway", data=data)
    assert told.stdout == "the segment norway is so already: version 3\n"
    rows = enduser("segments", "versions", "norway", data=data).stdout.splitlines()[1:]
    assert [row.split()[0] for row in rows] == ["3", "2", "1"]
    versions = json.loads(enduser("segments", "versions", "norway", "--format", "json", data=data).stdout)
    assert [one["name"] for one in versions] == ["Land", "Land", "Norway"]


def test_a_segment_is_archived_restored_and_deleted(data: Path) -> None:
    assert enduser("segments", "archive", "norway", data=data).exit_code == 0
    assert (listed(data), listed(data, "--archived")) == ([], ["norway"])
    assert enduser("segments", "restore", "norway", data=data).exit_code == 0
    assert listed(data) == ["norway"]
    told = enduser("segments", "delete", "norway", data=data)
    assert (told.exit_code, "3 versions? Nobody is there to ask" in told.stderr) == (2, True)
    told = enduser("segments", "delete", "norway", "--yes", data=data)
    assert told.stdout == "the segment norway is gone\n"
    assert listed(data) == []


def test_a_segment_that_another_names_stays(data: Path) -> None:
    assert "Nothing names the segment norway." in enduser("segments", "uses", "norway", data=data).stdout
    rule = json.dumps({"kind": "segment", "id": "norway"})
    enduser("segments", "create", "More", "--id", "more", "--rule", rule, data=data)
    rows = enduser("segments", "uses", "norway", data=data).stdout.splitlines()
    assert rows[1].split() == ["segment", "more", "More"]
    told = json.loads(enduser("segments", "uses", "norway", "--format", "json", data=data).stdout)
    assert told == [{"kind": "segment", "id": "more", "name": "More"}]
    for command in (("archive", "norway"), ("delete", "norway", "--yes")):
        refused = enduser("segments", *command, data=data)
        assert (refused.exit_code, "is used by: segment 'more'" in refused.stderr) == (2, True)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("create", "x"), "a rule must be named, or a template"),
        (("create", "x", "--rule", RULE, "--template", "quit"), "a rule must be named, or a template"),
        (("create", "x", "--rule", RULE, "--set", "days=3"), "--set is for templates"),
        (("create", "x", "--rule", '{"field"'), "the rule is no JSON object"),
        (("create", "x", "--rule", "{}"), "rules: it is missing"),
        (("create", "x", "--rule", "gone.json"), "there is no file gone.json"),
        (("create", "x", "--template", "gone"), "there is no template 'gone'"),
        (("create", "x", "--template", "quit", "--set", "sessions"), "'sessions' is no NAME=VALUE"),
        (("create", "x", "--template", "quit", "--set", "sessions=many"), "sessions cannot be 'many'"),
        (("create", "x", "--template", "quit", "--set", "weeks=1"), "has no parameter 'weeks'"),
        (("create", "x", "--id", "norway", "--rule", RULE), "has the id 'norway' already"),
        (("create", "x", "--id", "a b", "--rule", RULE), "no segment can have the id"),
        (("create", " ", "--rule", RULE), "a segment must have a name"),
        (("change", "gone", "--name", "x"), "there is no segment 'gone'"),
        (("archive", "gone"), "there is no segment 'gone'"),
        (("restore", "gone"), "there is no segment 'gone'"),
        (("delete", "gone", "--yes"), "there is no segment 'gone'"),
        (("show", "gone"), "there is no segment 'gone'"),
        (("versions", "gone"), "there is no segment 'gone'"),
        (("uses", "gone"), "there is no segment 'gone'"),
    ],
)
def test_what_cannot_be_done_is_told_and_changes_nothing(
    data: Path, arguments: tuple[str, ...], message: str
) -> None:
    told = enduser("segments", *arguments, data=data)
    assert (told.exit_code, message in told.stderr) == (2, True), told.stderr
    assert listed(data) == ["norway"]
