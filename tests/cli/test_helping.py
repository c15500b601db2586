"""How commands explain themselves."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from running import enduser, process

from enduser.cli.helping import running_command
from enduser.cli.reference import reference


def test_a_usage_line_names_arguments_as_one_types_them() -> None:
    help_text = process("import", "events", "--help").stdout
    assert " import events [OPTIONS] FILE...\n" in help_text
    assert "\n  FILE  Files, patterns" in help_text


def test_a_bound_is_written_in_words() -> None:
    assert "--limit N" in reference()
    assert "[default: 24; at least 0]" in reference()
    assert "default: 1; 1 to 64]" in reference()


@pytest.mark.parametrize("pattern", [r"<(str|int|path|list)", r"\{", r"x>=", "`--help`"])
def test_no_help_speaks_of_types_of_python(pattern: str) -> None:
    assert re.findall(pattern, reference()) == []


def test_of_a_wrong_value_it_is_told_whether_the_option_or_the_variable_has_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("ENDUSER_PORT", "99999")
    assert "Invalid value for the variable 'ENDUSER_PORT': Input should" in enduser("serve").stderr
    assert "Invalid value for '--port': Input should" in enduser("serve", "--port", "x").stderr


def test_of_a_missing_option_or_argument_its_name_is_told() -> None:
    assert "Missing option '--role'" in enduser("keys", "create").stderr
    assert "Missing argument 'ID'" in enduser("users", "show").stderr


@pytest.mark.parametrize(
    ("names", "given"),
    [
        ("users show", ["adam.br"]),
        ("users list", ["--search", "adam.br"]),
        ("users erase", ["adam.br", "--yes"]),
        ("lists add", ["vip", "adam.br"]),
        ("segments explain", ["adam.br"]),
        ("lists members", ["adam.br"]),
        ("config set", ["hash_salt", "adam.br", "--yes"]),
        ("status", []),
    ],
)
def test_a_data_folder_is_told_the_names_of_a_command_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, names: str, given: list[str]
) -> None:
    enduser("systems", "create", "acme/test", data=tmp_path)
    told: list[str] = []
    monkeypatch.setattr(json, "dump", lambda holder, _: told.append(holder["command"]))
    enduser(*names.split(), *given, data=tmp_path)
    assert told == [f"enduser {names}"]


def test_outside_of_a_command_there_is_the_program_alone() -> None:
    assert running_command() == "enduser"
