"""Messages of the tracking protocol become lines that the engine reads, each with one verdict."""

from __future__ import annotations

import contextlib
import gzip
import importlib
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from types import ModuleType
from typing import Any

import duckdb
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from enduser import limits
from enduser.core.events import EVENT_TYPES, hashed_id
from enduser.core.outcomes import RejectReason
from enduser.core.settings import SpaceSettings
from enduser.errors import BodyTooLarge, LimitExceeded, MalformedRequest
from enduser.ingest.agent import HINTS
from enduser.ingest.door import Line, Lines, Request, lines_of
from enduser.ingest.libraries import DEVICE_LIBRARIES, SERVER_LIBRARIES
from enduser.ingest.messages import BATCH, ROUTES, read_call
from enduser.ingest.spool import EVENTS, frame

IDS = json.loads((Path(__file__).parents[1] / "conformance" / "ids.json").read_text(encoding="utf-8"))

S = 1_000_000
RECEIVED = 1_767_225_600 * S
"""2026-01-01T00:00:00Z."""
PLAIN = SpaceSettings()
HASHING = SpaceSettings(hash_ids=True, hash_salt="salt")
UA = "Mozilla/5.0 (X11; Linux x86_64; rv:127.0) Gecko/20100101 Firefox/127.0"


def message(**fields: Any) -> dict[str, Any]:
    """Return a good message with some fields changed; None leaves one out."""
    good = {
        "type": "track",
        "event": "E",
        "userId": "u",
        "messageId": "m",
        "timestamp": "2025-12-31T23:00:00Z",
    }
    return {name: value for name, value in (good | fields).items() if value is not None}


def taken(body: bytes, route: str = BATCH, settings: SpaceSettings = PLAIN, **request: Any) -> Lines:
    request = {"received_at": RECEIVED, **request}
    return lines_of(read_call(body, route), Request(**request), settings, new_id=lambda: "made")


def batch(*messages: object, **envelope: object) -> bytes:
    return json.dumps({"batch": messages, **envelope}).encode()


def rows(lines: Lines) -> list[dict[str, Any]]:
    return [json.loads(line) for line in lines.lines.splitlines()]


def accepted(lines: Lines) -> int:
    """Return how many messages were not rejected."""
    return sum("problem" not in row for row in rows(lines))


def line_of(
    settings: SpaceSettings = PLAIN, request: Mapping[str, Any] | None = None, **fields: Any
) -> dict[str, Any]:
    """Return the line of one good message."""
    lines = taken(batch(message(**fields)), settings=settings, **(request or {}))
    assert (accepted(lines), lines.rejected) == (1, [])
    (row,) = rows(lines)
    return row


def rejection_of(settings: SpaceSettings = PLAIN, **fields: Any) -> tuple[str, str]:
    """Return reason and explanation of one bad message, that its line agrees and tells no content."""
    lines = taken(batch(message(**fields)), settings=settings)
    (rejected,) = lines.rejected
    (row,) = rows(lines)
    assert (accepted(lines), rejected.index, row["problem"]) == (0, 0, rejected.reason)
    assert set(row) <= {"got", "problem", "msg", "id", "anon", "hashed"}
    return rejected.reason, rejected.message


# --- lines


def test_a_message_of_a_browser_becomes_a_line() -> None:
    context = {
        "library": {"name": "analytics.js"},
        "page": {"url": "https://example.com/a?b", "path": "/a"},
        "traits": {"plan": "vip"},
        "userAgent": UA,
    }
    fields = {"anonymousId": " a ", "properties": {"rows": 1}, "traits": {"name": "Ada"}, "context": context}
    assert line_of(request={"ip": "203.0.113.7"}, **fields) == {
        "got": RECEIVED,
        "id": "u",
        "anon": "a",
        "msg": "m",
        "client": RECEIVED - 3600 * S,
        "at": RECEIVED - 3600 * S,
        "type": "track",
        "name": "E",
        "ip": "203.0.113.7",
        "agent": UA,
        "url": "https://example.com/a?b",
        "props": {"rows": 1},
        "traits": {"name": "Ada"},
        "ctraits": {"plan": "vip"},
    }


def test_lines_come_in_the_order_of_the_messages_the_rejected_ones_too() -> None:
    lines = taken(batch(message(userId="a"), message(userId="null"), 5, message(userId="b", messageId=None)))
    assert [row.get("id") for row in rows(lines)] == ["a", None, None, "b"]
    assert [(bad.index, bad.reason) for bad in lines.rejected] == [
        (1, "junk_user_id"),
        (2, "malformed_message"),
    ]
    assert accepted(lines) == 2


def test_an_empty_batch_has_no_lines() -> None:
    assert taken(b'{"batch":[]}') == Lines(b"", [])


@pytest.mark.parametrize("route", EVENT_TYPES)
def test_the_route_says_the_type_of_a_single_message(route: str) -> None:
    (row,) = rows(taken(b'{"userId":"u","type":"x"}', route))
    assert row["type"] == route


@pytest.mark.parametrize("kind", [*EVENT_TYPES, "Page", "TRACK"])
def test_in_a_batch_the_message_says_its_type_in_any_case(kind: str) -> None:
    assert line_of(type=kind)["type"] == kind.lower()


@pytest.mark.parametrize("kind", [None, "", "click", " page", "paGE\u0130"])
def test_a_type_that_is_none_of_the_six_is_rejected(kind: str | None) -> None:
    assert rejection_of(type=kind)[0] == "invalid_type"


@pytest.mark.parametrize(
    ("kind", "name"), [("track", "E"), ("page", "N"), ("screen", "N"), ("identify", None), ("group", None)]
)
def test_the_name_is_the_event_of_a_track_and_the_name_of_a_page(kind: str, name: str | None) -> None:
    assert line_of(type=kind, event="E", name="N").get("name") == name


@pytest.mark.parametrize(
    ("kind", "page", "properties", "url"),
    [
        ("track", {"url": "u", "path": "p"}, None, "u"),
        ("track", {"url": "", "path": "p"}, None, "p"),
        ("track", None, {"url": "x"}, None),
        ("page", None, {"url": "x"}, "x"),
        ("page", {"path": "p"}, {"url": "x"}, "p"),
        ("page", None, {"url": 5}, None),
        ("page", None, {"url": ""}, None),
    ],
)
def test_the_page_is_the_contexts_else_that_of_a_page_call(
    kind: str, page: object, properties: object, url: str | None
) -> None:
    assert line_of(type=kind, context={"page": page}, properties=properties).get("url") == url


@pytest.mark.parametrize(("active", "shown"), [(False, False), (True, None), (None, None)])
def test_only_an_inactive_message_says_so(active: object, shown: object) -> None:
    assert line_of(context={"active": active}).get("active") is shown


def test_a_message_without_context_takes_that_of_the_batch() -> None:
    lines = taken(batch(message(), message(context={}), context={"ip": "::1"}))
    assert [row.get("ip") for row in rows(lines)] == ["::1", None]


@pytest.mark.parametrize("context", [{"ip": 5}, 5, "x"])
def test_a_bad_context_of_the_batch_costs_only_messages_without_their_own(context: object) -> None:
    lines = taken(batch(message(), message(context={}), context=context))
    assert [(bad.index, bad.reason) for bad in lines.rejected] == [(0, "malformed_message")]


def test_a_context_of_the_batch_that_is_not_utf8_is_bad_too() -> None:
    body = b'{"context":{"traits":{"a":"\xff"}},"batch":[{"type":"page","userId":"u"}]}'
    assert [bad.reason for bad in taken(body).rejected] == ["malformed_message"]


# --- who


@pytest.mark.parametrize(("name", "text", "known"), IDS, ids=[case[0] for case in IDS])
@pytest.mark.parametrize(
    ("field", "key"), [("userId", "id"), ("anonymousId", "anon"), ("previousId", "prev")]
)
def test_ids_mean_what_they_mean_in_files(
    name: str, text: str, known: str | None, field: str, key: str
) -> None:
    fields = {"userId": None, "anonymousId": "a"} | {field: text}
    if known is None and field == "anonymousId":
        assert rejection_of(**fields)[0] == "junk_user_id"
    else:
        assert line_of(**fields).get(key) == known


@pytest.mark.parametrize(
    ("number", "text"), [(5, "5"), (-5, "-5"), (10**20, "1" + "0" * 20), (1.5, "1.5"), (1.0, "1.0")]
)
def test_numbers_are_ids_as_text(number: float, text: str) -> None:
    row = line_of(userId=number, messageId=number)
    assert (row["id"], row["msg"]) == (text, text)


@pytest.mark.parametrize("value", [None, True, False, {}, {"id": "x"}, [], ["x"], 0])
def test_what_is_neither_text_nor_number_is_no_id(value: object) -> None:
    assert "id" not in line_of(userId=value, anonymousId="a")
    assert rejection_of(userId=value, anonymousId=value)[0] == "junk_user_id"


def text_of(size: int) -> str:
    """Return a text of so many bytes of UTF-8 with characters of two."""
    return "é" * (size // 2) + "x" * (size % 2)


@pytest.mark.parametrize(
    ("field", "limit", "reason"),
    [
        ("userId", limits.ID_BYTES_MAX, "user_id_too_long"),
        ("anonymousId", limits.ID_BYTES_MAX, "user_id_too_long"),
        ("previousId", limits.ID_BYTES_MAX, "user_id_too_long"),
        ("messageId", limits.MESSAGE_ID_BYTES_MAX, "message_id_too_long"),
    ],
)
@pytest.mark.parametrize(
    "make", [text_of, lambda size: "x" * size, lambda size: "🚀" * (size // 4) + "x" * (size % 4)]
)
def test_an_id_may_have_as_many_bytes_as_the_limit(field: str, limit: int, reason: str, make) -> None:
    for size in (limit - 1, limit):
        assert make(size) in line_of(**{field: make(size)}).values()
    assert rejection_of(**{field: make(limit + 1)})[0] == reason


def test_user_ids_are_hashed_at_the_door_and_nothing_else_is() -> None:
    lines = taken(batch(message(userId=" adam.br ", anonymousId="a", messageId="m")), settings=HASHING)
    (row,) = rows(lines)
    assert (row["id"], row["hashed"], row["anon"], row["msg"]) == (
        hashed_id("salt", "adam.br"),
        True,
        "a",
        "m",
    )
    assert b"adam" not in lines.lines


@pytest.mark.parametrize(
    ("previous", "written"),
    [
        ("a", "a"),
        (" a ", "a"),
        ("00000000-0000-4000-8000-000000000000", "00000000-0000-4000-8000-000000000000"),
        ("adam.old", hashed_id("salt", "adam.old")),
    ],
)
def test_an_id_before_is_hashed_too_unless_it_can_only_be_an_anonymous_id(
    previous: str, written: str
) -> None:
    line = line_of(HASHING, type="alias", anonymousId="a", previousId=previous)
    assert line["prev"] == written


def test_a_rejected_message_shows_its_user_only_hashed_too() -> None:
    lines = taken(
        batch(message(userId="adam.br", timestamp="never"), message(userId="adam.br", event=5)),
        settings=HASHING,
    )
    assert [bad.reason for bad in lines.rejected] == ["invalid_time", "malformed_message"]
    assert (rows(lines)[0]["id"], rows(lines)[0]["hashed"]) == (hashed_id("salt", "adam.br"), True)
    assert b"adam" not in lines.lines


@pytest.mark.parametrize("settings", [SpaceSettings(), HASHING])
def test_ids_that_are_marked_as_hashed_are_taken_as_they_are(settings: SpaceSettings) -> None:
    hashed = hashed_id("salt", "adam.br")
    row = line_of(settings, userId=hashed, context={"enduser": {"hashed": True}})
    assert (row["id"], row["hashed"]) == (hashed, True)


@pytest.mark.parametrize(
    "user_id", ["adam.br", "x" * 42, "x" * 44, "x" * 42 + "=", "x" * 42 + "é", "x" * 43 + "\n="]
)
def test_an_id_that_is_marked_as_hashed_and_is_no_hash_is_rejected(user_id: str) -> None:
    assert rejection_of(userId=user_id, context={"enduser": {"hashed": True}})[0] == "invalid_user_id"


def test_without_the_setting_and_the_mark_no_id_is_a_hash() -> None:
    assert "hashed" not in line_of(context={"enduser": {"hashed": False}})


# --- when

NOON = "2025-12-31T12:00:00Z"
NOON_US = RECEIVED - 12 * 3600 * S


@pytest.mark.parametrize(
    ("name", "times", "client", "at"),
    [
        ("the client's clock alone", {"timestamp": NOON}, NOON_US, NOON_US),
        (
            "sent five seconds later",
            {"timestamp": NOON, "sentAt": "2025-12-31T12:00:05Z"},
            NOON_US,
            RECEIVED - 5 * S,
        ),
        (
            "the same in ms",
            {"timestamp": NOON_US // 1_000, "sentAt": NOON_US // 1_000 + 5_000},
            NOON_US,
            RECEIVED - 5 * S,
        ),
        (
            "the same in s",
            {"timestamp": NOON_US // S, "sentAt": NOON_US / S + 5.5},
            NOON_US,
            RECEIVED - 5_500_000,
        ),
        (
            "the same as text",
            {"timestamp": str(NOON_US // S), "sentAt": str(NOON_US // S + 5)},
            NOON_US,
            RECEIVED - 5 * S,
        ),
        (
            "original alone",
            {"originalTimestamp": NOON, "sentAt": "2025-12-31T12:00:05Z"},
            NOON_US,
            RECEIVED - 5 * S,
        ),
        (
            "original is the identity",
            {"originalTimestamp": NOON, "timestamp": "2025-12-31T13:00:00Z"},
            NOON_US,
            NOON_US + 3600 * S,
        ),
        (
            "and timestamp, when it happened",
            {"originalTimestamp": NOON, "timestamp": "2025-12-31T11:00:00Z", "sentAt": NOON},
            NOON_US,
            RECEIVED - 3600 * S,
        ),
        ("an empty timestamp is none", {"timestamp": " ", "originalTimestamp": NOON}, NOON_US, NOON_US),
        ("an empty original is none", {"timestamp": NOON, "originalTimestamp": ""}, NOON_US, NOON_US),
        ("the epoch is a time", {"timestamp": 0}, 0, 0),
        ("also as original", {"timestamp": NOON, "originalTimestamp": 0}, 0, NOON_US),
        ("five minutes ahead", {"timestamp": "2026-01-01T00:05:00Z"}, RECEIVED + 300 * S, RECEIVED + 300 * S),
        ("a millisecond more", {"timestamp": "2026-01-01T00:05:00.001Z"}, RECEIVED + 300_001_000, RECEIVED),
        ("sent before it happened", {"timestamp": NOON, "sentAt": "2025-12-31T11:54:59Z"}, NOON_US, RECEIVED),
        ("sent in 1970", {"timestamp": NOON, "sentAt": "1970-01-01"}, NOON_US, RECEIVED),
        ("sent at the end of time", {"timestamp": NOON, "sentAt": "9999-12-31"}, NOON_US, NOON_US),
        ("sent never", {"timestamp": NOON, "sentAt": "never"}, NOON_US, NOON_US),
        ("sent at a list", {"timestamp": NOON, "sentAt": []}, NOON_US, NOON_US),
        (
            "a clock that is years off is corrected",
            {"timestamp": "2036-01-01T00:00:00Z", "sentAt": "2036-01-01T00:00:07Z"},
            2_082_758_400 * S,
            RECEIVED - 7 * S,
        ),
        (
            "an event of long ago",
            {"timestamp": "2015-01-01", "sentAt": NOON},
            1_420_070_400 * S,
            RECEIVED + 1_420_070_400 * S - NOON_US,
        ),
    ],
)
@pytest.mark.parametrize("is_batch", [True, False])
def test_times_are_corrected_by_when_the_client_says_that_it_sent(
    name: str, times: dict[str, Any], client: int, at: int, is_batch: bool
) -> None:
    if is_batch:
        sent = {"sentAt": times["sentAt"]} if "sentAt" in times else {}
        fields = {name: value for name, value in times.items() if name != "sentAt"}
        body, route = batch(message(**({"timestamp": None} | fields)), **sent), BATCH
    else:
        body, route = json.dumps(message(**({"timestamp": None} | times))).encode(), "track"
    (row,) = rows(taken(body, route))
    assert (row["client"], row["at"], row["got"]) == (client, at, RECEIVED)


def test_a_message_of_a_batch_may_say_itself_when_it_was_sent_unless_the_batch_does() -> None:
    sent = message(timestamp=NOON, sentAt="2025-12-31T12:00:05Z")
    assert rows(taken(batch(sent)))[0]["at"] == RECEIVED - 5 * S
    assert rows(taken(batch(sent, sentAt="2025-12-31T12:00:09Z")))[0]["at"] == RECEIVED - 9 * S


def test_a_retry_has_the_same_client_time() -> None:
    first = taken(batch(message(timestamp=NOON), sentAt="2025-12-31T12:00:05Z"))
    again = taken(
        batch(message(timestamp=NOON), sentAt="2025-12-31T12:10:05Z"), received_at=RECEIVED + 600 * S
    )
    assert rows(first)[0]["client"] == rows(again)[0]["client"]
    assert rows(first)[0]["at"] == rows(again)[0]["at"]


@pytest.mark.parametrize("field", ["timestamp", "originalTimestamp"])
@pytest.mark.parametrize(
    "value", ["soon", "0000-12-31T23:59:59Z", "10000-01-01T00:00:00Z", 1e17 * 3, "2025-02-29"]
)
def test_a_time_that_is_none_is_rejected(field: str, value: object) -> None:
    assert rejection_of(**{field: value})[0] == "invalid_time"


@pytest.mark.parametrize(("message_id", "shown"), [(None, "made"), ("", "made"), ("m", "m")])
def test_a_message_with_neither_time_nor_id_gets_an_id(message_id: str | None, shown: str) -> None:
    row = line_of(timestamp=None, messageId=message_id)
    assert (row["msg"], row["at"], "client" in row) == (shown, RECEIVED, False)


def test_a_message_with_a_time_and_without_id_gets_none() -> None:
    assert "msg" not in line_of(messageId=None)


def test_ids_that_are_made_differ() -> None:
    call = read_call(b'{"batch":[{"type":"page","userId":"u"},{"type":"page","userId":"u"}]}', BATCH)
    first, second = (row["msg"] for row in rows(lines_of(call, Request(RECEIVED), SpaceSettings())))
    assert first != second
    assert len(first) == 32


# --- where

OWN = {"ip": "203.0.113.7", "user_agent": UA}


def library(name: str | None) -> dict[str, Any]:
    return {"library": {"name": name}} if name else {}


@pytest.mark.parametrize("name", sorted(DEVICE_LIBRARIES))
def test_the_request_of_a_library_on_a_device_is_the_users_own(name: str) -> None:
    row = line_of(request=OWN, context=library(name))
    assert (row["ip"], row["agent"], "server" in row) == ("203.0.113.7", UA, False)


@pytest.mark.parametrize("name", sorted(SERVER_LIBRARIES))
def test_the_request_of_a_library_on_a_server_is_not_the_users(name: str) -> None:
    row = line_of(request=OWN | {"has_origin": True, "brands": '"A";v="1"'}, context=library(name))
    assert ("ip" in row, "agent" in row, row["server"]) == (False, False, True)


@pytest.mark.parametrize(
    ("name", "has_origin", "is_users"),
    [
        (None, True, True),
        (None, False, False),
        ("my-own", True, False),
        ("my-own", False, False),
        ("", True, True),
    ],
)
def test_without_a_known_library_the_request_is_the_users_if_a_browser_sent_it(
    name: str | None, has_origin: bool, is_users: bool
) -> None:
    context = {"library": {"name": name}} if name is not None else {}
    row = line_of(request=OWN | {"has_origin": has_origin}, context=context)
    assert ("ip" in row, "agent" in row, "server" in row) == (is_users, is_users, False)


@pytest.mark.parametrize("name", ["analytics.js", "analytics-python", "my-own", None])
def test_the_context_always_wins(name: str | None) -> None:
    context = {"ip": "2001:db8::1", "userAgent": "Own/1.0", **library(name)}
    row = line_of(request=OWN | {"has_origin": True, "brands": '"A";v="1"'}, context=context)
    assert (row["ip"], row["agent"]) == ("2001:db8::1", "Own/1.0")


def test_text_that_is_too_long_for_an_address_is_left_out() -> None:
    assert "ip" not in line_of(context={"ip": "1" * 65})
    assert line_of(context={"ip": "1" * 64})["ip"] == "1" * 64


BRANDS = '"Chromium";v="126", "Google Chrome";v="126"'
FULL = '"Chromium";v="126.0.6478.57", "Google Chrome";v="126.0.6478.57"'
DATA = {"brands": [{"brand": "Chromium", "version": "126"}], "mobile": False}


@pytest.mark.parametrize(
    ("headers", "context", "hints"),
    [
        ({}, {}, ""),
        ({"brands": BRANDS}, {}, BRANDS),
        ({"brands": BRANDS, "full_versions": FULL}, {}, FULL),
        ({}, {"userAgentData": DATA}, '"Chromium";v="126"'),
        ({}, {"ua-ch": DATA}, '"Chromium";v="126"'),
        ({"brands": BRANDS}, {"userAgentData": DATA}, '"Chromium";v="126"'),
        ({"brands": BRANDS, "full_versions": FULL}, {"userAgentData": DATA}, FULL),
        ({"brands": BRANDS, "full_versions": FULL}, {"userAgentData": DATA, "userAgent": UA}, FULL),
        ({"brands": BRANDS}, {"userAgentData": {"brands": 5}}, BRANDS),
    ],
)
def test_client_hints_stand_behind_the_user_agent(
    headers: dict[str, str], context: dict[str, Any], hints: str
) -> None:
    row = line_of(request=OWN | headers, context={**library("analytics.js"), **context})
    assert row["agent"].partition(HINTS) == (UA, HINTS if hints else "", hints)


def test_the_hints_of_a_request_belong_to_its_own_user_agent_only() -> None:
    row = line_of(
        request=OWN | {"full_versions": FULL}, context={**library("analytics.js"), "userAgent": "Other/1.0"}
    )
    assert row["agent"] == "Other/1.0"


def test_places_are_taken_from_a_servers_key_only() -> None:
    context = {"location": {"country": "NO", "region": "", "city": "Bergen", "speed": 0}}
    assert {"country", "city"} & set(line_of(context=context)) == set()
    row = line_of(request={"may_name_places": True}, context=context)
    assert (row["country"], row["city"], "region" in row) == ("NO", "Bergen", False)


def test_a_place_that_is_none_is_looked_at_only_where_it_counts() -> None:
    context = {"location": {"country": 5}}
    assert line_of(context=context)
    lines = taken(batch(message(context=context)), may_name_places=True)
    assert [bad.reason for bad in lines.rejected] == ["malformed_message"]


# --- bad messages


@pytest.mark.parametrize(
    ("fields", "path"),
    [
        ({"event": 5}, "event"),
        ({"type": 5}, "type"),
        ({"timestamp": True}, "timestamp"),
        ({"messageId": {}}, "messageId"),
        ({"context": []}, "context"),
        ({"context": {"active": "no"}}, "context.active"),
        ({"context": {"page": {"url": 5}}}, "context.page.url"),
        ({"context": {"library": "x"}}, "context.library"),
    ],
)
def test_a_field_of_the_wrong_type_is_named(fields: dict[str, Any], path: str) -> None:
    reason, explanation = rejection_of(**fields)
    assert reason == "malformed_message"
    assert explanation.startswith(f"{path} must be ")


@pytest.mark.parametrize("value", [5, "x", [], [{}], True, 1.5])
@pytest.mark.parametrize(
    ("field", "reason"), [("properties", "invalid_properties"), ("traits", "invalid_traits")]
)
def test_what_is_no_object_is_rejected(field: str, reason: str, value: object) -> None:
    assert rejection_of(**{field: value})[0] == reason
    if field == "traits":
        assert rejection_of(context={"traits": value})[0] == reason


@pytest.mark.parametrize("value", ["null", "{}"])
def test_an_empty_object_is_none(value: str) -> None:
    body = b'{"batch":[{"type":"page","userId":"u","properties":%b,"traits":%b}]}' % ((value.encode(),) * 2)
    assert {"props", "traits"} & set(rows(taken(body))[0]) == set()


@pytest.mark.parametrize("field", ["properties", "traits"])
def test_objects_lie_within_each_other_as_deep_as_the_limit(field: str) -> None:
    def nested(depth: int) -> object:
        return {"a": nested(depth - 1)} if depth > 1 else {"a": 1}

    for depth in (limits.JSON_DEPTH_MAX - 1, limits.JSON_DEPTH_MAX):
        assert line_of(**{field: nested(depth)})
    assert rejection_of(**{field: nested(limits.JSON_DEPTH_MAX + 1)})[0] == f"invalid_{field}"


@pytest.mark.parametrize("padding", ["properties", "integrations"])
@pytest.mark.parametrize(("more", "is_good"), [(-1, True), (0, True), (1, False)])
def test_a_message_has_as_many_bytes_as_the_limit(padding: str, more: int, is_good: bool) -> None:
    empty = len(json.dumps(message(**{padding: {"x": ""}})))
    large = message(**{padding: {"x": "x" * (limits.MESSAGE_BYTES_MAX - empty + more)}})
    for body, route in ((batch(large, message()), BATCH), (json.dumps(large).encode(), "track")):
        reasons = [bad.reason for bad in taken(body, route).rejected]
        assert reasons == ([] if is_good else ["message_too_large"])


def test_a_message_of_just_the_limit_is_taken_beside_one_that_is_too_large() -> None:
    empty = len(json.dumps(message(properties={"x": ""})))
    sizes = (limits.MESSAGE_BYTES_MAX, limits.MESSAGE_BYTES_MAX + 1)
    lines = taken(batch(*[message(properties={"x": "x" * (size - empty)}) for size in sizes]))
    assert [bad.index for bad in lines.rejected] == [1]


def test_of_a_rejected_message_only_its_ids_are_kept() -> None:
    bad = message(anonymousId="a", previousId="p", timestamp="never", properties={"a": 1}, traits={"a": 1})
    (row,) = rows(taken(batch(bad)))
    assert row == {"got": RECEIVED, "id": "u", "anon": "a", "msg": "m", "problem": "invalid_time"}


@pytest.mark.parametrize(
    "bad",
    [
        rb'{"type":"page","userId":"u","name":"\ud800"}',
        rb'{"type":"page","userId":"u","properties":{"a":"\udc00x"}}',
        b'{"type":"page","userId":"u","properties":{"a":"\xff"}}',
        b'{"type":"page","userId":"u","integrations":{"a":"\xed\xa0\x80"}}',
        b'{"type":"page","userId":"u","x":' + b"[" * 3_000 + b"]" * 3_000 + b"}",
        b'{"type":"page","userId":"u","properties":{"a":NaN}}',
        b'{"type":"page","userId":"u","properties":{"a":01}}',
        b'{"type":"page","userId":1e999}',
        b'{"type":"page","userId":"u",}',
        b'{"type":"page","userId":"\x01"}',
        *(b"null", b"[]", b'"x"', b"", b"1"),
    ],
)
def test_a_bad_message_costs_itself_only(bad: bytes) -> None:
    good = json.dumps(message(properties={"a": "é", "b": "\U0001f680"})).encode()
    lines = taken(b'{"batch":[%b,%b,%b]}' % (good, bad, good))
    assert [(rejected.index, rejected.reason) for rejected in lines.rejected] == [(1, "malformed_message")]
    first, _, last = rows(lines)
    assert first == last
    assert first["props"] == {"a": "é", "b": "\U0001f680"}


def test_an_explanation_does_not_repeat_what_was_sent() -> None:
    for fields in ({"event": ["adam"]}, {"timestamp": "adam"}, {"type": "adam"}, {"properties": "adam"}):
        assert "adam" not in rejection_of(**fields)[1]


def test_every_reason_that_the_door_gives_has_its_member() -> None:
    assert {"malformed_message", "message_too_large", "invalid_user_id"} <= set(RejectReason)


# --- SDKs as they are


class Sent(Exception):
    """Ends a call of an SDK at the point where it would reach the network."""


def body_of(sdk: ModuleType, monkeypatch: pytest.MonkeyPatch, client: Any, gzipped: bool) -> bytes:
    """Return the body that an SDK would send for one call of `track`."""
    bodies: list[bytes | str] = []

    def post(_url: str, data: bytes | str, **_rest: object) -> None:
        bodies.append(data)
        raise Sent

    monkeypatch.setattr(sdk._session, "post", post)
    with pytest.raises(Sent):
        client.track("ada", "Report Exported", {"rows": 12}, context={"ip": "203.0.113.7"})
    (body,) = bodies
    whole = body if isinstance(body, bytes) else body.encode()
    return gzip.decompress(whole) if gzipped else whole


@pytest.mark.parametrize("gzipped", [False, True])
@pytest.mark.parametrize("name", ["segment", "rudderstack"])
def test_what_the_python_sdks_send_is_taken(
    name: str, gzipped: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    sdk = importlib.import_module(f"{name}.analytics.request")
    made = importlib.import_module(f"{name}.analytics.client").Client
    client = made("KEY", host="http://localhost", sync_mode=True, gzip=gzipped)
    body = body_of(sdk, monkeypatch, client, gzipped)
    now = int(datetime.now(UTC).timestamp() * S)
    lines = taken(body, received_at=now, ip="198.51.100.1", user_agent="analytics-python/2.4.0")
    (row,) = rows(lines)
    assert read_call(body, BATCH).write_key == {"segment": "KEY", "rudderstack": None}[name]
    assert (row["id"], row["name"], row["props"]) == ("ada", "Report Exported", {"rows": 12})
    assert (row["ip"], "agent" in row, row["server"], len(row["msg"])) == ("203.0.113.7", False, True, 36)
    assert now - 60 * S < row["at"] <= now
    assert now - 60 * S < row["client"] <= now


# --- what the engine reads

COLUMNS = {
    **dict.fromkeys(("got", "client", "at"), "BIGINT"),
    **dict.fromkeys(("hashed", "active", "server"), "BOOLEAN"),
    **dict.fromkeys(("props", "traits", "ctraits"), "JSON"),
    **dict.fromkeys(("id", "anon", "prev", "msg", "type", "name", "ip", "agent", "url"), "VARCHAR"),
    **dict.fromkeys(("country", "region", "city", "problem"), "VARCHAR"),
}


def test_the_columns_that_the_engine_reads_are_those_of_a_line() -> None:
    assert set(COLUMNS) == set(Line.__struct_fields__)


def read_by_engine(lines: bytes, path: Path) -> list[dict[str, Any]]:
    """Return the lines as the engine reads them, without what is not there."""
    path.write_bytes(lines)
    reading = f"SELECT * FROM read_json(?, format = 'newline_delimited', columns = {COLUMNS})"
    with duckdb.connect() as engine:
        found = engine.execute(reading, [str(path)])
        names = [column[0] for column in found.description]
        return [
            {name: value for name, value in zip(names, row, strict=True) if value is not None}
            for row in found.fetchall()
        ]


def same(row: dict[str, Any], line: bytes) -> bool:
    """Return whether the engine read what the line says; of equal keys in an object the first counts."""
    said = json.loads(line, object_pairs_hook=lambda pairs: dict(reversed(pairs)))
    for name in ("props", "traits", "ctraits"):
        if name in row:
            row[name] = json.loads(row[name], object_pairs_hook=lambda pairs: dict(reversed(pairs)))
    return row == said


TEXTS = st.text(max_size=12) | st.sampled_from(
    ["\x00", "\x1f", "\n", "\r", "\u2028", "\x7f", "\ufeff", '"', "\\u0000"]
)
NUMBERS = st.integers(-(2**70), 2**70) | st.floats(allow_nan=False, allow_infinity=False)
VALUES = st.recursive(
    st.none() | st.booleans() | NUMBERS | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=8,
)
OBJECTS = st.dictionaries(TEXTS, VALUES, max_size=4)
CONTEXTS = st.fixed_dictionaries(
    {},
    optional={
        "active": st.booleans(),
        "ip": TEXTS,
        "userAgent": TEXTS,
        "traits": OBJECTS | VALUES,
        "page": st.fixed_dictionaries({}, optional={"url": TEXTS, "path": TEXTS}),
        "userAgentData": VALUES | st.just(DATA),
        "library": st.fixed_dictionaries(
            {"name": st.sampled_from(["analytics.js", "analytics-python"]) | TEXTS}
        ),
        "location": st.fixed_dictionaries({}, optional={"country": TEXTS, "city": TEXTS}) | VALUES,
        "enduser": st.fixed_dictionaries({"hashed": st.booleans()}),
    },
)
MESSAGES = st.fixed_dictionaries(
    {"type": st.sampled_from(EVENT_TYPES)},
    optional={
        "userId": TEXTS | NUMBERS,
        "anonymousId": TEXTS,
        "previousId": TEXTS,
        "messageId": TEXTS | NUMBERS,
        "event": TEXTS,
        "name": TEXTS,
        "timestamp": st.datetimes().map(str) | NUMBERS | TEXTS,
        "properties": OBJECTS,
        "traits": OBJECTS | VALUES,
        "context": CONTEXTS | VALUES,
    },
)
HOSTILE = (
    rb"\ud800",
    rb"\udc00",
    rb"\u0000",
    b"\xff",
    b"\xed\xa0\x80",
    b"NaN",
    b"1e999",
    b"\n",
    b"\r",
    b"\x00",
    b'"',
    b"{",
    b"}",
    b"[" * 200 + b"]" * 200,
    b'{"a":1,"a":2}',
    b",",
    b"\\",
)
ANY_SPEED = settings(
    deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=150
)


@ANY_SPEED
@given(
    messages=st.lists(MESSAGES | VALUES, max_size=4),
    is_ascii=st.booleans(),
    indent=st.sampled_from([None, None, 1, "\t"]),
    settings=st.sampled_from([SpaceSettings(), HASHING]),
    broken=st.none() | st.tuples(st.floats(0, 1), st.floats(0, 0.02), st.sampled_from(HOSTILE)),
)
def test_the_engine_reads_the_lines_of_any_body_and_finds_in_them_what_they_say(
    tmp_path: Path,
    messages: list,
    is_ascii: bool,
    indent: int | str | None,
    settings: SpaceSettings,
    broken: tuple | None,
) -> None:
    body = json.dumps({"batch": messages}, ensure_ascii=is_ascii, indent=indent).encode()
    if broken is not None:
        at, share, piece = int(broken[0] * len(body)), broken[1], broken[2]
        body = body[:at] + piece + body[at + int(share * len(body)) :]
    try:
        lines = taken(body, settings=settings, may_name_places=True, **OWN)
    except (MalformedRequest, LimitExceeded):
        return
    found = read_by_engine(lines.lines, tmp_path / "lines.json")
    assert len(found) == len(lines.lines.splitlines())
    for row, line in zip(found, lines.lines.split(b"\n"), strict=False):
        assert same(row, line)


@pytest.mark.parametrize("piece", HOSTILE)
@pytest.mark.parametrize("place", ["id", "key", "value", "bare", "between"])
def test_the_engine_reads_what_is_left_of_a_hostile_body(tmp_path: Path, piece: bytes, place: str) -> None:
    spots = dict.fromkeys(("id", "key", "value", "bare", "between"), b"") | {place: piece}
    bad = b'{"type":"page","userId":"u%b","properties":{"k%b":"v%b","n":1%b}%b}' % tuple(spots.values())
    good = json.dumps(message(properties={"a": 1})).encode()
    try:
        lines = taken(b'{"batch":[%b,%b]}' % (good, bad))
    except MalformedRequest:
        assert piece in {b'"', b"{", b"}", b"\\"}, "only brackets and quotes hide where a message ends"
        return
    found = read_by_engine(lines.lines, tmp_path / "lines.json")
    assert same(found[0], lines.lines.split(b"\n")[0])
    assert found[0]["id"] == "u"


@ANY_SPEED
@given(st.binary(max_size=200), st.sampled_from(ROUTES))
def test_any_bytes_in_any_call_do_no_harm(body: bytes, route: str) -> None:
    for whole in (body, b'{"batch":[' + body + b"]}", b'{"userId":"u","properties":' + body + b"}"):
        with contextlib.suppress(MalformedRequest):
            lines = taken(whole, route)
            bad = [index for index, row in enumerate(rows(lines)) if "problem" in row]
            assert bad == [rejected.index for rejected in lines.rejected]


@pytest.mark.parametrize(("size", "is_refused"), [(1_600, False), (1_800, True), (400_000, True)])
def test_a_common_context_counts_for_each_message_that_has_none(size: int, is_refused: bool) -> None:
    bare = {"type": "track", "userId": "u"}
    batch = [bare] * 2_400 if size < 10_000 else [bare, bare] * 6
    body = json.dumps({"context": {"traits": {"x": "y" * size}}, "batch": batch}).encode()
    call = read_call(body, BATCH)
    if is_refused:
        with pytest.raises(BodyTooLarge, match="in common"):
            lines_of(call, Request(received_at=RECEIVED), PLAIN)
    else:
        found = lines_of(call, Request(received_at=RECEIVED), PLAIN)
        assert accepted(found) == len(batch)
        frame(EVENTS, 1, RECEIVED, found.lines)


def test_a_common_context_costs_nothing_where_messages_have_their_own() -> None:
    own = {"type": "track", "userId": "u", "context": {"active": True}}
    body = json.dumps({"context": {"traits": {"x": "y" * 400_000}}, "batch": [own] * 1_000}).encode()
    assert accepted(lines_of(read_call(body, BATCH), Request(received_at=RECEIVED), PLAIN)) == 1_000


def test_a_long_user_agent_makes_no_lines_that_are_longer_than_a_frame() -> None:
    body = json.dumps({"batch": [{"type": "track", "userId": "u"}] * 2_400}).encode()
    request = Request(received_at=RECEIVED, user_agent="\xff" * 1_024, brands="x" * 1_024, has_origin=True)
    with pytest.raises(BodyTooLarge, match="in common"):
        lines_of(read_call(body, BATCH), request, PLAIN)
