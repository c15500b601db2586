"""Bodies of calls: the write key and the messages are found in whatever comes, or the call is refused."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from enduser import limits
from enduser.core.events import EVENT_TYPES
from enduser.errors import LimitExceeded, MalformedRequest
from enduser.ingest.messages import BATCH, ROUTES, Call, read_call

DEEP = b"[" * 5_000 + b"]" * 5_000


def parts(call: Call) -> list[bytes]:
    return [bytes(message) for message in call.messages]


def test_a_batch_is_taken_apart() -> None:
    body = (
        b'{"batch":[{"a":1}, {"b":2}],"sentAt":"2026-01-01T00:00:01Z","writeKey":"w","context":{"ip":"::1"}}'
    )
    call = read_call(body, BATCH)
    assert (call.write_key, call.type, call.sent_at) == ("w", None, 1_767_225_601_000_000)
    assert (parts(call), bytes(call.context)) == ([b'{"a":1}', b'{"b":2}'], b'{"ip":"::1"}')


@pytest.mark.parametrize("route", EVENT_TYPES)
def test_the_body_of_any_other_route_is_one_message(route: str) -> None:
    body = b'{"userId":"u","type":"other","writeKey":"w","sentAt":"2026-01-01T00:00:01Z"}'
    call = read_call(body, route)
    assert (call.write_key, call.type, call.sent_at) == ("w", route, 1_767_225_601_000_000)
    assert parts(call) == [body]


@pytest.mark.parametrize("key", ["", ', "writeKey": null', ', "writeKey": ""'])
def test_a_write_key_may_be_missing(key: str) -> None:
    assert read_call(b'{"batch": []%b}' % key.encode(), BATCH).write_key is None


@pytest.mark.parametrize("value", ["null", "true", "{}", '"soon"', "1e300"])
def test_a_sending_time_that_is_none_is_unknown(value: str) -> None:
    assert read_call(b'{"batch": [], "sentAt": %b}' % value.encode(), BATCH).sent_at is None


@pytest.mark.parametrize("route", ROUTES)
@pytest.mark.parametrize(
    "body",
    [
        b"",
        b" ",
        b"null",
        b"1",
        b"[]",
        b'"x"',
        b"{",
        b"{]",
        b"\xff",
        b'{"a": 1} x',
        b"\x00",
        b"\x1f\x8b",
        DEEP,
    ],
)
def test_what_is_no_json_object_is_refused(body: bytes, route: str) -> None:
    with pytest.raises(MalformedRequest, match=r"the body (cannot be read|is empty)") as error:
        read_call(body, route)
    assert error.value.hint


@pytest.mark.parametrize(
    "body",
    [
        *(b"{}", b'{"batch": null}', b'{"batch": {}}', b'{"batch": "x"}', b'{"batch": [1, 2}'),
        *(b'{"batch": [], "writeKey": 5}', b'{"batch": [{}], "writeKey": "\xff"}', b'{"batch": [{"a": "b]}'),
    ],
)
def test_what_is_no_batch_is_refused_by_the_route_for_batches(body: bytes) -> None:
    with pytest.raises(MalformedRequest):
        read_call(body, BATCH)


def test_a_refusal_does_not_repeat_what_was_sent() -> None:
    with pytest.raises(MalformedRequest) as error:
        read_call(b'{"batch": "adam@example.com"}', BATCH)
    assert "adam" not in error.value.message


@pytest.mark.parametrize("bad", [b'{"a":"\\ud800"}', DEEP, b'{"a":tru}', b"{,}", b'{"a":"\xff"}', b'"\x01"'])
def test_a_bad_message_leaves_the_others_as_they_are(bad: bytes) -> None:
    call = read_call(b'{"batch":[{"u":1},%b,{"u":2}],"writeKey":"w"}' % bad, BATCH)
    assert call.write_key == "w"
    assert parts(call) == [b'{"u":1}', bad, b'{"u":2}']


@pytest.mark.parametrize("message", [b"{}", b'{"a":"\\ud800"}'])
@pytest.mark.parametrize(
    ("count", "is_good"),
    [
        (limits.BATCH_MESSAGES_MAX - 1, True),
        (limits.BATCH_MESSAGES_MAX, True),
        (limits.BATCH_MESSAGES_MAX + 1, False),
        (10 * limits.BATCH_MESSAGES_MAX, False),
    ],
)
def test_a_batch_has_as_many_messages_as_the_limit(message: bytes, count: int, is_good: bool) -> None:
    body = b'{"batch":[' + b",".join([message] * count) + b"]}"
    if is_good:
        assert len(read_call(body, BATCH).messages) == count
    else:
        with pytest.raises(LimitExceeded, match="a batch cannot have") as caught:
            read_call(body, BATCH)
        assert caught.value.limit == limits.BATCH_MESSAGES_MAX


def test_a_body_as_large_as_the_limit_has_room_for_as_many_messages_as_a_batch_may_have() -> None:
    message = b'{"userId":"' + b"u" * (limits.BODY_BYTES_MAX // limits.BATCH_MESSAGES_MAX - 20) + b'"}'
    body = b'{"batch":[' + b",".join([message] * limits.BATCH_MESSAGES_MAX) + b"]}"
    assert len(body) <= limits.BODY_BYTES_MAX
    assert len(read_call(body, BATCH).messages) == limits.BATCH_MESSAGES_MAX


@pytest.mark.parametrize(
    ("body", "is_plain"),
    [
        (b'{"batch":[]}', True),
        (b'{"batch":[]}\r\n', True),
        (b'{"batch":[{"a":"\xc3\xa9"}]}', True),
        (b'{"batch":[{"a":"\xe9"}]}', False),
        (b'{"batch":\n[]}', False),
        (b'{"batch":\r[]}', False),
    ],
)
def test_only_one_line_of_utf8_is_plain(body: bytes, is_plain: bool) -> None:
    assert read_call(body, BATCH).is_plain is is_plain


@given(st.binary() | st.text().map(str.encode), st.sampled_from(ROUTES))
def test_any_bytes_are_read_or_refused(body: bytes, route: str) -> None:
    try:
        call = read_call(body, route)
    except MalformedRequest:
        return
    assert isinstance(json.loads(body), dict)
    assert call.messages is not None
