"""Opening the database file: begun and never finished, damaged, of patterns' names."""

from __future__ import annotations

import re
from pathlib import Path

import duckdb
import pytest
from stored import NOW, SPACE

from enduser.errors import StoreError
from enduser.stores.embedded import EmbeddedStore, database
from enduser.stores.records import Chunk, EventChunk, Form, ImportRules, TimeUnit

FOLDER = Path(database.__file__).parent
pytestmark = pytest.mark.usefixtures("made_anew")


def test_a_creation_that_a_crash_cut_off_is_begun_again(tmp_path: Path) -> None:
    (tmp_path / f"{database.DATABASE_FILE}.new").write_bytes(b"half a header")
    with EmbeddedStore(tmp_path, now_us=NOW) as store:
        assert store.spaces() == [SPACE]


def test_what_a_killed_engine_had_swapped_out_goes(tmp_path: Path) -> None:
    room = tmp_path / "tmp"
    room.mkdir()
    left, others = room / "duckdb_temp_storage_DEFAULT-0.tmp", room / "others"
    left.write_bytes(b"x")
    others.write_bytes(b"x")
    database.Database(tmp_path, memory_limit_mb=128).close()
    assert not left.exists()
    assert others.exists()


def test_no_temporary_table_hides_one_of_the_database(tmp_path: Path) -> None:
    """A statement would find the temporary one first."""
    code = [path.read_text() for path in FOLDER.rglob("*") if path.suffix in (".py", ".sql")]
    temporary = set(re.findall(r"TEMP (?:TABLE|VIEW) (?:IF NOT EXISTS )?(?:temp\.)?(\w+)", "".join(code)))
    assert len(temporary) > 50
    with EmbeddedStore(tmp_path, now_us=NOW) as store:
        stored = {
            name for (name,) in store._execute("SELECT table_name FROM duckdb_tables() WHERE NOT temporary")
        }
    assert "contents" in stored
    assert temporary & stored == set()


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


def test_the_engine_keeps_sight_of_a_large_insert_behind_an_empty_one(tmp_path: Path) -> None:
    """DuckDB 2.0.0 did not, until the file was opened anew; our transactions have such inserts."""
    count = 130_000  # more than one group of rows
    with duckdb.connect(tmp_path / "engine.duckdb") as engine:
        engine.execute("BEGIN")
        engine.execute(f"CREATE TABLE source AS SELECT k, k || 'y' AS id FROM range({count}) AS t(k)")
        engine.execute("CREATE TEMP TABLE target AS FROM source WHERE k < 0")
        engine.execute("INSERT INTO target FROM source")
        engine.execute("COMMIT")
        assert engine.execute("SELECT count(*) FROM target WHERE id LIKE '%y'").fetchall() == [(count,)]


def test_a_checkpoint_closes_up_part_of_the_gaps_and_later_ones_the_rest(tmp_path: Path) -> None:
    """All at once would hold up the applier for seconds, and take as much room again as the table."""
    groups = 80
    with EmbeddedStore(tmp_path, now_us=NOW) as store:
        store._execute("CREATE TABLE numbers AS SELECT k FROM range($1 * 122_880) AS t(k)", [groups])
        store._execute("CHECKPOINT")
        store._execute("DELETE FROM numbers WHERE k % 2 = 0")
        left = [_groups_after_a_checkpoint(store) for _ in range(4)]
    assert left[0] > groups / 2
    assert left == sorted(left, reverse=True)
    assert left[-1] == groups / 2


def _groups_after_a_checkpoint(store: EmbeddedStore) -> int:
    store._execute("DELETE FROM numbers WHERE k = (SELECT min(k) FROM numbers)")  # it skips idle tables
    store._execute("CHECKPOINT")
    count: int = store._execute(
        "SELECT count(DISTINCT row_group_id) FROM pragma_storage_info('main.numbers')"
    )[0][0]
    return count
