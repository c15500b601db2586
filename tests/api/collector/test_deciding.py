"""A collector decides from the serving copy alone, if that has all it needs; else it passes the call on."""

from __future__ import annotations

import base64
import json
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from deciding import DAY, START, Collector, DecidingFolder, deciding_folder
from ready_made import Files, files_of, write_files
from stored import SPACE, retype

from enduser import limits
from enduser.core.attributes import Attribute, AttributeType
from enduser.core.events import hashed_id
from enduser.service.json_form import iso_time
from enduser.service.writing_values import write_json_rows
from enduser.sources.json_rows import JsonRow
from enduser.stores import serving_reader
from enduser.stores.deciding_file import DecidingFile
from enduser.stores.records import ChangeSettings

pytestmark = pytest.mark.anyio

HASHED = "acme/hashed"
BACK = {"kind": "session", "count": {"operator": "ge", "value": 2}}
NEW = {"field": "first_seen", "operator": "in_last", "value": {"n": 7, "unit": "day"}}
VIP = {"field": "plan", "operator": "is", "value": "vip"}
PAID = {"field": "paid_at", "operator": "before", "value": "2026-01-02"}
STAFF = {"kind": "list", "id": "staff"}


@pytest.fixture(scope="module")
def made_once() -> Files:
    def make(data: Path) -> None:
        with deciding_folder(data) as opened:
            fill(opened)

    return files_of(make)


@pytest.fixture(scope="module")
def folder(made_once: Files, tmp_path_factory: pytest.TempPathFactory) -> Iterator[DecidingFolder]:
    """A folder that no test changes."""
    data = tmp_path_factory.mktemp("deciding") / "data"
    write_files(data, made_once)
    with deciding_folder(data) as opened:
        yield opened


@pytest.fixture
def own_folder(made_once: Files, tmp_path: Path) -> Iterator[DecidingFolder]:
    write_files(tmp_path / "data", made_once)
    with deciding_folder(tmp_path / "data") as opened:
        yield opened


def fill(folder: DecidingFolder) -> None:
    """`adam` came twice and is a VIP, `eve` once; `nobody` was not seen; the other space hashes its ids."""
    store = folder.store
    store.create_attribute(Attribute("plan", AttributeType.STRING))
    store.create_attribute(Attribute("paid_at", AttributeType.DATETIME))
    store.create_attribute(Attribute("attributes", AttributeType.STRING))
    folder.visit("adam", "eve")
    folder.visit("adam", hour=5)
    values = {"plan": "vip", "paid_at": "2026-01-01T23:59:59.999999Z"}
    write_json_rows(store, SPACE, "api", [JsonRow("adam", values, "plain", iso_time(START))], START + DAY)
    folder.put("staff", "nobody", "eve")
    for name, rule in (("back", BACK), ("new", NEW), ("vips", VIP), ("staff", STAFF), ("paid", PAID)):
        folder.segment(name, rule)
    folder.segment("hidden", VIP, is_public=False)
    folder.segment("odd", {"field": "attributes", "operator": "known"})
    folder.content("everyone", payload={"text": "Hello"})
    folder.content("thanks", kind="banner", segment="hidden")
    folder.content("secret", segment="vips", is_public=False)
    store.create_space(HASHED, 1)
    store.apply(HASHED, ChangeSettings({"hash_ids": "on", "hash_salt": "salt"}))
    folder.visit("adam", space=HASHED)
    folder.segment("new", NEW, space=HASHED)
    folder.serve()


@pytest.fixture
async def collector(folder: DecidingFolder):
    async with Collector(folder) as opened:
        yield opened


@pytest.fixture
async def own(own_folder: DecidingFolder):
    async with Collector(own_folder) as opened:
        yield opened


def told(decision: Any) -> tuple[list[str], list[str]]:
    return [one["id"] for one in decision["content"]], decision["segments"]


async def test_what_holds_is_told_without_the_owner(collector: Collector) -> None:
    assert told(await collector.decide("user_id=adam")) == (
        ["everyone", "thanks"],
        ["back", "new", "paid", "vips"],
    )
    assert told(await collector.decide("user_id=eve")) == (["everyone"], ["new", "staff"])
    assert collector.passed_on == []
    assert collector.figures.decided == {"copy": 2}


async def test_the_answer_names_nothing_but_what_is_public(collector: Collector) -> None:
    clock = START + 5 * 3_600_000_000 + 1_800_000_000
    assert await collector.decide("user_id=adam") == {
        "content": [
            {"id": "everyone", "kind": "content", "payload": {"text": "Hello"}},
            {"id": "thanks", "kind": "banner", "payload": None},
        ],
        "segments": ["back", "new", "paid", "vips"],
        "valid_until": iso_time(START + 7 * DAY + 1),
        "as_of": iso_time(clock),
    }


async def test_who_was_not_seen_is_in_the_lists_that_name_him(collector: Collector) -> None:
    assert told(await collector.decide("user_id=nobody")) == (["everyone"], ["staff"])
    assert told(await collector.decide("user_id=somebody")) == (["everyone"], [])
    assert told(await collector.decide("anonymous_id=nobody")) == (["everyone"], [])
    assert collector.passed_on == []


async def test_the_copy_and_the_owner_decide_the_same(collector: Collector) -> None:
    for user in ("adam", "eve", "nobody", "somebody"):
        decided = collector.folder.store.decide(SPACE, user, "plain")
        found = await collector.decide(f"user_id={user}")
        assert told(found) == ([one.id for one in decided.contents], decided.segments)
        assert found["as_of"] == iso_time(decided.decided_at)
        assert found["valid_until"] == (decided.turns_at and iso_time(decided.turns_at))


@pytest.mark.parametrize(
    ("query", "sees"),
    [
        ("user_id=adam", ["new"]),
        (f"user_id={hashed_id('salt', 'adam')}&id_kind=hashed", ["new"]),
        (f"user_id={hashed_id('salt', 'adam')}", []),
        ("user_id=adam&id_kind=hashed", []),
    ],
)
async def test_where_ids_are_hashed_they_are_hashed_here(
    collector: Collector, query: str, sees: list[str]
) -> None:
    assert (await collector.decide(query.replace("+", "%2B"), HASHED))["segments"] == sees
    assert collector.passed_on == []


async def test_a_hashed_id_is_nobodys_where_ids_are_not_hashed(collector: Collector) -> None:
    assert told(await collector.decide("user_id=adam&id_kind=hashed")) == (["everyone"], [])
    assert collector.passed_on == []


async def test_a_user_id_comes_before_an_anonymous_id_unless_it_is_junk(collector: Collector) -> None:
    both = await collector.decide("user_id=%20adam%20&anonymous_id=x")
    assert "vips" in both["segments"]
    assert (await collector.decide("user_id=null&anonymous_id=x"))["segments"] == []


# --- keys


async def test_the_write_key_comes_in_the_query_or_as_the_user_of_basic(collector: Collector) -> None:
    key = collector.folder.key()
    basic = "Basic " + base64.b64encode(f"{key}:".encode()).decode()
    by_header = await collector.client.get("/v1/decisions?user_id=adam", headers={"authorization": basic})
    assert by_header.json() == await collector.decide("user_id=adam")
    wrong = await collector.call("user_id=adam&key=x", authorization=basic)
    assert wrong.status_code == 200


@pytest.mark.parametrize("query", ["user_id=adam&key=", "user_id=adam&key=unknown"])
async def test_without_a_key_that_is_known_nothing_is_told(collector: Collector, query: str) -> None:
    answer = await collector.call(query)
    assert (answer.status_code, answer.json()["error"]["code"]) == (401, "unauthorized")
    assert answer.headers["access-control-allow-origin"] == "*"
    assert collector.figures.refused == {"unauthorized": 1}


@pytest.mark.parametrize("header", ["Basic ???", "Basic", "Basic /w==", "Digest x"])
async def test_a_header_that_names_no_key_leaves_the_query_to_name_it(
    collector: Collector, header: str
) -> None:
    assert (await collector.call("user_id=adam", authorization=header)).status_code == 200
    bare = await collector.client.get("/v1/decisions?user_id=adam", headers={"authorization": header})
    assert bare.status_code == 401


async def test_a_key_that_has_ended_opens_nothing(own: Collector) -> None:
    ended = own.folder.key()
    own.folder.store.rotate_write_key(SPACE, 1, 0)
    own.folder.tell()
    await own.learn()
    assert (await own.call(f"user_id=adam&key={ended}")).status_code == 401


# --- questions that cannot be


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("user_id=adam&user=x", "user"),
        ("user_id=adam&id_kind=anonymous", "id_kind"),
        ("user_id=adam&id_kind=", "id_kind"),
        ("", "user_id"),
        ("user_id=null", "user_id"),
        ("user_id=&anonymous_id=%20", "user_id"),
        (f"user_id={'x' * (limits.ID_BYTES_MAX + 1)}", "user_id"),
        (f"user_id=a&anonymous_id={'%C3%A9' * (limits.ID_BYTES_MAX // 2)}x", None),
        (f"anonymous_id={'%C3%A9' * (limits.ID_BYTES_MAX // 2)}x", "anonymous_id"),
    ],
)
async def test_what_cannot_be_asked_is_told_with_its_name(
    collector: Collector, query: str, field: str | None
) -> None:
    answer = await collector.call(query)
    if field is None:
        assert answer.status_code == 200
        return
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "invalid_parameter")
    assert answer.json()["error"]["field"] == field
    assert answer.headers["access-control-allow-origin"] == "*"


@pytest.mark.parametrize(
    "query", ["user_id=%ff", "user_id=a&user_id=b", "&".join("user_id=a" for _ in range(50))]
)
async def test_a_query_that_cannot_be_read_is_refused(collector: Collector, query: str) -> None:
    answer = await collector.call(query)
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "invalid_parameter")


async def test_an_id_as_long_as_it_may_be_is_asked_for(collector: Collector) -> None:
    assert (await collector.call(f"user_id={'x' * limits.ID_BYTES_MAX}")).status_code == 200


async def test_a_decision_is_asked_for_with_get(collector: Collector) -> None:
    answer = await collector.call("user_id=adam", method="POST")
    assert (answer.status_code, answer.headers["allow"]) == (405, "GET, HEAD, OPTIONS")
    assert answer.headers["access-control-allow-origin"] == "*"


# --- HTTP


async def test_who_knows_the_answer_gets_none(collector: Collector) -> None:
    first = await collector.call("user_id=adam")
    etag = first.headers["etag"]
    for known in (etag, f"W/{etag}", f'"x", {etag}'):
        again = await collector.call("user_id=adam", if_none_match=known)
        assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", etag)
        assert again.headers["access-control-allow-origin"] == "*"
    assert (await collector.call("user_id=eve", if_none_match=etag)).status_code == 200
    assert (first.headers["cache-control"], first.headers["vary"]) == (
        "private, no-cache",
        "authorization, enduser-identity",
    )


async def test_an_answer_that_is_the_same_later_is_known_by_the_same_name(own: Collector) -> None:
    before = await own.call("user_id=adam")
    own.folder.visit("somebody", hour=20)
    own.folder.serve()
    after = await own.call("user_id=adam")
    assert before.json()["as_of"] < after.json()["as_of"]
    assert before.headers["etag"] == after.headers["etag"]


async def test_a_head_has_all_but_the_body(collector: Collector) -> None:
    whole, head = await collector.call("user_id=adam"), await collector.call("user_id=adam", method="HEAD")
    assert (head.status_code, head.content, head.headers) == (200, b"", whole.headers)


async def test_a_page_of_another_site_may_ask(collector: Collector) -> None:
    """A preflight comes without a key."""
    answer = await collector.client.options("/v1/decisions")
    assert (answer.status_code, answer.content) == (204, b"")
    assert answer.headers["access-control-allow-origin"] == "*"
    assert answer.headers["access-control-allow-methods"] == "GET, HEAD, OPTIONS"
    assert "authorization" in answer.headers["access-control-allow-headers"]
    assert "if-none-match" in answer.headers["access-control-allow-headers"]


# --- what is passed on


async def passes_on(collector: Collector, query: str = "user_id=adam") -> bool:
    """Ask, and return whether the owner was asked."""
    before = len(collector.passed_on)
    answer = await collector.call(query)
    was_asked = len(collector.passed_on) > before
    assert answer.status_code == (418 if was_asked else 200)
    assert answer.headers["access-control-allow-origin"] == "*"
    return was_asked


async def test_while_facts_are_looked_up_the_owner_is_asked(own: Collector) -> None:
    own.folder.segment(
        "long", {"kind": "session", "rules": [{"field": "events", "operator": "ge", "value": 1}]}
    )
    own.folder.tell()
    await own.learn()
    assert await passes_on(own)
    assert await passes_on(own, "user_id=nobody")
    own.folder.serve()
    assert not await passes_on(own)
    assert "long" in (await own.decide("user_id=adam"))["segments"]
    assert own.figures.decided == {"owner": 2, "copy": 2}


async def test_of_whom_too_much_is_known_the_owner_is_asked(own: Collector) -> None:
    own.folder.segment("bought", {"kind": "event", "name": "Checkout"})
    many = limits.FACT_TIMES_MAX + 1
    own.folder.visit(*["adam"] * many, hour=9, name="Checkout")
    own.folder.serve()
    await own.learn()
    assert await passes_on(own)
    assert not await passes_on(own, "user_id=eve")


async def test_while_new_rules_are_made_ready_the_owner_is_asked(own: Collector) -> None:
    own.folder.segment("vips", {**VIP, "value": "free"}, is_new=False)
    own.folder.serve()
    assert await passes_on(own)
    await own.learn()
    assert "vips" not in (await own.decide("user_id=adam"))["segments"]


async def test_rules_of_one_space_leave_those_of_another_ready(own: Collector) -> None:
    own.folder.segment("more", VIP)
    own.folder.serve()
    assert (await own.decide("user_id=adam", HASHED))["segments"] == ["new"]
    assert await passes_on(own)


async def test_a_copy_of_attributes_that_are_of_another_type_now_is_not_asked(own: Collector) -> None:
    own.folder.segment("paid", NEW, is_new=False)
    retype(own.folder.store, "paid_at", AttributeType.STRING)
    text = {"field": "paid_at", "operator": "starts_with", "value": "2026"}
    own.folder.segment("paid", text, is_new=False)
    own.folder.tell()
    await own.learn()
    assert await passes_on(own)
    own.folder.serve()
    assert "paid" in (await own.decide("user_id=adam"))["segments"]


async def test_a_copy_that_is_made_anew_is_not_asked(own: Collector) -> None:
    own.folder.store.rebuild(SPACE)
    assert not own.folder.copy.follow(SPACE, own.folder.store)
    assert await passes_on(own)
    own.folder.serve()
    assert not await passes_on(own)


async def test_where_nothing_was_told_the_owner_is_asked(own: Collector) -> None:
    (own.folder.folder / "deciding.json").unlink()
    async with Collector(own.folder) as other:
        assert await passes_on(other)


async def test_a_copy_or_a_file_that_cannot_be_read_leaves_it_to_the_owner(
    own: Collector, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise OSError("too many open files")

    with monkeypatch.context() as patched:
        patched.setattr(DecidingFile, "refresh", refuse)
        assert await passes_on(own)
    with monkeypatch.context() as patched:
        patched.setattr(
            serving_reader._Reading, "served", lambda *_: raise_(sqlite3.OperationalError("disk"))
        )
        assert await passes_on(own)
    assert not await passes_on(own)


def raise_(error: Exception) -> None:
    raise error


async def test_a_mistake_is_an_answer_that_the_log_explains(
    own: Collector, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(serving_reader._Reading, "served", lambda *_: 1 / 0)
    answer = await own.call("user_id=adam")
    assert (answer.status_code, answer.json()["error"]["code"]) == (500, "internal")
    assert answer.headers["access-control-allow-origin"] == "*"


async def test_a_segment_whose_rule_cannot_be_any_more_stops_nothing(own: Collector) -> None:
    """Whatever it was: a limit that is lower in another version, perhaps."""
    rule = json.dumps({"combinator": "and", "rules": [{"field": "gone", "operator": "known"}]})
    with own.folder.store._database.looking_at("space_1"):
        own.folder.store._execute("UPDATE segments SET rule = $1 WHERE id = 'hidden'", [rule])
    own.folder.segment("more", {"kind": "segment", "id": "vips"})
    own.folder.serve()
    await own.learn()
    assert told(await own.decide("user_id=adam")) == (
        ["everyone"],
        ["back", "more", "new", "paid", "vips"],
    )
    assert {one.space: one.unread for one in own.folder.store.deciding()} == {SPACE: ["hidden"], HASHED: []}
    assert [one.id for one in own.folder.store.decide(SPACE, "adam").contents] == ["everyone"]
