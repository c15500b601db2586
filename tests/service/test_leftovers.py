"""What nobody needs goes from a data folder, and who is at work is not disturbed."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import duckdb
import pytest
from searching import found_in

from enduser.errors import StoreError
from enduser.service.leftovers import clear_leftovers
from enduser.stores.scratch import scratch_folder

NOW = 1_700_000_000_000_000
NAMED = "adam.br"
KILLED = """
import os, sys
from pathlib import Path
import duckdb
from enduser.stores.scratch import scratch_folder
folder = Path(sys.argv[1])
with scratch_folder(folder) as scratch:
    (scratch / "chunk-0").write_text("adam.br")
    database = duckdb.connect(str(folder / "tmp" / "verify.duckdb"))
    database.execute("CREATE TABLE users AS SELECT 'adam.br' AS id FROM range(10)")
    os._exit(9)
"""


def put(path: Path, at_us: int = NOW) -> Path:
    """Put a file that names somebody, written at a time."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f'{{"user_id":"{NAMED}"}}\n')
    os.utime(path, ns=(at_us * 1_000, at_us * 1_000))
    return path


def test_what_a_killed_process_left_goes(tmp_path: Path) -> None:
    (tmp_path / "tmp").mkdir()
    subprocess.run([sys.executable, "-c", KILLED, tmp_path], check=False)
    for name in ("tmp/spool/lines-1.jsonl", "doors.new", "deciding.new"):
        put(tmp_path / name)
    said = {found.file for found in found_in(tmp_path, NAMED)}
    assert len(said) == 5, said
    assert "tmp/verify.duckdb.wal" in said
    assert clear_leftovers(tmp_path, NOW) == []
    assert found_in(tmp_path, NAMED) == []
    assert sorted(path.name for path in (tmp_path / "tmp").iterdir()) == ["spool", "work.lock"]


def test_of_damaged_pieces_those_go_that_are_not_younger(tmp_path: Path) -> None:
    for age in (-1, 0, 1):
        put(tmp_path / "damaged" / f"00000001-00000001-{age}-9", NOW - age)
    clear_leftovers(tmp_path, NOW)
    assert [path.name for path in (tmp_path / "damaged").iterdir()] == ["00000001-00000001--1-9"]


def test_a_folder_that_somebody_uses_stays_until_he_ends(tmp_path: Path) -> None:
    with scratch_folder(tmp_path) as used:
        put(used / "chunk-0")
        assert clear_leftovers(tmp_path, NOW) == [used]
        assert (used / "chunk-0").exists()
    assert clear_leftovers(tmp_path, NOW) == []
    assert found_in(tmp_path, NAMED) == []


def test_what_the_engine_has_no_memory_for_is_in_use_as_long_as_it_is_asked(tmp_path: Path) -> None:
    config = {"memory_limit": "60MB", "temp_directory": str(tmp_path / "tmp"), "threads": "1"}
    with duckdb.connect(str(tmp_path / "any.duckdb"), config=config) as database:
        database.execute(
            "CREATE TEMP TABLE much AS SELECT hash(i) AS a, hash(a) AS b FROM range(9000000) t(i)"
        )
        in_use = clear_leftovers(tmp_path, NOW)
        assert in_use
        assert {path.parent.name for path in in_use} == {"tmp"}
        assert database.execute("SELECT count(DISTINCT a) > 8999000 FROM much").fetchone() == (True,)
        database.execute("DROP TABLE much")
        assert clear_leftovers(tmp_path, NOW) == []


def test_a_folder_without_any_is_left_as_it_is(tmp_path: Path) -> None:
    kept = {put(tmp_path / name) for name in ("inbox/users.csv", "uploads/1", "rejected/1.csv", "doors.json")}
    assert clear_leftovers(tmp_path, NOW) == []
    assert {path for path in tmp_path.rglob("*") if path.is_file()} == kept


def test_a_file_that_cannot_be_deleted_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "damaged" / "1").mkdir(parents=True)
    with pytest.raises(StoreError, match=r"the data folder .* cannot be used: .*damaged/1: "):
        clear_leftovers(tmp_path, NOW * 10)
