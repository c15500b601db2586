"""While events come and are folded, each answer is of one moment."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from histories import Row
from stored import LOOKUPS, NOW, SPACE, take

from enduser.core.users_query import UsersQuery
from enduser.stores.embedded import EmbeddedStore

HOUR_US = 3_600_000_000
BEGIN = 1_780_000_000_000_000
BATCHES, USERS = 12, 25
EVERYONE = {"combinator": "and", "rules": []}
SEEN = [
    EVERYONE,
    {"field": "total_sessions", "operator": "ge", "value": 1},
    {"kind": "session"},
    {"kind": "event", "name": "Opened"},
    {"kind": "session", "window": {"from": {"n": 100, "unit": "day"}}},
]
"""Rules that all mean those who have an object, by other tables each."""


@pytest.fixture
def store(tmp_path: Path) -> Iterator[EmbeddedStore]:
    with EmbeddedStore(tmp_path / "data", now_us=NOW, lookups=LOOKUPS, memory_limit_mb=512) as opened:
        yield opened


def batch(number: int) -> list[Row]:
    """Return an hour in which new users come, with two events each; the sessions of the hour before end."""
    at = BEGIN + number * HOUR_US
    return [
        Row(user_id=f"u{number}-{user}", occurred_at=at + moment, name="Opened")
        for user in range(USERS)
        for moment in (user, 1_000_000 + user)
    ]


def test_counts_pages_and_parts_are_of_one_moment_each_while_events_come(
    store: EmbeddedStore, tmp_path: Path
) -> None:
    def come() -> None:
        for number in range(BATCHES):
            take(store, tmp_path, batch(number))
            store.fold(SPACE)

    def count() -> int:
        counted = store.reader.count_users(SPACE, SEEN)
        assert {one.users for one in counted.counts} == {counted.all_users}
        return counted.all_users

    def part() -> int:
        facet = store.reader.facet(SPACE, EVERYONE, "is_anonymous", 10)
        return sum(one.users for one in facet.values) + facet.others + facet.unknown

    def page() -> int:
        rows = store.reader.users_page(SPACE, UsersQuery(rule=SEEN[2], sort="-last_seen"), limit=1_000).items
        hours = {str(row["user_id"]).partition("-")[0] for row in rows}
        assert len(rows) == len(hours) * USERS
        return len(rows)

    seen = _asked_while(come, [count, part, page])
    for users in seen:
        assert users == sorted(users)
        assert set(users) <= {USERS * number for number in range(BATCHES + 1)}
    assert all(len(set(users)) > 2 for users in seen), "nothing came while it was asked"


def _asked_while(come: Callable[[], None], asks: list[Callable[[], int]]) -> list[list[int]]:
    """Ask in turn until something has come to its end, and once more; return what each found."""
    coming = threading.Thread(target=come)
    coming.start()
    seen: list[list[int]] = [[] for _ in asks]
    while coming.is_alive():
        for found, ask in zip(seen, asks, strict=True):
            found.append(ask())
    coming.join()
    for found, ask in zip(seen, asks, strict=True):
        found.append(ask())
        assert found[-1] == USERS * (BATCHES - 1)
    return seen
