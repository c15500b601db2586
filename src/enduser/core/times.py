"""Instants as clients write them, read as the engine reads those of files (docs/file-formats.md, "Times")."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal

from enduser import limits

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_EPOCH_DAY = date(1970, 1, 1).toordinal()
_MICROSECOND = timedelta(microseconds=1)
_SECOND_US = 1_000_000
_DAY_US = 86_400 * _SECOND_US
_MIN_US = limits.OCCURRED_AT_MIN_US
_MAX_US = limits.OCCURRED_AT_MAX_US

_MILLISECONDS_FROM = 10**11
_MICROSECONDS_FROM = 10**14
"""Numbers below the first are seconds (till the year 5138), below the second milliseconds."""

_COMMON_CHARACTERS = len("2026-03-01T10:05:00.123Z")
_NUMBER = re.compile(r"-?[0-9]{1,18}(?:\.[0-9]+)?")
_ISO = re.compile(
    r"([0-9]{4}-[0-9]{2}-[0-9]{2})"
    r"(?:[Tt ]([0-9]{2}):([0-5][0-9])(?::([0-5][0-9])(?:\.([0-9]+))?)?)?"
    r" *(?:[Zz]|([+-])(0[0-9]|1[0-8])(?::?([0-5][0-9]))?)?"
)


def time_of(value: str | float) -> int | None:
    """Return an instant in µs since 1970, or None where `value` is none within the years 1 to 9999.

    Text is ISO 8601, without a zone UTC; finer digits than microseconds are cut off. A number, also in
    text, is seconds, milliseconds or microseconds, told apart by its size, and rounded.
    """
    if type(value) is str and _is_common(value):
        try:
            return (datetime.fromisoformat(value) - _EPOCH) // _MICROSECOND
        except ValueError:
            pass  # 24:00 perhaps, which others read
    at = _text(value.strip(" \t\r\n")) if isinstance(value, str) else _number(Decimal(repr(value)))
    return at if at is not None and _MIN_US <= at <= _MAX_US else None


def _is_common(text: str) -> bool:
    """Return whether text, if a time, is written as in JavaScript: 2026-03-01T10:05:00.123Z."""
    return (
        len(text) == _COMMON_CHARACTERS
        and text[7] == "-"
        and text[10] == "T"
        and text[19] == "."
        and text[23] == "Z"
    )


def _text(text: str) -> int | None:
    return _number(Decimal(text)) if _NUMBER.fullmatch(text) else _iso(text)


def iso_instant(text: str) -> int | None:
    """Return the instant of an ISO 8601 text in µs since 1970, without a zone UTC; None where it is none.

    As `time_of` reads it, but a number is none, and no blank may stand around it.
    """
    at = _iso(text)
    return at if at is not None and _MIN_US <= at <= _MAX_US else None


def _iso(text: str) -> int | None:
    found = _ISO.fullmatch(text)
    if found is None:
        return None
    day, hour, minute, second, fraction, sign, zone_hour, zone_minute = found.groups("0")
    try:
        days = date.fromisoformat(day).toordinal() - _EPOCH_DAY
    except ValueError:
        return None
    clock = (int(hour) * 60 + int(minute)) * 60 + int(second)
    us = clock * _SECOND_US + int(fraction[:6].ljust(6, "0"))
    if us > _DAY_US:  # 24:00 is the next midnight
        return None
    zone = (int(zone_hour) * 60 + int(zone_minute)) * 60 * _SECOND_US
    return days * _DAY_US + us - (-zone if sign == "-" else zone)


def _number(value: Decimal) -> int | None:
    size = abs(value)
    if not size < 10**18:
        return None
    unit = _SECOND_US if size < _MILLISECONDS_FROM else 1_000 if size < _MICROSECONDS_FROM else 1
    return int((value * unit).to_integral_value(ROUND_HALF_UP))
