"""`enduser config`: settings of a space."""

from __future__ import annotations

import os
import pty
import subprocess
from pathlib import Path

import pytest
from ready_made import copied
from running import DEADLINE_S, command, counts, enduser, event, exported, write_lines

from enduser.core.events import hashed_id
from enduser.core.settings import SETTING_RULES


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return tmp_path / "data"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder with four events of one user, in two sessions."""
    folder = tmp_path_factory.mktemp("made") / "data"
    minutes = (0, 20, 45, 100)
    lines = [event("u", f"2026-01-01T{10 + m // 60}:{m % 60:02}:00Z", message_id=str(m)) for m in minutes]
    path = write_lines(folder.parent / "x.jsonl", *lines)
    assert enduser("import", "events", path, "--close", data=folder).exit_code == 0
    return folder


@pytest.fixture
def history(made: Path, tmp_path: Path) -> Path:
    """A copy of it."""
    return copied(made, tmp_path)


def sessions(data: Path) -> int:
    return len(exported("sessions", data))


def test_all_settings_are_listed_with_value_meaning_and_bounds(data: Path) -> None:
    lines = enduser("config", "list", data=data).stdout.splitlines()
    assert [line.split(" =")[0] for line in lines[::3]] == list(SETTING_RULES)
    assert lines[3:6] == [
        "inactivity_window_s = 1800",
        "    a session ends after this long without a visit event",
        "    whole seconds, 1 to 86400",
    ]


def test_of_a_path_that_cannot_be_it_is_told_what_can(data: Path) -> None:
    refused = enduser("config", "set", "unique_user", "variable:app[0].id", data=data)
    assert (refused.exit_code, refused.stdout) == (2, "")
    assert refused.stderr.endswith(
        "error: unique_user cannot be 'variable:app[0].id'\n  a PATH is names (A-Z, a-z, 0-9, _ and $, no "
        "digit first) with dots between, without brackets, such as variable:app.user.id\n"
    )


def test_the_salt_is_shown_only_to_who_asks_for_it(data: Path) -> None:
    assert "hash_salt = (none)\n" in enduser("config", "list", data=data).stdout
    enduser("config", "set", "hash_salt", "pepper", data=data)
    listed = enduser("config", "list", data=data).stdout
    assert "hash_salt = (set)\n" in listed
    assert "pepper" not in listed
    assert enduser("config", "get", "hash_salt", data=data).stdout == "pepper\n"


@pytest.mark.parametrize(
    ("key", "value", "stored"),
    [
        ("inactivity_window_s", "60", "60"),
        ("session_cap_s", "0", "0"),
        ("retention_months", "12", "12"),
        ("time_zone", "Europe/Oslo", "Europe/Oslo"),
        ("exclude", "crawlers,ip:10.0.0.0/8", "crawlers, ip:10.0.0.0/8"),
        ("exclude", "none", "none"),
        ("hash_ids", "true", "on"),
        ("hash_salt", "[red]pepper", "[red]pepper"),
        ("store_ip", "on", "on"),
    ],
)
def test_a_setting_is_set_and_kept(data: Path, key: str, value: str, stored: str) -> None:
    result = enduser("config", "set", key, value, data=data)
    shown = "(set)" if key == "hash_salt" else stored
    assert (result.exit_code, result.stdout) == (0, f"{key} = {shown}\n")
    assert enduser("config", "get", key, data=data).stdout == f"{stored}\n"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["get", "windw"], "there is no setting 'windw'"),
        (["set", "windw", "5"], "there is no setting 'windw'"),
        (["set", "inactivity_window_s", "0"], "inactivity_window_s cannot be '0'"),
        (["set", "inactivity_window_s", "86401"], "inactivity_window_s is whole seconds, 1 to 86400"),
        (["set", "session_cap_s", "1.5"], "session_cap_s cannot be '1.5'"),
        (["set", "session_cap_s", "-1"], "session_cap_s cannot be '-1'"),
        (["set", "time_zone", "Mars/Base"], "time_zone cannot be 'Mars/Base'"),
        (["set", "exclude", "robots"], "exclude cannot have the entry 'robots'"),
        (["set", "exclude", "crawlers, ip:300.1.1.1"], "exclude cannot have the entry 'ip:300.1.1.1'"),
        (["set", "hash_ids", "perhaps"], "hash_ids cannot be 'perhaps'"),
        (["set", "inactivity_window_s"], "Missing argument"),
        (["list", "--space", "acme/production"], "there is no space 'acme/production'"),
    ],
)
def test_a_wrong_setting_ends_with_2_and_says_what_is_allowed(
    data: Path, arguments: list[str], message: str
) -> None:
    result = enduser("config", *arguments, data=data)
    assert result.exit_code == 2
    assert message in result.stderr


def test_a_space_has_settings_of_its_own(data: Path) -> None:
    enduser("systems", "create", "acme/test", data=data)
    enduser("config", "set", "inactivity_window_s", "60", "--space", "acme/test", data=data)
    assert enduser("config", "get", "inactivity_window_s", data=data).stdout == "1800\n"
    assert enduser("config", "get", "inactivity_window_s", "--space", "acme/test", data=data).stdout == "60\n"


@pytest.mark.parametrize(
    ("key", "value", "after"), [("inactivity_window_s", "600", 4), ("session_cap_s", "1500", 3)]
)
def test_a_change_that_recomputes_needs_a_yes_where_nobody_can_be_asked(
    history: Path, key: str, value: str, after: int
) -> None:
    refused = enduser("config", "set", key, value, data=history)
    assert refused.exit_code == 2
    assert "This recomputes all sessions of default/production from 4 events. Go on?" in refused.stderr
    assert "add --yes" in refused.stderr
    assert sessions(history) == 2
    assert enduser("config", "set", key, value, "--yes", data=history).exit_code == 0
    assert sessions(history) == after
    assert enduser("verify", data=history).exit_code == 0


@pytest.mark.parametrize(
    ("key", "value"),
    [("inactivity_window_s", "1800"), ("time_zone", "UTC"), ("exclude", "none"), ("store_ip", "on")],
)
def test_a_change_that_recomputes_nothing_asks_nothing(history: Path, key: str, value: str) -> None:
    assert enduser("config", "set", key, value, data=history).exit_code == 0


def test_hashing_the_ids_of_users_is_told_beforehand_and_done_only_after_a_yes(history: Path) -> None:
    refused = enduser("config", "set", "hash_ids", "on", data=history)
    assert refused.exit_code == 2
    for said in (
        "In default/production, 1 user id will be replaced by a hash: no id can be got back",
        "An example: adam.br would be LxhaMQBuA3cjHQqujqUmW/YDuHkWuCFjsT2uXs7lDQY.",
        "hash_salt is empty",
        "This cannot be undone. Go on? Nobody is there to ask.",
        "add --yes",
    ):
        assert said in refused.stderr
    assert "link" not in refused.stderr
    assert enduser("users", "show", "u", "--id-kind", "hashed", data=history).exit_code == 1
    done = enduser("config", "set", "hash_ids", "on", "--yes", data=history)
    assert (done.exit_code, done.stdout) == (0, "hash_ids = on\n")
    assert "1 user id will be replaced by a hash" in done.stderr
    shown = enduser("users", "show", "u", data=history).stdout
    assert shown.splitlines()[0].split() == ["user_id", hashed_id("", "u")]
    assert enduser("verify", data=history).exit_code == 0


def test_the_salt_is_set_first_and_is_not_shown(history: Path) -> None:
    assert enduser("config", "set", "hash_salt", "pepper", data=history).exit_code == 0
    done = enduser("config", "set", "hash_ids", "on", "--yes", data=history)
    assert "pepper" not in done.output
    assert "hash_salt is empty" not in done.output
    example = "An example with another salt, 'sea': adam.br would be"
    assert (
        f"hash_salt is set, and is put before each id. {example} {hashed_id('sea', 'adam.br')}."
        in done.stderr
    )
    assert hashed_id("", "adam.br") not in done.output
    assert hashed_id("pepper", "adam.br") not in done.output
    assert exported("users", history)[0]["user_id"] == hashed_id("pepper", "u")


def test_the_preview_tells_of_ids_that_look_like_hashes_and_of_links_that_end(history: Path) -> None:
    lines = [
        event(hashed_id("", "v")),
        event(None, anonymous_id="a"),
        event("u", type="alias", previousId="a"),
    ]
    enduser("import", "events", write_lines(history.parent / "y.jsonl", *lines), data=history)
    told = enduser("config", "set", "hash_ids", "on", data=history).stderr
    assert "1 id looks like a hash already" in told
    assert "1 link ends, told by nothing but the id before of an alias" in told


@pytest.mark.parametrize(("key", "value"), [("hash_ids", "off"), ("hash_salt", "x")])
def test_hashing_cannot_change_once_ids_are_hashed(history: Path, key: str, value: str) -> None:
    enduser("config", "set", "hash_ids", "on", "--yes", data=history)
    result = enduser("config", "set", key, value, "--yes", data=history)
    assert result.exit_code == 2
    assert f"{key} cannot change any more: the space default/production has users" in result.stderr


@pytest.mark.parametrize(("answer", "code", "after"), [("y\n", 0, 4), ("n\n", 1, 2), ("\n", 1, 2)])
def test_on_a_terminal_the_question_is_asked(history: Path, answer: str, code: int, after: int) -> None:
    terminal, end = pty.openpty()
    arguments = command("config", "set", "inactivity_window_s", "600", "--data", history)
    with subprocess.Popen(
        arguments, stdin=end, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as asked:
        os.close(end)
        os.write(terminal, answer.encode())
        output, _ = asked.communicate(timeout=DEADLINE_S)
    os.close(terminal)
    assert (asked.returncode, "Go on? [y/N]" in output) == (code, True)
    assert sessions(history) == after


def test_an_exclusion_acts_on_new_events(data: Path) -> None:
    enduser("config", "set", "exclude", "ip:10.0.0.0/8,host:staging.example,user:robot", data=data)
    lines = [
        event("a", ip="10.1.2.3"),
        event("b", url="https://Staging.example/x"),
        event("robot"),
        event("c", user_agent="curl/8.5.0"),
    ]
    result = enduser("import", "events", write_lines(data.parent / "x", *lines), data=data)
    found = counts(result.stdout)
    assert {name: found[name] for name in ("stored", "ip", "host", "user")} == dict.fromkeys(
        ("stored", "ip", "host", "user"), 1
    )
