"""`enduser users erase|suppressed|unsuppress`."""

from __future__ import annotations

import json
import re
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from ready_made import copied
from running import enduser, event, write_lines
from searching import found_in

from enduser.clock import now_us
from enduser.ingest.spool import EVENTS, SpoolWriter, frame
from enduser.stores.control import ControlStore
from enduser.stores.uploads import begin_upload, end_upload


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder of one user and two attributes."""
    folder = tmp_path_factory.mktemp("erasing")
    path = write_lines(folder / "events.jsonl", event("adam", "2026-01-01T10:00:00Z"))
    assert enduser("import", "events", path, "--close", data=folder / "data").exit_code == 0
    for name, kind in (("plan", "string"), ("seats", "number")):
        enduser("attributes", "create", name, "--type", kind, data=folder / "data")
    return folder / "data"


@pytest.fixture
def valued(made: Path, tmp_path: Path) -> Path:
    """A copy of it."""
    return copied(made, tmp_path)


def said(told: Any) -> str:
    """Return the first line of what was said, if the rest is a receipt and that no byte is left."""
    first, receipt, gone = told.stdout.splitlines()
    assert re.fullmatch(r"receipt \d+: 20\S+Z, keyed hash of the id [0-9a-f]{32}", receipt)
    assert gone == "no file of the data folder has a byte of the person any more"
    return str(first)


def test_erasing_must_be_meant_and_says_what_goes(valued: Path) -> None:
    enduser("users", "set", "adam", "plan=vip", "seats=5", data=valued)
    told = enduser("users", "erase", "adam", data=valued)
    assert told.exit_code == 2
    assert "1 id, 1 event, 1 session, 2 values go, and nothing brings them back. " in told.stderr
    told = enduser("users", "erase", "adam", "--suppress", data=valued)
    assert "go, and nothing brings them back, and the person stays out. Erase" in told.stderr
    assert enduser("users", "show", "adam", data=valued).exit_code == 0


def test_who_is_erased_is_gone(valued: Path) -> None:
    told = enduser("users", "erase", "adam", "--yes", data=valued)
    assert (told.exit_code, said(told)) == (0, "erased: 1 id, 1 event, 1 session, 0 values")
    assert enduser("users", "show", "adam", data=valued).exit_code == 1
    assert enduser("users", "suppressed", "adam", data=valued).stdout == "no\n"
    assert enduser("verify", data=valued).exit_code == 0


@pytest.mark.parametrize("options", [(), ("--yes",), ("--id-kind", "hashed", "--yes")])
def test_nobody_is_erased_who_is_not_known(valued: Path, options: tuple[str, ...]) -> None:
    told = enduser("users", "erase", "eve", *options, data=valued)
    assert (told.exit_code, "there is no user 'eve'" in told.stderr) == (1, True)


def test_nobody_is_erased_while_events_of_a_killed_server_wait(valued: Path) -> None:
    with closing(SpoolWriter(valued, 1)) as writer:
        line = json.dumps({"got": 1, "id": "adam", "msg": "m", "client": 1, "at": 1, "type": "page"})
        writer.append([frame(EVENTS, 1, 1, line.encode() + b"\n")], now_us=1)
    told = enduser("users", "erase", "adam", "--yes", data=valued)
    assert (told.exit_code, "1 accepted event may be this person's" in told.stderr) == (2, True)
    assert enduser("users", "show", "adam", data=valued).exit_code == 0


def test_who_is_to_stay_out_does_until_it_is_lifted(valued: Path, tmp_path: Path) -> None:
    told = enduser("users", "erase", "adam", "--suppress", "--yes", data=valued)
    assert said(told) == "erased: 1 id, 1 event, 1 session, 0 values; and stays out"
    assert enduser("users", "suppressed", "adam", data=valued).stdout == "yes\n"
    assert enduser("users", "suppressed", "adam", "--id-kind", "anonymous", data=valued).stdout == "no\n"
    path = write_lines(tmp_path / "late.jsonl", event("adam", "2026-01-02T10:00:00Z"))
    told = enduser("import", "events", path, "--close", data=valued)
    assert "suppressed" in told.stdout
    told = enduser("users", "set", "adam", "plan=vip", data=valued)
    assert (told.exit_code, "was erased, and is to stay out" in told.stderr) == (2, True)
    told = enduser("lists", "create", "staff", "adam", "eve", data=valued)
    assert "1 added" in told.stdout
    told = enduser("users", "unsuppress", "adam", data=valued)
    assert (told.exit_code, told.stdout) == (0, "the person may be known again\n")
    told = enduser("import", "events", path, "--close", data=valued)
    assert enduser("users", "show", "adam", data=valued).exit_code == 0


def test_an_id_of_which_nothing_is_known_is_kept_out_only_if_that_is_meant(valued: Path) -> None:
    told = enduser("users", "erase", "eve", "--suppress", data=valued)
    assert "Nothing is known of 'eve' (plain) in default/production. Keep it out?" in told.stderr
    assert enduser("users", "suppressed", "eve", data=valued).stdout == "no\n"
    told = enduser("users", "erase", "eve", "--suppress", "--yes", data=valued)
    assert said(told) == "erased: 0 ids, 0 events, 0 sessions, 0 values; and stays out"
    assert enduser("users", "suppressed", "eve", data=valued).stdout == "yes\n"


@pytest.mark.parametrize("options", [(), ("--id-kind", "hashed")])
def test_an_id_that_does_not_stay_out_cannot_be_lifted(valued: Path, options: tuple[str, ...]) -> None:
    told = enduser("users", "unsuppress", "adam", *options, data=valued)
    assert (told.exit_code, "is no id that is to stay out" in told.stderr) == (2, True)


def test_what_is_no_hash_is_not_kept_out_as_one(valued: Path) -> None:
    enduser("config", "set", "hash_ids", "on", "--yes", data=valued)
    told = enduser("users", "erase", "adam", "--id-kind", "hashed", "--suppress", "--yes", data=valued)
    assert (told.exit_code, "'adam' is no hash" in told.stderr) == (2, True)


def test_who_would_be_known_again_once_ids_are_hashed_is_told_beforehand(valued: Path) -> None:
    enduser("users", "erase", "adam", "--suppress", "--yes", data=valued)
    assert enduser("config", "set", "hash_ids", "on", data=valued).exit_code == 0
    told = enduser("config", "set", "hash_salt", "sea", data=valued)
    assert (told.exit_code, "has people who are to stay out" in told.stderr) == (2, True)


def test_a_salt_under_which_nobody_was_suppressed_is_told_of(valued: Path) -> None:
    enduser("users", "erase", "adam", "--suppress", "--yes", data=valued)
    enduser("config", "set", "hash_salt", "sea", data=valued)
    told = enduser("config", "set", "hash_ids", "on", data=valued)
    assert told.exit_code == 2
    assert "1 user id that is to stay out was suppressed with another hash_salt" in told.stderr
    assert "will be replaced" not in told.stderr
    assert enduser("config", "set", "hash_ids", "on", "--yes", data=valued).exit_code == 0
    assert enduser("users", "suppressed", "adam", data=valued).stdout == "no\n"


def test_no_file_has_a_byte_of_him_when_the_command_returns_but_yours(valued: Path, tmp_path: Path) -> None:
    name = "adam-the-first@example.com"
    path = write_lines(tmp_path / "more.jsonl", event(name, "2026-01-01T10:00:00Z", page=f"/users/{name}"))
    enduser("import", "events", path, "--close", data=valued)
    (valued / "inbox").mkdir()
    (valued / "inbox" / "crm.csv").write_text(f"id,plan\n{name},vip\n")
    rule = {"combinator": "and", "rules": [{"field": "user_id", "operator": "is", "value": name}]}
    made = enduser(
        "segments", "create", "Friends", "--id", "friends", "--rule", json.dumps(rule), data=valued
    )
    assert made.exit_code == 0, made.stderr
    with ControlStore(valued) as control:
        sent = begin_upload(control, "default/production", "crm.csv", now_us())
        sent.path(valued).parent.mkdir(exist_ok=True)
        sent.path(valued).write_text(f"id,plan\n{name},vip\n")
        end_upload(control, sent, 20)
    told = enduser("users", "erase", name, "--yes", data=valued)
    assert told.exit_code == 0, told.stderr
    assert "1 uploaded file that waited to be taken named the person, and went too" in told.stdout
    assert "inbox/crm.csv names the person, or cannot be read; it is yours" in told.stderr
    assert "the segment friends names the person still" in told.stderr
    enduser("segments", "delete", "friends", "--yes", data=valued)
    enduser("users", "erase", "adam", "--yes", data=valued)
    assert {found.file for found in found_in(valued, name)} == {"inbox/crm.csv"}


def test_an_erasure_is_in_the_log_beside_the_database_without_an_id(valued: Path) -> None:
    enduser("users", "erase", "adam", "--yes", data=valued)
    (line,) = (valued / "erasures.jsonl").read_text().splitlines()
    told = json.loads(line)
    assert (told["number"], told["amount"]["events"], len(told["id_hashes"])) == (1, 1, 1)
    assert "adam" not in line
