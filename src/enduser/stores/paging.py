"""Places in a list, as text that a caller gives back to go on from there.

A place is what the list is ordered by in the last row that was seen, not a count of rows: so a list stays
whole while it changes. Only rows whose own sort value moves can be missed or seen twice.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Sequence
from typing import TypeVar

import msgspec

from enduser.errors import InvalidCursor

_INTEGER_MAX = 9_223_372_036_854_775_807
_Value = int | float | str | bool | None
Row = TypeVar("Row")


class Place(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """Right behind one row of a list in the order `sort`."""

    sort: str
    values: list[_Value]
    """What the row has of that by which the list is ordered, the first first; None: unknown."""


def cursor_behind(values: Sequence[object], sort: str) -> str:
    """Return the cursor of the place behind the row of these values in a list in this order."""
    text = msgspec.json.encode([sort, values])
    return base64.urlsafe_b64encode(text).decode().rstrip("=")


def values_behind(cursor: str, sort: str, kinds: Sequence[type]) -> Sequence[_Value]:
    """Return the values behind which a cursor stands, of these kinds, in a list in the order `sort`.

    Only the first may be None, an unknown one.

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
    if place.sort != sort or not _fit(place.values, kinds):
        raise InvalidCursor(
            f"the cursor belongs to a list sorted by {place.sort!r}, not by {sort!r}",
            hint="keep the sort while paging, or begin again without a cursor",
            field="cursor",
        )
    return place.values


def number_behind(cursor: str | None, sort: str) -> int | None:
    """Return the number behind which a cursor stands in a list by number; None: at its beginning.

    Raises:
        InvalidCursor: it names none, or one of a list in another order.
    """
    if cursor is None:
        return None
    (number,) = values_behind(cursor, sort, (int,))
    assert number is None or isinstance(number, int)
    return number


def page_before(
    find: Callable[..., Sequence[Row]],
    number_of: Callable[[Row], int],
    limit: int,
    cursor: str | None,
    sort: str,
) -> tuple[Sequence[Row], str | None]:
    """Return a page of a list by number, the greatest first, and where the next one begins; None: nowhere.

    `find` returns at most `limit` rows before a number, `before`; None: from the beginning.

    Raises:
        InvalidCursor: the cursor names no place of this list.
    """
    found = find(limit=limit, before=number_behind(cursor, sort))
    last = number_of(found[-1]) if found else 0
    has_more = len(found) == limit and bool(find(limit=1, before=last))
    return found, cursor_behind([last], sort) if has_more else None


def _fit(values: Sequence[_Value], kinds: Sequence[type]) -> bool:
    is_unknown = values[:1] == [None]
    return len(values) == len(kinds) and all(
        _fits(value, kind) for value, kind in zip(values[is_unknown:], kinds[is_unknown:], strict=True)
    )


def _fits(value: _Value, kind: type) -> bool:
    if kind is int and type(value) is int:
        return abs(value) <= _INTEGER_MAX
    return type(value) is kind
