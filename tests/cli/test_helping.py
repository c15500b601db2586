"""How commands explain themselves."""

from __future__ import annotations

import re

import pytest
from running import process

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
