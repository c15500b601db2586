"""The operators of rules, as a table: of which type they are, what they take, and which test they are."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from typing import Any

from enduser.core.attributes import AttributeType
from enduser.core.rules.spans import NOW, Moment
from enduser.core.rules.tree import (
    Contains,
    Edge,
    EndsWith,
    Equals,
    HasAll,
    HasAny,
    Known,
    Matches,
    StartsWith,
    Test,
    Within,
)


class Form(StrEnum):
    """What an operator takes as its value."""

    NONE = "none"
    ONE = "one"
    """A value of the type; of date and datetime a time."""
    MANY = "many"
    """A list of values."""
    PAIR = "pair"
    """The least and the greatest, or the first and the last."""
    DAY = "day"
    SPAN = "span"
    PATTERN = "pattern"


@dataclass(frozen=True, slots=True)
class Time:
    """A time that a rule names: an instant in µs or a day, from its beginning to its end."""

    begins: float | date
    ends: Edge


@dataclass(frozen=True, slots=True)
class Operator:
    """What it takes, the test that it is, made of its value, and whether it is the contrary of that."""

    form: Form
    test: Callable[[Any], Test]
    """Of `ONE` it gets the value, of `MANY` a tuple, of `PAIR` two; of `SPAN` how far it reaches back, as a
    negative number and a unit; of dates and datetimes `Time` in place of values."""
    is_not: bool = False


def _equals(value: str | float) -> Test:
    return Equals((value,))


def _between(ends: tuple[float, float]) -> Test:
    return Within(Edge(ends[0], is_included=True), Edge(ends[1], is_included=True))


def _before(time: Time) -> Test:
    return Within(high=Edge(time.begins, is_included=False))


def _after(time: Time) -> Test:
    return Within(low=Edge(time.ends.value, not time.ends.is_included))


def _in_time(time: Time) -> Test:
    return Within(Edge(time.begins, is_included=True), time.ends)


def _between_times(times: tuple[Time, Time]) -> Test:
    return Within(Edge(times[0].begins, is_included=True), times[1].ends)


def _in_last(span: Moment) -> Test:
    return Within(Edge(_back(span), is_included=True), Edge(NOW, is_included=True))


def _in_last_days(span: Moment) -> Test:
    """The days that end today: the first of the span is not among them."""
    return Within(Edge(_back(span), is_included=False), Edge(NOW, is_included=True))


def _more_than_ago(span: Moment) -> Test:
    return Within(high=Edge(_back(span), is_included=False))


def _in_next(span: Moment) -> Test:
    return Within(Edge(NOW, is_included=False), Edge(span, is_included=True))


def _back(span: Moment) -> Moment:
    return Moment(-span.n, span.unit)


_ALL = {
    "known": Operator(Form.NONE, lambda _: Known()),
    "unknown": Operator(Form.NONE, lambda _: Known(), is_not=True),
}
_STRING = {
    "is": Operator(Form.ONE, _equals),
    "is_not": Operator(Form.ONE, _equals, is_not=True),
    "in": Operator(Form.MANY, Equals),
    "not_in": Operator(Form.MANY, Equals, is_not=True),
    "contains": Operator(Form.ONE, Contains),
    "not_contains": Operator(Form.ONE, Contains, is_not=True),
    "starts_with": Operator(Form.ONE, StartsWith),
    "ends_with": Operator(Form.ONE, EndsWith),
    "matches": Operator(Form.PATTERN, Matches),
}
_NUMBER = {
    "eq": Operator(Form.ONE, _equals),
    "ne": Operator(Form.ONE, _equals, is_not=True),
    "lt": Operator(Form.ONE, lambda value: Within(high=Edge(value, is_included=False))),
    "le": Operator(Form.ONE, lambda value: Within(high=Edge(value, is_included=True))),
    "gt": Operator(Form.ONE, lambda value: Within(low=Edge(value, is_included=False))),
    "ge": Operator(Form.ONE, lambda value: Within(low=Edge(value, is_included=True))),
    "between": Operator(Form.PAIR, _between),
    "in": Operator(Form.MANY, Equals),
    "not_in": Operator(Form.MANY, Equals, is_not=True),
}
_TIME = {
    "before": Operator(Form.ONE, _before),
    "after": Operator(Form.ONE, _after),
    "on": Operator(Form.DAY, _in_time),
    "between": Operator(Form.PAIR, _between_times),
    "in_last": Operator(Form.SPAN, _in_last),
    "more_than_ago": Operator(Form.SPAN, _more_than_ago),
    "in_next": Operator(Form.SPAN, _in_next),
}
_BOOLEAN = {
    "is_true": Operator(Form.NONE, lambda _: Equals((True,))),
    "is_false": Operator(Form.NONE, lambda _: Equals((False,))),
}
_LIST = {
    "has_any": Operator(Form.MANY, HasAny),
    "has_all": Operator(Form.MANY, HasAll),
    "has_none": Operator(Form.MANY, HasAny, is_not=True),
}
OPERATORS: Mapping[AttributeType, Mapping[str, Operator]] = {
    AttributeType.STRING: _STRING | _ALL,
    AttributeType.NUMBER: _NUMBER | _ALL,
    AttributeType.BOOLEAN: _BOOLEAN | _ALL,
    AttributeType.DATE: _TIME | {"in_last": Operator(Form.SPAN, _in_last_days)} | _ALL,
    AttributeType.DATETIME: _TIME | _ALL,
    AttributeType.LIST: _LIST | _ALL,
}
COUNT_OPERATORS = _NUMBER
"""Those by which a count is judged."""


def lower_case(text: str) -> str:
    """Return a text in lower case, character by character, in no language."""
    return text.replace("İ", "i").replace("Σ", "σ").lower()  # noqa: RUF001 - Greek, as it should be
