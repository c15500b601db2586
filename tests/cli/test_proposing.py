"""Commands that commands propose are about the same space."""

from __future__ import annotations

from pathlib import Path

import pytest
from ready_made import copied
from running import enduser, event, write_lines

SPACE = "acme/test"
RULE = '{"field": "country", "operator": "is", "value": "NO"}'


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder with two spaces, both without users."""
    folder = tmp_path_factory.mktemp("made") / "data"
    enduser("systems", "create", SPACE, data=folder)
    return folder


@pytest.fixture
def data(made: Path, tmp_path: Path) -> Path:
    """A copy of it."""
    return copied(made, tmp_path)


PROPOSED = [
    (["content", "list"], "enduser content create ID --segment SEGMENT"),
    (["content", "create", "hello"], "enduser content decide USER"),
    (["segments", "list"], "enduser segments create NAME --template new-users"),
    (["segments", "create", "North", "--id", "north", "--rule", RULE], "enduser segments count north"),
    (["filters", "list"], "enduser filters save ID --where RULE"),
    (["filters", "save", "north", "--where", RULE], "enduser users list --filter north"),
    (["users", "list"], "enduser import events FILE"),
    (["retention", "list"], "enduser retention run"),
    (["webhooks", "list"], "enduser webhooks create URL --name NAME"),
    (["feed", "list"], "enduser segments change SEGMENT --followed"),
    (["feed", "list"], "enduser config set feed_attributes NAMES"),
    (["feed", "follow"], "enduser feed list"),
    (["tail"], "enduser status"),
    (["sources", "create-inbox", "crm", "--files", "*.csv"], "enduser sources map crm FILE"),
]


@pytest.mark.parametrize(("words", "proposed"), PROPOSED)
def test_a_command_of_another_space_proposes_one_of_that_space(
    data: Path, words: list[str], proposed: str
) -> None:
    assert f"{proposed} --space {SPACE}" in enduser(*words, "--space", SPACE, data=data).output


def test_a_command_of_the_space_that_is_taken_by_itself_proposes_one_without_it(data: Path) -> None:
    told = enduser("content", "create", "hello", data=data).stdout
    assert told.endswith("who sees it: enduser content decide USER\n")


def test_what_is_written_into_another_space_is_taken_back_there(data: Path) -> None:
    file = write_lines(data.parent / "crm.csv", "id,plan", "ada,vip")
    mapped = enduser("sources", "map", "crm", file, "--id", "id", "--space", SPACE, "--yes", data=data)
    assert f"enduser sources run crm {file} --dry-run --space {SPACE}\n" in mapped.stdout
    run = enduser("sources", "run", "crm", file, "--space", SPACE, data=data)
    assert f"To take it back: enduser sources undo 1 --space {SPACE}\n" in run.stdout
    missing = enduser("users", "show", "ada", "--space", SPACE, data=data)
    assert f"enduser users history ada --space {SPACE}\n" in missing.stderr


def test_who_would_go_of_another_space_is_asked_for_there(data: Path) -> None:
    file = write_lines(data.parent / "x.jsonl", event("u", "2024-01-01T10:00:00Z"), event("v"))
    enduser("import", "events", file, "--close", "--space", SPACE, data=data)
    told = enduser("config", "set", "retention_months", "1", "--space", SPACE, "--yes", data=data)
    assert f"enduser retention run --dry-run --space {SPACE};" in told.stderr
    status = enduser("status", "--space", SPACE, data=data)
    assert f"deleted on demand only, by enduser retention run --space {SPACE}\n" in status.stdout
