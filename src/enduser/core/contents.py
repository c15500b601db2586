"""Content items: what is shown to the users of a segment (docs/content.md)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from enduser import limits
from enduser.errors import ContentNotFound, InvalidContent

_ID = re.compile(rf"[A-Za-z0-9][A-Za-z0-9_.-]{{0,{limits.CONTENT_ID_CHARACTERS_MAX - 1}}}", re.ASCII)
_KIND = re.compile(rf"[a-z0-9][a-z0-9_-]{{0,{limits.CONTENT_KIND_CHARACTERS_MAX - 1}}}", re.ASCII)
_CONTROLS = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")


@dataclass(frozen=True, slots=True, kw_only=True)
class Content:
    """A content item."""

    id: str
    name: str
    kind: str = "content"
    """What it is to the site, such as `banner`."""
    payload: Mapping[str, Any] | None = None
    """What the site shows it by; JSON."""
    segment: str | None = None
    """To the users of this segment it is shown; None: to everyone."""
    is_public: bool = True
    """Whether browsers may learn of it; else only who has an API key."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SavedContent:
    """A content item as it was saved. Times are µs."""

    content: Content
    saved_at: int
    saved_by: str
    created_at: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What one user sees. Times are µs."""

    contents: Sequence[Content]
    segments: Sequence[str]
    """The ids of the segments that hold, of those that were asked for."""
    decided_at: int
    """What the space's clock showed."""
    turns_at: int | None
    """When it can be another by itself; None: never, if nothing else happens."""


def find_content(contents: Iterable[SavedContent], content_id: str) -> SavedContent:
    """Return the content item of an id.

    Raises:
        ContentNotFound: none of these has it.
    """
    for saved in contents:
        if saved.content.id == content_id:
            return saved
    raise content_not_found(content_id)


def content_not_found(content_id: str) -> ContentNotFound:
    """Return the error of an id that no content item has."""
    return ContentNotFound(
        f"there is no content item {content_id!r}",
        hint="they are listed by: enduser content list, or GET /api/v1/content; ids are case-sensitive",
        field="content_id",
    )


def check_content(content: Content) -> None:
    """Check a content item, but for its segment.

    Raises:
        InvalidContent: its id, name, kind or payload cannot be.
    """
    if not _ID.fullmatch(content.id):
        raise InvalidContent(
            f"no content can have the id {content.id[: limits.CONTENT_ID_CHARACTERS_MAX + 1]!r}",
            hint="an id has letters, digits, _, . and -, begins with a letter or a digit, and has at most "
            f"{limits.CONTENT_ID_CHARACTERS_MAX} characters (CONTENT_ID_CHARACTERS_MAX)",
            field="id",
        )
    if not _KIND.fullmatch(content.kind):
        raise InvalidContent(
            f"no content can be of the kind {content.kind[: limits.CONTENT_KIND_CHARACTERS_MAX + 1]!r}",
            hint="a kind has a-z, 0-9, _ and -, and at most "
            f"{limits.CONTENT_KIND_CHARACTERS_MAX} characters (CONTENT_KIND_CHARACTERS_MAX)",
            field="kind",
        )
    name = content.name
    if not name.strip() or len(name) > limits.CONTENT_NAME_CHARACTERS_MAX or _CONTROLS.search(name):
        raise InvalidContent(
            f"no content can have the name {name[: limits.CONTENT_NAME_CHARACTERS_MAX]!r}",
            hint=f"write 1 to {limits.CONTENT_NAME_CHARACTERS_MAX} characters (CONTENT_NAME_CHARACTERS_MAX), "
            "without control characters",
            field="name",
        )
    size = len(msgspec.json.encode(content.payload))
    if size > limits.CONTENT_PAYLOAD_BYTES_MAX:
        raise InvalidContent(
            f"a payload cannot have {size:,} bytes as JSON",
            hint=f"the limit is {limits.CONTENT_PAYLOAD_BYTES_MAX:,} (CONTENT_PAYLOAD_BYTES_MAX); "
            "let it name what is large",
            field="payload",
            limit=limits.CONTENT_PAYLOAD_BYTES_MAX,
        )
