"""What people give to options, read: JSON, and times."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import msgspec

from enduser.core.times import iso_instant
from enduser.errors import InputError, UsageError


def json_object_of(told: str, what: str, hint: str) -> dict[str, Any]:
    """Return the JSON object that an option names: itself, or in a file; `-` is standard input.

    Raises:
        UsageError: what is named is none; it says `what` it should be, and the `hint`.
        InputError: there is no such file.
    """
    try:
        return msgspec.json.decode(_text_of(told), type=dict[str, Any])
    except (msgspec.MsgspecError, UnicodeError, RecursionError) as error:
        raise UsageError(f"the {what} is no JSON object: {error}", hint=hint) from None


def _text_of(told: str) -> str | bytes:
    if told.lstrip().startswith("{"):
        return told
    if told == "-":
        return sys.stdin.buffer.read()
    try:
        return Path(told).read_bytes()
    except FileNotFoundError:
        raise InputError(f"there is no file {told}", hint="name a file, or give the JSON itself") from None


def instant(text: str) -> int:
    """Return a time, in µs.

    Raises:
        UsageError: it is none.
    """
    at = iso_instant(text)
    if at is None:
        raise UsageError(f"{text!r} is no time", hint="write it in ISO 8601, such as 2026-03-01T10:00:00Z")
    return at
