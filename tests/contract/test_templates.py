"""The four questions on the demo's users: a store names those whom the invented history says.

Who they must be is worked out from the messages and the invented customer system by the reference model.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import pytest
from histories import Expected, expected
from stored import LOOKUPS, RULES, SPACE

from enduser.core.events import Event, UserId
from enduser.core.rules.templates import find_template
from enduser.core.settings import SpaceSettings
from enduser.core.users_query import UsersQuery
from enduser.ingest.browser import is_crawler
from enduser.service.demo_data import DAY, people, write_demo
from enduser.service.demo_values import _rows, write_demo_values
from enduser.stores.embedded import EmbeddedStore
from enduser.stores.records import Chunk, CloseHistory, EventChunk, Form, Lookups

ENDS_AT = 1_780_000_000_000_000 // DAY * DAY
SEED, USERS = 3, 300
SETTINGS = SpaceSettings()


@dataclass
class Demo:
    """A store of the demo, and what the reference model says of the same messages."""

    store: EmbeddedStore
    right: Expected
    now: int
    """The clock of the space, in µs."""

    def ids(self, template_id: str, **given: Any) -> set[str]:
        """Return whom a template means."""
        rule = find_template(template_id).rule(given)
        page = self.store.users_page(SPACE, UsersQuery(rule=rule), limit=1_000)
        assert page.next_cursor is None
        return {str(row["user_id"]) for row in page.items}

    def known(self) -> Iterator[tuple[str, Any]]:
        """Yield the objects of user ids, by id."""
        for user, found in self.right.users.items():
            if not user.is_anonymous:
                yield user.id, found

    def starts(self, user_id: str) -> list[int]:
        """Return when the sessions of a user's current life began, in µs."""
        user = UserId(user_id, is_anonymous=False)
        first = self.right.users[user].first_seen
        return [start for start, *_ in self.right.sessions[user] if start >= first]  # type: ignore[operator, misc]


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    folder = tmp_path_factory.mktemp("demo")
    write_demo(folder / "demo.jsonl", ends_at_us=ENDS_AT, seed=SEED, users=USERS)
    messages = [json.loads(line) for line in (folder / "demo.jsonl").read_text("utf-8").splitlines()]
    events = [event_of(one) for one in messages if not is_crawler(one["context"]["userAgent"])]
    lookups = Lookups(browser_of=LOOKUPS.browser_of, is_crawler=is_crawler)
    with EmbeddedStore(folder / "data", now_us=ENDS_AT, lookups=lookups, memory_limit_mb=512) as store:
        store.apply(SPACE, EventChunk(Chunk(folder / "demo.jsonl", Form.JSON_LINES), RULES))
        store.apply(SPACE, CloseHistory())
        store.fold(SPACE)
        write_demo_values(store, SPACE, ends_at_us=ENDS_AT, now_us=ENDS_AT + DAY, seed=SEED, users=USERS)
        now = max(event.occurred_at for event in events) + SETTINGS.window_us
        assert store.status(SPACE).clock_at == now
        yield Demo(store, expected(events, SETTINGS, now), now)


def event_of(message: Mapping[str, Any]) -> Event:
    """Return what a message is to the reference model, as far as the questions need it."""
    user_id = message.get("userId")
    user = UserId(user_id or message["anonymousId"], is_anonymous=user_id is None)
    at = round(datetime.fromisoformat(message["timestamp"]).timestamp() * 1e6)
    return Event(
        user=user,
        message_id=message["messageId"],
        occurred_at=at,
        client_at=at,
        type=message["type"],
        is_active=message["context"].get("active", True),
    )


def plan_changes() -> Iterator[tuple[str, int, str]]:
    """Yield which plan a user came to from another that was known, and when (µs)."""
    told: dict[str, list[tuple[int, str]]] = defaultdict(list)
    for person in people(SEED, USERS, ENDS_AT):
        for row in _rows(person, ENDS_AT, SEED):
            at = datetime.fromisoformat(str(row.effective_at)).timestamp()
            told[row.user_id].append((round(at * 1e6), str(row.values["plan"])))
    for user_id, plans in told.items():
        for (_, before), (at, plan) in zip(sorted(plans), sorted(plans)[1:], strict=False):
            if plan != before:
                yield user_id, at, plan


@pytest.mark.parametrize("days", [7, 30])
def test_new_users_are_those_who_were_seen_first_in_the_last_days(demo: Demo, days: int) -> None:
    right = {name for name, found in demo.known() if found.first_seen >= demo.now - days * DAY}
    assert demo.ids("new-users", days=days) == right
    assert len(right) > 5
    assert demo.ids("new-users") == demo.ids("new-users", days=7)


@pytest.mark.parametrize("days", [14, 100])
def test_those_who_never_returned_came_once_and_that_is_some_days_ago(demo: Demo, days: int) -> None:
    right = {
        name
        for name, found in demo.known()
        if found.total_sessions == 1 and found.first_seen < demo.now - days * DAY
    }
    assert demo.ids("never-returned", days=days) == right
    assert len(right) > 5
    assert demo.ids("never-returned") == demo.ids("never-returned", days=14)


@pytest.mark.parametrize(("value", "days"), [("vip", 30), ("vip", 7), ("team", 30)])
def test_those_who_upgraded_changed_to_the_plan_in_the_last_days(demo: Demo, value: str, days: int) -> None:
    seen = {name for name, _ in demo.known()}
    changes = [(name, at) for name, at, plan in plan_changes() if plan == value]
    right = {name for name, at in changes if at >= demo.now - days * DAY} & seen
    assert demo.ids("upgraded", value=value, days=days) == right
    assert 0 < len(right) < len({name for name, _ in changes})
    assert demo.ids("upgraded") == demo.ids("upgraded", attribute="plan", value="vip", days=30)


@pytest.mark.parametrize(("sessions", "from_days", "to_days"), [(8, 60, 30), (3, 90, 45), (11, 60, 30)])
def test_those_who_quit_came_often_before_and_not_since(
    demo: Demo, sessions: int, from_days: int, to_days: int
) -> None:
    begins, ends = demo.now - from_days * DAY, demo.now - to_days * DAY
    right = {
        name
        for name, found in demo.known()
        if found.last_seen < ends and sum(begins <= at < ends for at in demo.starts(name)) >= sessions
    }
    assert demo.ids("quit", sessions=sessions, from_days=from_days, to_days=to_days) == right
    assert right
    assert demo.ids("quit") == demo.ids("quit", sessions=8, from_days=60, to_days=30)
