"""A run of deleting by age, from its begin to its end."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count
from pathlib import Path

import pytest
from histories import Row
from stored import LOOKUPS, NOW, SPACE, take

from enduser import limits
from enduser.errors import RetentionRefused, RunNotFound
from enduser.service.retention import begin_retention, forget_portion, run_retention
from enduser.stores.answers import RetentionRun
from enduser.stores.embedded import EmbeddedStore
from enduser.stores.records import CloseHistory

START = 1_600_000_000_000_000


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[EmbeddedStore]:
    """A store of three users who were seen long ago, of whom one goes at once."""
    monkeypatch.setattr(limits, "RETENTION_PERSONS_AT_ONCE", 1)
    with EmbeddedStore(tmp_path / "data", now_us=NOW, lookups=LOOKUPS, memory_limit_mb=512) as store:
        take(store, tmp_path, [Row(user, None, START, "m") for user in "abc"])
        store.apply(SPACE, CloseHistory())
        yield store


def test_a_run_is_done_portion_by_portion_to_its_end(store: EmbeddedStore) -> None:
    clock = count(NOW - 10)
    done = run_retention(store, SPACE, NOW - 10, lambda: next(clock))
    assert (done.amount.users, done.amount.events, done.as_of) == (3, 3, NOW - 10)
    assert (done.began_at, done.ended_at) == (NOW - 10, NOW - 6)
    assert store.status(SPACE).events == 0


def test_a_run_begins_with_nothing_and_each_portion_adds_to_its_receipt(store: EmbeddedStore) -> None:
    begun = begin_retention(store, SPACE, NOW, NOW)
    assert begun == RetentionRun(begun.number, SPACE, NOW, NOW)
    for users in (1, 2, 3):
        portion = forget_portion(store, begun, NOW)
        assert (portion.amount.users, portion.ended_at) == (users, None)
    assert forget_portion(store, begun, NOW).ended_at == NOW
    with pytest.raises(RunNotFound):
        forget_portion(store, begun, NOW)


def test_a_time_that_has_not_come_begins_nothing(store: EmbeddedStore) -> None:
    with pytest.raises(RetentionRefused):
        run_retention(store, SPACE, NOW + 1, lambda: NOW)
    assert store.retention_runs(SPACE) == []
