"""`enduser users`: show, list, export."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import duckdb
import pytest
from ready_made import copied
from running import enduser, event, exported, write_lines

COLUMNS = (
    "user_id is_anonymous first_seen last_seen total_sessions average_session_duration "
    "total_session_duration average_time_between_sessions country region city browser_name browser_version "
    "name role type status info"
).split()
FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:127.0) Gecko/20100101 Firefox/127.0"


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder that tests only read: users of every kind, with a session each or two."""
    folder = tmp_path_factory.mktemp("users")
    lines = [
        event("adam", "2026-01-01T10:00:00.000001Z", user_agent=FIREFOX, country="NO", city="Oslo"),
        event("adam", "2026-01-01T10:00:30.5Z", type="identify", traits={"name": 'A "d", m', "role": "x"}),
        event("adam", "2026-01-02T10:00:00Z"),
        event("adam", "2026-01-02T10:05:00Z"),
        event("once", "2026-01-03T10:00:00Z"),
        event(None, "2026-01-04T10:00:00Z", anonymous_id="once"),
        event(None, "2026-01-05T10:00:00Z", anonymous_id="a-1"),
        event("new\nline \u001b[31m[red]:smile:", "2026-01-06T10:00:00Z"),
        event("x" * 250, "2026-01-07T10:00:00Z"),
    ]
    path = write_lines(folder / "events.jsonl", *lines)
    assert enduser("import", "events", path, "--close", data=folder / "data").exit_code == 0
    path = write_lines(folder / "open.jsonl", event("open", "2026-01-07T10:40:00Z"))
    assert enduser("import", "events", path, data=folder / "data").exit_code == 0
    return folder / "data"


def shown(result) -> dict[str, str]:
    return dict(line.split(maxsplit=1) for line in result.stdout.splitlines())


# --- show


def test_a_user_is_shown_with_every_attribute(data: Path) -> None:
    result = enduser("users", "show", "adam", data=data)
    assert result.exit_code == 0
    assert shown(result) == {
        "user_id": "adam",
        "is_anonymous": "false",
        "first_seen": "2026-01-01T10:00:00.000001Z",
        "last_seen": "2026-01-02T10:05:00.000000Z",
        "total_sessions": "2",
        "average_session_duration": "165.2499995 s (2 min 45 s)",
        "total_session_duration": "330.499999 s (5 min 30 s)",
        "average_time_between_sessions": "86369.5 s (23 h 59 min)",
        "country": "NO",
        "region": "(unknown)",
        "city": "Oslo",
        "browser_name": "Firefox",
        "browser_version": "127.0",
        "name": 'A "d", m',
        "role": "x",
        "type": "(unknown)",
        "status": "(unknown)",
        "info": "(unknown)",
    }


@pytest.mark.parametrize("unknown", ["nobody", "Adam", "", "adam "])
def test_an_unknown_user_ends_with_1_and_says_so(data: Path, unknown: str) -> None:
    result = enduser("users", "show", unknown, data=data)
    assert result.exit_code == 1
    assert result.stderr.startswith(
        f"error: there is no End User Object for {unknown!r} in default/production\n"
        "  an object appears with a user's first session; look for another spelling, or another kind of id: "
        "plain, hashed, anonymous"
    )
    assert result.stdout == ""


def test_a_user_whose_only_session_is_open_has_no_object_yet_and_it_says_how_to_see_one(data: Path) -> None:
    result = enduser("users", "show", "open", data=data)
    assert result.exit_code == 1
    assert result.stderr.endswith("\n  'open' has an open session; add --include-open\n")


def test_an_open_session_is_shown_if_asked_for(data: Path) -> None:
    result = enduser("users", "show", "open", "--include-open", data=data)
    assert result.exit_code == 0
    assert shown(result)["first_seen"] == shown(result)["last_seen"] == "2026-01-07T10:40:00.000000Z"
    plain = enduser("users", "show", "adam", data=data).stdout
    assert enduser("users", "show", "adam", "--include-open", data=data).stdout == plain


def test_a_user_is_shown_as_of_a_time_with_the_values_of_then(valued: Path) -> None:
    enduser("users", "set", "adam", "plan=vip", data=valued)
    result = enduser("users", "show", "adam", "--as-of", "2026-01-01T10:30:00Z", data=valued)
    assert (result.exit_code, shown(result)["total_sessions"]) == (0, "1")
    assert "plan" not in result.stdout
    now = enduser("users", "show", "adam", "--as-of", "2999-01-01", data=valued).stdout
    assert now == enduser("users", "show", "adam", data=valued).stdout
    assert "vip" in now


def test_who_had_no_object_at_a_time_is_not_shown(data: Path) -> None:
    result = enduser("users", "show", "adam", "--as-of", "2026-01-01T10:00:00Z", data=data)
    assert result.exit_code == 1
    assert "no session was closed by then; ask for a later time" in result.stderr


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (("yesterday",), "'yesterday' is no time"),
        (("2026-01-01", "--include-open"), "--as-of and --include-open exclude each other"),
    ],
)
def test_a_time_must_be_one_and_open_sessions_have_none(
    data: Path, options: tuple[str, ...], told: str
) -> None:
    result = enduser("users", "show", "adam", "--as-of", *options, data=data)
    assert (result.exit_code, told in result.stderr) == (2, True)


@pytest.mark.parametrize(
    ("user_id", "kind", "is_anonymous"),
    [
        ("once", None, "false"),
        ("once", "plain", "false"),
        ("once", "hashed", None),  # ids are stored as they came
        ("once", "anonymous", "true"),
        ("a-1", None, "true"),
        ("a-1", "anonymous", "true"),
        ("a-1", "plain", None),
        ("adam", "anonymous", None),
    ],
)
def test_plain_and_anonymous_ids_are_namespaces_of_their_own(
    data: Path, user_id: str, kind: str | None, is_anonymous: str | None
) -> None:
    result = enduser("users", "show", user_id, *(["--id-kind", kind] if kind else []), data=data)
    assert result.exit_code == (1 if is_anonymous is None else 0)
    assert is_anonymous is None or shown(result)["is_anonymous"] == is_anonymous


def test_an_unknown_kind_of_id_is_wrong_usage(data: Path) -> None:
    assert enduser("users", "show", "adam", "--id-kind", "salesforce", data=data).exit_code == 2


def test_a_hashed_user_is_found_by_the_plain_id_and_by_the_hash(tmp_path: Path) -> None:
    data = tmp_path / "data"
    assert enduser("config", "set", "hash_ids", "on", data=data).exit_code == 0
    enduser("import", "events", write_lines(tmp_path / "x", event("adam.br")), "--close", data=data)
    digest = "LxhaMQBuA3cjHQqujqUmW/YDuHkWuCFjsT2uXs7lDQY"
    assert shown(enduser("users", "show", "adam.br", data=data))["user_id"] == digest
    assert enduser("users", "show", digest, "--id-kind", "hashed", data=data).exit_code == 0
    assert enduser("users", "show", digest, data=data).exit_code == 1


def test_no_id_can_steer_the_terminal(data: Path) -> None:
    user_id = "new\nline \u001b[31m[red]:smile:"
    result = enduser("users", "show", user_id, data=data)
    assert shown(result)["user_id"] == r"new\nline \x1b[31m[red]:smile:"
    assert r"new\nline \x1b[31m[red]:smile:" in enduser("users", "list", data=data).stdout


# --- list


def listed(data: Path, *options: object) -> list[str]:
    """Return the ids of the table in their order."""
    result = enduser("users", "list", *options, data=data)
    assert result.exit_code == 0, result.output
    return [line.split("  ")[0] for line in result.stdout.splitlines()[1:-1]]


def test_the_table_shows_whole_ids_and_says_how_many_there_are(data: Path) -> None:
    lines = enduser("users", "list", data=data).stdout.splitlines()
    assert lines[0].split("  ")[0] == "user_id"
    assert lines[1].startswith("x" * 250 + "  2026-01-07 10:00:00")
    assert next(line for line in lines if "(anonymous)" in line).startswith("a-1 (anonymous)  ")
    assert lines[-1] == "6 of 6 users"
    assert not any(line != line.rstrip() for line in lines)


def test_a_line_of_the_table(data: Path) -> None:
    lines = enduser("users", "list", "--sort", "user_id", data=data).stdout.splitlines()
    adam = next(line for line in lines if line.startswith("adam"))
    assert adam.split() == ("adam 2026-01-02 10:05:00 2 5 min 30 s 2 min 45 s NO Oslo Firefox 127".split())


@pytest.mark.parametrize(
    ("sort", "first"),
    [
        ("user_id", "a-1 (anonymous)"),
        ("-user_id", "x" * 250),
        ("first_seen", "adam"),
        ("-total_sessions", "adam"),
        ("country", "adam"),
        ("-name", "adam"),
        ("-average_time_between_sessions", "adam"),
        ("is_anonymous", "adam"),
    ],
)
def test_the_table_is_sorted_by_any_attribute_and_unknown_values_come_last(
    data: Path, sort: str, first: str
) -> None:
    assert listed(data, "--sort", sort)[0] == first


def test_the_table_is_as_long_as_the_limit(data: Path) -> None:
    assert len(listed(data, "--limit", 2)) == 2
    assert enduser("users", "list", "--limit", 2, data=data).stdout.endswith("2 of 6 users\n")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--sort", "shoe_size"], "there is no attribute 'shoe_size'"),
        (["--sort", "--last_seen"], "there is no attribute '-last_seen'"),
        (["--sort", "user_id; DROP TABLE users"], "there is no attribute"),
        (["--limit", "0"], "Invalid value for '--limit'"),
        (["--limit", "many"], "Invalid value for '--limit'"),
        (["--space", "acme/production"], "there is no space"),
    ],
)
def test_wrong_options_of_the_table_end_with_2(data: Path, options: list[str], message: str) -> None:
    result = enduser("users", "list", *options, data=data)
    assert result.exit_code == 2
    assert message in result.stderr


def test_as_json_each_user_is_a_line_as_the_api_has_it(data: Path) -> None:
    told = enduser(
        "users", "list", "--limit", 2, "--columns", "last_seen,city", "--format", "json", data=data
    )
    assert list(map(json.loads, told.stdout.splitlines())) == [
        {"user_id": "x" * 250, "is_anonymous": False, "last_seen": "2026-01-07T10:00:00.000000Z"}
        | {"city": None, "attributes": {}},
        {"user_id": "new\nline \u001b[31m[red]:smile:", "is_anonymous": False, "attributes": {}}
        | {"last_seen": "2026-01-06T10:00:00.000000Z", "city": None},
    ]


def test_as_json_a_user_has_all_attributes_unless_told_otherwise_and_nobody_is_nothing(data: Path) -> None:
    told = enduser("users", "list", "--search", "adam", "--format", "json", data=data)
    (adam,) = map(json.loads, told.stdout.splitlines())
    assert set(adam) == {*COLUMNS, "attributes"}
    assert enduser("users", "list", "--search", "nobody", "--format", "json", data=data).stdout == ""


def test_without_users_the_table_says_what_to_do(tmp_path: Path) -> None:
    result = enduser("users", "list", data=tmp_path)
    assert result.exit_code == 0
    assert result.stdout == (
        "No users in default/production yet. Import some history: enduser import events FILE\n"
    )


def test_while_all_sessions_are_open_the_table_says_how_to_list_their_users(tmp_path: Path) -> None:
    path, data = write_lines(tmp_path / "x", event()), tmp_path / "data"
    enduser("import", "events", path, data=data)
    assert enduser("users", "list", data=data).stdout == (
        "No users in default/production yet, but 1 session still open: "
        "a user is listed once a session has closed, and before with --include-open.\n"
    )
    assert (
        "those included whose only session is open"
        in enduser("users", "list", "--include-open", data=data).stdout
    )


def test_one_user_is_one_user(tmp_path: Path) -> None:
    path = write_lines(tmp_path / "x", event())
    enduser("import", "events", path, "--close", data=tmp_path / "data")
    assert enduser("users", "list", data=tmp_path / "data").stdout.endswith("\n1 of 1 user\n")


# --- export


def test_the_csv_has_exactly_the_names_of_the_end_user_object_in_order(data: Path) -> None:
    assert enduser("users", "export", data=data).stdout.splitlines()[0].split(",") == COLUMNS


def test_every_cell_of_the_csv_is_written_as_the_docs_say(data: Path) -> None:
    rows = {(row["user_id"], row["is_anonymous"]): row for row in exported("users", data)}
    assert list(rows[("adam", "false")].values()) == [
        *("adam", "false", "2026-01-01T10:00:00.000001Z", "2026-01-02T10:05:00.000000Z", "2"),
        *("165.2499995", "330.499999", "86369.5", "NO", "", "Oslo", "Firefox", "127.0"),
        *('A "d", m', "x", "", "", ""),
    ]
    once = rows[("once", "true")]
    assert [once[name] for name in COLUMNS[4:9]] == ["1", "0.0", "0.0", "", ""]
    assert ("new\nline \u001b[31m[red]:smile:", "false") in rows
    assert len(rows) == 6


def test_an_unknown_value_is_an_empty_cell_and_not_an_empty_string(data: Path) -> None:
    line = next(
        line
        for line in enduser("users", "export", data=data).stdout.splitlines()
        if line.startswith("once,true")
    )
    assert line.endswith(",,,,,,,,,,,")
    assert '""' not in line


def test_json_lines_have_the_same_names_and_null_for_unknown(data: Path) -> None:
    result = enduser("users", "export", "--format", "jsonl", data=data)
    rows = [json.loads(line) for line in result.stdout.splitlines()]
    assert {tuple(row) for row in rows} == {(*COLUMNS, "attributes")}
    adam = next(row for row in rows if row["user_id"] == "adam")
    assert (adam["is_anonymous"], adam["total_sessions"], adam["total_session_duration"]) == (
        False,
        2,
        330.499999,
    )
    assert (adam["first_seen"], adam["region"]) == ("2026-01-01T10:00:00.000001Z", None)


def test_parquet_has_the_same_rows_with_types(data: Path, tmp_path: Path) -> None:
    target = tmp_path / "it's [1] *.parquet"
    result = enduser("users", "export", "--format", "parquet", "--output", target, data=data)
    assert (result.exit_code, result.stdout) == (0, "")
    assert result.stderr == f"6 users written to {target}\n"
    plain = target.rename(tmp_path / "plain.parquet")
    types = duckdb.execute(f"DESCRIBE FROM '{plain}'").fetchall()
    assert [name for name, *_ in types] == COLUMNS
    assert {kind for name, kind, *_ in types if name.endswith("_seen")} == {"TIMESTAMP WITH TIME ZONE"}
    assert {name: kind for name, kind, *_ in types}["total_sessions"] == "BIGINT"
    ids = duckdb.execute(f"SELECT user_id, epoch_us(first_seen) FROM '{plain}' WHERE user_id = 'adam'")
    assert ids.fetchall() == [("adam", 1_767_261_600_000_001)]


def test_a_file_holds_what_standard_output_shows(data: Path, tmp_path: Path) -> None:
    target = tmp_path / "users.csv"
    target.write_text("what was there before")
    result = enduser("users", "export", "--output", target, data=data)
    assert result.exit_code == 0
    assert target.read_text(encoding="utf-8") == enduser("users", "export", data=data).stdout
    assert sorted(path.name for path in tmp_path.iterdir()) == ["users.csv"]


def test_the_export_of_nobody_is_a_header_alone(tmp_path: Path) -> None:
    assert enduser("users", "export", data=tmp_path).stdout == ",".join(COLUMNS) + "\n"


@pytest.mark.parametrize(
    ("output", "form", "message"),
    [
        ("-", "parquet", "Parquet cannot be written to standard output"),
        ("gone/users.csv", "csv", "there is no"),
        (".", "csv", "is a folder"),
        ("users.csv", "xml", "Invalid value for '--format'"),
    ],
)
def test_what_cannot_be_written_is_an_error(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, output: str, form: str, message: str
) -> None:
    monkeypatch.chdir(tmp_path)
    result = enduser("users", "export", "--output", output, "--format", form, data=data)
    assert result.exit_code == 2
    assert message in result.stderr
    assert list(tmp_path.iterdir()) == []


def test_rows_are_in_order_of_id(data: Path) -> None:
    text = enduser("users", "export", data=data).stdout
    ids = [(row["user_id"], row["is_anonymous"]) for row in csv.DictReader(text.splitlines(keepends=True))]
    assert ids == sorted(ids)


def test_ids_that_differ_only_by_case_are_listed_with_the_count_of_the_rest(
    tmp_path: Path,
) -> None:
    data = tmp_path / "data"
    lines = [event(name) for name in ("ada", "Ada", "ADA", "bob", "BOB", "eve")]
    enduser("import", "events", write_lines(tmp_path / "x", *lines), data=data)
    assert enduser("users", "look-alikes", "--limit", 1, data=data).stdout.splitlines() == [
        "count  one person  user ids",
        "    3  no          ADA  Ada  ada",
        "1 of 2 groups, 5 ids in all",
    ]
    told = json.loads(enduser("users", "look-alikes", "--format", "json", data=data).stdout)
    assert [group["ids"] for group in told["groups"]] == [["ADA", "Ada", "ada"], ["BOB", "bob"]]


def test_where_no_ids_differ_only_by_case_it_says_so(tmp_path: Path) -> None:
    told = enduser("users", "look-alikes", data=tmp_path)
    assert (told.exit_code, told.stdout) == (0, "No user ids of default/production differ only by case.\n")


def test_of_hashed_ids_it_says_that_they_cannot_be_compared(tmp_path: Path) -> None:
    data = tmp_path / "data"
    enduser("config", "set", "hash_ids", "on", data=data)
    told = enduser("users", "look-alikes", data=data)
    assert told.exit_code == 2
    assert "hashes cannot be compared" in told.stderr


# --- custom attributes


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder with the user `adam` and a few attributes."""
    folder = tmp_path_factory.mktemp("made") / "data"
    path = write_lines(folder.parent / "events.jsonl", event("adam", "2026-01-01T10:00:00Z"))
    enduser("import", "events", path, "--close", data=folder)
    for name, kind in (("plan", "string"), ("seats", "number"), ("tags", "list"), ("vip", "boolean")):
        enduser("attributes", "create", name, "--type", kind, data=folder)
    return folder


@pytest.fixture
def valued(made: Path, tmp_path: Path) -> Path:
    """A copy of it."""
    return copied(made, tmp_path)


def test_values_are_set_by_hand_and_shown_with_their_source(valued: Path) -> None:
    told = enduser("users", "set", "adam", "plan=a=b", "seats=5", "tags=x;y", "vip=yes", data=valued)
    assert (told.exit_code, told.stdout) == (0, "4 values written\n")
    found = {line.split()[0]: line.split()[1:-4] for line in shown_lines(valued)}
    assert found == {"plan": ["a=b"], "seats": ["5"], "tags": ["x;", "y"], "vip": ["true"]}
    assert all("manual, since 20" in line for line in shown_lines(valued))
    enduser("users", "set", "adam", "plan=", data=valued)
    assert "plan" not in "".join(shown_lines(valued))


def shown_lines(folder: Path) -> list[str]:
    """Return the lines of custom attributes."""
    return [
        line for line in enduser("users", "show", "adam", data=folder).stdout.splitlines() if "since" in line
    ]


def test_an_edit_that_cannot_be_whole_is_none(valued: Path) -> None:
    told = enduser("users", "set", "adam", "plan=vip", "seats=many", data=valued)
    assert told.exit_code == 2
    assert "seats takes a number" in told.stderr
    assert shown_lines(valued) == []
    told = enduser("users", "set", "adam", "plan", data=valued)
    assert (told.exit_code, "'plan' is no NAME=VALUE" in told.stderr) == (2, True)


def test_who_was_not_seen_is_told_to_wait(valued: Path) -> None:
    assert "first session" in enduser("users", "set", "eve", "plan=vip", data=valued).stdout


def test_the_history_of_a_user_has_the_newest_change_first(valued: Path) -> None:
    for plan in ("free", "vip", ""):
        enduser("users", "set", "adam", f"plan={plan}", data=valued)
    rows = [
        line.split()[2:] for line in enduser("users", "history", "adam", data=valued).stdout.splitlines()[1:]
    ]
    assert rows == [
        ["plan", "vip", "(unknown)", "manual"],
        ["plan", "free", "vip", "manual"],
        ["plan", "(unknown)", "free", "manual"],
    ]
    assert "Nothing was ever said" in enduser("users", "history", "eve", data=valued).stdout


def test_who_has_values_and_no_object_yet_is_told_where_they_are(data: Path) -> None:
    enduser("attributes", "create", "plan", "--type", "string", data=data)
    assert enduser("users", "set", "not-yet", "plan=vip", data=data).exit_code == 0
    told = enduser("users", "show", "not-yet", data=data)
    assert (told.exit_code, "enduser users history not-yet" in told.stderr) == (1, True)


def test_who_is_here_just_now_is_listed_if_that_is_asked_for(tmp_path: Path) -> None:
    lines = [event(name, "2026-01-01T10:00:00Z") for name in ("ada", "eve")]
    data = tmp_path / "data"
    assert (
        enduser("import", "events", write_lines(tmp_path / "events.jsonl", *lines), data=data).exit_code == 0
    )
    assert enduser("users", "list", "--search", "ada", data=data).stdout == "Nobody of 0 users.\n"
    told = enduser("users", "list", "--search", "ada", "--include-open", data=data)
    assert [line.split()[0] for line in told.stdout.splitlines()] == ["user_id", "ada", "1"]
    told = enduser("users", "list", "--include-open", "--limit", "1", data=data)
    assert told.stdout.splitlines()[-1] == "1 of 2 found, those included whose only session is open"
