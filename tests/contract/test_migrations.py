"""A data folder of every schema version is brought to the newest and says what it said.

After adding a migration, store a folder of the version before it and one of the new version:
`PYTHONPATH=tests/contract .venv/bin/python tests/contract/test_migrations.py`.
"""

from __future__ import annotations

import gzip
import json
import random
import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import Any

import duckdb
import pytest

from enduser.core.attributes import API, Attribute, AttributeType
from enduser.core.lists import ListAction
from enduser.errors import SchemaTooNew
from enduser.stores.embedded import EmbeddedStore, database
from enduser.stores.records import ChangeSettings, WriteList, WriteValues
from enduser.stores.row_file import RowFile, ValueColumn, row_of, write_ids

DATA = Path(__file__).parent.parent / "data"
STORED = sorted(DATA.glob("schema-*.duckdb.gz"))
SPACE = "default/production"
NOW = 2_000_000_000_000_000


def version() -> str:
    return "-".join(f"{kind}{database.migrations(kind)[-1][0]}" for kind in ("main", "space"))


def said(store: EmbeddedStore) -> dict[str, Any]:
    return {
        "users": list(store.users(SPACE)),
        "sessions": list(store.sessions(SPACE)),
        "lists": [asdict(one) for one in store.lists(SPACE)],
    }


def unpacked(archive: Path, folder: Path) -> Path:
    folder.mkdir()
    (folder / database.DATABASE_FILE).write_bytes(gzip.decompress(archive.read_bytes()))
    return folder


@pytest.mark.parametrize("archive", STORED, ids=lambda path: path.name)
def test_a_stored_folder_opens_and_says_what_it_said(archive: Path, tmp_path: Path) -> None:
    expected = json.loads(archive.with_suffix("").with_suffix(".json").read_text())
    with EmbeddedStore(unpacked(archive, tmp_path / "data"), now_us=NOW) as store:
        users = [{"attributes": {}, **row} for row in expected["users"]]
        assert said(store) == {"lists": [], **expected, "users": users}
        assert store.verify(SPACE) == []
        assert store.settings(SPACE).session_cap_s == 3_600


@pytest.mark.parametrize("archive", STORED, ids=lambda path: path.name)
def test_the_spaces_of_a_stored_folder_have_guids_that_they_keep(archive: Path, tmp_path: Path) -> None:
    folder = unpacked(archive, tmp_path / "data")
    found = []
    for _ in range(2):
        with EmbeddedStore(folder, now_us=NOW) as store:
            found.append(store.guids())
    assert (len(found[0][SPACE]), found[1]) == (36, found[0])


def test_there_is_a_stored_folder_of_the_newest_schema() -> None:
    assert f"schema-{version()}.duckdb.gz" in {path.name for path in STORED}


def test_a_folder_of_a_later_version_is_refused(tmp_path: Path) -> None:
    folder = unpacked(STORED[-1], tmp_path / "data")
    with duckdb.connect(str(folder / database.DATABASE_FILE)) as connection:
        connection.execute("UPDATE main.schema_versions SET version = 999")
    with pytest.raises(SchemaTooNew, match="999"):
        EmbeddedStore(folder, now_us=NOW)


def store_folder() -> None:
    """Write a small data folder of the present version and what it says into tests/data."""
    from histories import random_history
    from stored import take

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with EmbeddedStore(folder / "data", now_us=NOW) as store:
            store.apply(SPACE, ChangeSettings({"session_cap_s": "3600"}))
            rows = random_history(random.Random(7), users=12, events=25, span_s=20_000_000)
            take(store, folder, rows)
            store.fold(SPACE)
            store.create_attribute(Attribute("plan", AttributeType.STRING))
            rows = folder / "values.txt"
            rows.write_text(
                "".join(row_of(number, [f"u{number}", f"plan {number % 3}"]) for number in range(9))
            )
            columns = [ValueColumn("plan", 2)]
            store.apply(SPACE, WriteValues(API, RowFile([rows], 3, columns), 1_700_000_000_000_000))
            ids = write_ids(folder / "ids.txt", ["u1", "nobody"], "plain")
            store.apply(SPACE, WriteList("staff", ListAction.CREATE, ids, 1_700_000_000_000_000, "Staff"))
            found = said(store)
        content = (folder / "data" / database.DATABASE_FILE).read_bytes()
    DATA.mkdir(exist_ok=True)
    target = DATA / f"schema-{version()}.duckdb.gz"
    target.write_bytes(gzip.compress(content, mtime=0))
    target.with_suffix("").with_suffix(".json").write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    store_folder()
