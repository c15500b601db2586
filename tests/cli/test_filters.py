"""`enduser filters`: keeping what is asked for."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from running import enduser

RULE = {"combinator": "and", "rules": [{"field": "country", "operator": "is", "value": "NO"}]}


@pytest.fixture
def data(tmp_path: Path) -> Path:
    folder = tmp_path / "data"
    enduser("config", "list", data=folder)
    return folder


def saved(data: Path) -> list[dict[str, object]]:
    found: list[dict[str, object]] = json.loads(
        enduser("filters", "list", "--format", "json", data=data).stdout
    )
    return found


def test_a_folder_without_filters_says_how_to_have_one(data: Path) -> None:
    assert "enduser filters save" in enduser("filters", "list", data=data).stdout


def test_a_filter_is_saved_and_listed(data: Path) -> None:
    told = enduser("filters", "save", "north", "--where", json.dumps(RULE), "--search", "os", data=data)
    assert told.stdout == "the filter north is saved; list its users: enduser users list --filter north\n"
    (one,) = saved(data)
    assert (one["id"], one["name"], one["rule"], one["search"]) == ("north", "north", RULE, "os")
    assert (one["columns"], one["sort"], one["changed_by"]) == (None, "-last_seen", "command line")
    row = enduser("filters", "list", data=data).stdout.splitlines()[1]
    assert row.split()[:5] == ["north", "north", "os", "(all)", "-last_seen"]


def test_of_a_filter_that_is_there_only_what_is_said_changes(data: Path) -> None:
    enduser("filters", "save", "north", "--where", json.dumps(RULE), "--columns", "city", data=data)
    enduser("filters", "save", "north", "--name", "The north", "--sort", "city", data=data)
    (one,) = saved(data)
    assert (one["name"], one["sort"], one["rule"], one["columns"]) == ("The north", "city", RULE, ["city"])


def test_a_filter_is_deleted(data: Path) -> None:
    enduser("filters", "save", "north", data=data)
    assert enduser("filters", "delete", "north", data=data).exit_code == 2  # nobody is there to ask
    told = enduser("filters", "delete", "north", "--yes", data=data)
    assert (told.exit_code, told.stdout) == (0, "the filter north is gone\n")
    assert saved(data) == []


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("save", "a b"), "no filter can have the id 'a b'"),
        (("save", "x", "--where", "{"), "the rule is no JSON object"),
        (("save", "x", "--where", '{"field": "a"}'), "field: there is no attribute 'a'"),
        (("save", "x", "--columns", ""), "there is no attribute ''"),
        (("delete", "gone", "--yes"), "there is no filter 'gone'"),
    ],
)
def test_what_cannot_be_is_told(data: Path, words: tuple[str, ...], told: str) -> None:
    result = enduser("filters", *words, data=data)
    assert (result.exit_code, told in result.stderr) == (2, True), result.output
    assert saved(data) == []
