"""Places in a list, as text that a caller gives back to go on from there.

A place is the sort value and the id of the last row that was seen, not a count of rows: so a list stays
whole while it changes. Only rows whose own sort value moves can be missed or seen twice.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping

import msgspec

from enduser.errors import InvalidCursor

_INTEGER_MAX = 9_223_372_036_854_775_807
_Value = int | float | str | bool | None


class Place(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """Right behind one row of a list in the order `sort`."""

    sort: str
    value: _Value
    """The row's value of the attribute that is sorted by; None: unknown."""
    user_id: str
    is_anonymous: bool


def cursor_behind(row: Mapping[str, object], sort: str) -> str:
    """Return the cursor of the place behind a row of a list in this order."""
    place = [sort, row[sort.removeprefix("-")], row["user_id"], row["is_anonymous"]]
    return base64.urlsafe_b64encode(msgspec.json.encode(place)).decode().rstrip("=")


def place_of(cursor: str, sort: str, kind: type) -> Place:
    """Return the place that a cursor names, in a list in the order `sort` of values of a kind.

    Raises:
        InvalidCursor: it names none, or one of a list in another order.
    """
    try:
        text = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
        place = msgspec.json.decode(text, type=Place)
    except (ValueError, binascii.Error, UnicodeEncodeError, RecursionError):
        raise InvalidCursor(
            "the cursor is none that this list gave",
            hint="take next_cursor of the page before as it is; without a cursor the list begins",
            field="cursor",
        ) from None
    if place.sort != sort or not _fits(place.value, kind):
        raise InvalidCursor(
            f"the cursor belongs to a list sorted by {place.sort!r}, not by {sort!r}",
            hint="keep the sort while paging, or begin again without a cursor",
            field="cursor",
        )
    return place


def _fits(value: _Value, kind: type) -> bool:
    if value is None:
        return True
    if kind is int and type(value) is int:
        return abs(value) <= _INTEGER_MAX
    return type(value) is kind
