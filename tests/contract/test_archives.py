"""Archives: all that is held on one person, and nothing of anybody else."""

from __future__ import annotations

import random
import re
import tracemalloc
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import pytest
from held import (
    ADA,
    ALIAS,
    BROWSER,
    CLEARS,
    IDENTIFY,
    MADE_AT,
    MINUTE,
    OLD,
    OPEN,
    PAGE,
    PHONE,
    START,
    ZOE,
    Archive,
    archive_of,
    at,
    filled,
    line,
    say,
    take_lines,
)
from owning import reached
from segmented import STAFF, all_of, save, where
from stored import LOOKUPS, NOW, SPACE, linked, take
from test_links import IDS, random_row
from tiers import tries

from enduser import limits
from enduser.core.attributes import API, MANUAL, SDK, Attribute, AttributeType, ConflictRule
from enduser.core.events import UserId, hashed_id
from enduser.core.links import IdKind
from enduser.core.lists import ListAction
from enduser.errors import ReadTimeout, StoreError, UserNotFound
from enduser.service.archives import Asked, write_archive
from enduser.service.json_form import iso_time
from enduser.service.provenance import find_said
from enduser.service.writing_values import write_json_rows
from enduser.sources.json_rows import JsonRow
from enduser.stores.contract import Store
from enduser.stores.embedded import EmbeddedStore, reader
from enduser.stores.embedded.archive import FILES
from enduser.stores.embedded.reading import Look
from enduser.stores.records import AddLink, ChangeSettings, CloseHistory, EraseUser, RemoveLink, WriteList
from enduser.stores.row_file import write_ids


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedStore]:
    """A store with Ada and Zoe that tests only read."""
    with filled(tmp_path_factory.mktemp("world") / "data") as opened:
        yield opened


@pytest.fixture(scope="module")
def ada(world: EmbeddedStore) -> Archive:
    return archive_of(world, ADA)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[EmbeddedStore]:
    with EmbeddedStore(tmp_path / "data", now_us=NOW, lookups=LOOKUPS, memory_limit_mb=512) as opened:
        yield opened


@pytest.fixture
def own_world(tmp_path: Path) -> Iterator[EmbeddedStore]:
    """The same, for a test that changes it."""
    with filled(tmp_path / "data") as opened:
        yield opened


# --- what is in it


def test_behind_a_socket_and_by_any_id_it_is_the_same_archive(world: EmbeddedStore, ada: Archive) -> None:
    with reached(world.folder, world) as remote:
        assert archive_of(remote, ADA) == ada
    for one in (BROWSER, PHONE):
        assert archive_of(world, one) == ada
    assert list(ada.files) == ["README.txt", "user.json", *(f"{name}.csv" for name in FILES)]


def test_the_page_says_in_words_what_each_file_is_and_whose(ada: Archive) -> None:
    for name in ada.files:
        assert f"- {name}" in ada.readme
    for said in (
        "plain ada",
        "anonymous ada-browser",
        "anonymous ada-phone",
        SPACE,
        iso_time(MADE_AT),
        "UTC",
    ):
        assert said in ada.readme
    assert "events.csv (6 rows)" in ada.readme
    assert "the city is approximate" in ada.readme
    assert ada.user["rows"] == {f"{name}.csv": len(ada.rows(name)) for name in FILES}


def test_each_event_of_all_ids_is_in_it_with_all_that_is_stored(ada: Archive) -> None:
    assert ada.cells("events", "message_id", "user_id", "id_kind", "occurred_at") == [
        ("m-old", "ada", "plain", at(OLD)),
        ("m-identify", "ada", "plain", at(IDENTIFY)),
        ("m-page", "ada-browser", "anonymous", at(PAGE)),
        ("m-alias", "ada", "plain", at(ALIAS)),
        ("m-clears", "ada", "plain", at(CLEARS)),
        ("m-open", "ada", "plain", at(OPEN)),
    ]
    assert ada.rows("events")[2] == {
        "user_id": "ada-browser",
        "id_kind": "anonymous",
        "occurred_at": at(PAGE),
        "sent_at": at(PAGE),
        "received_at": iso_time(NOW),
        "type": "page",
        "name": "",
        "message_id": "m-page",
        "page_url": "https://x.example/ada",
        "properties": '{"title":"Home"}',
        "traits": "",
        "ip": "192.0.2.7",
        "anonymous_id": "",
        "previous_id": "",
        "country": "NO",
        "region": "Oslo",
        "city": "Oslo",
        "browser_name": "Firefox",
        "browser_version": "120",
        "is_visit": "true",
        "is_page_view": "true",
        "is_act": "false",
    }
    assert ada.cells("events", "anonymous_id")[1] == ("ada-browser",)
    assert ada.cells("events", "previous_id")[3] == ("ada-browser",)
    assert ada.cells("events", "traits")[1] == ('{"role":"=admin","status":"new","nick":"A"}',)


def test_all_sessions_are_in_it_open_ones_and_earlier_lives_too(world: EmbeddedStore, ada: Archive) -> None:
    assert ada.cells("sessions", "started_at", "is_closed", "is_in_current_life") == [
        (at(OLD), "true", "false"),
        (at(IDENTIFY), "true", "true"),
        (at(OPEN), "false", "true"),
    ]
    names = ("started_at", "ended_at", "events", "page_views", "country", "city", "browser_name")
    stored = [one for one in world.sessions(SPACE) if one["user_id"] == "ada"]
    times = [[iso_time(one[name]) for name in names[:2]] for one in stored]  # type: ignore[arg-type]
    rest = [[str(one[name] or "") or "" for name in names[4:]] for one in stored]
    counts = [[str(one[name]) for name in names[2:4]] for one in stored]
    assert ada.cells("sessions", *names) == [
        (*a, *b, *c) for a, b, c in zip(times, counts, rest, strict=True)
    ]


def test_every_value_that_was_written_is_in_it_with_who_wrote_it(ada: Archive) -> None:
    names = ("user_id", "attribute", "value", "is_cleared", "not_taken", "source", "run", "input", "row")
    file = ("crm", "1", "'=users.csv", "1")
    assert ada.cells("values", *names) == [
        ("ada", "born", "2001-02-03", "false", "", "manual", "2", "", "1"),
        ("ada", "ok", "true", "false", "", "manual", "2", "", "1"),
        ("ada", "plan", "vip", "false", "", "manual", "2", "", "1"),
        ("ada", "seats", "-3.0", "false", "", "manual", "2", "", "1"),
        ("ada", "since", "2026-01-02T10:00:00.000000Z", "false", "", "manual", "2", "", "1"),
        ("ada-browser", "seats", "", "true", "", "manual", "3", "", "1"),
        ("ada", "plan", "free", "false", "", *file),
        ("ada", "seats", "", "false", "wrong_type", *file),
        ("ada", "tags", '["=a","b"]', "false", "", *file),
    ]
    (row,) = [row for row in ada.rows("values") if row["value"] == "vip"]
    assert row["effective_at"] == row["written_at"] == iso_time(START + 10**11)


def test_what_events_said_of_analytics_properties_is_in_it(ada: Archive) -> None:
    assert ada.cells("properties", "property", "value", "is_cleared", "occurred_at", "message_id") == [
        ("role", "'=admin", "false", at(IDENTIFY), "m-identify"),
        ("status", "new", "false", at(IDENTIFY), "m-identify"),
        ("status", "", "true", at(CLEARS), "m-clears"),
    ]


def test_what_was_said_of_links_is_in_it_and_of_ids_of_others_only_that_there_is_one(ada: Archive) -> None:
    names = ("one", "one_kind", "other", "other_kind", "said_by", "message_id", "is_removed", "holds")
    claimed = ("ada-browser", "anonymous", "ada", "plain", "event", "m-identify", "false", "true")
    rows = ada.cells("links", *names)
    assert rows[-1] == claimed
    pairs = {frozenset((row[0], row[2])): row[4:] for row in rows[:-1]}
    assert pairs == {
        frozenset(("ada", "ada-phone")): ("api", "", "false", "true"),
        frozenset(("ada", "")): ("api", "", "true", "false"),
    }
    links = [({one["one"]["id"], one["other"]["id"]}, one["by"], one["since"]) for one in ada.user["links"]]
    assert links == [
        ({"ada", "ada-phone"}, "api", iso_time(START + 10**11)),
        ({"ada", "ada-browser"}, "event", at(IDENTIFY)),
    ]


def test_lists_and_what_the_feed_still_tells_are_in_it(ada: Archive) -> None:
    assert ada.cells("lists", "list_id", "list_name", "user_id", "id_kind", "added_at") == [
        ("staff", "'=Staff", "ada", "plain", iso_time(START + 10**11))
    ]
    told = ada.cells("feed", "user_id", "kind", "subject", "before", "after")
    assert set(told) == {
        ("ada", "entered", "staff", "", ""),
        ("ada", "entered", "vips", "", ""),
        ("ada", "changed", "plan", "", '"vip"'),
        ("ada", "changed", "role", "", '"=admin"'),
    }


def test_the_person_as_a_whole_is_in_it(world: EmbeddedStore, ada: Archive) -> None:
    said = ada.user
    assert said["ids"] == [
        {"id": "ada", "kind": "plain"},
        {"id": "ada-browser", "kind": "anonymous"},
        {"id": "ada-phone", "kind": "anonymous"},
    ]
    assert (said["shown"], said["space"], said["made_at"]) == (said["ids"][0], SPACE, iso_time(MADE_AT))
    for name, include_open in (("end_user_object", False), ("with_open_sessions", True)):
        found = world.find_user(SPACE, "ada", include_open=include_open)
        assert found is not None
        times = {time: iso_time(found[time]) for time in ("first_seen", "last_seen")}  # type: ignore[arg-type]
        assert said[name] == {**found, **times}
    assert said["with_open_sessions"]["total_sessions"] == said["end_user_object"]["total_sessions"] + 1
    assert said["segments"] == [{"id": "staff", "name": "Staff"}, {"id": "vips", "name": "Vips"}]
    assert said["static_lists"] == [{"id": "staff", "name": "=Staff"}]
    (told,) = said["told_by_feed"]
    assert told == {
        "id": "ada",
        "kind": "plain",
        "segments": ["staff", "vips"],
        "attributes": {"plan": "vip", "role": "=admin"},
    }
    assert said["current_life"]["started_at"] == at(IDENTIFY)
    assert said["current_life"]["last_visit_at"] == at(OPEN)


def test_the_values_that_hold_have_who_wrote_them(ada: Archive) -> None:
    values = ada.user["custom_attributes"]
    assert {name: one["value"] for name, one in values.items()} == {
        "plan": "vip",
        "tags": ["=a", "b"],
        "since": "2026-01-02T10:00:00.000000Z",
        "born": "2001-02-03",
        "ok": True,
    }
    assert values["tags"] == {
        "value": ["=a", "b"],
        "type": "list",
        "source": "crm",
        "run": 1,
        "effective_at": iso_time(START + 2 * 10**11),
        "written_at": iso_time(START + 2 * 10**11),
        "input": "=users.csv",
        "id": "ada",
        "kind": "plain",
    }


# --- nothing of others


def test_nothing_of_another_person_is_in_it(world: EmbeddedStore, ada: Archive) -> None:
    for name, content in ada.files.items():
        for text in (b"zoe", b"Zoe", b"198.51.100.9"):
            assert text not in content, name
    of_zoe = archive_of(world, ZOE)
    assert [name for name in FILES if b"zoe" not in of_zoe.files[f"{name}.csv"]] == []
    assert all(b"ada" not in content for name, content in of_zoe.files.items() if name != "events.csv")
    assert of_zoe.cells("links", "one", "other", "message_id", "holds") != []


def test_an_id_that_came_with_an_event_stays_in_it_also_if_it_is_of_another(world: EmbeddedStore) -> None:
    said = archive_of(world, ZOE).cells("events", "message_id", "previous_id")
    assert ("zoe-2", "ada-browser") in said


# --- who has one


def test_a_person_of_whom_only_a_value_a_list_or_a_link_is_known_has_an_archive(store: EmbeddedStore) -> None:
    store.create_attribute(Attribute("plan", AttributeType.STRING))
    by_value, by_list, by_link = (UserId(text, is_anonymous=False) for text in ("v", "l", "k"))
    say(store, by_value, plan="vip")
    ids = write_ids(store.folder / "ids.txt", ["l"], "plain")
    store.apply(SPACE, WriteList("staff", ListAction.CREATE, ids, START))
    save(store, "staff", STAFF)
    save(store, "all", all_of())
    store.apply(SPACE, RemoveLink(by_link, ADA, START))
    store.fold(SPACE)
    values, listed, linked = (archive_of(store, one) for one in (by_value, by_list, by_link))
    assert values.user["custom_attributes"]["plan"]["value"] == "vip"
    assert values.user["end_user_object"] is values.user["with_open_sessions"] is None
    assert (listed.user["segments"], listed.user["static_lists"]) == (
        [{"id": "staff", "name": "Staff"}],
        [{"id": "staff", "name": ""}],
    )
    assert linked.cells("links", "is_removed", "holds") == [("true", "false")]
    for archive, name in ((values, "values"), (listed, "lists"), (linked, "links")):
        rows = {table: len(archive.rows(table)) for table in FILES}
        assert rows == {**dict.fromkeys(FILES, 0), name: 1}
        assert len(archive.header("events")) == 22


@pytest.mark.parametrize("behind", ["embedded", "remote"])
def test_of_whom_nothing_is_known_there_is_none(world: EmbeddedStore, behind: str) -> None:
    def asked_of(store: Store) -> None:
        for text, kind in (("gone", "plain"), ("ada", "anonymous"), ("ada", "hashed"), ("null", "plain")):
            with pytest.raises(UserNotFound, match="there is no user"):
                archive_of(store, UserId(text, is_anonymous=False), kind)  # type: ignore[arg-type]

    if behind == "embedded":
        asked_of(world)
    else:
        with reached(world.folder, world) as remote:
            asked_of(remote)


def test_who_was_erased_has_none(own_world: EmbeddedStore) -> None:
    own_world.apply(SPACE, EraseUser(ADA))
    for one in (ADA, BROWSER, PHONE):
        with pytest.raises(UserNotFound):
            archive_of(own_world, one)


def test_where_ids_are_hashed_a_plain_id_is_hashed_and_the_archive_has_hashes(
    store: EmbeddedStore, tmp_path: Path
) -> None:
    store.apply(SPACE, ChangeSettings({"hash_ids": "on", "hash_salt": "s"}))
    take_lines(store, tmp_path, line(0, "m", user_id="ada"))
    store.fold(SPACE)
    stored, archive = hashed_id("s", "ada"), archive_of(store, ADA)
    assert archive.user["ids"] == [{"id": stored, "kind": "hashed"}]
    assert archive.cells("events", "user_id", "id_kind") == [(stored, "hashed")]
    assert archive_of(store, UserId(stored, is_anonymous=False), "hashed") == archive
    assert "stored as hashes" in archive.readme
    assert b"ada" not in archive.files["user.json"]


def test_a_line_end_in_an_id_makes_no_line_of_the_page(store: EmbeddedStore, tmp_path: Path) -> None:
    one = UserId("a\n- b.csv: x", is_anonymous=False)
    take_lines(store, tmp_path, line(0, "m", user_id=one.id))
    archive = archive_of(store, one)
    assert b"\n- b.csv" not in archive.files["README.txt"]
    assert archive.cells("events", "user_id") == [(one.id,)]


# --- when it would be deleted


def test_retention_counts_from_the_last_visit_else_from_the_last_event_or_write(
    store: EmbeddedStore, tmp_path: Path
) -> None:
    store.create_attribute(Attribute("plan", AttributeType.STRING))
    take_lines(store, tmp_path, line(0, "m", user_id="ada"), line(60, "n", user_id="ada", type="alias"))
    take_lines(store, tmp_path, line(5, "z", user_id="zoe", type="alias"))
    bob = UserId("bob", is_anonymous=False)
    say(store, bob, plan="vip")
    store.fold(SPACE)
    counted = {ADA: START, ZOE: START + 5 * MINUTE, bob: START + 10**11}
    for one, since in counted.items():
        assert archive_of(store, one).user["retention"]["counted_from"] == iso_time(since)
    assert archive_of(store, ADA).user["retention"] == {
        "months": 6,
        "counted_from": "2023-11-14T22:13:20.000000Z",
        "deleted_after": "2024-05-14T22:13:20.000000Z",
        "only_on_demand": True,
    }
    store.apply(SPACE, ChangeSettings({"retention_months": "0"}))
    assert archive_of(store, ADA).user["retention"]["deleted_after"] is None


# --- as the reference model says


@pytest.mark.parametrize("seed", range(tries(1, 60)))
def test_values_and_links_that_hold_are_those_of_the_reference(
    store: EmbeddedStore, tmp_path: Path, seed: int
) -> None:
    rng = random.Random(seed)
    store.apply(SPACE, ChangeSettings({"link_on_identify": "on"}))
    for name in "pq":
        rule = rng.choice(list(ConflictRule))
        store.create_attribute(Attribute(name, AttributeType.STRING, conflict_rule=rule))
    take(store, tmp_path, [random_row(rng) for _ in range(40)])
    for number in range(8):
        one, other = rng.sample(IDS, 2)
        store.apply(SPACE, (AddLink if rng.random() < 0.5 else RemoveLink)(one, other, START + number))
        row = JsonRow(one.id, {rng.choice("pq"): rng.choice("xyz")}, kind_of(one))
        cleared = JsonRow(one.id, {rng.choice("pq"): None}, kind_of(one))
        rows = rng.choice([[row], [row, cleared], [cleared]])
        write_json_rows(store, SPACE, rng.choice([API, MANUAL, SDK]), rows, START + rng.randrange(3))
    store.apply(SPACE, CloseHistory())
    store.fold(SPACE)
    links = [linked(row) for row in store.links_page(SPACE, limit=limits.PAGE_ROWS_MAX).items]
    asked = 0
    for one in rng.sample(IDS, 6):
        folder = tmp_path / f"{kind_of(one)}-{one.id}"
        folder.mkdir()
        held = store.write_person(SPACE, one.id, kind_of(one), folder)
        if held is not None:
            asked += 1
            said = find_said(store, SPACE, one.id, kind_of(one)).holding()
            assert {name: value.said for name, value in held.values.items()} == said
            found = {(frozenset((link.one, link.other)), link.since, link.by) for link in held.links}
            right = [link for link in links if link.one in held.ids]
            assert found == {(frozenset((link.one, link.other)), link.since, link.by) for link in right}
            assert len(held.links) == len(right)
    assert asked


def kind_of(one: UserId) -> IdKind:
    return "anonymous" if one.is_anonymous else "plain"


def test_segments_are_those_that_hold_whatever_their_rules_ask(own_world: EmbeddedStore) -> None:
    store = own_world
    clicked = {"kind": "event", "name": "Saved", "count": {"operator": "ge", "value": 1}}
    rules = {
        "events": clicked,
        "no-events": {"combinator": "and", "not": True, "rules": [clicked]},
        "sessions": {"kind": "session", "count": {"operator": "ge", "value": 2}},
        "nobody": where("plan", "is", "nothing"),
        "in-vips": {"kind": "segment", "id": "vips"},
    }
    for name, rule in rules.items():
        save(store, name, rule)
    save(store, "old", STAFF, is_archived=True)
    explained = store.explain_segments(SPACE, "ada").verdicts
    right = [one.saved.segment.id for one in explained if one.verdict.holds]
    save(store, "broken", STAFF)
    store._execute(
        """UPDATE space_1.segments SET rule = '{"kind": "list", "id": "gone"}' WHERE id = 'broken'"""
    )
    found = [one["id"] for one in archive_of(store, ADA).user["segments"]]
    assert found == right
    assert {"in-vips", "events"} <= set(found)
    assert not {"nobody", "old", "no-events"} & set(found)


# --- how it is made


def test_a_file_that_cannot_be_written_is_an_error(world: EmbeddedStore, tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="cannot write"):
        world.write_person(SPACE, "ada", "plain", tmp_path / "not there")


def test_it_shows_one_moment_while_others_change_the_store(
    world: EmbeddedStore, ada: Archive, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = reader.archive._write
    changed: list[str] = []

    def changes_first(look: Look, name: str, path: Path) -> int:
        if not changed:
            changed.append(name)
            with world._database.changing(world._database.schema(SPACE)):
                world._execute("UPDATE sessions SET events = events + 100")
        return plain(look, name, path)

    monkeypatch.setattr(reader.archive, "_write", changes_first)
    found = archive_of(world, ADA)
    with world._database.changing(world._database.schema(SPACE)):
        world._execute("UPDATE sessions SET events = events - 100")
    assert changed
    assert found == ada


def test_it_has_the_time_limit_of_exports(world: EmbeddedStore, monkeypatch: pytest.MonkeyPatch) -> None:
    def slowly(look: Look, *_: object) -> None:
        look.rows("SELECT count(*) AS n FROM range(1_000_000_000_000) AS n(i) WHERE hash(i) = 1", {})

    monkeypatch.setattr(reader.archive, "write_person", slowly)
    monkeypatch.setattr(limits, "EXPORT_SECONDS_MAX", 0.001)
    with pytest.raises(ReadTimeout) as caught:
        archive_of(world, ADA)
    assert "EXPORT_SECONDS_MAX" in str(caught.value.hint)


def test_however_many_events_there_are_they_are_not_held_in_memory(
    store: EmbeddedStore, tmp_path: Path
) -> None:
    take_lines(store, tmp_path, line(0, "m", user_id="ada", url="https://x.example/" + "long/" * 20))
    store.fold(SPACE)
    many = 100_000
    store._execute(f"INSERT INTO space_1.events SELECT one.* FROM space_1.events AS one, range({many - 1})")
    folder = tmp_path / "archived"
    folder.mkdir()
    tracemalloc.start()
    try:
        path = write_archive(store, Asked(SPACE, "ada", "plain", MADE_AT), folder)
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    with ZipFile(path) as archive:
        size = archive.getinfo("events.csv").file_size
    assert size > many * 120
    assert most < size / 3


# --- every column


IN_TABLES = {
    **{f"user_ids.{name}": ("events", "user_id") for name in ("id",)},
    "user_ids.is_anonymous": ("events", "id_kind"),
    "events.client_at": ("events", "sent_at"),
    **{
        f"events.{name}": ("events", name)
        for name in (
            *("occurred_at", "received_at", "is_visit", "is_page_view", "is_act", "type", "name"),
            *("message_id", "page_url", "properties", "traits", "ip", "anonymous_id", "previous_id"),
        )
    },
    "events.place_id": ("events", "city"),
    "events.browser_id": ("events", "browser_name"),
    **{
        f"property_events.{name}": ("properties", name)
        for name in ("property", "occurred_at", "message_id", "is_visit", "value")
    },
    **{
        f"{table}.{name}": ("sessions", name)
        for table in ("sessions", "open_sessions")
        for name in (
            *("started_at", "ended_at", "events", "page_views", "acts", "place_at", "browser_at"),
            *("continues", "is_cut_off"),
        )
    },
    **{f"{table}.place_id": ("sessions", "city") for table in ("sessions", "open_sessions")},
    **{f"{table}.browser_id": ("sessions", "browser_name") for table in ("sessions", "open_sessions")},
    "claims.claimed_at": ("links", "said_at"),
    "claims.message_id": ("links", "message_id"),
    "links.said_at": ("links", "said_at"),
    "links.is_removed": ("links", "is_removed"),
    **{f"candidates.{name}": ("values", name) for name in ("run", "row", "effective_at", "written_at")},
    "candidates.source": ("values", "source"),
    "candidates.cleared": ("values", "is_cleared"),
    "candidates.flaws": ("values", "not_taken"),
    "list_members.list": ("lists", "list_id"),
    "list_members.added_at": ("lists", "added_at"),
    **{
        f"feed.{name}": ("feed", name)
        for name in ("number", "noticed_at", "written_at", "kind", "subject", "before", "after")
    },
}
"""In which column of which table of the archive a column of the space is."""
IN_USER = {
    "users.total_sessions": "end_user_object.total_sessions",
    "users.first_seen": "end_user_object.first_seen",
    "users.last_seen": "end_user_object.last_seen",
    "users.duration_us": "end_user_object.total_session_duration",
    "users.place_id": "end_user_object.city",
    "users.browser_id": "end_user_object.browser_name",
    **{f"users.{name}": f"end_user_object.{name}" for name in ("name", "role", "type", "status", "info")},
    "users.place_at": "current_life.place_at",
    "users.browser_at": "current_life.browser_at",
    "users.life_started_at": "current_life.started_at",
    "users.last_visit_at": "current_life.last_visit_at",
    "users.begins_after": "current_life.begins_after",
    "told.segments": "told_by_feed.0.segments",
    "told.attributes": "told_by_feed.0.attributes",
}
"""Where in `user.json` a column of the space is."""
KEYS = {
    "user_key",
    "person_key",
    "anonymous_key",
    "one_key",
    "other_key",
    "base_key",
    "id_check",
    "message_key",
}
"""Hashes by which rows are found: the ids and message ids themselves are in the archive."""
BOOKKEEPING = {
    "events.batch": "which batch of events is folded",
    "users.is_anonymous": "a copy of what user_ids says",
    "persons.id_order": "the byte order of the ids",
    "touched_persons.fold": "whom copies must follow",
    "filled_events.occurred_at": "what waits for the next fold: the event itself is in the archive",
}
OF_NOBODY_KNOWN = {"suppressed": "hashes of ids that stay out: nothing else is held of them"}
"""Tables with keys of ids that are no rows of a person."""


def columns_of_persons(store: EmbeddedStore) -> dict[str, str]:
    """Return the columns, with their types, of all tables of a space that have keys of persons."""
    columns = store._execute(
        "SELECT table_name, column_name, data_type FROM duckdb_columns() WHERE schema_name = 'space_1'"
    )
    of_persons = {table for table, column, _ in columns if column in KEYS} - OF_NOBODY_KNOWN.keys()
    return {f"{table}.{name}": kind for table, name, kind in columns if table in of_persons}


def test_every_column_of_a_person_is_in_the_archive_or_is_left_out_for_a_reason(world: EmbeddedStore) -> None:
    columns = {name: kind for name, kind in columns_of_persons(world).items() if not is_of_attribute(name)}
    left_out = {name for name in columns if name.partition(".")[2] in KEYS} | BOOKKEEPING.keys()
    assert columns.keys() == left_out | IN_TABLES.keys() | IN_USER.keys()


def is_of_attribute(column: str) -> bool:
    return re.fullmatch(r"(users|candidates)\.a\d+", column) is not None


@pytest.mark.parametrize("table", sorted({name.partition(".")[0] for name in (*IN_TABLES, *IN_USER)}))
def test_other_values_in_the_columns_of_a_table_are_others_in_the_archive(
    changing: EmbeddedStore, unchanged: Archive, table: str
) -> None:
    kinds = columns_of_persons(changing)
    names = [name for name in (*IN_TABLES, *IN_USER) if name.startswith(f"{table}.")]
    with changed(changing, table, {name: kinds[name] for name in names}):
        found = archive_of(changing, ADA)
    same = [name for name in names if place_of(unchanged, name) == place_of(found, name)]
    assert same == []


def place_of(archive: Archive, column: str) -> object:
    """Return what the archive has of a column of the space."""
    if column in IN_TABLES:
        table, name = IN_TABLES[column]
        return archive.cells(table, name)
    return at_path(archive, IN_USER[column])


@pytest.fixture(scope="module")
def unchanged(changing: EmbeddedStore) -> Archive:
    return archive_of(changing, ADA)


@pytest.fixture(scope="module")
def changing(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedStore]:
    """A store of which tests change one column, and put it back."""
    with filled(tmp_path_factory.mktemp("changing") / "data") as opened:
        opened._execute("UPDATE space_1.users SET begins_after = 1")
        opened._execute("INSERT INTO space_1.places SELECT -1, 'XX', 'Y', 'Z'")
        opened._execute("INSERT INTO space_1.browsers SELECT -1, 'X', '1'")
        yield opened


OTHERS = {
    "BIGINT": "coalesce({0}, 0) + 1_000_000",
    "INTEGER": "-1",
    "BOOLEAN": "NOT {0}",
    "VARCHAR": "'7:too_long '",
    "VARCHAR[]": "['x']",
    "INTEGER[]": "[1]",
}
"""Another value for a column of a type."""
SPECIAL = {
    "told.attributes": "'{}'",
    "candidates.source": "2",
    "user_ids.id": "id || 'x'",
    "list_members.list": "7",
}


@contextmanager
def changed(store: EmbeddedStore, table: str, columns: Mapping[str, str]) -> Iterator[None]:
    """Have other values in columns of a table, which come with their types, within a block."""
    store._execute(f"CREATE OR REPLACE TABLE kept AS FROM space_1.{table}")
    names = {column: column.partition(".")[2] for column in columns}
    others = [
        f"{name} = {SPECIAL.get(column, OTHERS[columns[column]].format(name))}"
        for column, name in names.items()
    ]
    try:
        where = " WHERE id <> 'ada'" if table == "user_ids" else ""  # by this id the archive is asked for
        store._execute(f"UPDATE space_1.{table} SET {', '.join(others)}{where}")
        yield
    finally:
        store._execute(f"DELETE FROM space_1.{table}")
        store._execute(f"INSERT INTO space_1.{table} FROM kept")


def at_path(archive: Archive, path: str) -> object:
    """Return what stands at a place of `user.json`."""
    found: Any = archive.user
    for name in path.split("."):
        found = found[int(name) if name.isdigit() else name]
    return found
