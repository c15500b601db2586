"""Webhooks are told what the feed has: in order, at least once, each on its own; time is set by hand."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import pytest
from receiving import NEVER, Receiver, receiver
from structlog.testing import capture_logs
from waiting import until

from enduser import limits
from enduser.core.addresses import networks_of
from enduser.core.feed import EVERY_ROW, FeedFilter, FeedPage, FeedRow
from enduser.errors import FeedExpired, StoreError
from enduser.service import telling as module
from enduser.service.feed import cursor_of
from enduser.service.telling import BACK_OFF_S, Telling
from enduser.service.webhook_calls import WebhookCaller
from enduser.stores.control import ControlStore
from enduser.stores.webhooks import (
    Webhook,
    change_webhook,
    create_webhook,
    delete_webhook,
    find_webhook,
    list_dead_letters,
    new_webhook,
)

SPACE = "default/production"
S = 1_000_000
NOW = 1_767_261_600 * S


class Feed:
    """The feed of a space, in the form in which a store has it."""

    def __init__(self) -> None:
        self.rows: list[FeedRow] = []
        self.first, self.last = 1, 0
        self.problem: Exception | None = None

    def tell(self, count: int = 1, kind: str = "entered") -> None:
        for number in range(self.last + 1, self.last + count + 1):
            self.rows.append(
                FeedRow(
                    number=number,
                    noticed_at=NOW,
                    written_at=NOW,
                    kind=kind,
                    subject="vips",
                    before=None,
                    after=None,
                    user_id=f"u{number}",
                    is_anonymous=False,
                )
            )
        self.last += count

    def erase(self, *numbers: int) -> None:
        self.rows = [row for row in self.rows if row.number not in numbers]

    def feed_page(
        self, _: str, after: int | None = None, *, limit: int = 100, which: FeedFilter = EVERY_ROW
    ) -> FeedPage:
        if self.problem:
            raise self.problem
        after = self.first - 1 if after is None else after
        if not self.first - 1 <= after <= self.last:
            raise FeedExpired("it went")
        rows = [row for row in self.rows if row.number > after and row.kind in (which.kinds or [row.kind])]
        rows = rows[:limit]
        reached = rows[-1].number if len(rows) == limit else self.last
        return FeedPage(rows=rows, reached=reached, first_number=self.first, last_number=self.last)


class World:
    """A server that tells webhooks; its clock stands until somebody moves it."""

    def __init__(self, control: ControlStore) -> None:
        self.control = control
        self.feed = Feed()
        self.now = NOW
        self.start()

    def start(self) -> None:
        """Start the server, anew if it was killed."""
        self.stopping = asyncio.Event()
        caller = WebhookCaller(networks_of("127.0.0.1"))
        self.telling = Telling(
            self.control,
            self.feed,  # type: ignore[arg-type]
            caller,
            stopping=self.stopping,
            clock=lambda: self.now,
        )

    def add(self, to: Receiver, which: FeedFilter = EVERY_ROW) -> Webhook:
        made = new_webhook(SPACE, "crm", to.url(), which, self.feed.last, self.now)
        return create_webhook(self.control, made)

    def state(self, webhook: Webhook) -> Webhook:
        return find_webhook(self.control, SPACE, webhook.id)

    async def look(self, after_s: float = 0) -> None:
        """Let the server look who is to be told something, after a while, and tell it."""
        self.now += round(after_s * S)
        await self.telling.look()
        await self.telling.settled()


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with ControlStore(tmp_path) as control:
        yield World(control)


def run(main: Callable[[], Awaitable[None]]) -> None:
    asyncio.run(asyncio.wait_for(main(), 20))  # type: ignore[arg-type]


def test_rows_are_told_in_order_and_once_so_many_in_a_call(world: World) -> None:
    async def main() -> None:
        async with receiver() as crm:
            world.feed.tell(3)
            world.add(crm)
            world.feed.tell(limits.WEBHOOK_ROWS_MAX + 1)
            await world.look()
            await world.look()
            world.feed.tell()
            await world.look()
            last = world.feed.last
        assert crm.calls == [[*range(4, last - 1)], [last - 1], [last]]
        assert crm.got[-1].message["cursor"] == cursor_of(last)
        assert len({got.id for got in crm.got}) == 3

    run(main)


def test_a_webhook_is_told_only_what_it_asked_for(world: World) -> None:
    async def main() -> None:
        async with receiver() as crm:
            world.add(crm, FeedFilter(kinds=("left",)))
            world.feed.tell(2)
            world.feed.tell(kind="left")
            world.feed.tell()
            await world.look()
        assert crm.calls == [[3]]

    run(main)


def test_what_is_nothing_for_a_webhook_is_looked_at_once_and_written_down_seldom(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_PASSED_MAX", 5)

    async def main() -> None:
        async with receiver() as crm:
            webhook = world.add(crm, FeedFilter(kinds=("left",)))
            places = []
            for _ in range(6):
                world.feed.tell()
                await world.look()
                assert world.telling._place(world.state(webhook)) == world.feed.last
                places.append(world.state(webhook).place)
            assert places == [0, 0, 0, 0, 5, 5]
            world.feed.tell()
            await world.look(after_s=3_600)
            assert world.state(webhook).place == world.feed.last
        assert crm.got == []

    run(main)


def test_a_call_that_fails_is_made_again_as_it_was_and_what_follows_waits(world: World) -> None:
    async def main() -> None:
        async with receiver(500, 503) as crm:
            webhook = world.add(crm)
            world.feed.tell(2)
            await world.look()
            world.feed.tell()
            await world.look(after_s=4.999)
            assert crm.calls == [[1, 2]]
            await world.look(after_s=0.001)
            state = world.state(webhook)
            assert (state.attempts, state.last_error) == (2, "it answered 503")
            await world.look(after_s=30)
        assert crm.calls == [[1, 2], [1, 2], [1, 2], [3]]
        assert len({got.id for got in crm.got[:3]}) == 1
        assert crm.got[3].id != crm.got[0].id
        state = world.state(webhook)
        assert (state.place, state.attempts, state.next_try_at, state.last_error) == (3, 0, None, None)
        assert state.last_success_at == world.now

    run(main)


def test_a_call_that_fails_for_half_a_day_is_given_up_and_the_next_one_made(world: World) -> None:
    async def main() -> None:
        tries = len(BACK_OFF_S) + 1
        async with receiver(*[500] * tries) as crm:
            webhook = world.add(crm)
            world.feed.tell(2)
            await world.look()
            world.feed.tell()
            for number, seconds in enumerate(BACK_OFF_S, 1):
                assert len(crm.got) == number
                await world.look(after_s=seconds)
            assert world.now - NOW == sum(BACK_OFF_S) * S
        assert crm.calls == [[1, 2]] * tries + [[3]]
        (letter,) = list_dead_letters(world.control, webhook.id)
        assert (letter.first, letter.last, letter.error) == (1, 2, "it answered 500")
        assert world.telling.calls == {"failed": tries, "given_up": 1, "delivered": 1}

    run(main)


def test_a_receiver_that_does_not_answer_holds_up_no_other(world: World) -> None:
    async def main() -> None:
        async with receiver(NEVER) as slow, receiver() as quick:
            world.add(slow)
            world.add(quick)
            world.feed.tell()
            await world.telling.look()
            await until(lambda: len(slow.got) == 1 and len(quick.got) == 1 and len(world.telling._tasks) == 1)
            world.feed.tell()
            await world.telling.look()
            await until(lambda: quick.calls == [[1], [2]])
            assert slow.calls == [[1]]
            await world.telling._end()

    run(main)


def test_a_receiver_that_is_gone_is_told_nothing_more_until_somebody_enables_it(world: World) -> None:
    async def main() -> None:
        async with receiver(410) as crm:
            webhook = world.add(crm)
            world.feed.tell()
            await world.look()
            world.feed.tell()
            await world.look(after_s=86_400)
            assert crm.calls == [[1]]
            state = world.state(webhook)
            assert (state.is_enabled, "410 Gone" in (state.disabled_because or "")) == (False, True)
            assert world.telling.lag_s() == 0
            change_webhook(world.control, SPACE, webhook.id, is_enabled=True)
            await world.look()
            assert crm.calls == [[1], [1, 2]]

    run(main)


def test_a_server_that_was_killed_goes_on_where_it_was(world: World) -> None:
    async def main() -> None:
        async with receiver(204, NEVER) as crm:
            webhook = world.add(crm)
            world.feed.tell()
            await world.look()
            world.feed.tell()
            await world.telling.look()
            await until(lambda: len(crm.got) == 2)
            await world.telling._end()
            world.start()
            world.feed.tell()
            await world.look()
        assert crm.calls == [[1], [2], [2, 3]]
        assert len({got.id for got in crm.got}) == 3  # what is not the same has not the same id
        assert world.state(webhook).place == 3

    run(main)


def test_a_server_that_ends_waits_for_no_receiver(world: World) -> None:
    async def main() -> None:
        async with receiver(NEVER) as crm:
            world.add(crm)
            world.feed.tell()
            running = asyncio.create_task(world.telling.run())
            await until(lambda: crm.got)
            world.stopping.set()
            await running

    run(main)


def test_a_call_that_is_made_again_says_nothing_of_who_was_erased_since(world: World) -> None:
    async def main() -> None:
        async with receiver(500, 500, 500) as crm:
            webhook = world.add(crm)
            world.feed.tell(2)
            await world.look()
            world.feed.tell()
            world.feed.erase(1)
            await world.look(after_s=5)
            world.feed.erase(2)
            await world.look(after_s=30)
            assert crm.calls == [[1, 2], [2]]
            assert world.state(webhook).place == 2
            await world.look()
            assert crm.calls[2:] == [[3]]

    run(main)


def test_what_went_before_it_was_told_is_given_up(world: World) -> None:
    async def main() -> None:
        async with receiver() as crm:
            webhook = world.add(crm)
            world.feed.tell(9)
            world.feed.first = 5
            world.feed.erase(1, 2, 3, 4)
            await world.look()
        assert crm.calls == [[5, 6, 7, 8, 9]]
        (letter,) = list_dead_letters(world.control, webhook.id)
        assert (letter.first, letter.last, letter.error) == (1, 4, "it went")

    run(main)


def test_beside_an_older_copy_of_the_feed_a_webhook_goes_on_from_its_end(world: World) -> None:
    async def main() -> None:
        async with receiver() as crm:
            world.feed.tell(9)
            webhook = world.add(crm)
            world.feed.last = 5
            world.feed.erase(6, 7, 8, 9)
            await world.look()
            world.feed.tell()
            await world.look()
        assert crm.calls == [[6]]
        (letter,) = list_dead_letters(world.control, webhook.id)
        assert (letter.first, letter.last) == (6, 9)

    run(main)


def test_a_webhook_that_is_moved_back_tells_again_under_other_ids(world: World) -> None:
    async def main() -> None:
        async with receiver(204, 500) as crm:
            webhook = world.add(crm)
            for _ in range(2):
                world.feed.tell()
                await world.look()
            change_webhook(world.control, SPACE, webhook.id, place=0)
            await world.look()
        assert crm.calls == [[1], [2], [1, 2]]
        assert len({got.id for got in crm.got}) == 3

    run(main)


def test_a_webhook_is_looked_at_anew_before_each_call(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "WEBHOOK_ROWS_MAX", 1)

    async def main() -> None:
        async with receiver() as crm, receiver() as other:
            disabled, deleted = world.add(crm), world.add(other)
            world.feed.tell(3)
            crm.then = lambda: change_webhook(world.control, SPACE, disabled.id, is_enabled=False)
            other.then = lambda: delete_webhook(world.control, SPACE, deleted.id)
            with capture_logs() as lines:
                await world.look()
                await world.look()
            assert (crm.calls, other.calls, lines) == ([[1]], [[1]], [])

    run(main)


def test_it_is_told_how_long_the_slowest_webhook_waits(world: World) -> None:
    async def main() -> None:
        async with receiver(500) as crm, receiver() as quick:
            world.add(crm)
            world.add(quick)
            world.feed.tell()
            await world.look()
            assert world.telling.lag_s() == 0
            world.now += 3 * S
            assert world.telling.lag_s() == 3
            world.start()  # a new process does not forget it
            await world.look()
            assert world.telling.lag_s() == 3
            await world.look(after_s=2)
            assert world.telling.lag_s() == 0

    run(main)


def test_how_long_rows_wait_may_be_asked_while_others_begin_to_wait(world: World) -> None:
    waiting = world.telling._waiting_since
    waiting["crm"] = NOW - 7 * S

    def clock() -> int:
        waiting[f"another-{len(waiting)}"] = NOW
        return NOW

    world.telling._clock = clock
    assert world.telling.lag_s() == 7


def test_a_feed_that_cannot_be_read_is_told_in_the_log_once_and_read_again(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_PACE_S", 0.001)

    async def main() -> None:
        async with receiver() as crm:
            world.add(crm)
            world.feed.tell()
            world.feed.problem = StoreError("the disk is full", hint="make room")
            looks = 0
            look = world.telling.look

            async def counted() -> None:
                nonlocal looks
                looks += 1
                await look()

            monkeypatch.setattr(world.telling, "look", counted)
            with capture_logs() as lines:
                running = asyncio.create_task(world.telling.run())
                await until(lambda: looks > 3)
                world.feed.problem = None
                await until(lambda: crm.got)
                world.stopping.set()
                await running
        told = [(line["event"], line["hint"]) for line in lines]
        assert told == [("webhooks cannot be told", "make room")]

    run(main)
