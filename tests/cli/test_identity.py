"""`enduser identity`: keys with which a site signs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from running import enduser
from signing import JWK, PEM, PRIVATE_PEM

from enduser.stores.control import ControlStore
from enduser.stores.identity_keys import list_identity_keys


@pytest.fixture
def data(tmp_path: Path) -> Path:
    folder = tmp_path / "data"
    enduser("config", "list", data=folder)
    return folder


def listed(data: Path) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(
        enduser("identity", "list", "--format", "json", data=data).stdout
    )
    return found


def test_a_secret_is_printed_once_behind_its_id(data: Path) -> None:
    told = enduser("identity", "create", "--name", "web", data=data)
    with ControlStore(data) as control:
        (key,) = list_identity_keys(control, "default/production")
    assert told.stdout == f"{key.id} {key.material}\n"
    assert "not shown again" in told.stderr
    shown = enduser("identity", "list", data=data)
    assert shown.stdout.splitlines()[1].split()[:3] == [key.id, "web", "hs256"]
    assert "identity of this space is: open" in shown.stderr
    assert key.material not in shown.output


def test_a_public_key_comes_from_a_file_or_standard_input(data: Path, tmp_path: Path) -> None:
    (tmp_path / "key.pem").write_text(PEM)
    first = enduser("identity", "create", "--public-key", tmp_path / "key.pem", data=data)
    second = enduser("identity", "create", "--public-key", "-", data=data, stdin=json.dumps(JWK))
    assert [(one["id"], one["kind"], one["public_key"]) for one in listed(data)] == [
        (told.stdout.strip(), "ed25519", JWK) for told in (first, second)
    ]


def test_a_key_is_deleted(data: Path) -> None:
    key_id = enduser("identity", "create", data=data).stdout.split()[0]
    assert enduser("identity", "delete", key_id, data=data).exit_code == 2  # nobody is there to ask
    told = enduser("identity", "delete", key_id, "--yes", data=data)
    assert (told.exit_code, told.stdout) == (0, f"the identity key {key_id} is gone\n")
    assert listed(data) == []


@pytest.mark.parametrize(
    ("words", "stdin", "told"),
    [
        (("create", "--public-key", "gone.pem"), None, "there is no file gone.pem"),
        (("create", "--public-key", "-"), b"\xff", "this is no public key of Ed25519"),
        (("create", "--public-key", "-"), PRIVATE_PEM.encode(), "this is a private key"),
        (("create", "--space", "acme/gone"), None, "there is no space 'acme/gone'"),
        (("delete", "gone", "--yes"), None, "there is no identity key 'gone'"),
    ],
)
def test_what_cannot_be_is_told(data: Path, words: tuple[str, ...], stdin: bytes | None, told: str) -> None:
    result = enduser("identity", *words, data=data, stdin=stdin)
    assert (result.exit_code, told in result.stderr) == (2, True), result.output
    assert listed(data) == []
