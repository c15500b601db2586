"""How much is tried: a little of everything in `make test`, far more in `make test-full`."""

from __future__ import annotations

import os

IS_FULL = os.environ.get("ENDUSER_TEST_PROFILE") == "full"


def tries(quick: int, full: int) -> int:
    """Return how often something random is tried in this tier."""
    return full if IS_FULL else quick
