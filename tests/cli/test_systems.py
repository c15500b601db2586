"""`enduser systems`, and that spaces keep their users apart."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from running import enduser, event, write_lines
from serving import Server


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


def address_in(snippet: str) -> str:
    """Return where a snippet loads the script from, without the key."""
    (found,) = re.findall(r'"([^"]*)/enduser\.js\?key=[0-9a-f]{32}"', snippet)
    return str(found)


@pytest.mark.parametrize(("path", "told"), [("/e", "/e"), ("/e/", "/e"), ("/a/b", "/a/b"), ("/", "")])
def test_a_snippet_can_name_a_path_of_the_site_that_a_proxy_passes_on(
    tmp_path: Path, path: str, told: str
) -> None:
    enduser("systems", "create", "acme/test", data=tmp_path)
    assert address_in(enduser("systems", "snippet", "--url", path, data=tmp_path).stdout) == told


NO_ADDRESSES = {
    "no address of a server": [
        *("e.example", "ftp://e.example", "https://", 'https://e.example/"><b>', "", "//e.example", "e/x"),
        *("https://e.example:99999", "https://e.example:0", "https://[e.example", "https://e\u2028.example"),
    ],
    "has a query or a fragment": ["https://e.example?key=1", "https://e.example/#top", "/e?", "/e#"],
    "is the address of the script": ["https://e.example/enduser.js", "/e/enduser.js", "/enduser.js/"],
}


@pytest.mark.parametrize(
    ("wrong", "url"), [(wrong, url) for wrong, urls in NO_ADDRESSES.items() for url in urls]
)
def test_a_snippet_for_what_is_no_address_is_refused(tmp_path: Path, wrong: str, url: str) -> None:
    enduser("systems", "create", "acme/test", data=tmp_path)
    result = enduser("systems", "snippet", "--url", url, data=tmp_path)
    assert (result.exit_code, result.stdout) == (2, "")
    assert wrong in result.stderr
    assert "https://enduser.example.com, or a path such as /e" in result.stderr


def test_without_an_address_the_snippet_names_the_server_that_runs(server: Server) -> None:
    assert address_in(server.cli("systems", "snippet")) == server.url


@pytest.mark.parametrize(
    ("host", "port", "url"),
    [
        (None, None, "http://127.0.0.1:8300"),
        ("", "", "http://127.0.0.1:8300"),
        (None, "8400", "http://127.0.0.1:8400"),
        ("fd12::1", None, "http://[fd12::1]:8300"),
        ("0.0.0.0", "80", "http://127.0.0.1:80"),  # noqa: S104 - nobody listens here
    ],
)
def test_where_no_server_runs_the_snippet_names_where_one_would_listen(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, host: str | None, port: str | None, url: str
) -> None:
    for name, value in (("ENDUSER_HOST", host), ("ENDUSER_PORT", port)):
        monkeypatch.delenv(name, raising=False)
        if value is not None:
            monkeypatch.setenv(name, value)
    enduser("systems", "create", "acme/test", data=tmp_path)
    assert address_in(enduser("systems", "snippet", data=tmp_path).stdout) == url


def test_a_port_that_is_not_known_yet_is_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ENDUSER_PORT", "0")
    enduser("systems", "create", "acme/test", data=tmp_path)
    result = enduser("systems", "snippet", data=tmp_path)
    assert (result.exit_code, result.stdout) == (2, "")
    assert "give --url" in result.stderr


def test_a_snippet_of_an_unknown_space_is_refused(tmp_path: Path) -> None:
    assert enduser("systems", "snippet", "acme/none", data=tmp_path).exit_code == 2
