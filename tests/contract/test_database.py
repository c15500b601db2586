"""Opening the database file: begun and never finished, damaged, of patterns' names."""

from __future__ import annotations

from pathlib import Path

import duckdb
import pytest
from stored import NOW, SPACE

from enduser.errors import StoreError
from enduser.stores.contract import Chunk, EventChunk, Form, ImportRules, TimeUnit
from enduser.stores.embedded import EmbeddedStore, database


def test_a_creation_that_a_crash_cut_off_is_begun_again(tmp_path: Path) -> None:
    (tmp_path / f"{database.DATABASE_FILE}.new").write_bytes(b"half a header")
    with EmbeddedStore(tmp_path, now_us=NOW) as store:
        assert store.spaces() == [SPACE]


def test_a_damaged_database_is_a_clear_error(tmp_path: Path) -> None:
    (tmp_path / database.DATABASE_FILE).write_bytes(b"no database at all" * 1_000)
    with pytest.raises(StoreError, match="cannot be opened"):
        EmbeddedStore(tmp_path, now_us=NOW)


@pytest.mark.parametrize("name", ["p[1].parquet", "a*.parquet", "o'neil.parquet", "?.parquet"])
def test_a_file_whose_name_looks_like_a_pattern_is_read_itself(tmp_path: Path, name: str) -> None:
    for file, user in ((name, "right"), ("p1.parquet", "wrong"), ("ab.parquet", "wrong")):
        target = str(tmp_path / file).replace("'", "''")
        duckdb.execute(f"COPY (SELECT '{user}' AS user_id, 0 AS occurred_at) TO '{target}' (FORMAT parquet)")
    with EmbeddedStore(tmp_path / "data", now_us=NOW) as store:
        assert store.count_parquet_rows(tmp_path / name) == 1
        rules = ImportRules(started_at=NOW, time_unit=TimeUnit(1))
        store.apply(SPACE, EventChunk(Chunk(tmp_path / name, Form.PARQUET, 1, 1), rules))
        assert store._execute("SELECT id FROM space_1.user_ids") == [("right",)]
