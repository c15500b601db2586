"""`enduser feed`, where no server runs; beside one in tests/e2e/test_webhooks_live.py."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from ready_made import copied
from running import enduser, event, write_lines

NORWAY = json.dumps({"field": "country", "operator": "is", "value": "NO"})


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder that follows a segment and an attribute, and in which somebody came."""
    folder = tmp_path_factory.mktemp("made") / "data"
    enduser("segments", "create", "Norway", "--id", "norway", "--rule", NORWAY, "--followed", data=folder)
    enduser("config", "set", "feed_attributes", "country,total_sessions", data=folder)
    enduser("feed", "list", data=folder)
    come(folder.parent, event("adam", country="NO"), event("eve", country="DE"))
    return folder


@pytest.fixture
def data(made: Path, tmp_path: Path) -> Path:
    """A copy of it."""
    return copied(made, tmp_path)


def come(folder: Path, *lines: str) -> None:
    events = write_lines(folder / "e.jsonl", *lines)
    assert enduser("import", "events", events, "--close", data=folder / "data").exit_code == 0


def listed(data: Path, *options: object) -> tuple[list[dict[str, Any]], str]:
    told = enduser("feed", "list", "--format", "json", *options, data=data)
    assert told.exit_code == 0, told.stderr
    (cursor,) = re.findall(r"^what follows: --cursor (\S+)$", told.stderr, re.MULTILINE)
    return [json.loads(line) for line in told.stdout.splitlines()], cursor


def test_rows_are_listed_as_a_table(data: Path) -> None:
    lines = enduser("feed", "list", data=data).stdout.splitlines()
    assert lines[0].split() == ["number", "noticed", "(UTC)", "kind", "of", "before", "after", "user_id"]
    rows = sorted(line.split()[3:] for line in lines[1:])
    assert rows == [
        ["changed", "country", "-", "DE", "eve"],
        ["changed", "country", "-", "NO", "adam"],
        ["changed", "total_sessions", "-", "1", "adam"],
        ["changed", "total_sessions", "-", "1", "eve"],
        ["entered", "norway", "adam"],
    ]


def test_who_goes_on_with_the_cursor_hears_each_row_once(data: Path, tmp_path: Path) -> None:
    first, cursor = listed(data, "--limit", 3)
    rest, cursor = listed(data, "--cursor", cursor)
    assert [row["number"] for row in first + rest] == [1, 2, 3, 4, 5]
    come(tmp_path, event("adam", "2026-01-02T10:00:00Z", country="DE"))
    more, end = listed(data, "--cursor", cursor)
    assert {(row["kind"], row.get("segment", row.get("attribute"))) for row in more} == {
        ("changed", "country"),
        ("changed", "total_sessions"),
        ("left", "norway"),
    }
    assert listed(data, "--cursor", "end") == ([], end)


def test_rows_are_listed_by_kind_segment_and_attribute(data: Path) -> None:
    assert {row["kind"] for row in listed(data, "--kind", "entered", "--kind", "left")[0]} == {"entered"}
    assert {row["attribute"] for row in listed(data, "--attribute", "country")[0]} == {"country"}
    assert len(listed(data, "--attribute", "country", "--segment", "norway")[0]) == 3


def test_what_cannot_be_asked_for_is_told(data: Path) -> None:
    for options, told in (
        (("--kind", "gone"), "the feed has no kind 'gone'"),
        (("--segment", "nobody"), "no segment 'nobody'"),
        (("--cursor", "x"), "the cursor is none"),
    ):
        found = enduser("feed", "list", *options, data=data)
        assert (found.exit_code, told in found.stderr) == (2, True), found.stderr
    assert "no server runs" in enduser("feed", "follow", data=data).stderr


def test_a_newcomer_hears_what_to_follow(tmp_path: Path) -> None:
    enduser("config", "list", data=tmp_path / "data")
    told = enduser("feed", "list", data=tmp_path / "data")
    assert "nothing is followed yet" in told.stderr
