"""Crashes between any two steps: the process is gone, and what is on disk is all that the next one has."""

from __future__ import annotations

import random

import pytest

from enduser.stores.embedded import statements


class CrashError(BaseException):
    """The process is gone. No `except Exception` may catch it."""


class Crashes:
    """Ends the process at a random step, again and again, until its luck is used up."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, rng: random.Random, count: int) -> None:
        self._rng, self._left, self._countdown = rng, count, rng.randrange(1, 60)
        self._step = statements._parameters
        monkeypatch.setattr(statements, "_parameters", self._count)

    def stop(self) -> None:
        """Crash no more."""
        self._left = 0

    def _count(self, statement: str) -> frozenset[str]:
        self._countdown -= 1
        if self._countdown == 0 and self._left:
            self._left -= 1
            self._countdown = self._rng.randrange(1, 250)
            raise CrashError
        return self._step(statement)
