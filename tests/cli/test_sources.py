"""`enduser sources`: a file is looked at, mapped, tried, run, and taken back."""

from __future__ import annotations

import gzip
import json
import os
from pathlib import Path

import pytest
from ready_made import copied
from running import enduser, event, write_lines

from enduser import limits
from enduser.stores.control import ControlStore
from enduser.stores.jobs import JobKind, SourceInput, create_job

CSV = """\
E-mail;Plan;Seats;Since;Country
adam@x.no;vip;1.234,50;31.12.2024;NO
eve@x.no;free;7,5;01.02.2024;
eve@x.no;team;8,5;01.03.2024;SE
guest;x;1;01.01.2024;NO
bob@x.no;"a ""quoted"" one";x;31.02.2024;NO
short
"""


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder with the users `adam@x.no` and `eve@x.no`."""
    folder = tmp_path_factory.mktemp("made") / "data"
    events = [event(f"{name}@x.no", "2026-01-01T10:00:00Z") for name in ("adam", "eve")]
    path = write_lines(folder.parent / "events.jsonl", *events)
    enduser("import", "events", path, "--close", data=folder)
    return folder


@pytest.fixture
def data(made: Path, tmp_path: Path) -> Path:
    """A copy of it."""
    return copied(made, tmp_path)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "crm.csv"
    path.write_text(CSV)
    return path


def map_all(data: Path, file: Path, *more: str) -> None:
    take = ("--take", "Plan=plan", "--take", "Seats=seats:number", "--take", "Since=since:date")
    told = enduser("sources", "map", "crm", file, *take, *more, "--yes", data=data)
    assert told.exit_code == 0, told.stderr


def attributes(data: Path) -> dict[str, object]:
    lines = enduser("users", "export", "--format", "jsonl", data=data).stdout.splitlines()
    return {row["user_id"]: row["attributes"] for row in map(json.loads, lines)}


ADAM = {"plan": "vip", "seats": 1234.5, "since": "2024-12-31"}
EVE = {"plan": "team", "seats": 8.5, "since": "2024-03-01"}
NOTHING = dict.fromkeys(ADAM)


def test_a_file_is_looked_at(file: Path) -> None:
    lines = enduser("sources", "look", file).stdout.splitlines()
    assert lines[-1] == "utf-8, cells parted by ;"
    assert lines[1].split()[:2] == ["E-mail", "string"]
    assert "mostly number" in lines[3]


def test_a_mapping_makes_the_attributes_that_are_missing(data: Path, file: Path) -> None:
    told = enduser("sources", "map", "crm", file, "--yes", data=data)
    assert "made the attributes Plan, Seats, Since, custom_Country" in told.stdout
    again = enduser("sources", "map", "crm", file, "--skip", "Country", "--yes", data=data)
    assert "made" not in again.stdout
    assert enduser("sources", "list", data=data).stdout.splitlines()[3].split(maxsplit=2) == [
        *("crm", "csv"),
        "Plan, Seats, Since",
    ]


def test_nothing_is_saved_without_a_yes(data: Path, file: Path) -> None:
    assert enduser("sources", "map", "crm", file, data=data).exit_code == 2
    assert "No custom attributes" in enduser("attributes", "list", data=data).stdout


def test_a_dry_run_shows_what_would_be_and_changes_nothing(data: Path, file: Path) -> None:
    map_all(data, file)
    told = enduser("sources", "run", "crm", file, "--dry-run", data=data)
    assert told.exit_code == 1
    assert {
        line.split()[0]: line.split()[1]
        for line in told.stdout.splitlines()
        if line.startswith(("plan", "seats"))
    } == {
        "plan": "3",
        "seats": "2",
    }
    assert attributes(data) == {"adam@x.no": NOTHING, "eve@x.no": NOTHING}
    assert "undo" not in told.stdout
    assert len(enduser("sources", "runs", data=data).stdout.splitlines()) == 1


def test_a_run_takes_what_is_good_and_lists_the_rest(data: Path, file: Path) -> None:
    map_all(data, file)
    told = enduser("sources", "run", "crm", file, data=data)
    assert told.exit_code == 1
    counts = [line.split()[1] for line in told.stdout.splitlines()[:6]]
    assert counts == ["6", "3", "0", "0", "1", "2"]
    assert attributes(data) == {"adam@x.no": ADAM, "eve@x.no": EVE}
    (rejected,) = (data / "rejected").glob("default.production.crm.*.csv")
    assert rejected.read_text().splitlines() == [
        "row,attribute,reason",
        "5,,junk_user_id",
        "6,seats,wrong_type",
        "6,since,wrong_type",
        "7,,malformed_row",
    ]
    (run,) = enduser("sources", "runs", data=data).stdout.splitlines()[1:]
    assert run.split()[:2] == ["1", "crm"]


def test_the_same_file_again_changes_nothing_and_undoing_gives_back_what_was(data: Path, file: Path) -> None:
    map_all(data, file)
    enduser("sources", "run", "crm", file, data=data)
    again = enduser("sources", "run", "crm", file, data=data).stdout.splitlines()
    assert [line.split()[1] for line in again[:4]] == ["6", "0", "0", "3"]
    for run in (2, 1):
        assert enduser("sources", "undo", run, "--yes", data=data).exit_code == 0
    assert attributes(data) == {"adam@x.no": NOTHING, "eve@x.no": NOTHING}
    told = enduser("sources", "undo", 1, "--yes", data=data)
    assert (told.exit_code, "no run 1" in told.stderr) == (2, True)


def test_a_compressed_file_with_other_columns_around_is_taken_too(
    data: Path, file: Path, tmp_path: Path
) -> None:
    map_all(data, file)
    packed = tmp_path / "later.csv.gz"
    packed.write_bytes(gzip.compress(b"New;Since;Seats;Plan;E-mail\nx;01.01.2025;2,5;free;adam@x.no\n"))
    assert enduser("sources", "run", "crm", packed, data=data).exit_code == 0
    assert attributes(data)["adam@x.no"] == {"plan": "free", "seats": 2.5, "since": "2025-01-01"}


def test_a_file_that_unpacks_beyond_the_limit_is_refused_whole(
    data: Path, file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    map_all(data, file)
    packed = tmp_path / "crm.csv.gz"
    packed.write_bytes(gzip.compress(CSV.encode()))
    monkeypatch.setattr(limits, "UNPACKED_BYTES_MAX", len(CSV.encode()) - 1)
    told = enduser("sources", "run", "crm", packed, data=data)
    assert (told.exit_code, "UNPACKED_BYTES_MAX" in told.stderr) == (2, True), told.stderr
    assert attributes(data) == {"adam@x.no": NOTHING, "eve@x.no": NOTHING}


def test_a_file_that_lacks_a_column_is_refused_whole(data: Path, file: Path, tmp_path: Path) -> None:
    map_all(data, file)
    other = tmp_path / "other.csv"
    other.write_text("E-mail;Plan;Since\nadam@x.no;vip;01.01.2024\n")
    told = enduser("sources", "run", "crm", other, data=data)
    assert told.exit_code == 2
    assert "'Seats'" in told.stderr
    assert attributes(data)["adam@x.no"] == NOTHING


def test_a_column_can_say_from_when_on_a_row_holds(data: Path, tmp_path: Path) -> None:
    file = tmp_path / "history.csv"
    file.write_text("user_id,plan,at\nadam@x.no,vip,2026-02-01\nadam@x.no,free,2026-01-01\n")
    enduser("sources", "map", "crm", file, "--effective-at", "at", "--yes", data=data)
    assert enduser("sources", "run", "crm", file, data=data).exit_code == 0
    assert attributes(data)["adam@x.no"] == {"plan": "vip"}
    history = enduser("users", "history", "adam@x.no", data=data).stdout.splitlines()[1:]
    assert [line.split()[0] for line in history] == ["2026-02-01", "2026-01-01"]


def test_a_blank_cell_clears_where_that_is_meant(data: Path, tmp_path: Path) -> None:
    file = tmp_path / "crm.csv"
    for blank, left in (("keep", {"plan": "vip"}), ("clear", {"plan": None})):
        file.write_text("user_id,plan,x\nadam@x.no,vip,1\n")
        enduser("sources", "map", "crm", file, "--take", "plan", "--blank", blank, "--yes", data=data)
        enduser("sources", "run", "crm", file, data=data)
        file.write_text("user_id,plan,x\nadam@x.no,,1\n")
        assert enduser("sources", "run", "crm", file, data=data).exit_code == 0
        assert attributes(data)["adam@x.no"] == left


def test_a_file_of_which_nothing_can_be_taken_is_an_error(data: Path, file: Path, tmp_path: Path) -> None:
    map_all(data, file)
    bad = tmp_path / "bad.csv"
    bad.write_text("E-mail;Plan;Seats;Since\nnull;vip;1;01.01.2024\n")
    told = enduser("sources", "run", "crm", bad, data=data)
    assert (told.exit_code, "every row was rejected" in told.stderr) == (2, True)


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (("map", "Crm", "FILE", "--yes"), "'Crm'"),
        (("map", "api", "FILE", "--yes"), "'api'"),
        (("map", "crm", "FILE", "--id", "Nothing", "--yes"), "'Nothing'"),
        (("map", "crm", "FILE", "--take", "Plan=plan:text", "--yes"), "'text'"),
        (("map", "crm", "FILE", "--take", "Plan=country", "--yes"), "country"),
        (("run", "crm", "FILE"), "'crm'"),
        (("run", "crm", "NOWHERE"), "'crm'"),
        (("delete", "crm", "--yes"), "'crm'"),
        (("undo", "7"), "run 7"),
    ],
)
def test_what_cannot_be_is_told(data: Path, file: Path, arguments: tuple[str, ...], word: str) -> None:
    told = enduser("sources", *(file if word == "FILE" else word for word in arguments), data=data)
    assert (told.exit_code, word in told.stderr) == (2, True), told.stderr


def test_a_deleted_source_leaves_its_values(data: Path, file: Path) -> None:
    map_all(data, file)
    enduser("sources", "run", "crm", file, data=data)
    assert enduser("sources", "delete", "crm", "--yes", data=data).exit_code == 0
    assert attributes(data)["adam@x.no"] == ADAM
    assert enduser("sources", "run", "crm", file, data=data).exit_code == 2


def test_a_broken_archive_and_a_missing_file_are_told(data: Path, tmp_path: Path) -> None:
    broken = tmp_path / "broken.csv.gz"
    broken.write_bytes(gzip.compress(b"user_id,plan\nu,vip\n" * 1_000)[:40])
    for path, word in ((broken, "cannot be decompressed"), (tmp_path / "none.csv", "cannot be read")):
        told = enduser("sources", "map", "crm", path, "--yes", data=data)
        assert (told.exit_code, word in told.stderr) == (2, True), told.stderr


# --- files of the inbox, and what a server does by itself


def put(data: Path, name: str, *rows: str, at_s: int = 1_000) -> Path:
    path = data / "inbox" / name
    path.parent.mkdir(exist_ok=True)
    path.write_text("\n".join(["E-mail;Plan;Tags", *rows, ""]))
    os.utime(path, (at_s, at_s))
    return path


def test_a_source_of_the_inbox_takes_each_file_once(data: Path) -> None:
    made = enduser("sources", "create-inbox", "crm", "--files", "crm-*.csv", data=data)
    assert made.exit_code == 0, made.stderr
    first = put(data, "crm-1.csv", "adam@x.no;vip;a|b")
    take = ("--take", "Plan=plan", "--take", "Tags=tags:list", "--list-separator", "|")
    assert enduser("sources", "map", "crm", first, *take, "--yes", data=data).exit_code == 0
    dry = enduser("sources", "run", "crm", "--dry-run", data=data)
    assert (dry.exit_code, dry.stdout.splitlines()[0]) == (0, "crm-1.csv")
    assert attributes(data)["adam@x.no"] == {"plan": None, "tags": None}
    put(data, "crm-2.csv", "eve@x.no;free;", at_s=2_000)
    told = enduser("sources", "run", "crm", data=data)
    assert [line for line in told.stdout.splitlines() if line.endswith(".csv")] == ["crm-1.csv", "crm-2.csv"]
    assert attributes(data) == {
        "adam@x.no": {"plan": "vip", "tags": ["a", "b"]},
        "eve@x.no": {"plan": "free", "tags": None},
    }
    again = enduser("sources", "run", "crm", data=data)
    assert again.stdout == "there is nothing that crm has not taken yet\n"
    put(data, "crm-1.csv", "adam@x.no;gold;c", at_s=3_000)
    assert enduser("sources", "run", "crm", data=data).exit_code == 0
    assert attributes(data)["adam@x.no"] == {"plan": "gold", "tags": ["c"]}


def test_of_files_of_which_one_cannot_be_taken_those_before_it_are(data: Path) -> None:
    enduser("sources", "create-inbox", "crm", "--files", "crm-*.csv", data=data)
    first = put(data, "crm-1.csv", "adam@x.no;vip;")
    enduser("sources", "map", "crm", first, "--take", "Plan=plan", "--yes", data=data)
    bad = data / "inbox" / "crm-2.csv"
    bad.write_text("E-mail;Other\nadam@x.no;1\n")
    told = enduser("sources", "run", "crm", data=data)
    assert (told.exit_code, "Plan" in told.stderr) == (2, True)
    assert attributes(data)["adam@x.no"] == {"plan": "vip"}
    bad.unlink()
    assert "nothing" in enduser("sources", "run", "crm", data=data).stdout


def test_a_schedule_is_set_shown_and_taken_away(data: Path) -> None:
    enduser("sources", "create-inbox", "crm", "--files", "crm-*.csv", data=data)
    zone = ("--time-zone", "Asia/Kolkata")
    told = enduser("sources", "schedule", "crm", "--cron", "0 3 * * *", *zone, data=data)
    assert (told.exit_code, "21:30" in told.stdout) == (0, True), told.stderr
    assert "21:30" in enduser("sources", "list", data=data).stdout
    refused = enduser("sources", "schedule", "crm", "--cron", "30 3 * *", data=data)
    assert (refused.exit_code, "30 3 * * 1-5" in refused.stderr) == (2, True)
    assert "21:30" in enduser("sources", "list", data=data).stdout
    assert enduser("sources", "schedule", "crm", data=data).exit_code == 2
    assert enduser("sources", "schedule", "crm", "--never", data=data).exit_code == 0
    assert "21:30" not in enduser("sources", "list", data=data).stdout


def test_a_source_of_files_that_are_sent_needs_one_named(data: Path, file: Path) -> None:
    map_all(data, file)
    told = enduser("sources", "run", "crm", data=data)
    assert told.exit_code == 2
    assert "FILE" in told.stderr + told.stdout


def test_jobs_are_listed_and_cancelled(data: Path) -> None:
    with ControlStore(data) as control:
        for kind in (JobKind.PREVIEW, JobKind.RUN):
            create_job(control, "default/production", "crm", kind, [SourceInput("crm.csv")], 0)
    cancelled = enduser("sources", "cancel", "1", data=data)
    assert (cancelled.exit_code, cancelled.stdout) == (0, "job 1 is cancelled\n")
    _, newest, oldest = enduser("sources", "jobs", data=data).stdout.splitlines()
    assert newest.split()[:4] == ["2", "crm", "run", "waiting"]
    assert oldest.split()[:4] == ["1", "crm", "preview", "cancelled"]
    assert enduser("sources", "cancel", "1", data=data).exit_code == 2
    assert enduser("sources", "jobs", "other", data=data).stdout.count("\n") == 1


# --- files that are written otherwise than the mapping says


def test_of_a_file_in_another_encoding_no_row_is_lost_but_all_are_refused(data: Path, tmp_path: Path) -> None:
    first = tmp_path / "first.csv"
    first.write_text("K;Plan\nadam@x.no;vip\n")
    assert (
        enduser(
            "sources", "map", "crm", first, "--id", "K", "--take", "Plan=plan", "--yes", data=data
        ).exit_code
        == 0
    )
    second = tmp_path / "second.csv"
    second.write_bytes(b"K;Plan;L\xe4uft\nadam@x.no;free;1\neve@x.no;free;2\n")
    told = enduser("sources", "run", "crm", second, data=data)
    assert (told.exit_code, "windows-1252" in told.stderr) == (2, True)
    second.write_bytes("K,Plan\nadam@x.no,free\n".encode("utf-16"))
    told = enduser("sources", "run", "crm", second, data=data)
    assert (told.exit_code, "utf-16-le, cells parted by ," in told.stderr) == (2, True)
    assert attributes(data)["adam@x.no"] == {"plan": None}


def test_a_header_with_a_broken_character_is_refused(data: Path, tmp_path: Path) -> None:
    file = tmp_path / "x.csv"
    file.write_bytes("Kunde;Größe;Straße;Öl".encode() + b"\xff;Plan\nadam@x.no;1;2;3;vip\n")
    told = enduser("sources", "map", "crm", file, "--id", "Kunde", "--yes", data=data)
    assert (told.exit_code, "has characters that utf-8 has not" in told.stderr) == (2, True)


def test_how_dates_and_numbers_are_written_can_be_told(data: Path, tmp_path: Path) -> None:
    file = tmp_path / "x.csv"
    file.write_text("id;since;seats\nadam@x.no;03/04/2026;1.234\n")
    told = ("--dates", "MM/DD/YYYY", "--decimal", ",", "--thousands", ".")
    assert enduser("sources", "map", "crm", file, *told, "--yes", data=data).exit_code == 0
    assert enduser("sources", "run", "crm", file, data=data).exit_code == 0
    assert attributes(data)["adam@x.no"] == {"since": "2026-03-04", "seats": 1234.0}
    bad = enduser("sources", "map", "crm", file, "--dates", "%d", "--yes", data=data)
    assert (bad.exit_code, "DD.MM.YYYY" in bad.stderr) == (2, True)


def test_undoing_asks_and_takes_back_runs_of_files_alone(data: Path, file: Path) -> None:
    map_all(data, file)
    assert enduser("users", "set", "adam@x.no", "plan=gold", data=data).exit_code == 0
    told = enduser("sources", "undo", "1", "--yes", data=data)
    assert (told.exit_code, "no run 1 of a file" in told.stderr) == (2, True)
    enduser("sources", "run", "crm", file, data=data)
    refused = enduser("sources", "undo", "2", data=data)
    assert refused.exit_code != 0
    assert attributes(data)["adam@x.no"] == ADAM
    assert enduser("sources", "undo", "2", "--yes", data=data).exit_code == 0
    assert attributes(data)["adam@x.no"] == {"plan": "gold", "seats": None, "since": None}
