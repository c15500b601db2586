"""`enduser import events`: every option, outcome and exit code."""

from __future__ import annotations

import contextlib
import gzip
import os
import pty
import random
import subprocess
from pathlib import Path

import duckdb
import pytest
import zstandard
from places import FLAT, write_mmdb
from rich.progress import Progress
from running import AT, command, counts, enduser, event, exported, file_of, process, rejections, write_lines
from tiers import some_daily

from enduser.cli.imports import _shown_in
from enduser.core.outcomes import Outcomes

GOOD = [event("u1", message_id="a"), event("u2", message_id="b")]
NOTE = (
    "note: no place database, so IP addresses give no country, region or city. To have one: "
    "enduser geo install; then import the same files again."
)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return tmp_path / "data"


def taken(result) -> dict[str, int]:
    """Return the counts of an import that are not zero."""
    return {name: count for name, count in counts(result.stdout).items() if count}


# --- outcomes and exit codes


def test_an_import_without_rejections_ends_with_0_and_sums_up(tmp_path: Path, data: Path) -> None:
    result = enduser("import", "events", write_lines(tmp_path / "x.jsonl", *GOOD, GOOD[0]), data=data)
    assert result.exit_code == 0
    lines = [" ".join(line.split()) for line in result.stdout.splitlines()]
    assert lines[0].startswith("read 3 in ")
    assert lines[1:] == [
        "stored 2",
        "duplicate 1",
        "filled 0",
        "excluded 0",
        "rejected 0",
        "users 0",
        "sessions 0 closed, and 2 open",
        "clock 2026-01-01 10:00:00 UTC (history)",
        "Open sessions are in no End User Object until they close; --close closes them.",
    ]


def test_an_import_with_rejections_ends_with_1_and_lists_them(tmp_path: Path, data: Path) -> None:
    path = write_lines(tmp_path / "x.jsonl", GOOD[0], "{", "", event("null"), GOOD[1], event(occurred_at="x"))
    result = enduser("import", "events", path, data=data)
    assert result.exit_code == 1
    assert taken(result) | {"users": 0, "sessions": 0} == {
        "read": 5,
        "stored": 2,
        "rejected": 3,
        "malformed_line": 1,
        "junk_user_id": 1,
        "invalid_time": 1,
        "users": 0,
        "sessions": 0,
    }
    assert [(row["file"], row["line"], row["reason"]) for row in rejections(data)] == [
        (str(path), "2", "malformed_line"),
        (str(path), "4", "junk_user_id"),
        (str(path), "6", "invalid_time"),
    ]
    assert str(next((data / "rejected").iterdir())) in result.stdout


def test_an_import_of_rejections_alone_ends_with_2_for_nothing_was_applied(
    tmp_path: Path, data: Path
) -> None:
    result = enduser("import", "events", write_lines(tmp_path / "x.jsonl", "{", event("0")), data=data)
    assert result.exit_code == 2
    assert "error: every row was rejected, so nothing was applied" in result.stderr
    assert len(rejections(data)) == 2


def test_what_was_excluded_is_no_failure(tmp_path: Path, data: Path) -> None:
    path = write_lines(tmp_path / "x.jsonl", event(user_agent="curl/8.5.0"))
    result = enduser("import", "events", path, data=data)
    assert (result.exit_code, taken(result)) == (0, {"read": 1, "excluded": 1, "crawler": 1})


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "Missing argument"),
        (["gone.jsonl"], "there is no file gone.jsonl"),
        (["*.nothing"], "there is no file *.nothing"),
        (["."], ". is a folder"),
        (["/dev/null"], "/dev/null is empty"),
        ([__file__], "is of no known format"),
        ([__file__, "--format", "xml"], "Invalid value for '--format'"),
        ([__file__, "--format", "csv"], "lacks the column"),
        ([__file__, "--format", "parquet"], "cannot be read as Parquet"),
        ([__file__, "--time-unit", "h"], "Invalid value for '--time-unit'"),
        ([__file__, "--fill"], "--fill needs a place database"),
        ([__file__, "--space", "acme/production"], "there is no space 'acme/production'"),
        ([__file__, "--memory-limit", "x"], "Invalid value for '--memory-limit'"),
        ([__file__, "--wrong"], "No such option"),
    ],
)
def test_wrong_usage_ends_with_2_and_says_what_is_wrong(
    data: Path, arguments: list[str], message: str
) -> None:
    result = enduser("import", "events", *arguments, data=data)
    assert result.exit_code == 2
    assert message in result.stderr
    assert result.stdout == ""


def test_a_bad_second_file_keeps_the_first_from_being_applied(tmp_path: Path, data: Path) -> None:
    good = write_lines(tmp_path / "good.jsonl", *GOOD)
    bad = file_of(tmp_path, "bad.csv", "user_id,name\nu1,x\n")
    assert enduser("import", "events", good, bad, data=data).exit_code == 2
    assert counts(enduser("status", data=data).stdout)["events"] == 0


def test_a_parquet_file_that_is_none_or_lacks_a_column_is_an_error(tmp_path: Path, data: Path) -> None:
    duckdb.execute(f"COPY (SELECT 'u' AS user_id, 1 AS time) TO '{tmp_path}/x.parquet' (FORMAT parquet)")
    junk = file_of(tmp_path, "junk.parquet", b"PAR1" + b"rubbish" * 500 + b"PAR1")
    lacking = enduser("import", "events", tmp_path / "x.parquet", data=data)
    assert (lacking.exit_code, "lacks the column occurred_at" in lacking.stderr) == (2, True)
    broken = enduser("import", "events", junk, data=data)
    assert (broken.exit_code, "cannot be read as Parquet" in broken.stderr) == (2, True)


def test_rejected_rows_of_parquet_are_listed_with_their_number(tmp_path: Path, data: Path) -> None:
    rows = "SELECT unnest(['u', '', 'v', 'null']) AS user_id, TIMESTAMP '2026-01-01' AS occurred_at"
    duckdb.execute(f"COPY ({rows}) TO '{tmp_path}/x.parquet' (FORMAT parquet)")
    assert enduser("import", "events", tmp_path / "x.parquet", data=data).exit_code == 1
    assert [(row["line"], row["reason"]) for row in rejections(data)] == [
        ("2", "junk_user_id"),
        ("4", "junk_user_id"),
    ]


# --- where rows come from


def test_standard_input_is_read_as_a_file(data: Path) -> None:
    result = enduser("import", "events", "-", data=data, stdin="\n".join(GOOD))
    assert (result.exit_code, taken(result)) == (0, {"read": 2, "stored": 2})
    result = enduser("import", "events", "-", data=data, stdin=GOOD[0] + "\n{")
    assert [row["file"] for row in rejections(data)] == ["standard input"]


def test_compressed_standard_input_is_read_too(data: Path) -> None:
    result = enduser("import", "events", "-", data=data, stdin=gzip.compress("\n".join(GOOD).encode()))
    assert taken(result) == {"read": 2, "stored": 2}


def test_files_of_all_formats_and_patterns_are_taken_in_one_command(tmp_path: Path, data: Path) -> None:
    write_lines(tmp_path / "a.jsonl", event("json"))
    file_of(tmp_path, "b.csv.gz", gzip.compress(b"user_id,occurred_at\ncsv,2026-01-01T10:00:00Z\n"))
    file_of(tmp_path, "b.tsv.zst", zstandard.compress(b"user_id\toccurred_at\ntsv\t2026-01-01T10:00:00Z\n"))
    duckdb.execute(
        "COPY (SELECT 'parquet' AS user_id, TIMESTAMP '2026-01-01 10:00:00' AS occurred_at) "
        f"TO '{tmp_path}/c.parquet' (FORMAT parquet)"
    )
    write_lines(tmp_path / "d.log", '1.1.1.1 - log [01/Jan/2026:11:00:00 +0100] "GET / HTTP/1.1" 200 1')
    result = enduser("import", "events", tmp_path / "a.jsonl", f"{tmp_path}/[b-d].*", "--close", data=data)
    assert result.exit_code == 0, result.output
    found = {(row["user_id"], row["first_seen"]) for row in exported("users", data)}
    assert found == {(n, "2026-01-01T10:00:00.000000Z") for n in ("json", "csv", "tsv", "parquet", "log")}


def test_the_segment_form_and_the_flat_form_say_the_same(tmp_path: Path, data: Path) -> None:
    flat = event(
        "u1", AT, message_id="m", type="identify", traits={"role": "admin"}, country="NO", city="Oslo"
    )
    segment = (
        f'{{"userId": "u1", "timestamp": "{AT}", "messageId": "m", "type": "identify", "context": '
        '{"traits": {"role": "admin"}, "location": {"country": "NO", "city": "Oslo"}}}'
    )
    first = enduser("import", "events", write_lines(tmp_path / "flat", flat), "--close", data=data)
    second = enduser("import", "events", write_lines(tmp_path / "segment", segment), "--close", data=data)
    assert (taken(first)["stored"], taken(second)["duplicate"]) == (1, 1)
    (user,) = exported("users", data)
    assert (user["role"], user["country"], user["city"]) == ("admin", "NO", "Oslo")


def test_a_csv_row_may_hold_every_column(tmp_path: Path, data: Path) -> None:
    header = (
        "user_id,anonymous_id,occurred_at,message_id,type,name,active,ip,user_agent,country,region,city,url"
    )
    row = (
        'u1,a1,2026-01-01 10:00:00,m1,Page,Home,TRUE,5.6.7.8,"Firefox/127.0 (x, y)",NO,Oslo,Oslo,https://x/y'
    )
    objects = '"{""n"": 1}","{""role"": ""admin"", ""info"": ""a,b""}"'
    path = file_of(tmp_path, "x.csv", f"{header},properties,traits\n{row},{objects}\n")
    result = enduser("import", "events", path, "--close", data=data)
    assert (result.exit_code, taken(result)["stored"]) == (0, 1)
    (user,) = exported("users", data)
    assert (user["user_id"], user["is_anonymous"], user["role"], user["info"]) == (
        "u1",
        "false",
        "admin",
        "a,b",
    )
    (session,) = exported("sessions", data)
    assert (session["page_views"], session["city"], session["browser_name"]) == ("1", "Oslo", "Firefox")


# --- times

INSTANT_S = 1_767_261_600


@pytest.mark.parametrize(
    ("written", "unit"), [(INSTANT_S, "s"), (INSTANT_S * 1_000, "ms"), (INSTANT_S * 1_000_000, "us")]
)
@pytest.mark.parametrize("form", ["jsonl", "csv", "parquet"])
def test_the_unit_of_a_number_is_inferred_and_printed(
    tmp_path: Path, data: Path, written: int, unit: str, form: str
) -> None:
    path = tmp_path / f"x.{form}"
    if form == "parquet":
        duckdb.execute(f"COPY (SELECT 'u' AS user_id, {written} AS occurred_at) TO '{path}' (FORMAT parquet)")
    else:
        text = event(occurred_at=written) if form == "jsonl" else f"user_id,occurred_at\nu,{written}"
        write_lines(path, text)
    result = enduser("import", "events", path, "--close", data=data)
    assert f"{path}: numeric times are taken as {unit} (inferred from {written}" in result.stderr
    assert exported("users", data)[0]["first_seen"] == "2026-01-01T10:00:00.000000Z"


@pytest.mark.parametrize(("unit", "year"), [("s", "2023-11-14"), ("ms", "1970-01-20"), ("us", "1970-01-01")])
def test_the_unit_that_is_given_overrides_what_would_be_inferred(
    tmp_path: Path, data: Path, unit: str, year: str
) -> None:
    path = write_lines(tmp_path / "x.jsonl", event(occurred_at=1_700_000_000))
    result = enduser("import", "events", path, "--close", "--time-unit", unit, data=data)
    assert "numeric times" not in result.stderr
    assert exported("users", data)[0]["first_seen"].startswith(year)


TIMES = {
    "2026-01-01": "2026-01-01T00:00:00.000000Z",
    "2026-01-01 10:00": "2026-01-01T10:00:00.000000Z",
    "2026-01-01T10:00:00.123456Z": "2026-01-01T10:00:00.123456Z",
    "2026-01-01T10:00:00+05:30": "2026-01-01T04:30:00.000000Z",
    "2024-02-29T00:00:00Z": "2024-02-29T00:00:00.000000Z",
    "1969-12-31T23:59:59.999999Z": "1969-12-31T23:59:59.999999Z",
    "0001-01-01T00:00:00Z": "0001-01-01T00:00:00.000000Z",
    INSTANT_S + 0.25: "2026-01-01T10:00:00.250000Z",
    str(INSTANT_S): "2026-01-01T10:00:00.000000Z",
    -1: "1969-12-31T23:59:59.000000Z",
}

WRONG_TIMES = {
    None: "missing_time",
    "": "missing_time",
    "yesterday": "invalid_time",
    "2026-13-01": "invalid_time",
    "2026-02-30T00:00:00Z": "invalid_time",
    "2025-02-29": "invalid_time",
    "2026-01-01T10:61:00Z": "invalid_time",
    "01/02/2026": "invalid_time",
    "0000-01-01T00:00:00Z": "invalid_time",
    "10000-01-01T00:00:00Z": "invalid_time",
    10**400: "invalid_time",
    "9999-12-31T23:59:59Z": "future_time",
}


def test_a_time_is_read_to_the_microsecond(tmp_path: Path, data: Path) -> None:
    path = write_lines(tmp_path / "x.jsonl", *[event(f"at {written}", written) for written in TIMES])
    assert enduser("import", "events", path, "--close", data=data).exit_code == 0
    found = {row["user_id"].removeprefix("at "): row["first_seen"] for row in exported("users", data)}
    assert found == {str(written): read for written, read in TIMES.items()}


def test_a_wrong_time_is_rejected_with_its_reason(tmp_path: Path, data: Path) -> None:
    lines = [GOOD[0], *[event("u", written) for written in WRONG_TIMES]]
    assert enduser("import", "events", write_lines(tmp_path / "x.jsonl", *lines), data=data).exit_code == 1
    found = {int(row["line"]): row["reason"] for row in rejections(data)}
    assert found == dict(enumerate(WRONG_TIMES.values(), 2))


def test_close_moves_the_clock_past_the_last_event_for_good(tmp_path: Path, data: Path) -> None:
    path = write_lines(tmp_path / "x.jsonl", *GOOD)
    assert counts(enduser("import", "events", path, data=data).stdout)["users"] == 0
    result = enduser("import", "events", path, "--close", data=data)
    assert counts(result.stdout)["users"] == 2
    assert "clock       2026-01-01 10:30:00 UTC (history)" in result.stdout
    later = write_lines(tmp_path / "later.jsonl", event("u1", "2026-01-01T10:10:00Z"))
    assert "clock       2026-01-01 10:30:00 UTC" in enduser("import", "events", later, data=data).stdout


# --- places


def test_that_there_is_no_place_database_is_said_before_reading(data: Path) -> None:
    result = enduser("import", "events", "gone.jsonl", data=data)
    note, error = result.stderr.splitlines()[:2]
    assert note == NOTE
    assert error.startswith("error: there is no file")


def with_places(data: Path, tmp_path: Path, city: str = "Oslo") -> None:
    path = write_mmdb(tmp_path / f"{city}.mmdb", {"5.6.0.0/16": {**FLAT, "city": city}})
    assert enduser("geo", "install", "--file", path, data=data).exit_code == 0


def test_with_a_place_database_addresses_give_places_and_nothing_is_said(tmp_path: Path, data: Path) -> None:
    with_places(data, tmp_path)
    path = write_lines(tmp_path / "x.jsonl", event(ip="5.6.7.8"), event("u2", ip="9.9.9.9"))
    result = enduser("import", "events", path, "--close", data=data)
    assert result.stderr == ""
    first, second = exported("users", data)
    assert [first[name] for name in ("country", "region", "city")] == ["NO", "Oslo County", "Oslo"]
    assert [second[name] for name in ("country", "region", "city")] == ["", "", ""]


@pytest.mark.parametrize("message_id", ["m1", None])
def test_places_of_events_that_were_stored_without_are_filled_later(
    tmp_path: Path, data: Path, message_id: str | None
) -> None:
    path = write_lines(tmp_path / "x.jsonl", event(ip="5.6.7.8", message_id=message_id), event("u2"))
    assert enduser("import", "events", path, "--close", data=data).exit_code == 0
    with_places(data, tmp_path)
    filled = enduser("import", "events", path, "--close", "--fill", data=data)
    assert (filled.exit_code, taken(filled)["filled"], taken(filled)["duplicate"]) == (0, 1, 1)
    assert [row["city"] for row in exported("users", data)] == ["Oslo", ""]
    assert [row["city"] for row in exported("sessions", data)] == ["Oslo", ""]
    again = enduser("import", "events", path, "--close", "--fill", data=data)
    assert (taken(again)["duplicate"], "filled" in taken(again)) == (2, False)
    assert enduser("verify", data=data).exit_code == 0


def test_a_place_that_the_event_names_itself_stays(tmp_path: Path, data: Path) -> None:
    with_places(data, tmp_path)
    path = write_lines(tmp_path / "x.jsonl", event(ip="5.6.7.8", country="KE", city="Nairobi"))
    enduser("import", "events", path, "--close", data=data)
    (user,) = exported("users", data)
    assert (user["country"], user["region"], user["city"]) == ("KE", "", "Nairobi")


def test_a_damaged_place_database_stops_the_import_with_what_to_do(tmp_path: Path, data: Path) -> None:
    with_places(data, tmp_path)
    next((data / "geo").glob("*.mmdb")).write_bytes(b"rubbish")
    result = enduser("import", "events", write_lines(tmp_path / "x.jsonl", *GOOD), data=data)
    assert result.exit_code == 2
    assert "enduser geo install" in result.stderr


# --- access logs

FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:127.0) Gecko/20100101 Firefox/127.0"
GOOGLEBOT = "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)"


def log_line(
    request: str = "GET / HTTP/1.1",
    status: int = 200,
    *,
    ip: str = "1.2.3.4",
    user: str = "-",
    agent: str = FIREFOX,
) -> str:
    head = f'{ip} - {user} [01/Jan/2026:10:00:00 +0000] "{request}" {status} 512'
    return head if agent is None else f'{head} "https://from.example/" "{agent}"'


LOG_CASES = {
    log_line(): ("stored", "stored"),
    log_line(agent=None): ("stored", "stored"),  # the common format
    log_line(agent="-"): ("stored", "stored"),
    log_line("POST /login HTTP/1.1", 302): ("stored", "stored"),
    log_line("GET /a?x=.png HTTP/2.0"): ("stored", "stored"),
    log_line("GET /a HTTP/1.1", 399): ("stored", "stored"),
    log_line('GET /\\"quoted\\" HTTP/1.1'): ("stored", "stored"),
    log_line("GET /x", 200): ("stored", "stored"),  # HTTP/0.9
    log_line(user="adam b."): ("stored", "stored"),
    log_line(ip="2001:db8::1"): ("stored", "stored"),
    log_line() + ' "more" 0.12': ("stored", "stored"),  # as nginx adds
    log_line("GET / HTTP/1.1", 404): ("not_a_page", "stored"),
    log_line("GET / HTTP/1.1", 400): ("not_a_page", "stored"),
    log_line("HEAD / HTTP/1.1"): ("not_a_page", "stored"),
    log_line("DELETE /x HTTP/1.1"): ("not_a_page", "stored"),
    log_line("GET /logo.PNG HTTP/1.1"): ("not_a_page", "stored"),
    log_line("GET /app.js?v=3 HTTP/1.1"): ("not_a_page", "stored"),
    log_line("-", 408): ("not_a_page", "stored"),
    log_line("\\x16\\x03\\x01", 400): ("not_a_page", "stored"),
    log_line(agent=GOOGLEBOT): ("crawler", "crawler"),
    log_line("GET /logo.png HTTP/1.1", agent=GOOGLEBOT): ("not_a_page", "crawler"),
    log_line()[:70]: ("malformed_line", "malformed_line"),
    '1.2.3.4 - - [01/Jan/2026:10:00:00 +0000] "GET /cut': ("malformed_line", "malformed_line"),
    "hello": ("malformed_line", "malformed_line"),
    log_line().replace("Jan", "Foo"): ("invalid_time", "invalid_time"),
}
"""Line -> its outcome, and that with --all-requests."""


@pytest.mark.parametrize(
    ("at", "outcome"), sorted({(at, outcomes[at]) for outcomes in LOG_CASES.values() for at in (0, 1)})
)
def test_lines_of_an_access_log_have_this_outcome(tmp_path: Path, data: Path, at: int, outcome: str) -> None:
    lines = [line for line, outcomes in LOG_CASES.items() if outcomes[at] == outcome]
    option = ["--all-requests"] if at else []
    path = write_lines(tmp_path / "x.log", *lines)
    result = enduser("import", "events", path, "--format", "access-log", *option, data=data)
    assert (taken(result)["read"], taken(result)[outcome]) == (len(lines), len(lines)), result.output


def test_crawlers_are_taken_when_they_are_asked_for(tmp_path: Path, data: Path) -> None:
    path = write_lines(tmp_path / "x.log", log_line(agent=GOOGLEBOT), log_line(agent="curl/8.5.0"))
    assert taken(enduser("import", "events", path, data=data)) == {"read": 2, "excluded": 2, "crawler": 2}
    result = enduser("import", "events", path, "--include-crawlers", data=data)
    assert taken(result) == {"read": 2, "stored": 2}


def test_pages_are_page_views_and_other_requests_interactions(tmp_path: Path, data: Path) -> None:
    path = write_lines(tmp_path / "x.log", log_line(), log_line("GET /x.png HTTP/1.1"), log_line(status=500))
    enduser("import", "events", path, "--all-requests", "--close", data=data)
    (session,) = exported("sessions", data)
    assert (session["events"], session["page_views"], session["interactions"]) == ("3", "1", "2")


def test_identical_lines_of_a_log_are_so_many_requests_and_the_log_again_brings_nothing(
    tmp_path: Path, data: Path
) -> None:
    path = write_lines(tmp_path / "x.log", *[log_line()] * 3)
    assert taken(enduser("import", "events", path, data=data)) == {"read": 3, "stored": 3}
    assert taken(enduser("import", "events", path, data=data)) == {"read": 3, "duplicate": 3}


def test_who_is_not_named_in_a_log_is_an_address_with_a_browser(tmp_path: Path, data: Path) -> None:
    lines = [
        log_line(user="adam"),
        log_line(),
        log_line("GET /again HTTP/1.1"),
        log_line(ip="1.2.3.5"),
        log_line(agent="Opera/9.80 (X11; Linux i686) Presto/2.12.388 Version/12.16"),
    ]
    enduser("import", "events", write_lines(tmp_path / "x.log", *lines), "--close", data=data)
    users = exported("users", data)
    assert [row["user_id"] for row in users if row["is_anonymous"] == "false"] == ["adam"]
    hashes = [row["user_id"] for row in users if row["is_anonymous"] == "true"]
    assert len(set(hashes)) == 3
    assert {len(text) for text in hashes} == {32}


def test_two_spaces_hash_the_same_visitor_differently(tmp_path: Path, data: Path) -> None:
    path = write_lines(tmp_path / "x.log", log_line())
    assert enduser("systems", "create", "acme/test", data=data).exit_code == 0
    found = set()
    for space in ("default/production", "acme/test"):
        enduser("import", "events", path, "--close", "--space", space, data=data)
        found.add(enduser("users", "export", "--space", space, data=data).stdout.splitlines()[1])
    assert len(found) == 2


# --- what no file may do


DEEP = "[" * 100_000
BAD_LINES = {
    "100,000 brackets": (DEEP, "malformed_line"),
    "100,000 brackets, closed": (DEEP + "]" * 100_000, "malformed_line"),
    "100,000 brackets in the properties": (
        event(message_id="d")[:-1] + f', "properties": {{"x": {DEEP}{"]" * 100_000}}}}}',
        "stored",
    ),
    "100,000 brackets in the traits": (
        event(message_id="d", type="identify")[:-1] + f', "traits": {{"role": {DEEP}{"]" * 100_000}}}}}',
        "stored",
    ),
    "a number of 5,000 digits": (
        event(message_id="d")[:-1] + f', "properties": {{"n": 1{"0" * 5_000}}}}}',
        "stored",
    ),
    "a time of 400 digits": (event(occurred_at=10**400), "invalid_time"),
    "a key twice": (event()[:-1] + ', "user_id": "other"}', "stored"),
    "a lone surrogate": (event()[:-1] + ', "name": "\\ud800"}', "malformed_line"),
    "a lone surrogate as id": ('{"user_id": "\\udc00", "occurred_at": "2026-01-01"}', "malformed_line"),
    "an id that is a key twice": (event()[:-1] + ', "user_id": "v"}', "stored"),
    "an array": ("[1, 2]", "malformed_line"),
    "a string": ('"x"', "malformed_line"),
    "a number": ("5", "malformed_line"),
    "null": ("null", "malformed_line"),
    "an empty object": ("{}", "missing_time"),
    "two objects": (event() + event(), "malformed_line"),
    "no JSON": ("{user_id: u1}", "malformed_line"),
    "cut": (event()[:-5], "malformed_line"),
    "properties that are a number": (event(properties=5), "invalid_properties"),
    "traits that are a list": (event(traits=[1]), "invalid_traits"),
    "an unknown type": (event(type="purchase"), "invalid_type"),
    "an unknown active": (event(active="perhaps"), "invalid_active"),
    "an id of blanks": (event("  \u3000 "), "junk_user_id"),
    "a junk id": (event("[object Object]"), "junk_user_id"),
    "a context that is text": (event(context="x"), "stored"),
    "an address that is none": (event(ip="nowhere"), "stored"),
    "control characters": (event("a\u0001\u001b[31m\nb", message_id="\u0002"), "stored"),
}
"""What a line is -> the line, and its outcome."""


def test_lines_like_these_have_one_outcome_each_and_never_a_traceback(tmp_path: Path, data: Path) -> None:
    path = write_lines(tmp_path / "x.jsonl", *[line for line, _ in BAD_LINES.values()], event("good"))
    result = enduser("import", "events", path, "--format", "jsonl", "--close", data=data)
    reasons = {int(row["line"]): row["reason"] for row in rejections(data)}
    found = {name: reasons.get(number, "stored") for number, name in enumerate(BAD_LINES, 1)}
    assert found == {name: outcome for name, (_, outcome) in BAD_LINES.items()}
    assert taken(result)["read"] == len(BAD_LINES) + 1
    assert "good" in {row["user_id"] for row in exported("users", data)}
    assert enduser("verify", data=data).exit_code == 0


def test_not_a_number_is_no_property_that_stays(tmp_path: Path, data: Path) -> None:
    line = event(type="identify")[:-1] + ', "traits": {"role": NaN, "status": "ok"}}'
    result = enduser("import", "events", write_lines(tmp_path / "x.jsonl", line), "--close", data=data)
    assert result.exit_code in (0, 2)
    assert "Traceback" not in result.output


BROKEN = {
    "truncated gzip": lambda whole: gzip.compress(whole)[:-40],
    "damaged gzip": lambda whole: gzip.compress(whole)[:2_000] + b"\xff" * 500,
    "truncated zstd": lambda whole: zstandard.compress(whole)[:-40],
    "a 50 MB line": lambda whole: whole[:3_000] + b"x" * 50_000_000 + b"\n" + whole[3_000:],
    "invalid UTF-8": lambda whole: whole[:3_000] + b"\xff\xfe" + whole[3_000:],
    "NUL bytes": lambda whole: whole[:3_000] + bytes(100) + whole[3_000:],
    "a cut end": lambda whole: whole[:-10],
    "junk in the middle": lambda whole: whole[:3_000] + random.Random(1).randbytes(5_000) + whole[3_000:],
}


ROWS = [(f"u{i % 50}", f"2026-01-{i % 28 + 1:02}T{i % 24:02}:00:00Z", f"m{i}") for i in range(2_000)]
WHOLE = {
    "jsonl": "".join(event(u, at, message_id=m) + "\n" for u, at, m in ROWS),
    "csv": "user_id,occurred_at,message_id\n" + "".join(f"{','.join(row)}\n" for row in ROWS),
}


BROKEN_FORMS = [(form, name) for form in WHOLE for name in BROKEN]
DAILY = [
    (form, name) for form, name in BROKEN_FORMS if form == "jsonl" or not name.endswith(("gzip", "zstd"))
]
"""What a damaged compression leaves is the same of any form, so of one each day."""


@pytest.fixture(scope="module")
def clean(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, str]]:
    """Return the sessions of the whole file, nothing of which was ever broken."""
    folder = tmp_path_factory.mktemp("clean")
    path = file_of(folder, "whole.jsonl", WHOLE["jsonl"])
    assert enduser("import", "events", path, "--close", data=folder / "data").exit_code == 0
    return exported("sessions", folder / "data")


@pytest.mark.parametrize(("form", "name"), some_daily(BROKEN_FORMS, DAILY))
def test_what_a_broken_file_left_half_done_the_whole_file_mends(
    tmp_path: Path, data: Path, clean: list[dict[str, str]], name: str, form: str
) -> None:
    broken = file_of(tmp_path, "broken", BROKEN[name](WHOLE[form].encode()))
    first = enduser("import", "events", broken, "--close", data=data)
    assert first.exit_code == (2 if "cannot be decompressed" in first.stderr else 1), first.output
    if first.exit_code == 1:
        assert set(taken(first)) & {"truncated_file", "line_too_long", "malformed_line"}
    whole = file_of(tmp_path, "whole", WHOLE[form])
    assert enduser("import", "events", whole, "--close", data=data).exit_code == 0
    assert exported("sessions", data) == clean


# --- through a process of its own


def test_a_real_process_prints_results_apart_from_notes(tmp_path: Path, data: Path) -> None:
    path = write_lines(tmp_path / "x.jsonl", *GOOD)
    done = process("import", "events", path, "--close", "--yes", data=data)
    assert (done.returncode, done.stderr) == (0, NOTE + "\n")
    assert counts(done.stdout) == {"read": 2, "stored": 2, "duplicate": 0, "filled": 0, "excluded": 0} | {
        "rejected": 0,
        "users": 2,
        "sessions": 2,
    }


def test_a_name_with_brackets_is_printed_as_it_is(tmp_path: Path, data: Path) -> None:
    path = write_lines(tmp_path / "[red]:smile:.jsonl", event(occurred_at=INSTANT_S))
    result = enduser("import", "events", path, data=data)
    assert f"{path}: numeric times" in result.stderr


def test_a_file_of_a_header_only_brings_nothing_and_is_no_failure(tmp_path: Path, data: Path) -> None:
    path = file_of(tmp_path, "x.csv", "user_id,occurred_at\n")
    result = enduser("import", "events", path, "--close", data=data)
    assert (result.exit_code, taken(result)) == (0, {})
    assert "clock       no event yet" in result.stdout


def test_on_a_terminal_progress_is_shown_with_rate_and_time_left(tmp_path: Path, data: Path) -> None:
    path = write_lines(tmp_path / "x.jsonl", *GOOD)
    terminal, end = pty.openpty()
    arguments = command("import", "events", path, "--data", data)
    with subprocess.Popen(arguments, stdout=subprocess.DEVNULL, stderr=end) as running:
        os.close(end)
        shown = b""
        with contextlib.suppress(OSError):  # how a terminal says that nobody writes any more
            while block := os.read(terminal, 4_096):
                shown += block
    os.close(terminal)
    assert running.returncode == 0
    assert b"100%" in shown
    assert b"rows/s" in shown


def test_the_bar_says_that_sessions_are_folded_once_all_is_read() -> None:
    bar = Progress(disable=True)
    show = _shown_in(bar, began=0)
    texts = []
    for done in (50, 100):
        show(done, 100, Outcomes())
        texts.append(bar.tasks[0].description)
    assert texts == ["reading", "folding sessions …"]


def test_with_a_place_database_any_import_fills_places_and_fill_only_insists_on_one(
    tmp_path: Path, data: Path
) -> None:
    path = write_lines(tmp_path / "x", event("u", ip="5.6.7.8"))
    assert enduser("import", "events", path, data=data).exit_code == 0
    assert enduser("import", "events", path, "--fill", data=data).exit_code == 2
    city = write_mmdb(tmp_path / "city.mmdb", {"5.6.0.0/16": FLAT})
    enduser("geo", "install", "--file", city, data=data)
    assert taken(enduser("import", "events", path, data=data))["filled"] == 1
