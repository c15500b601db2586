"""Which files an import takes, in chunks, with what is rejected listed."""

from __future__ import annotations

import fcntl
import io
import os
import sys
import threading
from pathlib import Path
from types import SimpleNamespace

import pytest
from running import enduser, event, file_of, write_lines

from enduser.errors import InputError
from enduser.ingest import files
from enduser.service.import_events import find_files, import_files
from enduser.stores.embedded import EmbeddedStore
from enduser.stores.records import ImportRules
from enduser.stores.scratch import scratch_folder

SPACE = "default/production"
NOW = 2_000_000_000_000_000


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "scratch").mkdir()
    return tmp_path / "scratch"


def names(found: list[files.EventFile]) -> list[str]:
    return [Path(file.name).name for file in found]


def test_a_pattern_names_its_files_in_order_and_no_folders(tmp_path: Path, folder: Path) -> None:
    for name in ("b.jsonl", "a.jsonl", "c.txt"):
        write_lines(tmp_path / name, event())
    (tmp_path / "d.jsonl").mkdir()
    (tmp_path / "deep").mkdir()
    write_lines(tmp_path / "deep" / "e.jsonl", event())
    assert names(find_files([f"{tmp_path}/*.jsonl"], "auto", folder)) == ["a.jsonl", "b.jsonl"]
    assert names(find_files([f"{tmp_path}/**/*.jsonl"], "auto", folder)) == ["a.jsonl", "b.jsonl", "e.jsonl"]


def test_a_file_whose_name_is_a_pattern_is_taken_by_its_name(tmp_path: Path, folder: Path) -> None:
    for name in ("log[1].jsonl", "log1.jsonl"):
        write_lines(tmp_path / name, event())
    assert names(find_files([f"{tmp_path}/log[1].jsonl"], "auto", folder)) == ["log[1].jsonl"]


@pytest.mark.parametrize(
    ("pattern", "message"), [("gone.csv", "no file"), ("*.csv", "no file"), ("", "folder")]
)
def test_a_pattern_of_nothing_is_an_error(tmp_path: Path, folder: Path, pattern: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        find_files([f"{tmp_path}/{pattern}"], "auto", folder)


def test_a_name_that_is_no_utf_8_is_shown_escaped(tmp_path: Path, folder: Path) -> None:
    path = Path(os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9.jsonl"))
    write_lines(path, event())
    assert names(find_files([str(path)], "auto", folder)) == [r"caf\xe9.jsonl"]


def test_standard_input_and_pipes_are_read_once_and_kept_apart(
    tmp_path: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(event("from stdin").encode())))
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    writer = threading.Thread(target=pipe.write_text, args=(event("from pipe"),))
    writer.start()
    found = find_files(["-", str(pipe)], "auto", folder)
    writer.join()
    assert [(file.name, file.path.read_text()) for file in found] == [
        ("standard input", event("from stdin")),
        (str(pipe), event("from pipe")),
    ]


def test_all_files_are_looked_at_before_one_is_taken(tmp_path: Path, folder: Path) -> None:
    good = write_lines(tmp_path / "good.jsonl", event())
    bad = file_of(tmp_path, "bad.csv", "user_id,name\nu1,x\n")
    with pytest.raises(InputError, match=r"bad\.csv lacks the column occurred_at"):
        find_files([str(good), str(bad)], "auto", folder)


def test_rejected_rows_of_all_chunks_and_files_are_listed_with_their_lines(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(files, "CHUNK_BYTES", 4_000)
    many = write_lines(tmp_path / "many.jsonl", *[event(f"u{i}") if i % 500 else "{" for i in range(1_000)])
    csv = file_of(tmp_path, "some.csv", "user_id,occurred_at\nu1,2026-01-01\nu2,never\nnull,2026-01-01\n")
    progress = []
    with EmbeddedStore(tmp_path / "data", now_us=NOW) as store, scratch_folder(store.folder) as folder:
        found = find_files([str(many), str(csv)], "auto", folder)
        summary = import_files(
            store,
            SPACE,
            found,
            ImportRules(started_at=NOW),
            progress=lambda done, total, outcomes: progress.append((done, total, outcomes.read)),
        )
    assert summary.rejected_file is not None
    assert summary.rejected_file.read_text(encoding="utf-8").splitlines() == [
        "file,line,reason",
        f"{many},1,malformed_line",
        f"{many},501,malformed_line",
        f"{csv},3,invalid_time",
        f"{csv},4,junk_user_id",
    ]
    assert progress[-1] == (many.stat().st_size + csv.stat().st_size,) * 2 + (1_003,)
    assert [done for done, _, _ in progress] == sorted(done for done, _, _ in progress)


def test_one_import_runs_at_a_time(tmp_path: Path) -> None:
    history = write_lines(tmp_path / "history.jsonl", event("u"))
    enduser("config", "list", data=tmp_path / "data")
    (tmp_path / "data" / "tmp").mkdir(exist_ok=True)
    with (tmp_path / "data" / "tmp" / "import.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        result = enduser("import", "events", history, data=tmp_path / "data")
        assert (result.exit_code, "another import is running" in result.stderr) == (2, True)
    assert enduser("import", "events", history, data=tmp_path / "data").exit_code == 0
