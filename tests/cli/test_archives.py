"""`enduser users export-person`: all that is held on one person as a file."""

from __future__ import annotations

import json
import os
import subprocess
from contextlib import closing
from pathlib import Path

import pytest
from held import Archive, unpacked
from ready_made import copied
from running import DEADLINE_S, command, enduser, event, write_lines

from enduser.ingest.spool import EVENTS, SpoolWriter, frame
from enduser.stores.embedded import EmbeddedStore


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder that tests only read."""
    folder = tmp_path_factory.mktemp("people")
    lines = [event("adam", name="-1+1"), event(None, anonymous_id="a-1"), event("eve")]
    path = write_lines(folder / "events.jsonl", *lines)
    assert enduser("import", "events", path, "--close", data=folder / "data").exit_code == 0
    return folder / "data"


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder in which commands run."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def archive_in(path: Path) -> Archive:
    return unpacked(path.read_bytes())


def test_without_an_output_the_file_has_a_name_that_tells_nobody(data: Path, here: Path) -> None:
    told = enduser("users", "export-person", "adam", data=data)
    assert (told.exit_code, told.stdout) == (0, "")
    assert told.stderr == "all that is held on the person is written to person.zip\n"
    assert [path.name for path in here.iterdir()] == ["person.zip"]
    found = archive_in(here / "person.zip")
    assert found.cells("events", "user_id", "name") == [("adam", "'-1+1")]
    assert [path.name for path in (data / "tmp").glob("work-*")] == []


def test_a_file_that_is_there_is_replaced_only_if_it_is_said(data: Path, here: Path) -> None:
    target = here / "x.zip"
    target.write_text("of another person")
    asked = enduser("users", "export-person", "adam", "--output", target, data=data)
    assert asked.exit_code == 2
    assert "Replace it?" in asked.stderr
    assert "--yes" in asked.stderr
    assert target.read_text() == "of another person"
    assert enduser("users", "export-person", "adam", "--output", target, "--yes", data=data).exit_code == 0
    assert archive_in(target).user["shown"]["id"] == "adam"


@pytest.mark.parametrize("words", [["gone"], ["adam", "--id-kind", "anonymous"], ["a-1"]])
def test_of_whom_nothing_is_known_there_is_none_and_nothing_is_written(
    data: Path, here: Path, words: list[str]
) -> None:
    told = enduser("users", "export-person", *words, data=data)
    assert told.exit_code == 1
    assert "there is no user" in told.stderr
    assert [*here.iterdir()] == []


def test_an_anonymous_id_is_named_with_its_kind(data: Path, here: Path) -> None:
    told = enduser("users", "export-person", "a-1", "--id-kind", "anonymous", data=data)
    assert told.exit_code == 0
    assert archive_in(here / "person.zip").user["shown"] == {"id": "a-1", "kind": "anonymous"}


def test_it_can_be_written_to_standard_output_and_to_a_pipe(data: Path, here: Path) -> None:
    words = ("users", "export-person", "adam", "--data", data, "--output")
    piped = subprocess.run(command(*words, "-"), capture_output=True, check=True, timeout=DEADLINE_S)
    assert unpacked(piped.stdout).user["shown"]["id"] == "adam"
    pipe = here / "pipe"
    os.mkfifo(pipe)
    with subprocess.Popen(command(*words, pipe), stderr=subprocess.PIPE) as writer:
        content = pipe.read_bytes()
        assert writer.wait(DEADLINE_S) == 0
    assert unpacked(content).user["shown"]["id"] == "adam"
    assert pipe.is_fifo()


def test_where_no_file_can_be_is_said_before_anything_is_done(data: Path, here: Path) -> None:
    for output in (here, here / "no" / "x.zip"):
        told = enduser("users", "export-person", "adam", "--output", output, data=data)
        assert told.exit_code == 2
        assert "name a file in a folder that exists" in told.stderr


def test_a_failure_while_writing_leaves_what_was_there_and_no_part(
    data: Path, here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_self: EmbeddedStore, _space: str, _id: str, _kind: str, folder: Path) -> None:
        (folder / "events.csv").write_text("half")
        raise OSError(28, "No space left on device", str(folder))

    (here / "person.zip").write_text("old")
    monkeypatch.setattr(EmbeddedStore, "write_person", fail)
    told = enduser("users", "export-person", "adam", "--yes", data=data)
    assert told.exit_code == 2
    assert "No space left on device" in told.stderr
    assert [(path.name, path.read_text()) for path in here.iterdir()] == [("person.zip", "old")]


def test_events_that_a_killed_server_accepted_are_said_not_to_be_in_it(data: Path, here: Path) -> None:
    own = copied(data, here)
    with closing(SpoolWriter(own, 1)) as writer:
        line = json.dumps({"got": 1, "id": "adam", "msg": "m", "client": 1, "at": 1, "type": "page"})
        writer.append([frame(EVENTS, 1, 1, line.encode() + b"\n")], now_us=1)
    told = enduser("users", "export-person", "adam", data=own)
    assert told.exit_code == 0
    assert "note: 1 accepted event may be this person's, and cannot be in the archive yet" in told.stderr
    assert len(archive_in(here / "person.zip").rows("events")) == 1
