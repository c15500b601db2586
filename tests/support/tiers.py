"""How much is tried: a little of everything in `make test`, far more in `make test-full`."""

from __future__ import annotations

import os
from collections.abc import Collection, Sequence

import pytest

IS_FULL = os.environ.get("ENDUSER_TEST_PROFILE") == "full"


def tries(quick: int, full: int) -> int:
    """Return how often something random is tried in this tier."""
    return full if IS_FULL else quick


def some_daily(values: Sequence[object], daily: Collection[object]) -> list[object]:
    """Return the values of a parameter: some are tried daily, the others in the full tier only."""
    return [one if one in daily else pytest.param(*_parts(one), marks=pytest.mark.full) for one in values]


def _parts(value: object) -> tuple[object, ...]:
    """Return the values of a tuple, which is of several parameters."""
    return value if isinstance(value, tuple) else (value,)
