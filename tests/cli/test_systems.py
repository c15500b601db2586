"""`enduser systems`, and that spaces keep their users apart."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from running import enduser, event, write_lines


def keys(data: Path) -> list[tuple[str, str]]:
    told = json.loads(enduser("systems", "list", "--format", "json", data=data).stdout)
    return [(one["space"], one["write_key"]) for one in told]


def test_a_new_data_folder_has_the_default_space(tmp_path: Path) -> None:
    data = tmp_path / "data"
    ((name, key),) = keys(data)
    assert name == "default/production"
    assert re.fullmatch("[0-9a-f]{32}", key)
    assert keys(data) == [(name, key)]
    assert key in enduser("systems", "list", data=data).stdout


def test_each_space_is_listed_with_its_guid(tmp_path: Path) -> None:
    data = tmp_path / "data"
    enduser("systems", "create", "acme/test", data=data)
    told = json.loads(enduser("systems", "list", "--format", "json", data=data).stdout)
    shown = enduser("systems", "list", data=data).stdout
    assert len({one["guid"] for one in told if one["guid"] in shown}) == 2


def test_a_space_is_created_and_has_users_of_its_own(tmp_path: Path) -> None:
    data = tmp_path / "data"
    result = enduser("systems", "create", "acme/test", data=data)
    assert result.stderr.endswith("space acme/test created; its write key:\n")
    assert ("acme/test", result.stdout.strip()) in keys(data)
    path = write_lines(tmp_path / "x", event("u"))
    enduser("import", "events", path, "--close", "--space", "acme/test", data=data)
    assert enduser("users", "show", "u", "--space", "acme/test", data=data).exit_code == 0
    assert enduser("users", "show", "u", data=data).exit_code == 1


@pytest.mark.parametrize(
    "name", ["acme", "Acme/Test", "acme/", "/test", "a b/test", "acme/test/x", "_a/b", ""]
)
def test_a_wrong_name_is_refused_with_an_example(tmp_path: Path, name: str) -> None:
    result = enduser("systems", "create", name, data=tmp_path / "data")
    assert result.exit_code == 2
    assert f"{name!r} is no name of a space" in result.stderr
    assert "such as acme/production" in result.stderr


@pytest.mark.parametrize(
    "arguments",
    [["status"], ["rebuild"], ["config", "list"], ["users", "list"], ["import", "events", "gone"]],
)
def test_an_unknown_space_is_an_error_that_says_how_to_make_it(tmp_path: Path, arguments: list[str]) -> None:
    result = enduser(*arguments, "--space", "acme/test", data=tmp_path)
    assert result.exit_code == 2
    assert result.stderr == (
        "error: there is no space 'acme/test'\n"
        "  the spaces are: default/production; to have another: enduser systems create acme/test\n"
    )


def test_a_space_cannot_be_created_twice(tmp_path: Path) -> None:
    result = enduser("systems", "create", "default/production", data=tmp_path / "data")
    assert result.exit_code == 2
    assert "the space default/production exists already" in result.stderr


def test_a_rotated_key_is_printed_alone_and_the_old_one_stays_for_a_grace(tmp_path: Path) -> None:
    data = tmp_path / "data"
    ((_, old),) = keys(data)
    new = enduser("systems", "rotate-key", "default/production", data=data).stdout.strip()
    assert {key for _, key in keys(data)} == {old, new}
    newer = enduser("systems", "rotate-key", "default/production", "--grace-hours", "0", data=data).stdout
    assert keys(data) == [("default/production", newer.strip())]


def test_the_key_of_an_unknown_space_cannot_be_rotated(tmp_path: Path) -> None:
    result = enduser("systems", "rotate-key", "acme/gone", data=tmp_path / "data")
    assert (result.exit_code, result.stdout) == (2, "")
    assert "there is no space 'acme/gone'" in result.stderr


def test_the_snippet_names_the_server_and_the_newest_write_key(tmp_path: Path) -> None:
    old = enduser("systems", "create", "acme/test", data=tmp_path).stdout.strip()
    key = enduser("systems", "rotate-key", "acme/test", data=tmp_path).stdout.strip()
    told = enduser("systems", "snippet", "acme/test", "--url", "https://e.example/eu/", data=tmp_path).stdout
    assert told.startswith("<script>\n")
    assert told.endswith("</script>\n")
    assert f'"https://e.example/eu/enduser.js?key={key}"' in told
    assert old not in told


@pytest.mark.parametrize("url", ["e.example", "ftp://e.example", "https://", 'https://e.example/"><b>', ""])
def test_a_snippet_for_what_is_no_address_is_refused(tmp_path: Path, url: str) -> None:
    result = enduser("systems", "snippet", "--url", url, data=tmp_path)
    assert (result.exit_code, result.stdout) == (2, "")
    assert "no address of a server" in result.stderr


def test_a_snippet_of_an_unknown_space_is_refused(tmp_path: Path) -> None:
    assert enduser("systems", "snippet", "acme/none", data=tmp_path).exit_code == 2
