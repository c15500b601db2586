"""`enduser keys`."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
from running import enduser

from enduser.stores.control import ControlStore
from enduser.stores.embedded import EmbeddedStore


def create(data: Path, *more: str) -> str:
    result = enduser("keys", "create", "--role", "admin", *more, data=data)
    assert result.exit_code == 0, result.stderr
    return result.stdout


def test_create_prints_the_key_alone_and_it_opens(tmp_path: Path) -> None:
    printed = create(tmp_path / "data", "--name", "ci")
    assert re.fullmatch(r"eud_[0-9a-f]+_[0-9a-f]+\n", printed)
    with ControlStore(tmp_path / "data") as control:
        key = control.authenticate(printed.strip(), 0)
    assert key is not None
    assert (key.name, key.role, key.spaces) == ("ci", "admin", ())


def test_a_key_can_be_for_some_spaces_only(tmp_path: Path) -> None:
    for space in ("acme/test", "acme/production"):
        enduser("systems", "create", space, data=tmp_path / "data")
    create(tmp_path / "data", "--space", "acme/test", "--space", "acme/production")
    assert "acme/test, acme/production" in enduser("keys", "list", data=tmp_path / "data").stdout


def test_a_key_for_a_space_that_is_not_there_is_refused(tmp_path: Path) -> None:
    words = ["--space", "default/production", "--space", "acme/tset"]
    result = enduser("keys", "create", "--role", "admin", *words, data=tmp_path)
    assert result.exit_code == 2
    assert result.stdout == ""
    assert "there is no space 'acme/tset'" in result.stderr
    assert enduser("keys", "list", data=tmp_path).stdout.startswith("No API keys yet.")


def test_list_shows_keys_without_their_secrets(tmp_path: Path) -> None:
    data = tmp_path
    assert enduser("keys", "list", data=data).stdout.startswith("No API keys yet.")
    _, key_id, secret = create(data, "--name", "ci").strip().split("_")
    listed = enduser("keys", "list", data=data).stdout
    assert key_id in listed
    assert secret not in listed
    heading, row = listed.splitlines()
    assert heading.split()[:4] == ["id", "name", "role", "spaces"]
    assert row.split()[1:4] == ["ci", "admin", "(all)"]


def test_a_revoked_key_opens_nothing(tmp_path: Path) -> None:
    data = tmp_path / "data"
    key = create(data).strip()
    key_id = key.split("_")[1]
    assert enduser("keys", "revoke", key_id, data=data).stdout == f"key {key_id} revoked\n"
    with ControlStore(data) as control:
        assert control.authenticate(key, 0) is None


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["revoke", "abc"], "error: there is no API key 'abc'"),
        (["create", "--role", "root"], "error: there is no role 'root'\n  the roles are: admin"),
        (["create"], "Missing option '--role'"),
    ],
)
def test_wrong_usage_ends_with_2(tmp_path: Path, arguments: list[str], message: str) -> None:
    result = enduser("keys", *arguments, data=tmp_path)
    assert result.exit_code == 2
    assert message in result.stderr


def test_keys_work_while_another_process_owns_the_data_folder(tmp_path: Path) -> None:
    with EmbeddedStore(tmp_path / "data", now_us=0):
        assert create(tmp_path / "data").startswith("eud_")


def test_help_need_not_wait_for_the_database_library() -> None:
    check = "import sys, enduser.cli; sys.exit('sqlalchemy' in sys.modules or 'alembic' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", check], check=False).returncode == 0


def test_a_folder_that_a_key_makes_is_told(tmp_path: Path) -> None:
    folder = tmp_path / "new"
    assert (
        f"the data folder {folder} is new" in enduser("keys", "create", "--role", "admin", data=folder).stderr
    )
    assert "is new" not in enduser("keys", "create", "--role", "admin", data=folder).stderr


def test_a_key_is_revoked_by_itself_too_and_its_secret_is_not_shown(tmp_path: Path) -> None:
    key = create(tmp_path / "data")
    result = enduser("keys", "revoke", key, data=tmp_path / "data")
    assert (result.exit_code, result.stdout) == (0, f"key {key.split('_')[1]} revoked\n")
    gone = enduser("keys", "revoke", f"eud_other_{key.split('_')[2]}", data=tmp_path / "data")
    assert gone.exit_code == 2
    assert "there is no API key 'other'" in gone.stderr
    assert key.split("_")[2] not in gone.output
