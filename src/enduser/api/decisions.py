"""What is asked for with `GET /v1/decisions`, and how it is answered: in a collector and in the owner."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple
from urllib.parse import parse_qsl

import msgspec

from enduser import limits
from enduser.api.basic_auth import user_and_password
from enduser.api.problems import JSON, Headers, refusal
from enduser.core.contents import Decision
from enduser.core.events import UserId, known_id
from enduser.core.links import stored_ids
from enduser.errors import EnduserError, InvalidParameter, MethodNotAllowed, Unauthorized
from enduser.ingest.doors import Doors
from enduser.service.decisions import decision_json, etag_of
from enduser.stores.answers import Door

PATH = "/v1/decisions"
IDENTITY = b"enduser-identity"
"""A header with the token by which the site says who its user is."""
_PARAMETERS = ("user_id", "anonymous_id", "id_kind", "key", "identity")
_KINDS = ("plain", "hashed")
_CORS = [(b"access-control-allow-origin", b"*"), (b"access-control-expose-headers", b"etag, retry-after")]
_PREFLIGHT = [
    *_CORS,
    (b"access-control-allow-methods", b"GET, HEAD, OPTIONS"),
    (b"access-control-max-age", b"86400"),
    (b"access-control-allow-headers", b"authorization, if-none-match, " + IDENTITY),
]
_NOT_STORED = [(b"cache-control", b"private, no-cache"), (b"vary", b"authorization, " + IDENTITY)]


class Asked(NamedTuple):
    """Of whom a decision is asked for."""

    door: Door
    user_id: str
    id_kind: str
    """`plain`, `hashed` or `anonymous`."""
    known_etag: str | None
    """What the caller has already."""
    token: str | None
    """What says who the user is, unread."""

    def stored_id(self) -> UserId | None:
        """Return the id as it is stored; None: none is stored like this."""
        return next(stored_ids(self.door.settings, self.user_id, self.id_kind), None)


class Answer(NamedTuple):
    """An answer over HTTP."""

    status: int
    headers: Headers
    body: bytes


def read_call(scope: Mapping[str, Any], doors: Doors, now_us: int) -> Asked | Answer:
    """Return what a call asks for; of a preflight its answer.

    Raises:
        MethodNotAllowed: it is no GET.
        Unauthorized: it has no write key that leads to a space now.
        InvalidParameter: a parameter cannot be, or it names nobody.
    """
    if scope["method"] == "OPTIONS":
        return Answer(204, _PREFLIGHT, b"")
    if scope["method"] not in ("GET", "HEAD"):
        raise MethodNotAllowed(f"decisions are asked for with GET, not {scope['method']}", hint=f"GET {PATH}")
    headers = dict(scope["headers"])
    values = _values(scope["query_string"])
    door = _door(headers, values.get("key"), doors, now_us)
    user_id, id_kind = _user(values)
    etag, token = (headers.get(name) for name in (b"if-none-match", IDENTITY))
    return Asked(
        door,
        user_id,
        id_kind,
        None if etag is None else etag.decode("latin-1"),
        values.get("identity") if token is None else token.decode("latin-1").strip(),
    )


def answer(decision: Decision, asked: Asked) -> Answer:
    """Return the answer that a decision is."""
    told = decision_json(decision)
    etag = etag_of(told)
    headers = [*_CORS, *_NOT_STORED, (b"etag", etag.encode())]
    if asked.known_etag is not None and etag in asked.known_etag:
        return Answer(304, headers, b"")
    body = msgspec.json.encode(told)
    return Answer(200, [*headers, JSON, (b"content-length", b"%d" % len(body))], body)


def refused(error: EnduserError) -> Answer:
    """Return the answer that an error is."""
    status, headers, body = refusal(error)
    allow = [(b"allow", b"GET, HEAD, OPTIONS")] if isinstance(error, MethodNotAllowed) else []
    return Answer(status, [*_CORS, *headers, *allow], body)


def for_pages(send: Any) -> Any:
    """Return what sends an answer that somebody else gives, so that pages of other sites may read it too."""

    async def sending(message: Mapping[str, Any]) -> None:
        names = {name for name, _ in message.get("headers", ())}
        if message["type"] == "http.response.start" and _CORS[0][0] not in names:
            message = {**message, "headers": [*_CORS, *message["headers"]]}
        await send(message)

    return sending


async def send_answer(scope: Mapping[str, Any], send: Any, given: Answer) -> None:
    """Send an answer; of HEAD without its body."""
    body = b"" if scope["method"] == "HEAD" else given.body
    await send({"type": "http.response.start", "status": given.status, "headers": given.headers})
    await send({"type": "http.response.body", "body": body})


def _values(query: bytes) -> Mapping[str, str]:
    """Return the parameters of a query, each given once."""
    try:
        pairs: Sequence[tuple[str, str]] = parse_qsl(
            query.decode("ascii"),
            keep_blank_values=True,
            errors="strict",
            max_num_fields=len(_PARAMETERS) + 1,
        )
    except ValueError:
        raise InvalidParameter(
            "the query cannot be read", hint=f"write UTF-8, percent-encoded: {', '.join(_PARAMETERS)}"
        ) from None
    for name, _ in pairs:
        if name not in _PARAMETERS:
            hint = f"it takes: {', '.join(_PARAMETERS)}"
            raise InvalidParameter(f"there is no parameter {name[:100]!r} here", hint=hint, field=name[:100])
    if len(dict(pairs)) != len(pairs):
        raise InvalidParameter("a parameter is given twice", hint="give each once")
    return dict(pairs)


def _door(headers: Mapping[bytes, bytes], in_query: str | None, doors: Doors, now_us: int) -> Door:
    told = headers.get(b"authorization", b"")[: limits.AUTHORIZATION_BYTES_MAX]
    found = user_and_password(told)
    key = (found and found[0]) or in_query
    if not key:
        raise Unauthorized("there is no write key", hint="send it as ?key=, or as the user name of Basic")
    door = doors.find(key, now_us)
    if door is None:
        raise Unauthorized("the write key is unknown", hint="enduser systems list shows the write keys")
    return door


def _user(values: Mapping[str, str]) -> tuple[str, str]:
    """Return the id of a call and its kind; a user id comes before an anonymous one, as in events."""
    id_kind = values.get("id_kind", _KINDS[0])
    if id_kind not in _KINDS:
        hint = f"id_kind is one of: {', '.join(_KINDS)}; an anonymous id is given as anonymous_id"
        raise InvalidParameter(f"id_kind cannot be {id_kind[:100]!r}", hint=hint, field="id_kind")
    for name, kind in (("user_id", id_kind), ("anonymous_id", "anonymous")):
        text = known_id(values.get(name))
        if text is not None and len(text.encode()) > limits.ID_BYTES_MAX:
            raise InvalidParameter(
                f"{name} has more than {limits.ID_BYTES_MAX} bytes",
                hint="give the id as events have it (ID_BYTES_MAX)",
                field=name,
                limit=limits.ID_BYTES_MAX,
            )
        if text is not None:
            return text, kind
    raise InvalidParameter(
        "there is nobody to decide for",
        hint="give user_id or anonymous_id, as events have them",
        field="user_id",
    )
