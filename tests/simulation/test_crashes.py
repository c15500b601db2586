"""A crash between any two steps, repeated imports and any order end where the reference model ends."""

from __future__ import annotations

import os
import random
from pathlib import Path

import pytest
from histories import expected, numbered, random_history, write
from stored import LOOKUPS, NOW, RULES, SPACE, assert_same

from enduser.stores.contract import ChangeSetting, Chunk, CloseHistory, EventChunk, Form
from enduser.stores.embedded import EmbeddedStore, statements

SEEDS = range(200 if os.environ.get("ENDUSER_TEST_PROFILE") == "full" else 12)


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


@pytest.mark.parametrize("seed", SEEDS)
def test_an_import_that_crashes_anywhere_and_is_begun_again_ends_as_one_that_did_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    rng = random.Random(seed)
    rows = random_history(rng, users=15, events=40, span_s=30_000_000)
    rng.shuffle(rows)
    size = rng.choice([40, 90, len(rows)])
    cap_s = rng.choice([0, 900, 3_600, 43_200])
    paths = [write(tmp_path / f"rows-{at}.jsonl", rows[at : at + size]) for at in range(0, len(rows), size)]
    crashes = Crashes(monkeypatch, rng, count=8)
    while True:
        try:
            with EmbeddedStore(tmp_path / "data", now_us=NOW, lookups=LOOKUPS, memory_limit_mb=512) as store:
                store.fold(SPACE)
                store.apply(SPACE, ChangeSetting("session_cap_s", str(cap_s)))
                for number, path in enumerate(paths):
                    chunk = Chunk(path, Form.JSON_LINES)
                    store.apply(SPACE, EventChunk(chunk, RULES, is_first=number == 0))
                    if rng.random() < 0.3:
                        store.fold(SPACE)
                store.apply(SPACE, CloseHistory())
                store.fold(SPACE)
            break
        except CrashError:
            continue
    crashes.stop()
    with EmbeddedStore(tmp_path / "data", now_us=NOW, lookups=LOOKUPS) as store:
        events = numbered(rows)
        clock = max(event.occurred_at for event in events) + store.settings(SPACE).window_us
        assert store.status(SPACE).events == len(events)
        assert_same(store, expected(events, store.settings(SPACE), clock))
        assert store.verify(SPACE) == []
