"""`enduser retention run|list`."""

from __future__ import annotations

import json
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from ready_made import copied
from running import enduser, event, write_lines
from searching import found_in
from serving import Server

from enduser import limits
from enduser.ingest.spool import EVENTS, SpoolWriter, frame
from enduser.stores.import_lock import one_import
from enduser.stores.scratch import scratch_folder


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder of somebody who was seen last year, somebody who came back, and others this year."""
    folder = tmp_path_factory.mktemp("retention")
    path = write_lines(
        folder / "events.jsonl",
        event("adam", "2025-01-01T10:00:00Z"),
        event("adam", "2025-01-02T10:00:00Z", anonymous_id="b1", type="alias"),
        event(None, "2025-01-03T10:00:00Z", anonymous_id="b1"),
        event("eve", "2025-02-01T10:00:00Z"),
        event("eve", "2026-01-01T10:00:00Z"),
        event("zoe", "2026-01-02T10:00:00Z"),
    )
    assert enduser("import", "events", path, "--close", data=folder / "data").exit_code == 0
    return folder / "data"


@pytest.fixture
def folder(made: Path, tmp_path: Path) -> Path:
    """A copy of it."""
    return copied(made, tmp_path)


GONE = "1 user with 2 ids, 4 events, 3 sessions, 0 values, earlier lives of 1 user, content of 0 events"


def users(folder: Path) -> set[str]:
    """Return who has an object."""
    rows = enduser("users", "export", "--format", "jsonl", data=folder).stdout.splitlines()
    return {json.loads(row)["user_id"] for row in rows}


def receipts(folder: Path, *options: object) -> list[dict[str, Any]]:
    """Return the receipts, as JSON."""
    told = enduser("retention", "list", "--format", "json", *options, data=folder)
    assert told.exit_code == 0, told.stderr
    found: list[dict[str, Any]] = json.loads(told.stdout)
    return found


def test_a_dry_run_says_who_would_go_and_deletes_nobody(folder: Path) -> None:
    told = enduser("retention", "run", "--dry-run", data=folder)
    assert told.exit_code == 0, told.stderr
    first, example = told.stdout.splitlines()
    assert first == f"default/production, as of 2026-01-02 10:30:00 UTC: {GONE}"
    assert example == "  adam, last sign 2025-01-03 10:00:00"
    assert "the clock is a history clock, so users are deleted by age on demand only" in told.stderr
    assert users(folder) == {"adam", "eve", "zoe"}
    assert receipts(folder) == []


def test_what_goes_must_be_meant(folder: Path) -> None:
    told = enduser("retention", "run", data=folder)
    assert (told.exit_code, GONE in told.stdout) == (2, True)
    assert "Delete all that, for good? Nobody is there to ask." in told.stderr
    assert "add --yes" in told.stderr
    assert users(folder) == {"adam", "eve", "zoe"}
    assert receipts(folder) == []


def test_who_is_too_old_goes_and_the_receipt_says_how_much(folder: Path) -> None:
    told = enduser("retention", "run", "--yes", data=folder)
    first, *rest = told.stdout.splitlines()
    assert (told.exit_code, first) == (0, f"default/production: run 1 deleted {GONE}")
    assert rest == ["no file of the data folder has a byte of that any more"]
    assert users(folder) == {"eve", "zoe"}
    assert enduser("verify", data=folder).exit_code == 0
    (receipt,) = receipts(folder)
    assert (receipt["as_of"], receipt["ended_at"] is None) == ("2026-01-02T10:30:00.000000Z", False)
    amount = receipt["amount"]
    assert (amount["users"], amount["ids"], amount["events"], amount["lives"]) == (1, 2, 4, 1)


def test_no_file_has_a_byte_of_who_went_when_the_command_returns(made: Path, tmp_path: Path) -> None:
    data, name = copied(made, tmp_path), "adam-the-first@example.com"
    path = write_lines(tmp_path / "more.jsonl", event(name, "2025-01-01T10:00:00Z", page=f"/users/{name}"))
    enduser("import", "events", path, data=data)
    assert found_in(data, name)
    assert enduser("retention", "run", "--yes", data=data).exit_code == 0
    assert found_in(data, name) == []
    (receipt,) = receipts(data)
    assert receipt["gone_at"] is not None
    told = enduser("retention", "run", "--yes", data=data)
    assert "run 2 deleted 0 users" in told.stdout
    assert len(told.stdout.splitlines()) == 1  # nothing is written anew for nothing


def test_a_file_in_use_that_may_have_bytes_of_who_went_is_told(folder: Path) -> None:
    with scratch_folder(folder):
        told = enduser("retention", "run", "--yes", data=folder)
    assert (told.exit_code, "is in use has bytes of it still" in told.stderr) == (2, True)
    assert users(folder) == {"eve", "zoe"}
    assert [row["gone_at"] for row in receipts(folder)] == [None]


def test_receipts_are_listed_the_newest_first(folder: Path) -> None:
    told = enduser("retention", "list", data=folder)
    assert told.stdout == "No run of the retention yet in default/production: enduser retention run\n"
    for _ in range(2):
        enduser("retention", "run", "--yes", data=folder)
    headings, newest, oldest = enduser("retention", "list", data=folder).stdout.splitlines()
    assert headings.split()[:3] == ["run", "began", "(UTC)"]
    counts = [row.split()[5:12] for row in (newest, oldest)]
    assert counts == [["0"] * 7, ["1", "2", "1", "4", "3", "0", "0"]]
    assert [row["run"] for row in receipts(folder)] == [2, 1]
    assert [row["run"] for row in receipts(folder, "--limit", 1)] == [2]


def test_it_is_judged_by_another_time_if_one_is_named(folder: Path) -> None:
    for as_of, gone in (("2025-07-03T10:00:00Z", set()), ("2025-07-03T10:00:00.000001Z", {"adam"})):
        told = enduser("retention", "run", "--as-of", as_of, "--yes", data=folder)
        assert told.exit_code == 0, told.stderr
        assert users(folder) == {"adam", "eve", "zoe"} - gone
    assert (
        "as of 2025-07-03 10:00:00 UTC"
        in enduser("retention", "run", "--as-of", "2025-07-03T10:00:00Z", "--dry-run", data=folder).stdout
    )


@pytest.mark.parametrize("text", ["yesterday", "", "2026-13-01", "2026-02-30T10:00:00Z"])
def test_what_is_no_time_is_refused(folder: Path, text: str) -> None:
    told = enduser("retention", "run", "--as-of", text, "--yes", data=folder)
    assert (told.exit_code, f"{text!r} is no time" in told.stderr) == (2, True)
    assert "2026-03-01T10:00:00Z" in told.stderr
    assert receipts(folder) == []


def test_a_time_that_has_not_come_is_refused_but_a_dry_run_says_who_would_go_then(folder: Path) -> None:
    told = enduser("retention", "run", "--as-of", "9999-01-01T00:00:00Z", "--yes", data=folder)
    assert (told.exit_code, "as of a time that has not come" in told.stderr) == (2, True)
    assert users(folder) == {"adam", "eve", "zoe"}
    told = enduser("retention", "run", "--as-of", "9999-01-01T00:00:00Z", "--dry-run", data=folder)
    assert (told.exit_code, "3 users with 4 ids" in told.stdout) == (0, True)


def test_nobody_goes_while_an_import_runs(folder: Path) -> None:
    with one_import(folder):
        told = enduser("retention", "run", "--yes", data=folder)
    assert (told.exit_code, "an import is running" in told.stderr) == (2, True)
    assert users(folder) == {"adam", "eve", "zoe"}


def test_nobody_goes_while_events_of_a_killed_server_wait(folder: Path) -> None:
    with closing(SpoolWriter(folder, 1)) as writer:
        line = json.dumps({"got": 1, "id": "adam", "msg": "m", "client": 1, "at": 1, "type": "page"})
        writer.append([frame(EVENTS, 1, 1, line.encode() + b"\n")], now_us=1)
    told = enduser("retention", "run", "--yes", data=folder)
    assert (told.exit_code, "1 accepted event may be of somebody who seems" in told.stderr) == (2, True)
    assert enduser("retention", "run", "--dry-run", data=folder).exit_code == 0
    assert users(folder) == {"adam", "eve", "zoe"}


def test_of_many_some_are_shown_and_the_others_counted(
    made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "PREVIEWED_USERS_MAX", 2)
    path = write_lines(
        tmp_path / "more.jsonl", *(event(f"u{n}", f"2025-01-01T10:00:0{n}Z") for n in range(4))
    )
    data = copied(made, tmp_path)
    enduser("import", "events", path, data=data)
    told = enduser("retention", "run", "--dry-run", data=data).stdout.splitlines()
    assert told[1:] == [
        "  u0, last sign 2025-01-01 10:00:00",
        "  u1, last sign 2025-01-01 10:00:01",
        "  and 3 more",
    ]


def test_there_must_be_a_data_folder_and_a_space(folder: Path, tmp_path: Path) -> None:
    for command in ("run", "list"):
        assert enduser("retention", command, data=tmp_path / "none").exit_code == 2
        assert enduser("retention", command, "--space", "acme/none", data=folder).exit_code == 2
    assert not (tmp_path / "none").exists()


def test_a_running_server_does_it_and_the_command_waits_for_its_end(made: Path, tmp_path: Path) -> None:
    server = Server(copied(made, tmp_path), "--collectors", 1)
    try:
        told = enduser("retention", "run", "--dry-run", data=server.data)
        assert f"as of 2026-01-02 10:30:00 UTC: {GONE}\n" in told.stdout
        told = enduser("retention", "run", "--yes", data=server.data)
        assert (told.exit_code, told.stdout) == (0, f"default/production: run 1 deleted {GONE}\n")
        assert users(server.data) == {"eve", "zoe"}
        told = enduser("retention", "run", "--as-of", "9999-01-01T00:00:00Z", "--yes", data=server.data)
        assert (told.exit_code, "has not come" in told.stderr) == (2, True)
        (receipt,) = receipts(server.data)
        assert (receipt["amount"]["users"], receipt["ended_at"] is None) == (1, False)
        server.stop()
    finally:
        server.kill()
