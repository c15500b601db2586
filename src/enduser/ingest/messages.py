"""The tracking protocol: the body of a call → its write key and its messages (docs/tracking-protocol.md).

A body is read in two steps, for the settings of a space are found by the write key, which may stand in
the body: `read_call` here finds the key and tells the messages apart, `ingest.door` judges each of them.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import msgspec
from msgspec import Raw, Struct

from enduser import limits
from enduser.core.events import EVENT_TYPES
from enduser.core.times import time_of
from enduser.errors import LimitExceeded, MalformedRequest
from enduser.ingest.json_flaws import BROKEN, flaw_of
from enduser.ingest.loose_json import split_batch

BATCH = "batch"
ROUTES = (BATCH, *EVENT_TYPES)

NOTHING = Raw(b"")


class Call(NamedTuple):
    """A body taken apart: its write key if it has one, and its messages, not yet judged."""

    write_key: str | None
    type: str | None
    """The type of its messages where the route says it."""
    sent_at: int | None
    """When it was sent by the client's clock, in µs."""
    context: Raw
    """The context of messages that have none of their own; empty where there is none."""
    messages: list[Raw]
    is_plain: bool
    """Whether the body is UTF-8 in one line, as SDKs write it; else each message is looked at."""
    has_large: bool
    """Whether some message is larger than its limit."""


class _Envelope(Struct, rename="camel", gc=False):
    write_key: str | None = None
    sent_at: Any = None


class _BatchEnvelope(Struct, rename="camel", gc=False):
    batch: list[Raw]
    write_key: str | None = None
    sent_at: Any = None
    context: Raw = NOTHING


_SINGLE = msgspec.json.Decoder(_Envelope)
_BATCH = msgspec.json.Decoder(_BatchEnvelope)


def read_call(body: bytes, route: str) -> Call:
    """Take the body of a call to `route` (one of `ROUTES`) apart.

    Raises:
        MalformedRequest: it is no JSON object, its `batch` is no list, or its write key no text.
        LimitExceeded: it has more messages than a call may have.
    """
    assert route in ROUTES
    body = body.rstrip()
    if not body:
        raise MalformedRequest("the body is empty", hint="send one JSON object in UTF-8")
    try:
        envelope = _batch_of(body) if route == BATCH else _single_of(body)
    except BROKEN as error:
        raise MalformedRequest(
            f"the body cannot be read: {flaw_of(error)}",
            hint='send one JSON object in UTF-8; to /v1/batch {"batch": [...]}',
        ) from None
    if len(envelope.batch) > limits.BATCH_MESSAGES_MAX:
        raise LimitExceeded(
            f"a batch cannot have {len(envelope.batch):,} messages",
            hint=f"the limit is {limits.BATCH_MESSAGES_MAX:,}; send them in several calls",
            limit=limits.BATCH_MESSAGES_MAX,
        )
    return Call(
        write_key=envelope.write_key or None,
        type=None if route == BATCH else route,
        sent_at=sent_at_of(envelope.sent_at),
        context=envelope.context,
        messages=envelope.batch,
        is_plain=b"\n" not in body and b"\r" not in body and is_utf8(body),
        has_large=len(body) > limits.MESSAGE_BYTES_MAX
        and max(map(len, map(bytes, envelope.batch)), default=0) > limits.MESSAGE_BYTES_MAX,
    )


def _single_of(body: bytes) -> _BatchEnvelope:
    envelope = _SINGLE.decode(body)
    return _BatchEnvelope([Raw(body)], envelope.write_key, envelope.sent_at)


def _batch_of(body: bytes) -> _BatchEnvelope:
    try:
        return _BATCH.decode(body)
    except BROKEN:
        if (parts := split_batch(body, limits.BATCH_MESSAGES_MAX)) is None:
            raise
    envelope = _BATCH.decode(parts[0])
    envelope.batch = [Raw(message) for message in parts[1]]
    return envelope


def sent_at_of(value: object) -> int | None:
    """Return when something was sent (µs by the client's clock), None where that is not known."""
    return time_of(value) if type(value) in (str, int, float) else None  # type: ignore[arg-type]


def is_utf8(text: bytes) -> bool:
    """Return whether bytes are valid UTF-8; a decoder does not look at what it skips."""
    if text.isascii():
        return True
    try:
        text.decode()
    except UnicodeDecodeError:
        return False
    return True


# --- one message


class Page(Struct, gc=False):
    """The page that an event happened on."""

    url: str | None = None
    path: str | None = None


class Library(Struct, gc=False):
    """The library that sent a message."""

    name: str | None = None


class Mark(Struct, gc=False):
    """What our own SDK says besides: whether its user ids are hashes already."""

    hashed: bool | None = None


class Location(Struct, gc=False):
    """A place that the sender names."""

    country: str | None = None
    region: str | None = None
    city: str | None = None


class Context(Struct, rename="camel", gc=False):
    """The context of a message, as far as it is read."""

    active: bool | None = None
    ip: str | None = None
    user_agent: str | None = None
    page: Page | None = None
    library: Library | None = None
    traits: Raw = NOTHING
    user_agent_data: Raw = NOTHING
    ua_ch: Raw = msgspec.field(default=NOTHING, name="ua-ch")
    """RudderStack's name of `userAgentData`."""
    location: Raw = NOTHING
    enduser: Mark | None = None


class Message(Struct, rename="camel", gc=False):
    """One message, as far as it is read. Ids may be anything; only text and numbers are ids."""

    user_id: Any = None
    anonymous_id: Any = None
    previous_id: Any = None
    message_id: str | int | float | None = None
    type: str | None = None
    event: str | None = None
    name: str | None = None
    timestamp: str | int | float | None = None
    original_timestamp: str | int | float | None = None
    sent_at: Any = None
    properties: Raw = NOTHING
    traits: Raw = NOTHING
    context: Context | None = None
