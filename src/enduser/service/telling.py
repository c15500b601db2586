"""Telling webhooks what the feed has for them: in order, again after a while if it fails, each on its own.

A webhook is told at least once: the place up to which it was told is kept when it has answered, so a server
that ends in between tells it again. What is sent is read from the feed each time and kept nowhere else.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

import structlog

from enduser import limits
from enduser.clock import now_us
from enduser.core.feed import FeedRow
from enduser.errors import FeedExpired, WebhookNotFound
from enduser.service.feed import cursor_of, row_json
from enduser.service.webhook_calls import GONE, Answer, Message, WebhookCaller
from enduser.stores.contract import Reader
from enduser.stores.control import ControlStore
from enduser.stores.webhooks import (
    Webhook,
    enabled_webhooks,
    find_webhook,
    note_delivered,
    note_disabled,
    note_failed,
    note_given_up,
    note_passed,
)

_PACE_S = 1.0
"""How often it is looked who is to be told something."""
_MINUTE_S, _HOUR_S = 60, 3_600
BACK_OFF_S = (5, 30, 2 * _MINUTE_S, 10 * _MINUTE_S, 30 * _MINUTE_S, _HOUR_S, 3 * _HOUR_S, 6 * _HOUR_S)
"""How long it is waited after each failure; a call that fails once more is given up: half a day later."""
_PASSED_MAX = 10_000
_PASSED_US = 3_600_000_000
"""So many rows that are nothing for a webhook, or so long, are passed over before that is written down."""
_THREADS = 4
_EVERYBODY = ""
DELIVERED, FAILED, GIVEN_UP = "delivered", "failed", "given_up"
RESULTS = (DELIVERED, FAILED, GIVEN_UP)
"""What becomes of calls; one that is given up failed too."""
Result = TypeVar("Result")
log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class _Passed:
    """How far a webhook has nothing to be told, beyond what is written down."""

    generation: int
    place: int
    since: int
    """The time, in µs, since when it is not written down."""


@dataclass(frozen=True, slots=True)
class _Batch:
    """What one call tells: rows, and the place behind them."""

    rows: Sequence[FeedRow]
    ends: int


class Telling:
    """Tells webhooks; a failure of one is told in the log, and holds up no other."""

    def __init__(
        self,
        control: ControlStore,
        reader: Reader,
        caller: WebhookCaller,
        *,
        stopping: asyncio.Event,
        clock: Callable[[], int] = now_us,
    ) -> None:
        """Tell with `caller` what `reader` reads, until the server is `stopping`."""
        self._control = control
        self._reader = reader
        self._caller = caller
        self._stopping = stopping
        self._clock = clock
        self._threads = ThreadPoolExecutor(_THREADS, "webhooks")
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._known_ends: dict[str, int] = {}
        self._passed: dict[str, _Passed] = {}
        self._waiting_since: dict[str, int] = {}
        self._problems: dict[str, str] = {}
        """What was told last in the log, so that it is not told each second."""
        self.calls: Counter[str] = Counter()
        """How many calls were `delivered`, `failed` or `given_up` since the start."""

    def lag_s(self) -> float:
        """Return how long the oldest row waits that a webhook was not told yet; 0: none waits."""
        waiting = list(self._waiting_since.values())  # threads add to them
        return max((self._clock() - since for since in waiting), default=0) / 1e6

    async def run(self) -> None:
        """Tell until the server ends; a call that is under way then is made again after the next start."""
        try:
            while not self._stopping.is_set():
                try:
                    await self.look()
                    self._problems.pop(_EVERYBODY, None)
                except Exception as error:  # noqa: BLE001 - whatever it is, they are told again
                    self._complain(_EVERYBODY, error)
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._stopping.wait(), _PACE_S)
        finally:
            await self._end()

    async def _end(self) -> None:
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._threads.shutdown()

    async def look(self) -> None:
        """Begin to tell whom there is something to tell."""
        webhooks = await self._on_thread(lambda: enabled_webhooks(self._control))
        ends = await self._on_thread(lambda: self._ends({webhook.space for webhook in webhooks}))
        self._forget_others({webhook.id for webhook in webhooks})
        for webhook in webhooks:
            if webhook.id in self._tasks or self._place(webhook) == ends[webhook.space]:
                continue
            if webhook.next_try_at is None or webhook.next_try_at <= self._clock():
                task = asyncio.create_task(self._tell(webhook))
                self._tasks[webhook.id] = task
                task.add_done_callback(partial(self._forget_task, webhook.id))
            elif webhook.id not in self._waiting_since:  # the server was started anew since
                await self._on_thread(partial(self._note_waiting, webhook))

    async def settled(self) -> None:
        """Wait until nobody is being told."""
        while self._tasks:
            await asyncio.gather(*self._tasks.values(), return_exceptions=True)

    def _forget_task(self, name: str, _: asyncio.Task[None]) -> None:
        del self._tasks[name]

    def _ends(self, spaces: set[str]) -> dict[str, int]:
        """Return the last numbers of feeds; where one was known, it is not looked for from the beginning."""
        for space in spaces:
            try:
                page = self._reader.feed_page(space, self._known_ends.get(space), limit=1)
            except FeedExpired:
                page = self._reader.feed_page(space, limit=1)
            self._known_ends[space] = page.last_number
        return self._known_ends

    def _forget_others(self, known: set[str]) -> None:
        self._passed = {name: passed for name, passed in self._passed.items() if name in known}
        self._waiting_since = {name: at for name, at in self._waiting_since.items() if name in known}

    def _place(self, webhook: Webhook) -> int:
        """Return up to where there is nothing to do for a webhook."""
        passed = self._passed.get(webhook.id)
        if passed is None or passed.generation != webhook.generation:
            return webhook.place
        return max(webhook.place, passed.place)

    # --- one webhook

    async def _tell(self, webhook: Webhook) -> None:
        """Tell a webhook all that there is for it, until a call fails."""
        try:
            while await self._tell_once(webhook) and not self._stopping.is_set():
                find = partial(find_webhook, self._control, webhook.space, webhook.id)
                webhook = await self._on_thread(find)
                if not webhook.is_enabled:
                    return
        except WebhookNotFound:
            return  # somebody deleted it
        except Exception as error:  # noqa: BLE001 - whatever it is, it is told again
            self._complain(webhook.id, error)
        else:
            self._problems.pop(webhook.id, None)

    async def _tell_once(self, webhook: Webhook) -> bool:
        """Make one call; return whether there may be more to tell at once."""
        try:
            batch = await self._on_thread(lambda: self._next(webhook))
        except FeedExpired as error:
            await self._on_thread(partial(self._give_up_what_went, webhook, error.message))
            return True
        if not batch.rows:
            await self._on_thread(lambda: self._pass(webhook, batch.ends))
            return False
        self._waiting_since[webhook.id] = batch.rows[0].written_at
        answer = await self._caller.call(webhook, _id_of(webhook, batch), _message(webhook, batch))
        return await self._on_thread(lambda: self._note(webhook, batch, answer))

    def _next(self, webhook: Webhook) -> _Batch:
        """Return what is to be told next; of a call that failed what it told, if nobody was erased since."""
        page = self._reader.feed_page(
            webhook.space, self._place(webhook), limit=limits.WEBHOOK_ROWS_MAX, which=webhook.which
        )
        if webhook.batch_ends is None:
            return _Batch(page.rows, page.reached)
        return _Batch([row for row in page.rows if row.number <= webhook.batch_ends], webhook.batch_ends)

    def _note_waiting(self, webhook: Webhook) -> None:
        with contextlib.suppress(FeedExpired):
            for row in self._next(webhook).rows[:1]:
                self._waiting_since[webhook.id] = row.written_at

    # --- what became of it

    def _pass(self, webhook: Webhook, place: int) -> None:
        """Go on behind rows that are nothing for a webhook; that is not written down each time."""
        self._waiting_since.pop(webhook.id, None)
        passed, now = self._passed.get(webhook.id), self._clock()
        since = now if passed is None or passed.generation != webhook.generation else passed.since
        if webhook.batch_ends is None and place - webhook.place < _PASSED_MAX and now - since < _PASSED_US:
            self._passed[webhook.id] = _Passed(webhook.generation, place, since)
        else:
            note_passed(self._control, webhook, place)
            self._passed.pop(webhook.id, None)

    def _note(self, webhook: Webhook, batch: _Batch, answer: Answer) -> bool:
        """Note what became of a call; return whether the next can be made at once."""
        now = self._clock()
        if answer.problem is None:
            self.calls[DELIVERED] += 1
            note_delivered(self._control, webhook, batch.ends, now)
            self._waiting_since.pop(webhook.id, None)
            return True
        self.calls[FAILED] += 1
        if answer.status == GONE:
            because = "it answered 410 Gone: it wants to hear nothing more"
            note_disabled(self._control, webhook, because)
            log.warning("webhook is disabled", webhook=webhook.id, because=because)
            return False
        if webhook.attempts < len(BACK_OFF_S):
            next_try_at = now + BACK_OFF_S[webhook.attempts] * 1_000_000
            note_failed(self._control, webhook, batch.ends, answer.problem, next_try_at)
            return False
        self._give_up(webhook, (batch.rows[0].number, batch.rows[-1].number), batch.ends, answer.problem)
        return True

    def _give_up(self, webhook: Webhook, rows: tuple[int, int], place: int, error: str) -> None:
        self.calls[GIVEN_UP] += 1
        note_given_up(self._control, webhook, rows, place, error, self._clock())
        first, last = rows
        log.error("webhook call is given up", webhook=webhook.id, first=first, last=last, error=error)

    def _give_up_what_went(self, webhook: Webhook, error: str) -> None:
        """Go on where the feed begins now, or ends: what should have come is not there any more."""
        before, page = self._place(webhook), self._reader.feed_page(webhook.space, limit=1)
        place = page.last_number if before > page.last_number else page.first_number - 1
        lost = (min(before, place) + 1, max(before, place))
        self._passed.pop(webhook.id, None)
        self._give_up(webhook, lost, place, error)

    def _complain(self, name: str, error: Exception) -> None:
        """Tell in the log what went wrong, once."""
        message = str(error)
        if self._problems.get(name) != message:
            hint = getattr(error, "hint", None)
            log.error("webhooks cannot be told", webhook=name or None, hint=hint, exc_info=error)
        self._problems[name] = message

    async def _on_thread(self, function: Callable[[], Result]) -> Result:
        return await asyncio.get_running_loop().run_in_executor(self._threads, function)


def _id_of(webhook: Webhook, batch: _Batch) -> str:
    """Return the id of a call: the same if the same is told again, until somebody moves the webhook."""
    return f"{webhook.id}_{webhook.generation}_{webhook.place}_{batch.ends}"


def _message(webhook: Webhook, batch: _Batch) -> Message:
    return Message(
        type="enduser.feed",
        space=webhook.space,
        webhook=webhook.id,
        items=[row_json(row) for row in batch.rows],
        cursor=cursor_of(batch.ends),
    )
