"""What identifies a browser as one text: its user agent, and behind `HINTS` its client hints if known.

The hints are the brands as a browser lists them in `Sec-CH-UA-Full-Version-List`, else in `Sec-CH-UA`
(structured fields, RFC 9651), and behind another `HINTS` "?1" where it says that it is mobile. They are
only put together here; `ingest.browser` reads them, once per distinct text.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import msgspec

from enduser import limits

HINTS = chr(31)
_CACHED = 4_096
_DATA_BYTES_MAX = 4 * limits.AGENT_CHARACTERS_MAX
"""More JSON than the hints of any browser, platform and all, take."""


class _Brand(msgspec.Struct, gc=False):
    brand: str
    version: Any = ""


class _UserAgentData(msgspec.Struct, rename="camel", gc=False):
    """What `navigator.userAgentData` gives, with `getHighEntropyValues` or without."""

    brands: list[_Brand] | None = None
    full_version_list: list[_Brand] | None = None
    mobile: bool | None = None


_DATA = msgspec.json.Decoder(_UserAgentData)


@lru_cache(_CACHED)
def agent_of(user_agent: str, hints: str) -> str:
    """Return the text of a user agent with its `hints`, which may be empty; each is cut at its limit."""
    plain = user_agent.replace(HINTS, " ").strip()[: limits.AGENT_CHARACTERS_MAX]
    return f"{plain}{HINTS}{hints[: limits.AGENT_CHARACTERS_MAX]}" if hints else plain


def hints_of_headers(brands: str | None, full_versions: str | None) -> str:
    """Return the hints of the headers `Sec-CH-UA` and `Sec-CH-UA-Full-Version-List`; empty without."""
    hints = (full_versions or brands or "").replace(HINTS, " ").strip()
    return hints[: limits.AGENT_CHARACTERS_MAX]


def hints_of_data(data: bytes) -> str:
    """Return the hints of a `context.userAgentData` as JSON; empty where it names no brands."""
    return _hints_of_data(data) if len(data) <= _DATA_BYTES_MAX else ""


@lru_cache(_CACHED)
def _hints_of_data(data: bytes) -> str:
    try:
        found = _DATA.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return ""
    brands = found.full_version_list or found.brands or ()
    listed = ", ".join(f"{_quoted(brand.brand)};v={_quoted(str(brand.version))}" for brand in brands)
    return f"{listed}{HINTS}?1" if listed and found.mobile else listed


def _quoted(text: str) -> str:
    """Return a string of structured fields; what it cannot hold becomes a blank."""
    plain = "".join(c if " " <= c <= "~" else " " for c in text)
    return '"' + plain.replace("\\", "\\\\").replace('"', '\\"') + '"'
