"""What people give to options: JSON objects, and times."""

from __future__ import annotations

from pathlib import Path

import pytest
from running import enduser

from enduser.cli.given import instant
from enduser.errors import UsageError

NO_JSON = {
    "no text": b'{"field": "\xff"}',
    "text in UTF-16": '{"field": "name"}'.encode("utf-16"),
    "no object": b"[1]",
    "cut off": b'{"field"',
    "too deep": b'{"rules": ' + b"[" * 100_000,
    "nothing": b"",
}


@pytest.mark.parametrize("content", NO_JSON.values(), ids=NO_JSON)
@pytest.mark.parametrize("is_file", [True, False], ids=["in a file", "by standard input"])
@pytest.mark.parametrize(
    "command",
    [
        ("segments", "create", "x", "--rule"),
        ("segments", "change", "x", "--rule"),
        ("segments", "preview", "--rule"),
        ("filters", "save", "x", "--where"),
        ("users", "list", "--where"),
        ("users", "count", "--where"),
        ("users", "export", "--where"),
        ("content", "create", "x", "--payload"),
        ("content", "change", "x", "--payload"),
    ],
    ids=" ".join,
)
def test_a_file_that_is_no_json_object_is_refused_by_each_command_that_takes_one(
    tmp_path: Path, command: tuple[str, ...], content: bytes, is_file: bool
) -> None:
    (tmp_path / "told.json").write_bytes(content)
    named, stdin = (tmp_path / "told.json", None) if is_file else ("-", content)
    found = enduser(*command, named, data=tmp_path / "data", stdin=stdin)
    assert (found.exit_code, " is no JSON object: " in found.stderr) == (2, True), found.output


def test_an_option_that_is_no_text_is_refused_like_a_file(tmp_path: Path) -> None:
    """A byte that is no UTF-8 comes from the shell as half of a surrogate pair."""
    found = enduser("segments", "preview", "--rule", '{"field": "\udcff"}', data=tmp_path)
    assert (found.exit_code, "the rule is no JSON object" in found.stderr) == (2, True), found.output


def test_a_time_is_iso_8601() -> None:
    assert instant("1970-01-01T00:00:01.5Z") == 1_500_000
    with pytest.raises(UsageError, match="'yesterday' is no time"):
        instant("yesterday")
