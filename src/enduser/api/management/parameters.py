"""Parameters that several routes take, and how a query is read."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any
from urllib.parse import parse_qsl

import msgspec

from enduser import limits
from enduser.api.management.calls import Parameter
from enduser.core.feed import FEED_KINDS
from enduser.core.links import ID_KINDS
from enduser.core.times import iso_instant
from enduser.errors import InvalidParameter


def choice(*words: str) -> dict[str, Any]:
    """Return how a parameter is read and described that is one of some words."""

    def read(text: str) -> str:
        return words[words.index(text)]

    return {"schema": {"type": "string", "enum": list(words)}, "read": read}


def some_of(*words: str) -> dict[str, Any]:
    """Return how a parameter is read and described that is some of some words, parted by commas."""
    any_word = f"({'|'.join(words)})"

    def read(text: str) -> tuple[str, ...]:
        found = tuple(dict.fromkeys(text.split(",")))
        if not set(found) <= set(words):
            raise ValueError(text)
        return found

    return {"schema": {"type": "string", "pattern": f"^{any_word}(,{any_word})*$"}, "read": read}


def _switch(text: str) -> bool:
    return {"true": True, "false": False}[text]


def _instant(text: str) -> int:
    at = iso_instant(text)
    if at is None:
        raise ValueError(text)
    return at


def _printable(characters_max: int) -> Callable[[str], str]:
    def read(text: str) -> str:
        if not (text.isprintable() and 0 < len(text) <= characters_max):
            raise ValueError(text)
        return text

    return read


def _object(text: str) -> Mapping[str, Any]:
    try:
        found: Mapping[str, Any] = msgspec.json.decode(text, type=dict[str, Any])
    except (msgspec.MsgspecError, RecursionError):
        raise ValueError(text) from None
    return found


def _names(text: str) -> tuple[str, ...]:
    return tuple(text.split(","))


def _number(text: str) -> int:
    if not (text.isascii() and text.isdigit()) or int(text) > limits.NUMBER_MAX:
        raise ValueError(text)
    return int(text)


def _counted(name: str, meaning: str, example: int, most: int, default: int | None = None) -> Parameter:
    """Return a parameter that is a whole number from 1."""

    def read(text: str) -> int:
        if not 1 <= _number(text) <= most:
            raise ValueError(text)
        return _number(text)

    schema = {"type": "integer", "minimum": 1, "maximum": most}
    return Parameter(name, meaning, example, schema, read, default)


def _numbered(name: str, meaning: str) -> Parameter:
    """Return a parameter in the path that is the number of something."""
    schema = {"type": "integer", "minimum": 0, "maximum": limits.NUMBER_MAX}
    return Parameter(name, meaning, 7, schema, _number, place="path")


def _whole(text: str) -> int:
    if not (text.isascii() and text.isdigit()):
        raise ValueError(text)
    value = int(text)
    if not 1 <= value <= limits.PAGE_ROWS_MAX:
        raise ValueError(text)
    return value


SPACE = Parameter(
    "space",
    "The space, as `system/environment`. Without it: the key's only one, else `default/production`.",
    "default/production",
)
USER_ID = Parameter("user_id", "The id, percent-encoded.", "adam.br", place="path")
ID_KIND = Parameter(
    "id_kind",
    "The namespace of the id: `plain`, `hashed` (as stored by a space that hashes ids), or `anonymous`.",
    "plain",
    **choice(*ID_KINDS),
    default="plain",
)
INCLUDE_OPEN = Parameter(
    "include_open",
    "Whether objects are as if open sessions were closed, also of users who have none closed.",
    "false",
    {"type": "boolean"},
    _switch,
    default=False,
)
PROVENANCE = Parameter(
    "provenance",
    "Whether to say of each custom attribute who said it.",
    "true",
    {"type": "boolean"},
    _switch,
    default=False,
)
AS_OF = Parameter(
    "as_of",
    "A time in ISO 8601; all is as it was then, by what is known now. Without it: now.",
    "2026-03-01T10:00:00Z",
    {"type": "string", "format": "date-time"},
    _instant,
)
JUDGED_AS_OF = Parameter(
    "as_of",
    "A time in ISO 8601, by which users are judged. Without it: where the space's clock stands.",
    "2026-03-01T10:00:00Z",
    {"type": "string", "format": "date-time"},
    _instant,
)
ATTRIBUTE = Parameter("name", "The name of the attribute.", "plan", place="path")
CONTENT_ID = Parameter("content_id", "The id of the content item.", "vip-banner", place="path")
LIST_ID = Parameter("list_id", "The id of the list, percent-encoded.", "staff", place="path")
SEGMENT_ID = Parameter("segment_id", "The id of the segment.", "vips", place="path")
TAG = Parameter("tag", "A tag that the segments have; without it all.", "billing")
ARCHIVED = Parameter(
    "archived",
    "Whether the segments are archived; without it those that are in use.",
    "false",
    {"type": "boolean"},
    _switch,
    default=False,
)
EXPLAIN = Parameter(
    "explain",
    "Whether to say why: the rule with a verdict at each node.",
    "true",
    {"type": "boolean"},
    _switch,
    default=False,
)
FACET_FIELD = Parameter(
    "field", "The attribute by whose values users are parted.", "country", is_required=True
)
FACET_LIMIT = _counted(
    "limit", "How many of the most frequent values are told.", 10, limits.FACET_VALUES_MAX, default=10
)
TEMPLATE_ID = Parameter("template_id", "The id of the template.", "quit", place="path")
_OF_TEMPLATE = "A parameter of templates that have it; without it, its default."
TEMPLATE_PARAMETERS = (
    _counted("days", _OF_TEMPLATE, 7, limits.RULE_SPAN_DAYS_MAX),
    Parameter("attribute", _OF_TEMPLATE, "plan"),
    Parameter("value", f"{_OF_TEMPLATE} It is a text.", "vip"),
    _counted("sessions", _OF_TEMPLATE, 8, limits.NUMBER_MAX),
    _counted("from_days", _OF_TEMPLATE, 60, limits.RULE_SPAN_DAYS_MAX),
    _counted("to_days", _OF_TEMPLATE, 30, limits.RULE_SPAN_DAYS_MAX),
)
GUID = Parameter(
    "guid",
    "The GUID of the system, in any case: `GET /api/v1/spaces` shows it.",
    "3f2b6c1e-8d4a-4f0e-9b57-2a6d1c9e7f10",
    place="path",
)
SEGMENT = Parameter("segment", "The id of the static list, percent-encoded.", "staff", place="path")
CLIENT_ID = Parameter("client_id", "The id of the client.", "5c1d0f2e9a7b4c38", place="path")
BASIC = Parameter(
    "Authorization",
    "`Basic` with the client's id and secret.",
    "Basic aWQ6c2VjcmV0",
    place="header",
    scheme="client",
)
ACCESS_TOKEN = Parameter(
    "Authorization",
    "`Bearer` with an access token.",
    "Bearer 3vJ0…",
    place="header",
    scheme="access_token",
)
IF_MATCH = Parameter(
    "If-Match",
    "The `ETag` of the user as the caller saw him; the change is refused if he is another since.",
    '"8d0b8b7a3a4f6f4be5b0f6ac0a6f1a7e"',
    place="header",
)
SEGMENT_IF_MATCH = Parameter(
    "If-Match",
    "The `ETag` of the segment as the caller saw it; the change is refused if it is another since.",
    '"8d0b8b7a3a4f6f4be5b0f6ac0a6f1a7e"',
    place="header",
)
CONTENT_IF_MATCH = Parameter(
    "If-Match",
    "The `ETag` of the item as the caller saw it; the change is refused if it is another since.",
    '"8d0b8b7a3a4f6f4be5b0f6ac0a6f1a7e"',
    place="header",
)
IDEMPOTENCY_KEY = Parameter(
    "Idempotency-Key",
    "What the caller names this call; sent again within a day it is done once, and answered the same.",
    "5f0c8a4e-9f0b-4c3f-8a39-3f2f6a1f5d11",
    {"type": "string", "minLength": 1, "maxLength": limits.ONCE_KEY_CHARACTERS_MAX},
    _printable(limits.ONCE_KEY_CHARACTERS_MAX),
    place="header",
)
SORT = Parameter(
    "sort",
    "The attribute to sort by, any but lists; with a `-` before it the greatest come first. Unknown values "
    "come last. Without it: `-last_seen`.",
    "-last_seen",
)
RULE = Parameter(
    "rule",
    "Whom they mean: a rule (docs/rules.md) as JSON, percent-encoded. Without it: everyone.",
    '{"field": "plan", "operator": "is", "value": "vip"}',
    {"type": "string", "contentMediaType": "application/json"},
    _object,
)
OF_SEGMENT = Parameter("segment", "The id of a segment, in place of a rule.", "vips")
ONLY_SEGMENT = Parameter("segment", "The id of a segment: only that is told.", "vips")
FILTER_ID = Parameter("filter_id", "The id of the filter.", "in-oslo", place="path")
OF_FILTER = Parameter(
    "filter",
    "The id of a saved filter: what it says holds where the call says nothing else.",
    "in-oslo",
)
SEARCH = Parameter(
    "search",
    "A text that some text of the user has in it, in any case; no pattern. Empty: any.",
    "adam",
    {"type": "string", "maxLength": limits.SEARCH_CHARACTERS_MAX},
)
COLUMNS = Parameter(
    "columns",
    "The attributes that come besides `user_id` and `is_anonymous`, parted by commas. Without it: all.",
    "last_seen,country,plan",
    read=_names,
)
FEED_CURSOR = Parameter(
    "cursor",
    "`next_cursor` of the page before. Without it the feed is read from the first row that is kept; `end`: "
    "from the last one on.",
    "end",
)
FEED_KIND = Parameter(
    "kind",
    "Which kinds of rows come, parted by commas. Without it: all.",
    "entered,left",
    **some_of(*FEED_KINDS),
    default=(),
)
FEED_SEGMENT = Parameter(
    "segment",
    "Ids of segments, parted by commas. If some are named here, or attributes, only rows of those come.",
    "vips",
    read=_names,
    default=(),
)
FEED_ATTRIBUTE = Parameter("attribute", "Names of attributes, likewise.", "plan", read=_names, default=())
IDENTITY_KEY_ID = Parameter("key_id", "The id of the identity key.", "7a1e5c0d9b3f2846", place="path")
WEBHOOK_ID = Parameter("webhook_id", "The id of the webhook.", "9f3c1b7a2d4e5f60", place="path")
FORM = Parameter(
    "form",
    "The form of the file.",
    "csv",
    **choice("csv", "jsonl", "parquet"),
    is_required=True,
)
CONFIRMED = Parameter(
    "confirmed",
    "Whether a change may be made that cannot be undone; without it such a change is refused, with a message "
    "that says what it would do.",
    "true",
    {"type": "boolean"},
    _switch,
    default=False,
)
SUPPRESS = Parameter(
    "suppress",
    "Whether the person stays out from then on, whatever names one of the ids; also an id that is not known.",
    "true",
    {"type": "boolean"},
    _switch,
    default=False,
)
LIMIT = Parameter(
    "limit",
    "How many items a page has at most.",
    "100",
    {"type": "integer", "minimum": 1, "maximum": limits.PAGE_ROWS_MAX},
    _whole,
    default=100,
)
CURSOR = Parameter(
    "cursor",
    "`next_cursor` of the page before; without it the list begins. Keep the other parameters.",
    "WyItbGFzdF9zZWVuIiwxNzA0MDY3MjAwMDAwMDAwLCJhZGFtLmJyIixmYWxzZV0",
)


FILE_NAME = Parameter(
    "name",
    "The name of the file, for lists.",
    "crm.csv",
    {"type": "string", "minLength": 1, "maxLength": limits.INPUT_NAME_CHARACTERS_MAX},
    _printable(limits.INPUT_NAME_CHARACTERS_MAX),
    is_required=True,
)
UPLOAD = Parameter("upload", "The id of the file.", "6f1c0a9be2d47385", place="path")
SOME_UPLOAD = Parameter("upload", "The id of a file that was sent.", "6f1c0a9be2d47385")
SOURCE = Parameter("source", "The name of the source.", "crm", place="path")
SOURCE_NAME = Parameter("source", "The source; without it all.", "crm")
JOB = _numbered("job", "The number of the job.")
RUN = _numbered("run", "The number of the run.")


def _linked(name: str) -> tuple[Parameter, Parameter]:
    """Return the parameters of one of two linked ids, and of its kind."""
    kind = Parameter(
        f"{name}_kind",
        f"The namespace of `{name}`, as of `id_kind`.",
        "anonymous" if name == "other" else "plain",
        **choice(*ID_KINDS),
        default="plain",
    )
    example = "9f3c" if name == "other" else "adam.br"
    return Parameter(name, "An id of the pair.", example, is_required=True), kind


LINKED = (*_linked("one"), *_linked("other"))


def read_query(query: bytes, known: Sequence[Parameter]) -> dict[str, Any]:
    """Return the values of a query, with defaults for what is not given.

    Raises:
        InvalidParameter: a parameter is unknown, missing, given twice, or its value is none.
    """
    by_name = {parameter.name: parameter for parameter in known if parameter.place == "query"}
    values = {name: parameter.default for name, parameter in by_name.items()}
    texts: dict[str, str] = {}
    for name, text in _pairs(query):
        if name not in by_name:
            takes = f"it takes: {', '.join(by_name)}" if by_name else "it takes none"
            raise InvalidParameter(f"there is no parameter {name[:100]!r} here", hint=takes, field=name[:100])
        if name in texts:
            raise InvalidParameter(f"{name} is given twice", hint="give it once", field=name)
        texts[name] = text
    for name, parameter in by_name.items():
        if parameter.is_required and name not in texts:
            raise InvalidParameter(f"{name} is missing", hint=f"give {name} in the query", field=name)
    return values | {name: read_value(by_name[name], text) for name, text in texts.items()}


def read_headers(headers: Mapping[str, str], known: Sequence[Parameter]) -> dict[str, Any]:
    """Return the values of the headers that are parameters, by name; None where one was not sent.

    Raises:
        InvalidParameter: a header has a value that cannot be.
    """
    told = {p.name: (p, headers.get(p.name)) for p in known if p.place == "header"}
    return {name: None if text is None else read_value(p, text) for name, (p, text) in told.items()}


def _pairs(query: bytes) -> list[tuple[str, str]]:
    try:
        return parse_qsl(
            query.decode("ascii"),
            keep_blank_values=True,
            errors="strict",
            max_num_fields=limits.QUERY_PARAMETERS_MAX,
        )
    except ValueError:
        raise InvalidParameter(
            "the query cannot be read",
            hint=f"write UTF-8, percent-encoded, and at most {limits.QUERY_PARAMETERS_MAX} parameters",
        ) from None


def read_value(parameter: Parameter, text: str) -> object:
    """Return the value of a parameter that is written as `text`.

    Raises:
        InvalidParameter: it cannot have this value.
    """
    try:
        return parameter.read(text)
    except (ValueError, KeyError):
        raise InvalidParameter(
            f"{parameter.name} cannot be {text[:100]!r}",
            hint=f"{parameter.name} is {_bounds(parameter.schema)}",
            field=parameter.name,
            limit=parameter.schema.get("maximum", parameter.schema.get("maxLength")),
        ) from None


def _bounds(schema: Mapping[str, Any]) -> str:
    if words := schema.get("enum"):
        return f"one of: {', '.join(words)}"
    if "pattern" in schema:
        words = dict.fromkeys(re.findall(r"\w+", schema["pattern"]))
        return f"some of: {', '.join(words)}; parted by commas"
    if "contentMediaType" in schema:
        return "a JSON object, percent-encoded"
    if "maxLength" in schema:
        return f"a text of {schema['minLength']} to {schema['maxLength']} characters"
    if schema.get("format") == "date-time":
        return "a time in ISO 8601, such as 2026-03-01T10:00:00Z"
    if "maximum" in schema:
        return f"a whole number from {schema['minimum']} to {schema['maximum']:,}"
    return "true or false"
