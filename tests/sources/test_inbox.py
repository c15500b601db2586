"""Which files of the inbox a source takes, and in which order."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from enduser import limits
from enduser.errors import InputError, InvalidSource
from enduser.sources import inbox, uploaded
from enduser.stores.jobs import SourceInput


def put(folder: Path, name: str, at_s: int) -> None:
    path = folder / "inbox" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"x")
    os.utime(path, (at_s, at_s))


def names(folder: Path, pattern: str) -> list[str]:
    return [one.name for one in inbox.inputs(inbox.check({"pattern": pattern}), folder)]


def test_files_come_in_the_order_in_which_they_were_changed(tmp_path: Path) -> None:
    for name, at in (("b.csv", 3), ("a.csv", 3), ("c.csv", 1), ("z/d.csv", 2), ("e.txt", 0)):
        put(tmp_path, name, at)
    assert names(tmp_path, "*.csv") == ["c.csv", "a.csv", "b.csv"]
    assert names(tmp_path, "z/*") == ["z/d.csv"]
    assert names(tmp_path, "*/*.csv") == ["z/d.csv"]
    assert names(tmp_path, "?.txt") == ["e.txt"]


def test_what_is_not_whole_yet_and_folders_are_left_out(tmp_path: Path) -> None:
    for name in (".a.csv", ".hidden/b.csv", "folder.csv/c.csv"):
        put(tmp_path, name, 1)
    assert names(tmp_path, "*.csv") == []
    assert names(tmp_path, "*/*.csv") == ["folder.csv/c.csv"]


def test_a_link_that_leads_out_of_the_inbox_is_not_followed(tmp_path: Path) -> None:
    secret = tmp_path / "secret.csv"
    secret.write_bytes(b"x")
    put(tmp_path, "a.csv", 1)
    (tmp_path / "inbox" / "b.csv").symlink_to(secret)
    (tmp_path / "inbox" / "c").symlink_to(tmp_path)
    assert names(tmp_path, "*.csv") == ["a.csv"]
    assert names(tmp_path, "c/*.csv") == []
    with pytest.raises(InputError):
        inbox.bring({}, tmp_path, SourceInput("b.csv", "1"), tmp_path)


def test_without_an_inbox_there_is_nothing_to_take(tmp_path: Path) -> None:
    assert names(tmp_path, "*.csv") == []


def test_a_file_has_another_version_when_its_time_or_its_size_is_another(tmp_path: Path) -> None:
    def version() -> str:
        (found,) = inbox.inputs({"pattern": "*"}, tmp_path)
        return found.version

    put(tmp_path, "a.csv", 1)
    versions = {version()}
    put(tmp_path, "a.csv", 2)
    versions.add(version())
    (tmp_path / "inbox" / "a.csv").write_bytes(b"xy")
    os.utime(tmp_path / "inbox" / "a.csv", (2, 2))
    versions.add(version())
    assert len(versions) == 3
    assert version() in versions


@pytest.mark.parametrize(
    "connection",
    [
        {},
        {"pattern": 5},
        {"pattern": "*.csv", "more": 1},
        {"pattern": ""},
        {"pattern": "/etc/*"},
        {"pattern": "../*.csv"},
        {"pattern": "a/../../*.csv"},
        {"pattern": "**/*.csv"},
        {"pattern": "a**.csv"},
        {"pattern": "a\0.csv"},
        {"pattern": "a" * (limits.INPUT_NAME_CHARACTERS_MAX + 1)},
    ],
)
def test_a_pattern_that_is_none_or_leads_elsewhere_is_refused(connection: dict[str, object]) -> None:
    with pytest.raises(InvalidSource):
        inbox.check(connection)


def test_a_file_that_is_gone_is_told(tmp_path: Path) -> None:
    with pytest.raises(InputError):
        inbox.bring({}, tmp_path, SourceInput("a.csv", "1"), tmp_path)
    with pytest.raises(InputError):
        uploaded.bring({}, tmp_path, SourceInput("a.csv", upload="none"), tmp_path)
