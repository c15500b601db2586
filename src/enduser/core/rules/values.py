"""The values that conditions name, read by the type of what they are compared with."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import Any
from zoneinfo import ZoneInfo

from enduser import limits
from enduser.core.attributes import AttributeType
from enduser.core.rules.expressions import expression
from enduser.core.rules.operators import Form, Operator, Time, lower_case
from enduser.core.rules.spans import (
    DAY_UNITS,
    DAY_US,
    Moment,
    Unit,
    instant,
    midnight,
    midnight_after,
    span_days,
    utc_time,
)
from enduser.core.rules.tree import Edge, Equals, Test, TextTest
from enduser.core.times import iso_instant
from enduser.errors import InvalidRule, RuleTooLarge

_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_HAS_ZONE = re.compile(r".*(?:[Zz]|[+-][0-9]{2}(?::?[0-9]{2})?)", re.DOTALL)
_DAY_CHARACTERS = len("2026-03-01")
_UTC = ZoneInfo("UTC")
_SURROGATE = re.compile("[\ud800-\udfff]")
_NO_VALUES = (None, "")
"""What an editor sends for an operator that takes no value."""


def refused(at: str, what: str, hint: str, limit: int | None = None) -> InvalidRule:
    """Return the error that a node of a rule cannot be."""
    return InvalidRule(f"{at or 'the rule'}: {what}", hint=hint, field=at, limit=limit)


_JSON_WORDS = {None: "null", True: "true", False: "false"}


def shown(value: object) -> str:
    """Return a value as it is named in an error, shortened."""
    text = _JSON_WORDS[value] if value is None or isinstance(value, bool) else repr(value)
    return text if len(text) <= 100 else f"{text[:100]}…"  # noqa: PLR2004 - enough to know it by


@dataclass(frozen=True, slots=True)
class ValueReader:
    """Reads the values of a condition, which stands at a path of a rule."""

    type: AttributeType
    zone: ZoneInfo
    at: str
    """The path of the value."""
    ignore_case: bool = False

    def test(self, operator: Operator, value: object) -> Test:
        """Return the test that an operator makes of a value.

        Raises:
            InvalidRule: it cannot take it.
        """
        readers: Mapping[Form, Callable[[Any], object]] = {
            Form.NONE: self._none,
            Form.ONE: self._one,
            Form.MANY: self._many,
            Form.PAIR: self._pair,
            Form.DAY: self._day,
            Form.SPAN: self._span,
            Form.PATTERN: self._pattern,
        }
        test = operator.test(readers[operator.form](value))
        if not self.ignore_case:
            return test
        assert isinstance(test, Equals | TextTest)
        return replace(test, ignore_case=True)

    def same(self, value: object) -> Equals:
        """Return the test of being the same value.

        Raises:
            InvalidRule: it is none of the type, or none that can be told exactly.
        """
        read = self._one(value)
        if isinstance(read, Time):
            if read.begins != read.ends.value:
                raise refused(
                    self.at, f"{shown(value)} is a whole day", "write an instant, with its time of day"
                )
            read = read.begins
        assert isinstance(read, str | float | int | date)
        return Equals((read,))

    def _none(self, value: object) -> None:
        if value not in _NO_VALUES:
            raise refused(
                self.at, f"the operator takes no value, and got {shown(value)}", "leave the value out"
            )

    def _one(self, value: object) -> object:
        match self.type:
            case AttributeType.NUMBER:
                return self._number(value, self.at)
            case AttributeType.DATE | AttributeType.DATETIME:
                return self.time(value, self.at)
            case _:
                return self._text(value, self.at)

    def _many(self, value: object) -> tuple[Any, ...]:
        if not isinstance(value, list) or not value:
            raise refused(
                self.at, f"{shown(value)} is no list of values", "give a list of at least one value"
            )
        if len(value) > limits.RULE_VALUES_MAX:
            raise RuleTooLarge(
                f"{self.at}: a list cannot have {len(value):,} values",
                hint=f"the limit is {limits.RULE_VALUES_MAX:,} (RULE_VALUES_MAX); make a static list",
                field=self.at,
                limit=limits.RULE_VALUES_MAX,
            )
        if self.type is AttributeType.LIST and len(value) > limits.RULE_ITEMS_MAX:
            raise RuleTooLarge(
                f"{self.at}: a list cannot be compared with {len(value):,} items",
                hint=f"the limit is {limits.RULE_ITEMS_MAX:,} (RULE_ITEMS_MAX)",
                field=self.at,
                limit=limits.RULE_ITEMS_MAX,
            )
        read = self._number if self.type is AttributeType.NUMBER else self._text
        return tuple(dict.fromkeys(read(one, self.at) for one in value))

    def _pair(self, value: object) -> tuple[Any, Any]:
        if not isinstance(value, list) or len(value) != 2:  # noqa: PLR2004 - a pair
            raise refused(self.at, f"{shown(value)} is no pair", "give a list of two values, such as [1, 5]")
        read: Callable[[object, str], Any] = self.time
        if self.type is AttributeType.NUMBER:
            read = self._number
        low, high = (read(one, self.at) for one in value)
        if self._is_reversed(value, low, high):
            raise refused(
                self.at, f"nothing lies between {value[0]!r} and {value[1]!r}", "give the lesser first"
            )
        return low, high

    def _is_reversed(self, value: Sequence[Any], low: Any, high: Any) -> bool:
        """Return whether nothing can lie between two values.

        Times are judged as any time zone has it, for that of a space may be changed: two are only reversed
        where they are in all. Else nothing lies between them where the zone says so, which is no error.
        """
        if self.type is AttributeType.NUMBER:
            return bool(low > high)
        if self.type is AttributeType.DATE:
            return bool(low.begins > high.ends.value)
        in_utc = replace(self, zone=_UTC)
        first, last = (in_utc.time(one, self.at) for one in value)
        assert isinstance(first.begins, int)
        assert isinstance(last.ends.value, int)
        slack = 0 if _is_local(value[0]) is _is_local(value[1]) else DAY_US
        return first.begins - last.ends.value >= slack + last.ends.is_included

    def _text(self, value: object, at: str) -> str:
        if not isinstance(value, str):
            raise refused(at, f"{shown(value)} is no text", "write a text, in quotes")
        if not value:
            raise refused(at, "no value is an empty text", "use unknown for those who have no value")
        if len(value) > limits.VALUE_CHARACTERS_MAX:
            raise refused(
                at,
                f"a text cannot have {len(value):,} characters",
                f"the limit is {limits.VALUE_CHARACTERS_MAX:,} (VALUE_CHARACTERS_MAX), as for values",
                limits.VALUE_CHARACTERS_MAX,
            )
        if _SURROGATE.search(value):
            raise refused(at, "it is no UTF-8", "write characters, not halves of them")
        return lower_case(value) if self.ignore_case else value

    def _pattern(self, value: object) -> str:
        self._text(value, self.at)
        pattern = str(value)
        try:
            expression(pattern, ignore_case=self.ignore_case)
        except ValueError as error:
            raise refused(
                self.at, f"{shown(pattern)} is no expression of RE2: {error}", "see docs/rules.md, matches"
            ) from None
        return pattern

    def _number(self, value: object, at: str) -> float:
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise refused(at, f"{shown(value)} is no number", "write a number, without quotes")
        if not abs(value) <= limits.NUMBER_MAX:
            raise refused(
                at,
                f"a number cannot be {shown(value)}",
                f"the limit is {limits.NUMBER_MAX:,} (NUMBER_MAX), as for values",
                limits.NUMBER_MAX,
            )
        return float(value) + 0.0  # there is one zero

    def time(self, value: object, at: str) -> Time:
        """Return what a day or an instant is, in the time zone if it says none.

        Raises:
            InvalidRule: it is none.
        """
        if isinstance(value, str) and _DAY.fullmatch(value):
            return self._whole_day(value, at)
        if self.type is AttributeType.DATE:
            raise refused(at, f"{shown(value)} is no day", "write YYYY-MM-DD: a date has no time of day")
        moment = iso_instant(value) if isinstance(value, str) else None
        if moment is None or not isinstance(value, str):
            raise refused(
                at, f"{shown(value)} is no time", "write ISO 8601, such as 2026-03-01T10:00:00Z or 2026-03-01"
            )
        if _is_local(value):
            moment = instant(utc_time(moment), self.zone)
        return Time(moment, Edge(moment, is_included=True))

    def _whole_day(self, text: str, at: str) -> Time:
        try:
            day = date.fromisoformat(text)
        except ValueError:
            raise refused(at, f"there is no day {text}", "write YYYY-MM-DD") from None
        if self.type is AttributeType.DATE:
            return Time(day, Edge(day, is_included=True))
        return Time(midnight(day, self.zone), Edge(midnight_after(day, self.zone), is_included=False))

    def _day(self, value: object) -> Time:
        if not isinstance(value, str) or not _DAY.fullmatch(value):
            raise refused(
                self.at, f"{shown(value)} is no day", "write YYYY-MM-DD; for more than a day use between"
            )
        return self._whole_day(value, self.at)

    def _span(self, value: object) -> Moment:
        units = DAY_UNITS if self.type is AttributeType.DATE else tuple(Unit)
        return read_span(value, self.at, units)


def _is_local(text: str) -> bool:
    """Return whether a day or a time means another instant where the time zone is another."""
    return not _HAS_ZONE.fullmatch(text[_DAY_CHARACTERS:])


def read_span(value: object, at: str, units: tuple[Unit, ...]) -> Moment:
    """Return how far a span reaches.

    Raises:
        InvalidRule: it is none, or in a unit that cannot be here.
    """
    example = 'write it as {"n": 7, "unit": "day"}'
    if not isinstance(value, Mapping):
        raise refused(at, f"{shown(value)} is no span", example)
    for name in value:
        if name not in ("n", "unit"):
            raise refused(f"{at}.{name}", "a span has no such key", example)
    n, unit = value.get("n"), value.get("unit")
    if unit not in units:
        raise refused(f"{at}.unit", f"{shown(unit)} is no unit here", f"write one of: {', '.join(units)}")
    if isinstance(n, bool) or not isinstance(n, int) or n < 1:
        raise refused(f"{at}.n", f"{shown(n)} is no count", "write a whole number from 1")
    if span_days(n, Unit(unit)) > limits.RULE_SPAN_DAYS_MAX:
        raise refused(
            f"{at}.n",
            f"{n:,} {unit}s are too long a span",
            f"the limit is {limits.RULE_SPAN_DAYS_MAX:,} days (RULE_SPAN_DAYS_MAX)",
            limits.RULE_SPAN_DAYS_MAX,
        )
    return Moment(n, Unit(unit))
