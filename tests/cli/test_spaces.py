"""`enduser spaces`, and that spaces keep their users apart."""

from __future__ import annotations

from pathlib import Path

import pytest
from running import enduser, event, write_lines


def test_a_new_data_folder_has_the_default_space(tmp_path: Path) -> None:
    assert enduser("spaces", "list", data=tmp_path / "data").stdout == "default/production\n"


def test_a_space_is_created_and_has_users_of_its_own(tmp_path: Path) -> None:
    data = tmp_path / "data"
    assert enduser("spaces", "create", "acme/test", data=data).stdout == "space acme/test created\n"
    assert enduser("spaces", "list", data=data).stdout == "default/production\nacme/test\n"
    path = write_lines(tmp_path / "x", event("u"))
    enduser("import", "events", path, "--close", "--space", "acme/test", data=data)
    assert enduser("users", "show", "u", "--space", "acme/test", data=data).exit_code == 0
    assert enduser("users", "show", "u", data=data).exit_code == 1


@pytest.mark.parametrize(
    "name", ["acme", "Acme/Test", "acme/", "/test", "a b/test", "acme/test/x", "_a/b", ""]
)
def test_a_wrong_name_is_refused_with_an_example(tmp_path: Path, name: str) -> None:
    result = enduser("spaces", "create", name, data=tmp_path / "data")
    assert result.exit_code == 2
    assert f"{name!r} is no name of a space" in result.stderr
    assert "such as acme/production" in result.stderr


@pytest.mark.parametrize(
    "arguments",
    [["status"], ["rebuild"], ["config", "list"], ["users", "list"], ["import", "events", "gone"]],
)
def test_an_unknown_space_is_an_error_that_says_how_to_make_it(tmp_path: Path, arguments: list[str]) -> None:
    result = enduser(*arguments, "--space", "acme/test", data=tmp_path / "data")
    assert result.exit_code == 2
    assert result.stderr == (
        "error: there is no space 'acme/test'\n"
        "  the spaces are: default/production; to have another: enduser spaces create acme/test\n"
    )


def test_a_space_cannot_be_created_twice(tmp_path: Path) -> None:
    result = enduser("spaces", "create", "default/production", data=tmp_path / "data")
    assert result.exit_code == 2
    assert "the space default/production exists already" in result.stderr
