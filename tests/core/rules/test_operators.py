"""Operators are brought down to few tests."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest

from enduser.core.attributes import AttributeType
from enduser.core.rules.operators import OPERATORS, Time
from enduser.core.rules.spans import NOW, Moment, Unit
from enduser.core.rules.tree import Edge, Within

DAY = Time(5, Edge(9, is_included=False))
"""A whole day, as instants."""
INSTANT = Time(7, Edge(7, is_included=True))
MONTH, MONTH_AGO = Moment(1, Unit.MONTH), Moment(-1, Unit.MONTH)


def including(value: float | date | Moment) -> Edge:
    return Edge(value, is_included=True)


def excluding(value: float | date | Moment) -> Edge:
    return Edge(value, is_included=False)


@pytest.mark.parametrize(
    ("kind", "name", "value", "test"),
    [
        ("datetime", "before", DAY, Within(high=excluding(5))),
        ("datetime", "after", DAY, Within(low=including(9))),
        ("datetime", "after", INSTANT, Within(low=excluding(7))),
        ("datetime", "on", DAY, Within(including(5), excluding(9))),
        ("datetime", "between", (INSTANT, DAY), Within(including(7), excluding(9))),
        ("datetime", "in_last", MONTH, Within(including(MONTH_AGO), including(NOW))),
        ("date", "in_last", MONTH, Within(excluding(MONTH_AGO), including(NOW))),
        ("date", "more_than_ago", MONTH, Within(high=excluding(MONTH_AGO))),
        ("date", "in_next", MONTH, Within(excluding(NOW), including(MONTH))),
        ("number", "lt", 2, Within(high=excluding(2))),
        ("number", "le", 2, Within(high=including(2))),
        ("number", "gt", 2, Within(low=excluding(2))),
        ("number", "ge", 2, Within(low=including(2))),
        ("number", "between", (1, 2), Within(including(1), including(2))),
    ],
)
def test_whatever_compares_is_a_range(kind: str, name: str, value: Any, test: Within) -> None:
    assert OPERATORS[AttributeType(kind)][name].test(value) == test
