"""`enduser status`, `verify` and `rebuild`."""

from __future__ import annotations

import stat
from pathlib import Path

import duckdb
import pytest
from places import FLAT, write_mmdb
from ready_made import copied
from running import enduser, event, write_lines

from enduser.errors import StoreError
from enduser.stores.embedded import EmbeddedStore


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder with two users, of whom one has a property."""
    folder = tmp_path_factory.mktemp("made") / "data"
    lines = [event("u", "2026-01-01T10:00:00Z"), event("v", "2026-01-01T10:00:00Z", country="NO")]
    lines.append(event("u", "2026-01-01T10:05:00Z", type="identify", traits={"role": "x"}))
    path = write_lines(folder.parent / "x", *lines)
    enduser("import", "events", path, "--close", data=folder)
    return folder


@pytest.fixture
def data(made: Path, tmp_path: Path) -> Path:
    """A copy of it."""
    return copied(made, tmp_path)


def tamper(data: Path, statement: str) -> None:
    with duckdb.connect(str(data / "enduser.duckdb")) as connection:
        connection.execute(statement)


def test_status_shows_spaces_clocks_counts_and_files(data: Path) -> None:
    enduser("systems", "create", "acme/test", data=data)
    write_lines(data / "rejected.csv", "x" * 1_499)
    lines = [" ".join(line.split()) for line in enduser("status", data=data).stdout.splitlines()]
    assert lines[:11] == [
        "space default/production",
        "clock 2026-01-01 10:35:00 UTC (history)",
        "events 3",
        "users 2",
        "sessions 2 closed, 0 open",
        "stored 3",
        "space acme/test",
        "clock no event yet",
        "events 0",
        "users 0",
        "sessions 0 closed, 0 open",
    ]
    assert lines[11].startswith(f"data folder {data}: ")
    assert [line.split()[-1] for line in lines[12:]] == ["enduser.duckdb", "rejected.csv"]
    assert lines[-1] == "1.5 kB rejected.csv"


def test_status_passes_over_a_file_that_goes_while_it_looks(
    data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = [data / "enduser.duckdb", data / "gone.seg"]
    monkeypatch.setattr(Path, "rglob", lambda *_: iter(found))
    monkeypatch.setattr(Path, "is_file", lambda _: True)
    status = enduser("status", data=data)
    assert status.exit_code == 0
    assert "enduser.duckdb" in status.stdout
    assert "gone.seg" not in status.stdout


def test_status_can_show_one_space_alone(data: Path) -> None:
    enduser("systems", "create", "acme/test", data=data)
    result = enduser("status", "--space", "acme/test", data=data)
    assert [line for line in result.stdout.splitlines() if line.startswith("space")] == ["space acme/test"]
    assert enduser("status", "--space", "acme/gone", data=data).exit_code == 2


def test_status_of_events_at_the_epoch_shows_their_clock(tmp_path: Path) -> None:
    path = write_lines(tmp_path / "x", event("u", "1970-01-01T00:00:00Z"))
    result = enduser("import", "events", path, data=tmp_path / "data")
    assert "clock       1970-01-01 00:00:00 UTC" in result.stdout
    assert "1970-01-01 00:00:00 UTC" in enduser("status", data=tmp_path / "data").stdout


@pytest.mark.parametrize(
    "arguments",
    [
        *(["status"], ["verify"], ["rebuild"], ["users", "list"], ["users", "show", "ada"]),
        *(["users", "export", "--output", "x.csv"], ["sessions", "export", "--output", "x.csv"]),
        *(["keys", "list"], ["keys", "revoke", "x"]),
    ],
)
def test_what_shows_or_checks_makes_no_folder_of_a_mistyped_name(
    tmp_path: Path, arguments: list[str]
) -> None:
    result = enduser(*arguments, data=tmp_path / "mistyped")
    assert result.exit_code == 2
    assert f"there is no data folder {tmp_path / 'mistyped'}\n  name it with --data" in result.stderr
    assert not (tmp_path / "mistyped").exists()


@pytest.mark.parametrize(
    "command",
    [
        *("status", "verify", "users list", "keys list", "systems list", "config list"),
        "keys create --role admin",
    ],
)
def test_a_folder_of_others_is_made_no_data_folder_by_who_only_looks(tmp_path: Path, command: str) -> None:
    (tmp_path / "data-of-may").mkdir()
    result = enduser(*command.split(), data=tmp_path)
    assert result.exit_code == 2
    assert f"{tmp_path} is no data folder: it has no enduser.duckdb, but data-of-may\n" in result.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["data-of-may"]


@pytest.mark.usefixtures("made_anew")
@pytest.mark.parametrize(
    "name", ["geo", "control.sqlite", "enduser.duckdb.new", "serving-1.sqlite-wal", ".DS_Store"]
)
def test_a_folder_that_was_begun_otherwise_is_a_new_data_folder(tmp_path: Path, name: str) -> None:
    (tmp_path / name).touch()
    assert enduser("config", "list", data=tmp_path).exit_code == 0


@pytest.mark.usefixtures("made_anew")
@pytest.mark.parametrize("arguments", [["systems", "list"], ["config", "list"], ["config", "get", "exclude"]])
def test_what_makes_a_folder_that_it_does_not_fill_says_so(tmp_path: Path, arguments: list[str]) -> None:
    data = tmp_path / "deep" / "new"
    note = f"note: the data folder {data} is new, and empty\n"
    assert enduser(*arguments, data=data).stderr == note
    assert (data / "enduser.duckdb").exists()
    assert enduser(*arguments, data=data).stderr == ""


@pytest.mark.usefixtures("made_anew")
def test_only_its_owner_sees_into_a_data_folder(tmp_path: Path) -> None:
    city_file = write_mmdb(tmp_path / "city.mmdb", {"5.6.0.0/16": FLAT})
    for number, arguments in enumerate(
        (["config", "list"], ["keys", "create", "--role", "admin"], ["geo", "install", "--file", city_file])
    ):
        data = tmp_path / str(number)
        assert enduser(*arguments, data=data).exit_code == 0
        assert stat.S_IMODE(data.stat().st_mode) == 0o700


def test_verify_is_clean_after_an_import(data: Path) -> None:
    result = enduser("verify", data=data)
    assert (result.exit_code, result.stdout) == (
        0,
        "default/production: 2 users and 2 sessions equal 3 events\n",
    )


@pytest.mark.parametrize(
    ("statement", "kind", "whose"),
    [
        ("UPDATE space_1.sessions SET ended_at = ended_at + 1 WHERE events = 2", "session", "'u'"),
        ("DELETE FROM space_1.sessions WHERE events = 1", "session", "'v'"),
        ("UPDATE space_1.users SET total_sessions = 7 WHERE role IS NULL", "user", "'v'"),
        ("UPDATE space_1.users SET role = 'y' WHERE role = 'x'", "user", "'u'"),
        ("DELETE FROM space_1.events WHERE type = 'identify'", "session", "'u'"),
        ("DELETE FROM space_1.property_events", "property", "'u'"),
    ],
)
def test_verify_names_each_difference_and_ends_with_1_and_rebuild_mends_it(
    data: Path, statement: str, kind: str, whose: str
) -> None:
    tamper(data, statement)
    result = enduser("verify", data=data)
    assert result.exit_code == 1
    assert any(line.startswith(f"{kind} of {whose} ") for line in result.stdout.splitlines())
    assert "to recompute what is stored: enduser rebuild" in result.stdout.splitlines()[-1]
    rebuilt = enduser("rebuild", data=data)
    assert rebuilt.exit_code == 0
    assert rebuilt.stdout.startswith("default/production: 2 users and 2 sessions from ")
    assert enduser("verify", data=data).exit_code == 0


@pytest.fixture
def no_fold(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let every fold fail, as one does in sessions that are stored wrongly."""

    def fail(*_: object) -> None:
        raise StoreError("the fold failed")

    monkeypatch.setattr(EmbeddedStore, "fold", fail)


@pytest.mark.usefixtures("no_fold")
@pytest.mark.parametrize(
    "arguments",
    [
        *(["rebuild"], ["status"], ["config", "list"], ["config", "get", "time_zone"]),
        *(
            ["config", "set", "inactivity_window_s", "60", "--yes"],
            ["config", "set", "time_zone", "Asia/Tokyo"],
        ),
        *(["systems", "list"], ["systems", "create", "acme/test"], ["geo", "install"]),
    ],
    ids=" ".join,
)
def test_what_looks_at_or_repairs_a_folder_does_not_need_its_fold(data: Path, arguments: list[str]) -> None:
    more = ["--file", write_mmdb(data / "c.mmdb", {"5.6.0.0/16": FLAT})] if arguments[0] == "geo" else []
    result = enduser(*arguments, *more, data=data)
    assert result.exit_code == 0
    assert "error" not in result.stderr


@pytest.mark.usefixtures("no_fold")
@pytest.mark.parametrize(
    "arguments",
    [["users", "list"], ["users", "show", "u"], ["users", "export"], ["sessions", "export"], ["verify"]],
    ids=" ".join,
)
def test_what_reads_users_and_sessions_folds_first(data: Path, arguments: list[str]) -> None:
    result = enduser(*arguments, data=data)
    assert (result.exit_code, result.stderr) == (2, "error: the fold failed\n")


def test_an_import_that_stopped_before_its_fold_is_no_difference(
    tmp_path: Path, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(EmbeddedStore, "fold", fail)
        path = write_lines(tmp_path / "y", event("w", "2026-01-02T10:00:00Z"))
        assert enduser("import", "events", path, "--close", data=data).exit_code == 130
    assert "users                             2\n" in enduser("status", data=data).stdout
    assert (
        enduser("verify", data=data).stdout == "default/production: 3 users and 3 sessions equal 4 events\n"
    )


def test_one_difference_is_one_difference(data: Path) -> None:
    tamper(
        data,
        "INSERT INTO space_1.property_events "
        "SELECT * REPLACE ('info' AS property) FROM space_1.property_events",
    )
    assert enduser("verify", data=data).stdout.splitlines()[-1].startswith("1 difference; ")


def test_a_folder_written_by_a_later_version_is_refused(data: Path) -> None:
    tamper(data, "UPDATE main.schema_versions SET version = 999 WHERE scope = 'main'")
    result = enduser("status", data=data)
    assert result.exit_code == 2
    assert "schema version 999" in result.stderr


def test_a_database_that_is_none_is_an_error_that_names_it(tmp_path: Path) -> None:
    (tmp_path / "enduser.duckdb").write_bytes(b"rubbish" * 1_000)
    result = enduser("status", data=tmp_path)
    assert result.exit_code == 2
    assert f"the database {tmp_path / 'enduser.duckdb'} cannot be opened" in result.stderr


@pytest.mark.parametrize("path", ["file", "file/below"])
def test_a_data_folder_that_is_a_file_is_an_error_that_names_it(tmp_path: Path, path: str) -> None:
    (tmp_path / "file").write_text("")
    result = enduser("config", "list", data=tmp_path / path)
    assert result.exit_code == 2
    assert result.stderr.startswith(f"error: the data folder {tmp_path / path} cannot be used: ")


def test_too_little_memory_is_refused(tmp_path: Path) -> None:
    result = enduser("status", "--memory-limit", 255, data=tmp_path)
    assert result.exit_code == 2
    assert result.stderr.startswith("error: a memory limit of 255 MB is ")
    assert "256" in result.stderr
