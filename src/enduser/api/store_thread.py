"""How the store is reached by all who change it: on one thread, one after the other."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Protocol, TypeVar

Result = TypeVar("Result")


class RunOnOwner(Protocol):
    """Runs a function on the one thread that changes the store, and returns its result."""

    def __call__(self, function: Callable[[], Result], /) -> Awaitable[Result]:
        """Run it."""
