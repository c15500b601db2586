"""The settings file of a server: what counts before what, and what is wrong with one is told."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from running import enduser

from enduser import limits
from enduser.api.owner import server
from enduser.cli.config_file import read_config
from enduser.errors import UsageError

KNOWN = {"host": str, "port": int}


@pytest.fixture
def options(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Return the options of servers that were to run; none does."""
    taken: list[Any] = []

    async def take(told: Any, _: object) -> None:
        taken.append(told)

    monkeypatch.setattr(server, "serve_until_stopped", take)
    return taken


def test_a_file_sets_what_options_and_variables_do_not(
    tmp_path: Path, options: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "enduser.toml"
    path.write_text(f"""
        data = "{tmp_path / "folder"}"
        host = "::1"
        port = 1
        collectors = 2
        trusted_hops = 3
        spool_bytes = 40_000_000
        memory_limit = 512
    """)
    monkeypatch.setenv("ENDUSER_COLLECTORS", "5")
    done = enduser("serve", "--config", path, "--port", "7")
    assert done.exit_code == 0, done.output
    (told,) = options
    assert (told.folder, told.host, told.port) == (tmp_path / "folder", "::1", 7)
    assert (told.collectors, told.trusted_hops, told.spool_bytes_max) == (5, 3, 40_000_000)
    assert told.memory_limit_mb == 512


def test_a_variable_names_the_file(
    tmp_path: Path, options: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "enduser.toml"
    path.write_text("port = 1234")
    monkeypatch.setenv("ENDUSER_CONFIG", str(path))
    assert enduser("serve").exit_code == 0
    assert options[0].port == 1234


def test_without_a_file_the_defaults_count(options: list[Any]) -> None:
    assert enduser("serve").exit_code == 0
    assert (options[0].host, options[0].port, options[0].collectors) == ("127.0.0.1", 8300, 1)


@pytest.mark.parametrize(
    ("text", "told", "bounds"),
    [
        ("port = 99999", "port to 99999", "port is a whole number from 0 to 65535"),
        ("collectors = 0", "collectors to 0", "collectors is a whole number from 1 to 64"),
        ("trusted_hops = -1", "trusted_hops to -1", "trusted_hops is a whole number, 0 or more"),
    ],
)
def test_a_value_out_of_bounds_is_told_with_the_file_the_name_and_the_bounds(
    tmp_path: Path, options: list[Any], monkeypatch: pytest.MonkeyPatch, text: str, told: str, bounds: str
) -> None:
    path = tmp_path / "enduser.toml"
    path.write_text(text)
    monkeypatch.setenv("ENDUSER_PORT", "1")
    done = enduser("serve", "--config", path, "--port", "2")
    assert (done.exit_code, done.stderr) == (2, f"error: {path} sets {told}\n  {bounds}\n")
    assert options == []


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("hots = 1", "'hots', which is no setting of the server"),
        ("port = '1'", "sets port to '1'"),
        ("port = true", "sets port to True"),
        ("port = 1.5", "sets port to 1.5"),
        ("host = 3", "sets host to 3"),
        ("[host]", "sets host to {}"),
        ("port 1", "is no TOML"),
    ],
)
def test_what_is_wrong_with_a_file_is_told(tmp_path: Path, text: str, told: str) -> None:
    path = tmp_path / "enduser.toml"
    path.write_text(text)
    with pytest.raises(UsageError) as raised:
        read_config(path, KNOWN)
    assert told in raised.value.message
    assert raised.value.hint


def test_a_file_that_is_not_there_or_no_text_is_told(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot be read"):
        read_config(tmp_path / "none.toml", KNOWN)
    path = tmp_path / "bytes.toml"
    path.write_bytes(b"\xff")
    with pytest.raises(UsageError, match="no TOML"):
        read_config(path, KNOWN)


@pytest.mark.parametrize("collectors", [1, 3])
def test_a_spool_must_hold_the_largest_call_of_each_collector(
    options: list[Any], tmp_path: Path, collectors: int
) -> None:
    words = ["serve", "--data", tmp_path / "data", "--collectors", collectors, "--spool-bytes"]
    least = collectors * limits.FRAME_BYTES_MAX
    refused = enduser(*words, least - 1)
    assert refused.exit_code == 2
    assert f"a spool of {least - 1:,} bytes is too small\n  the least is {least:,} bytes" in refused.stderr
    assert options == []
    assert enduser(*words, least).exit_code == 0
    assert options[0].spool_bytes_max == least
