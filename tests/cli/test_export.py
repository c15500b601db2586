"""Exports are whole or not there, and a reader may stop reading."""

from __future__ import annotations

import csv
import errno
import os
import subprocess
from pathlib import Path

import pytest
from ready_made import copied
from running import DEADLINE_S, command, enduser, event, write_lines

from enduser.stores.embedded import EmbeddedStore


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("made") / "data"
    path = write_lines(folder.parent / "x", *[event(f"user {n:05}") for n in range(20_000)])
    enduser("import", "events", path, "--close", data=folder)
    return folder


@pytest.fixture
def data(made: Path, tmp_path: Path) -> Path:
    """A copy of it."""
    return copied(made, tmp_path)


@pytest.mark.parametrize("what", [["users", "export"], ["users", "list", "--limit", 20_000]])
def test_a_reader_that_has_seen_enough_is_no_error(data: Path, what: list[object]) -> None:
    with subprocess.Popen(
        command(*what, "--data", data), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as writer:
        assert writer.stdout is not None
        assert writer.stderr is not None
        writer.stdout.readline()
        writer.stdout.close()
        errors = writer.stderr.read()
        assert (writer.wait(DEADLINE_S), errors) == (0, "")


def test_a_failure_while_writing_leaves_what_was_there_and_no_part(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_self: EmbeddedStore, _space: str, _what: str, path: Path, _form: str, **_: object) -> int:
        path.write_text("half")
        raise OSError(errno.ENOSPC, "No space left on device", str(path))

    target = tmp_path / "users.csv"
    target.write_text("old")
    monkeypatch.setattr(EmbeddedStore, "export", fail)
    result = enduser("users", "export", "--output", target, data=data)
    assert result.exit_code == 2
    assert "No space left on device" in result.stderr
    assert "make room on the disk" in result.stderr
    assert target.read_text() == "old"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["data", "users.csv"]


def test_a_link_stays_one_and_the_file_behind_it_is_replaced(data: Path, tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()
    target, link = tmp_path / "there" / "users.csv", tmp_path / "users.csv"
    target.write_text("old")
    link.symlink_to(target)
    (tmp_path / "there" / "users.csv.part").write_text("somebody's own")
    assert enduser("users", "export", "--output", link, data=data).exit_code == 0
    assert link.is_symlink()
    assert target.read_text().startswith("user_id,")
    assert sorted(path.name for path in target.parent.iterdir()) == ["users.csv", "users.csv.part"]
    assert (tmp_path / "there" / "users.csv.part").read_text() == "somebody's own"


def test_a_pipe_is_written_to_and_stays_a_pipe(data: Path, tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    words = command("users", "export", "--output", pipe, "--data", data)
    with subprocess.Popen(words, stderr=subprocess.PIPE, text=True) as writer:
        content = pipe.read_text()
        assert writer.wait(DEADLINE_S) == 0
    assert len(content.splitlines()) == 20_001
    assert pipe.is_fifo()


def test_a_file_is_not_written_in_another_form_than_its_name_says(tmp_path: Path) -> None:
    target = tmp_path / "users.parquet"
    target.write_text("old")
    enduser("config", "list", data=tmp_path / "data")
    result = enduser("users", "export", "--output", target, data=tmp_path / "data")
    assert result.exit_code == 2
    assert "add --format parquet" in result.stderr
    assert target.read_text() == "old"


FORMULAS = ["=1+1", "+47 12", "-1", "@x", "\t=1"]


@pytest.fixture(scope="module")
def formulas(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder with a user of each formula, who has it as an id, a property and an attribute."""
    data = tmp_path_factory.mktemp("formulas") / "data"
    said = [event(text.strip(), type="identify", traits={"name": text, "role": "a=b"}) for text in FORMULAS]
    enduser("import", "events", write_lines(data.parent / "x.jsonl", *said), "--close", data=data)
    enduser("attributes", "create", "plan", "--type", "string", data=data)
    for text in FORMULAS:
        enduser("users", "set", "--data", data, "--", text.strip(), f"plan={text.strip()}")
    return data


def rows_by_id(data: Path, *words: str) -> dict[str, dict[str, str]]:
    rows = list(csv.DictReader(enduser(*words, data=data).stdout.splitlines()))
    assert len(rows) == len(FORMULAS)
    return {row["user_id"]: row for row in rows}


def test_no_text_of_a_csv_file_is_a_formula_unless_it_is_asked_for(formulas: Path) -> None:
    safe = rows_by_id(formulas, "users", "export")
    raw = rows_by_id(formulas, "users", "export", "--raw")
    sessions = rows_by_id(formulas, "sessions", "export")
    for text in FORMULAS:
        cell = f"'{text.strip()}"
        assert (safe[cell]["name"], safe[cell]["plan"], safe[cell]["role"]) == (f"'{text}", cell, "a=b")
        told = raw[text.strip()]
        assert (told["name"], told["plan"]) == (text, text.strip())
        assert cell in sessions
