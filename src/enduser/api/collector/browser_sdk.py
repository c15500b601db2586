"""What browsers ask first: the settings of a space, and the SDK's script with these settings inside."""

from __future__ import annotations

import gzip
import hashlib
import re
from collections.abc import Mapping, MutableMapping
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import parse_qs

import msgspec

import enduser
from enduser.api.problems import Headers, status_of
from enduser.clock import now_us
from enduser.errors import EnduserError, Unauthorized
from enduser.ingest.doors import Doors
from enduser.stores.answers import Door

SCRIPT_PATH = "/enduser.js"
SETTINGS_PATH = "/v1/projects/"
_SCRIPT = Path(enduser.__file__).parent / "web" / "enduser.js"
_KEY_HINT = "enduser systems list shows the write keys"
_LOADABLE = [
    (b"content-type", b"text/javascript; charset=utf-8"),
    (b"cross-origin-resource-policy", b"cross-origin"),
    (b"x-content-type-options", b"nosniff"),
]
"""Headers of what a page of any site may load as a script, also an isolated one."""
_SCRIPT_HEADERS = [
    *_LOADABLE,
    (b"cache-control", b"public, max-age=60, stale-while-revalidate=86400"),
    (b"vary", b"accept-encoding"),
]
_COMPILED_BESIDE = b"//# allFunctionsCalledOnLoad\n"
"""Has V8 compile the whole script while it is loaded, beside the page: a third less of the page's time."""
_GZIP = re.compile(rb"\bgzip\b(?!\s*;\s*q=0(\.0*)?\s*(,|$))")
_CACHED = 256
"""Forms of the script that are kept: by settings of a space and packing."""


class Given(NamedTuple):
    """What a browser gets."""

    status: int
    headers: Headers
    body: bytes


class BrowserSdk:
    """Answers what browsers ask before they send anything."""

    def __init__(self, doors: Doors, *, trusted_hops: int = 0) -> None:
        """Know spaces and their settings by `doors`."""
        self._doors = doors
        self._trusted_hops = trusted_hops

    def settings(self, scope: MutableMapping[str, Any]) -> bytes:
        """Return what SDKs of browsers are told of a space, as JSON: ours, and Segment's.

        Raises:
            Unauthorized: there is no such write key.
        """
        key, _, rest = scope["path"].removeprefix(SETTINGS_PATH).partition("/")
        door = self._door(key if rest == "settings" else "")
        headers = dict(scope["headers"])
        host = headers.get(b"host", b"").decode("latin-1")
        protocol = _protocol(scope["scheme"], headers, self._trusted_hops)
        told = {
            "integrations": {"Segment.io": {"apiKey": key, "apiHost": f"{host}/v1", "protocol": protocol}},
            "enduser": _settings_of(door),
        }
        return msgspec.json.encode(told)

    def script(self, scope: MutableMapping[str, Any]) -> Given:
        """Return the SDK for the space of the write key in the query, which the browser may have already.

        Raises:
            Unauthorized: there is no such write key.
        """
        key = parse_qs(scope["query_string"].decode("latin-1")).get("key", [""])[0]
        told = msgspec.json.encode({"key": key, "settings": _settings_of(self._door(key))})
        headers = dict(scope["headers"])
        is_packed = bool(_GZIP.search(headers.get(b"accept-encoding", b"")))
        body, etag = _script(told, is_packed=is_packed)
        answered = [*_SCRIPT_HEADERS, (b"etag", etag)]
        if etag in headers.get(b"if-none-match", b""):
            return Given(304, answered, b"")
        return Given(200, [*answered, *([(b"content-encoding", b"gzip")] if is_packed else [])], body)

    def _door(self, key: str) -> Door:
        door = self._doors.find(key, now_us())
        if door is None:
            told = "the write key is unknown" if key else "there is no write key"
            raise Unauthorized(told, hint=f"{_KEY_HINT}; the script is asked for as {SCRIPT_PATH}?key=…")
        return door


def script_refusal(error: EnduserError) -> Given:
    """Return the answer that an error is where the script is asked for: a script that is one comment.

    Of anything else browsers would not tell a page of another site even the status.
    """
    told = f"enduser: {error.message}: {error.hint}".replace("*/", "* /")
    return Given(status_of(type(error)), [*_LOADABLE], f"/* {told} */\n".encode())


def _settings_of(door: Door) -> Mapping[str, object]:
    """Return what our SDK has to know of a space."""
    settings = door.settings
    return {
        "unique_user": settings.unique_user,
        "hash_ids": settings.hash_ids,
        "hash_salt": settings.hash_salt if settings.hash_ids else "",
        "inactivity_window_s": settings.inactivity_window_s,
    }


@lru_cache(_CACHED)
def _script(told: bytes, *, is_packed: bool) -> tuple[bytes, bytes]:
    """Return the script with what it is told, and what names this edition of it."""
    inner = _SCRIPT.read_bytes().strip()
    script = _COMPILED_BESIDE + b"(function(ENDUSER){" + inner + b"})(" + told + b");\n"
    body = gzip.compress(script, 9, mtime=0) if is_packed else script
    return body, b'"%s"' % hashlib.sha256(body).hexdigest()[:32].encode()


def _protocol(scheme: str, headers: Mapping[bytes, bytes], trusted_hops: int) -> str:
    """Return by what the client reaches us: as the trusted proxy before us tells, else as we are asked.

    Pages of https may not send events to http.
    """
    told = headers.get(b"x-forwarded-proto", b"").split(b",")[0].strip().lower()
    if trusted_hops and told in (b"http", b"https"):
        return told.decode()
    return scheme
