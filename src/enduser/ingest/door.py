"""The door of a space: each message of a call is judged, and becomes a line for the spool.

Pure functions of the call, what is known of its request, and the settings that act before anything
reaches the disk. The rules stand in docs/tracking-protocol.md. This is the hot path of the collector:
it is measured in microseconds a message.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable
from typing import NamedTuple, TypeVar

import msgspec
from msgspec import Raw, Struct

from enduser import limits
from enduser.core.events import EVENT_TYPES, HASH_FORM, hashed_id, known_id
from enduser.core.outcomes import RejectReason
from enduser.core.settings import SpaceSettings
from enduser.core.times import time_of
from enduser.errors import BodyTooLarge
from enduser.ingest.agent import agent_of, hints_of_data, hints_of_headers
from enduser.ingest.json_flaws import BROKEN, flaw_of
from enduser.ingest.libraries import DEVICE_LIBRARIES, SERVER_LIBRARIES
from enduser.ingest.loose_json import is_deeper
from enduser.ingest.messages import (
    NOTHING,
    Call,
    Context,
    Location,
    Message,
    Page,
    is_utf8,
    sent_at_of,
)
from enduser.ingest.spool.frames import HEAD_BYTES

Read = TypeVar("Read")

_TYPES = frozenset(EVENT_TYPES)
_FUTURE_TOLERANCE_US = limits.FUTURE_TOLERANCE_S * 1_000_000
_MIN_US = limits.OCCURRED_AT_MIN_US
_MAX_US = limits.OCCURRED_AT_MAX_US
_AGENT_CHARACTERS_MAX = limits.AGENT_CHARACTERS_MAX
_IP_CHARACTERS_MAX = 64
"""No address has more, not even with a zone; longer text is none and need not be kept."""

_SHORT = min(limits.ID_BYTES_MAX, limits.MESSAGE_ID_BYTES_MAX) // 4
"""So many characters take no more bytes than an id may have, whatever they are."""

_HASH = re.compile(HASH_FORM)
_UUID = re.compile("[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
_LINES_BYTES_MAX = limits.FRAME_BYTES_MAX - HEAD_BYTES
"""What of a call goes into a frame of the spool."""

_OBJECT = ord("{")
_NO_OBJECT = frozenset((b"{}", b"null"))


class Request(Struct, frozen=True, gc=False):
    """What is known of a call besides its body."""

    received_at: int
    """Server time in µs since 1970."""
    ip: str | None = None
    """The address of the client, behind the proxies that the operator trusts."""
    user_agent: str | None = None
    brands: str | None = None
    """The header `Sec-CH-UA`."""
    full_versions: str | None = None
    """The header `Sec-CH-UA-Full-Version-List`."""
    has_origin: bool = False
    """Whether there is a header `Origin`; then a browser sent it."""
    may_name_places: bool = False
    """Whether it came with a server's key, whose word on places is taken."""


class Rejected(Struct, frozen=True, gc=False):
    """A message that was not taken: its index in the batch, from 0, the reason, and what exactly."""

    index: int
    reason: RejectReason
    message: str


class Lines(NamedTuple):
    """What is to be made durable, and what the answer says."""

    lines: bytes
    """A line of JSON a message, in order; of rejected ones too, so that all are counted in one place."""
    rejected: list[Rejected]


class Line(Struct, omit_defaults=True, gc=False):
    """A line of the spool. Times are µs; what is unknown is left out.

    Of a rejected message there are `got` and `problem`, and its ids as far as they are good.
    """

    got: int
    """When it was received."""
    id: str | None = None
    anon: str | None = None
    prev: str | None = None
    hashed: bool = False
    """Whether `id` is a hash already."""
    msg: str | None = None
    client: int | None = None
    """The time as the client sent it, which belongs to the event's identity."""
    at: int | None = None
    """The same instant by the server's clock."""
    type: str | None = None
    name: str | None = None
    active: bool = True
    server: bool = False
    """Whether a library on a server sent it."""
    ip: str | None = None
    agent: str | None = None
    url: str | None = None
    props: Raw | None = None
    traits: Raw | None = None
    ctraits: Raw | None = None
    """The traits of the context."""
    country: str | None = None
    region: str | None = None
    city: str | None = None
    problem: str | None = None


_ENCODER = msgspec.json.Encoder()
_MESSAGE = msgspec.json.Decoder(Message)
_CONTEXT = msgspec.json.Decoder(Context | None)
_LOCATION = msgspec.json.Decoder(Location | None)
_PAGE = msgspec.json.Decoder(Page)
_NO_CONTEXT = Context()


class _Reject(Exception):
    """A message is not taken."""

    def __init__(self, reason: RejectReason, message: str) -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message


def _random_id() -> str:
    return uuid.uuid4().hex


def lines_of(
    call: Call, request: Request, settings: SpaceSettings, new_id: Callable[[], str] = _random_id
) -> Lines:
    """Return the lines of a call's messages, each judged by itself.

    `new_id` makes the id of a message that has neither an id nor a client time.

    Raises:
        BodyTooLarge: what all messages have in common makes the lines longer than a frame of the spool.
    """
    writer = _Writer(call, request, settings, new_id)
    lines: list[Line] = []
    rejected: list[Rejected] = []
    for index, raw in enumerate(call.messages):
        line = Line(request.received_at)
        try:
            writer.fill(line, raw)
        except _Reject as problem:
            rejected.append(Rejected(index, problem.reason, problem.message))
            line = Line(
                line.got, line.id, line.anon, hashed=line.hashed, msg=line.msg, problem=problem.reason
            )
        lines.append(line)
    encoded = _ENCODER.encode_lines(lines)
    if len(encoded) > _LINES_BYTES_MAX:
        raise _too_large_together(len(encoded))
    return Lines(encoded, rejected)


def _too_large_together(size: int) -> BodyTooLarge:
    return BodyTooLarge(
        f"the messages would have {size:,} bytes or more, each with the context that they have in common",
        hint=f"the limit is {_LINES_BYTES_MAX:,}; send smaller batches, or a smaller context",
        limit=_LINES_BYTES_MAX,
    )


class _Writer:
    """Fills the lines of one call. What all its messages have in common is found once."""

    __slots__ = (
        *("_agent", "_call", "_common_bytes", "_is_simple", "_latest", "_new_id", "_request", "_settings"),
    )

    def __init__(
        self, call: Call, request: Request, settings: SpaceSettings, new_id: Callable[[], str]
    ) -> None:
        self._call = call
        self._request = request
        self._settings = settings
        self._new_id = new_id
        self._common_bytes = 0
        self._is_simple = call.is_plain and not call.has_large
        self._latest = request.received_at + _FUTURE_TOLERANCE_US
        hints = hints_of_headers(request.brands, request.full_versions)
        self._agent = agent_of((request.user_agent or "")[:_AGENT_CHARACTERS_MAX], hints) or None

    def fill(self, line: Line, raw: Raw) -> None:
        """Fill the line of a message.

        Raises:
            _Reject: it is not taken.
        """
        message = self._read(_MESSAGE, raw) if self._is_simple else self._looked_at(raw)
        context = message.context or self._common_context()
        self._say_who(line, message, context)
        self._say_what(line, message, context)
        self._say_when(line, message)
        self._say_where(line, context)

    def _looked_at(self, raw: Raw) -> Message:
        """Return a message of a call that needs more than decoding."""
        if (size := len(bytes(raw))) > limits.MESSAGE_BYTES_MAX:
            raise _Reject(
                RejectReason.MESSAGE_TOO_LARGE,
                f"it has {size:,} bytes; the limit is {limits.MESSAGE_BYTES_MAX:,}",
            )
        if not is_utf8(bytes(raw)):
            raise _Reject(RejectReason.MALFORMED_MESSAGE, "it is not UTF-8")
        return self._read(_MESSAGE, raw)

    def _common_context(self) -> Context:
        """Return the context of a message that has none of its own: the batch's.

        It may be written into every line, so it counts once for each message: a small call must not become
        a gigabyte.
        """
        if self._call.context is NOTHING:
            return _NO_CONTEXT
        self._common_bytes += len(bytes(self._call.context))
        if self._common_bytes > _LINES_BYTES_MAX:
            raise _too_large_together(self._common_bytes)
        if not is_utf8(bytes(self._call.context)):
            raise _Reject(RejectReason.MALFORMED_MESSAGE, "the context of the batch is not UTF-8")
        return self._read(_CONTEXT, self._call.context) or _NO_CONTEXT

    def _read(self, decoder: msgspec.json.Decoder[Read], raw: Raw) -> Read:
        try:
            return decoder.decode(raw)
        except BROKEN as error:
            raise _Reject(RejectReason.MALFORMED_MESSAGE, flaw_of(error)) from None

    # --- who

    def _say_who(self, line: Line, message: Message, context: Context) -> None:
        if message.anonymous_id is not None:
            line.anon = _id_of(message.anonymous_id)
        if message.previous_id is not None:
            line.prev = self._previous_of(_id_of(message.previous_id), line.anon)
        if message.user_id is not None and (user_id := _id_of(message.user_id)) is not None:
            self._say_user(line, user_id, context)
        elif line.anon is None:
            raise _Reject(RejectReason.JUNK_USER_ID, "it has no user id or anonymous id that means anybody")
        if (message_id := message.message_id) is not None:
            line.msg = _message_id_of(message_id)

    def _previous_of(self, known: str | None, own: str | None) -> str | None:
        """Return the other id of an alias, which means an anonymous id.

        Where ids are hashed it may be a user id all the same, as analytics.js sends it; then it is hashed,
        unless it is the message's own anonymous id, which the store must know again.
        """
        if known is None or not self._settings.hash_ids or known == own or _UUID.fullmatch(known):
            return known
        return hashed_id(self._settings.hash_salt, known)

    def _say_user(self, line: Line, user_id: str, context: Context) -> None:
        if context.enduser is not None and context.enduser.hashed:
            if not _HASH.fullmatch(user_id):
                raise _Reject(
                    RejectReason.INVALID_USER_ID, "userId is marked as hashed, but is no unpadded SHA-256"
                )
            line.hashed = True
        elif self._settings.hash_ids:
            user_id = hashed_id(self._settings.hash_salt, user_id)
            line.hashed = True
        line.id = user_id

    # --- what

    def _say_what(self, line: Line, message: Message, context: Context) -> None:
        kind = self._call.type or (message.type or "").lower()
        if kind not in _TYPES:
            told = "type is none of" if kind else "it has no type; there are"
            raise _Reject(RejectReason.INVALID_TYPE, f"{told} {', '.join(EVENT_TYPES)}")
        line.type = kind
        if kind == "track":
            line.name = message.event or None
        elif kind in ("page", "screen"):
            line.name = message.name or None
        if context.active is False:
            line.active = False
        if (properties := message.properties) is not NOTHING:
            line.props = self._object(properties, RejectReason.INVALID_PROPERTIES, "properties")
        if (traits := message.traits) is not NOTHING:
            line.traits = self._object(traits, RejectReason.INVALID_TRAITS, "traits")
        if (traits := context.traits) is not NOTHING:
            line.ctraits = self._object(traits, RejectReason.INVALID_TRAITS, "context.traits")
        if (page := context.page) is not None:
            line.url = page.url or page.path or None
        if line.url is None and kind == "page" and line.props is not None:
            line.url = _url_in(line.props)

    def _object(self, raw: Raw, reason: RejectReason, name: str) -> Raw | None:
        """Return an object as JSON in one line, None where it is absent or empty."""
        text = bytes(raw)
        if text in _NO_OBJECT:
            return None
        if text[0] != _OBJECT:
            raise _Reject(reason, f"{name} is no object")
        if len(text) > 2 * limits.JSON_DEPTH_MAX and is_deeper(text, limits.JSON_DEPTH_MAX):
            raise _Reject(reason, f"{name} is nested more than {limits.JSON_DEPTH_MAX} deep")
        return raw if self._call.is_plain else Raw(msgspec.json.format(text, indent=-1))

    # --- when

    def _say_when(self, line: Line, message: Message) -> None:
        at = client = None
        if message.timestamp is not None:
            at = client = _time_of(message.timestamp, "timestamp")
        if message.original_timestamp is not None:
            original = _time_of(message.original_timestamp, "originalTimestamp")
            client = at if original is None else original
        received_at = line.at = line.got
        if client is None:
            line.msg = line.msg or self._new_id()
            return
        line.client = client
        sent_at = self._call.sent_at
        if sent_at is None:
            sent_at = sent_at_of(message.sent_at)
        if at is None:
            at = client
        if sent_at is not None:
            at = _corrected(at, received_at - sent_at)
        if at <= self._latest:
            line.at = at

    # --- where

    def _say_where(self, line: Line, context: Context) -> None:
        library = context.library.name if context.library is not None else None
        if library in SERVER_LIBRARIES:
            line.server = True
        is_users = library in DEVICE_LIBRARIES or (not library and self._request.has_origin)
        ip = context.ip or (self._request.ip if is_users else None)
        if ip and len(ip) <= _IP_CHARACTERS_MAX:
            line.ip = ip
        line.agent = self._agent_of(context, is_users)
        if context.location is not NOTHING and self._request.may_name_places:
            place = self._read(_LOCATION, context.location) or Location()
            line.country = place.country or None
            line.region = place.region or None
            line.city = place.city or None

    def _agent_of(self, context: Context, is_users: bool) -> str | None:
        """Return the user's browser: what the context says, and of the request's where that is the user's.

        Headers know the full versions where scripts did not ask for them, so theirs count first.
        """
        user_agent = context.user_agent
        if is_users and (not user_agent or user_agent == self._request.user_agent):
            if self._request.full_versions:
                return self._agent
            user_agent = self._request.user_agent
        data = context.ua_ch if context.user_agent_data is NOTHING else context.user_agent_data
        hints = "" if data is NOTHING else hints_of_data(bytes(data))
        if is_users and not hints and user_agent == self._request.user_agent:
            return self._agent
        return agent_of((user_agent or "")[:_AGENT_CHARACTERS_MAX], hints) or None


# --- values


def _id_of(value: object) -> str | None:
    """Return an id trimmed, None where it is absent or junk.

    Raises:
        _Reject: it is too long.
    """
    known = known_id(value if type(value) is str else _text_of(value))
    if known is not None and len(known) > _SHORT and _is_longer(known, limits.ID_BYTES_MAX):
        raise _Reject(RejectReason.USER_ID_TOO_LONG, f"an id has more than {limits.ID_BYTES_MAX} bytes")
    return known


def _message_id_of(value: str | float) -> str | None:
    text = value if type(value) is str else repr(value)
    if len(text) > _SHORT and _is_longer(text, limits.MESSAGE_ID_BYTES_MAX):
        raise _Reject(
            RejectReason.MESSAGE_ID_TOO_LONG, f"messageId has more than {limits.MESSAGE_ID_BYTES_MAX} bytes"
        )
    return text or None


def _text_of(value: object) -> str | None:
    """Return text, or a number as text; None for anything else."""
    if type(value) is str:
        return value
    return repr(value) if type(value) in (int, float) else None


def _is_longer(text: str, bytes_max: int) -> bool:
    return len(text.encode()) > bytes_max


def _time_of(value: str | float, name: str) -> int | None:
    """Return an instant in µs, None where it is left empty.

    Raises:
        _Reject: it is no instant.
    """
    at = time_of(value)
    if at is None and (type(value) is not str or value.strip()):
        raise _Reject(RejectReason.INVALID_TIME, f"{name} is no time of the years 1 to 9999")
    return at


def _corrected(at: int, late_by: int) -> int:
    """Return a time of the client's clock by ours, which is `late_by` µs ahead, if that is a time at all."""
    corrected = at + late_by
    return corrected if _MIN_US <= corrected <= _MAX_US else at


def _url_in(properties: Raw) -> str | None:
    """Return the URL that a page call names in its properties."""
    try:
        return _PAGE.decode(properties).url or None
    except BROKEN:
        return None
