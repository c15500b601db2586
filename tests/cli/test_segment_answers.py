"""`enduser segments`: whom they mean, and why."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from owning import reached
from running import enduser
from segmented import STAFF, VIPS, people, save, where
from stored import LOOKUPS, NOW

from enduser import limits
from enduser.stores.embedded import EmbeddedStore


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder of four users with segments."""
    folder = tmp_path_factory.mktemp("answers")
    with EmbeddedStore(folder / "data", now_us=NOW, lookups=LOOKUPS, memory_limit_mb=512) as store:
        people(store, folder)
        save(store, "vips", VIPS, name="Very important")
        save(store, "staff", STAFF)
        save(store, "old", where("first_seen", "in_last", {"n": 100, "unit": "day"}), is_archived=True)
    return folder / "data"


def ask(data: Path, *arguments: object) -> str:
    told = enduser("segments", *arguments, data=data)
    assert told.exit_code == 0, told.stderr
    return told.stdout


def test_a_segment_is_counted_with_its_share_and_the_clock(data: Path) -> None:
    assert ask(data, "count", "vips") == "2 of 4 users (50.0%), by the clock at 2024-02-22 22:13:20 UTC\n"
    assert "1 of 4 users (25.0%), and 1 id not yet seen, by" in ask(data, "count", "staff")
    told = json.loads(ask(data, "count", "staff", "--format", "json"))
    assert (told["count"], told["not_yet_seen"], told["users"], told["share"]) == (1, 1, 4, 0.25)


def test_members_are_listed_as_far_as_is_asked_for(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "PAGE_ROWS_MAX", 1)
    lines = ask(data, "members", "vips", "--sort", "user_id").splitlines()
    assert [line.split()[0] for line in lines] == ["user_id", "ada", "cyd", "2"]
    assert lines[1].split()[3:] == ["2", "NO", "Oslo"]
    assert ask(data, "members", "vips", "--limit", 1).splitlines()[-1] == "1 of 2 users"
    objects = [json.loads(line) for line in ask(data, "members", "vips", "--format", "json").splitlines()]
    assert [(one["user_id"], one["attributes"]["plan"]) for one in objects] == [
        ("cyd", "vip"),
        ("ada", "vip"),
    ]


def test_users_are_parted_by_an_attribute(data: Path) -> None:
    ask(data, "restore", "old")
    rows = [line.split() for line in ask(data, "facets", "old", "plan", "--limit", 1).splitlines()]
    ask(data, "archive", "old")
    assert rows == [["plan", "users"], ["vip", "2"], ["(others)", "1"], ["(unknown)", "1"]]
    told = json.loads(ask(data, "facets", "vips", "seats", "--format", "json"))
    assert told["values"] == [{"value": 5.0, "users": 2}]


def test_a_preview_says_who_would_enter_and_leave(data: Path) -> None:
    rule = json.dumps(where("country", "is", "DE"))
    lines = ask(data, "preview", "--rule", rule, "--segment", "vips", "--sample", 1).splitlines()
    assert lines[0].startswith("2 of 4 users (50.0%)")
    assert lines[1:] == ["  dan", "would enter: 2 users", "  dan", "would leave: 2 users", "  cyd"]
    told = json.loads(ask(data, "preview", "--template", "new-users", "--format", "json"))
    assert (told["count"], told["sample"]) == (0, [])
    assert "entering" not in told


def test_an_explanation_is_a_tree_with_values_and_who_says_them(data: Path) -> None:
    told = enduser("segments", "explain", "ada", data=data)
    assert told.stdout.splitlines() == [
        "✓ staff (Staff)",
        "  ✓ all of",
        "    ✓ in the list staff",
        "✓ vips (Very important)",
        "  ✓ all of",
        '    ✓ plan is "vip": "vip" (api, since 2023-11-14 22:13:20 UTC)',
    ]
    assert ask(data, "explain", "bob", "vips").splitlines()[0] == "✗ vips (Very important)"
    told_json: dict[str, Any] = json.loads(ask(data, "explain", "bob", "vips", "--format", "json"))
    assert [one["holds"] for one in told_json["items"]] == [False]


def test_who_has_no_object_is_said_to_have_none(data: Path) -> None:
    told = enduser("segments", "explain", "unseen", "staff", data=data)
    assert (told.exit_code, told.stdout.splitlines()[0]) == (1, "✓ staff (Staff)")
    assert "no End User Object for 'unseen'" in told.stderr


def test_templates_are_listed_and_one_is_shown_with_its_rule(data: Path) -> None:
    lines = ask(data, "templates").splitlines()
    assert [line.split()[0] for line in lines[1:]] == ["new-users", "never-returned", "upgraded", "quit"]
    rule = json.loads(ask(data, "templates", "never-returned", "--set", "days=9"))
    assert rule["rules"][2]["value"] == {"n": 9, "unit": "day"}
    told = json.loads(ask(data, "templates", "--format", "json"))
    assert told[0]["parameters"] == {"days": 7}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("count", "gone"), "there is no segment 'gone'"),
        (("members", "gone"), "there is no segment 'gone'"),
        (("members", "vips", "--sort", "gone"), "there is no attribute 'gone'"),
        (("facets", "gone", "plan"), "there is no segment 'gone'"),
        (("facets", "vips", "gone"), "parted by 'gone'"),
        (("facets", "vips", "plan", "--limit", limits.FACET_VALUES_MAX + 1), "'--limit'"),
        (("preview",), "a rule must be named"),
        (("preview", "--rule", '{"field": "gone", "operator": "known"}'), "no attribute 'gone'"),
        (("preview", "--template", "quit", "--segment", "gone"), "there is no segment 'gone'"),
        (("preview", "--template", "quit", "--sample", limits.PREVIEW_SAMPLE_MAX + 1), "'--sample'"),
        (("explain", "ada", "gone"), "there is no segment 'gone'"),
        (("explain", "ada", "old"), "is archived, so nobody is in it"),
        (("count", "old"), "is archived, so nobody is in it"),
        (("members", "old"), "is archived, so nobody is in it"),
        (("facets", "old", "plan"), "is archived, so nobody is in it"),
        (("templates", "gone"), "there is no template 'gone'"),
    ],
)
def test_what_cannot_be_asked_is_told(data: Path, arguments: tuple[object, ...], message: str) -> None:
    told = enduser("segments", *arguments, data=data)
    assert (told.exit_code, message in told.stderr) == (2, True), told.stderr


@pytest.fixture
def owned(data: Path) -> Iterator[EmbeddedStore]:
    """The store of the data folder, owned by another process as far as commands can tell."""
    with (
        EmbeddedStore(data, now_us=NOW, lookups=LOOKUPS, memory_limit_mb=512) as store,
        reached(data, store),
    ):
        yield store


def test_while_a_server_owns_the_folder_commands_ask_it(data: Path, owned: EmbeddedStore) -> None:
    """All that they ask of a segment comes over the socket as it is at home."""
    rule = json.dumps(VIPS)
    created = enduser("segments", "create", "Live", "--id", "live", "--rule", rule, data=data)
    assert (created.exit_code, owned.find_segment("default/production", "live").version) == (0, 1)
    assert ask(data, "count", "live").startswith("2 of 4 users")
    assert "plan is" in ask(data, "explain", "ada", "live")
    assert ask(data, "facets", "live", "plan").splitlines()[1].split() == ["vip", "2"]
    preview = ask(data, "preview", "--rule", rule, "--segment", "live", "--sample", 0)
    assert preview.splitlines()[1:] == ["would enter: 0 users", "would leave: 0 users"]
    assert ask(data, "members", "live").splitlines()[-1] == "2 of 2 users"
    assert enduser("segments", "delete", "live", "--yes", data=data).exit_code == 0
