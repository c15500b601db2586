"""Commands that list, count and write the users of a rule, a segment, a filter or a text."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest
from running import enduser, event, file_of, write_lines

NORWAY = json.dumps({"field": "country", "operator": "is", "value": "NO"})


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder that tests only read: three users, an attribute, a segment, a filter and a list."""
    folder = tmp_path_factory.mktemp("asked")
    lines = [
        event("adam", "2026-01-01T10:00:00Z", country="NO", city="Oslo"),
        event("bea", "2026-01-02T10:00:00Z", country="NO", city="Bergen"),
        event("carl", "2026-01-03T10:00:00Z", country="DE"),
        event(None, "2026-01-04T10:00:00Z", anonymous_id="v-1"),
    ]
    there = folder / "data"
    path = write_lines(folder / "events.jsonl", *lines)
    for command in (
        ("import", "events", path, "--close"),
        ("attributes", "create", "plan", "--type", "string"),
        ("attributes", "create", "attributes", "--type", "list"),
        ("users", "set", "adam", "plan=vip 100%", "attributes=a;b"),
        ("users", "set", "bea", "plan=Free"),
        ("segments", "create", "Norway", "--id", "norway", "--rule", NORWAY),
        ("lists", "create", "staff", "carl", "nobody-yet"),
        ("filters", "save", "north", "--where", NORWAY, "--columns", "city,plan", "--sort", "city"),
    ):
        told = enduser(*command, data=there)
        assert told.exit_code == 0, told.output
    return there


def listed(data: Path, *options: str) -> list[str]:
    """Return the first words of the rows of `users list`, and its last line."""
    told = enduser("users", "list", *options, data=data)
    assert told.exit_code == 0, told.output
    _, *rows = told.stdout.splitlines()
    return [row.split()[0] if number < len(rows) - 1 else row for number, row in enumerate(rows)]


@pytest.mark.parametrize(
    ("options", "ids"),
    [
        ((), ["v-1", "carl", "bea", "adam"]),
        (("--where", NORWAY), ["bea", "adam"]),
        (("--segment", "norway"), ["bea", "adam"]),
        (("--search", "VIP"), ["adam"]),
        (("--search", "100%"), ["adam"]),
        (("--where", NORWAY, "--search", "berg"), ["bea"]),
        (("--sort", "plan"), ["bea", "adam", "carl", "v-1"]),
        (("--sort", "-plan"), ["adam", "bea", "carl", "v-1"]),
        (("--filter", "north"), ["bea", "adam"]),
        (("--filter", "north", "--sort", "-city"), ["adam", "bea"]),
    ],
)
def test_users_are_listed_as_they_are_asked_for(data: Path, options: tuple[str, ...], ids: list[str]) -> None:
    found = "4 users" if len(ids) == 4 else f"{len(ids)} found, of 4 users"
    assert listed(data, *options) == [*ids, f"{len(ids)} of {found}"]


def test_who_lists_fewer_than_there_are_is_told_so(data: Path) -> None:
    assert listed(data, "--search", "o", "--limit", "1")[-1] == "1 of 2 found, of 4 users"
    assert listed(data, "--limit", "1")[-1] == "1 of 4 users"


def test_nobody_is_found_where_nobody_is_meant(data: Path) -> None:
    assert enduser("users", "list", "--search", "%%", data=data).stdout == "Nobody of 4 users.\n"


def test_a_table_has_the_columns_that_are_asked_for(data: Path) -> None:
    columns = "plan, attributes,last_seen,is_anonymous,total_sessions,plan"
    told = enduser("users", "list", "--columns", columns, "--sort", "user_id", data=data).stdout.splitlines()
    assert told[0].split() == ["user_id", "plan", "attributes", "last_seen", "total_sessions"]
    assert told[1].split() == ["adam", "vip", "100%", "a;", "b", "2026-01-01", "10:00:00", "1"]
    assert told[4].split() == ["v-1", "(anonymous)", "2026-01-04", "10:00:00", "1"]


def test_a_rule_can_stand_in_a_file_or_come_by_standard_input(data: Path, tmp_path: Path) -> None:
    path = file_of(tmp_path, "rule.json", NORWAY)
    assert listed(data, "--where", str(path)) == listed(data, "--where", NORWAY)
    told = enduser("users", "count", "--where", "-", data=data, stdin=NORWAY)
    assert told.stdout == "2 of 4 users\n"


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ((), "4 of 4 users"),
        (("--where", NORWAY), "2 of 4 users"),
        (("--segment", "norway", "--search", "oslo"), "1 of 4 users"),
        (("--filter", "north"), "2 of 4 users"),
        (("--where", '{"kind": "list", "id": "staff"}'), "1 of 4 users, and 1 id not yet seen"),
    ],
)
def test_users_are_counted(data: Path, options: tuple[str, ...], told: str) -> None:
    assert enduser("users", "count", *options, data=data).stdout == f"{told}\n"


def test_an_export_has_the_users_and_the_columns_that_are_asked_for(data: Path, tmp_path: Path) -> None:
    told = enduser("users", "export", "--where", NORWAY, "--columns", "plan,city", data=data).stdout
    assert list(csv.DictReader(told.splitlines())) == [
        {"user_id": "adam", "is_anonymous": "false", "plan": "vip 100%", "city": "Oslo"},
        {"user_id": "bea", "is_anonymous": "false", "plan": "Free", "city": "Bergen"},
    ]
    told = enduser("users", "export", "--filter", "north", "--format", "jsonl", data=data).stdout
    assert [json.loads(line)["city"] for line in told.splitlines()] == ["Bergen", "Oslo"]
    target = tmp_path / "x.csv"
    told = enduser("users", "export", "--segment", "norway", "--output", target, data=data).stderr
    assert told == f"2 users written to {target}\n"


@pytest.mark.parametrize("command", ["list", "export", "count"])
@pytest.mark.parametrize(
    ("options", "told"),
    [
        (("--where", "{"), "the rule is no JSON object"),
        (("--where", "gone.json"), "there is no file gone.json"),
        (("--where", '{"field": "gone", "operator": "known"}'), "there is no attribute 'gone'"),
        (("--segment", "gone"), "there is no segment 'gone'"),
        (("--segment", "norway", "--where", NORWAY), "a rule and a segment cannot be asked for together"),
        (("--filter", "gone"), "there is no filter 'gone'"),
        (("--search", "x" * 300), "cannot be searched"),
    ],
)
def test_what_cannot_be_asked_for_is_told(
    data: Path, command: str, options: tuple[str, ...], told: str
) -> None:
    result = enduser("users", command, *options, data=data)
    assert (result.exit_code, told in result.stderr) == (2, True), result.output


@pytest.mark.parametrize("command", ["list", "export"])
def test_an_attribute_that_is_none_is_told(data: Path, command: str) -> None:
    for options, told in (
        (("--sort", "gone"), "there is no attribute 'gone'"),
        (("--sort", "attributes"), "whose values are lists"),
        (("--columns", "city,gone"), "there is no attribute 'gone'"),
    ):
        result = enduser("users", command, *options, data=data)
        assert (result.exit_code, told in result.stderr) == (2, True), result.output
