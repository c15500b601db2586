"""Collectors, spool, applier and store by a virtual clock, with late, double and lost messages and crashes.

Everything is real but the time, the network and the processes: a crash ends a "process" between any two
steps, and what is on disk is all that the next one has. A failure prints its seed.
"""

from __future__ import annotations

import json
import os
import random
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from crashing import CrashError, Crashes
from histories import SECOND, Row, expected, random_history
from stored import LOOKUPS, SPACE, assert_same

from enduser.core.events import Event
from enduser.core.settings import SpaceSettings
from enduser.ingest.applier import STEPS, Applier
from enduser.ingest.door import Request, lines_of
from enduser.ingest.messages import read_call
from enduser.ingest.spool import EVENTS, SpoolReader, SpoolWriter, frame, new_series
from enduser.stores.contract import ChangeSetting
from enduser.stores.embedded import EmbeddedStore
from enduser.stores.serving import ServingCopy

SEEDS = range(200 if os.environ.get("ENDUSER_TEST_PROFILE") == "full" else 8)
START = 1_600_000_000 * SECOND
SETTINGS = {"inactivity_window_s": "1800", "session_cap_s": "3600"}


@dataclass
class Message:
    """One message of a user, as it lies in his SDK's queue."""

    row: Row
    skew_us: int
    """How far the user's clock is ahead of ours."""
    copies: list[int]
    """When it reaches a collector; never, or more than once."""

    def body(self, sent_at: int) -> bytes:
        """Return the call that brings it; its retry carries another `sentAt`."""
        told = {
            "userId": self.row.user_id,
            "messageId": self.row.message_id,
            "type": self.row.type,
            "timestamp": iso(self.row.occurred_at + self.skew_us),
            "event": self.row.name,
            "traits": self.row.traits or None,
            "context": {"active": self.row.active, "userAgent": self.row.user_agent},
        }
        return json.dumps({"batch": [told], "sentAt": iso(sent_at + self.skew_us)}).encode()

    def event(self) -> Event:
        """Return the event that it is to the reference model."""
        event = self.row.event()
        object.__setattr__(event, "client_at", self.row.occurred_at + self.skew_us)
        return event


def iso(at_us: int) -> str:
    return (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=at_us)).isoformat()


def messages(rng: random.Random) -> list[Message]:
    """Return what users send over some days: in time, late, twice, or never."""
    found = []
    skews: dict[str | None, int] = {}
    for row in random_history(rng, users=12, events=25, span_s=200_000):
        row.message_id = row.message_id or f"generated-{len(found)}"
        row.place = None
        skew = skews.setdefault(row.user_id, rng.choice([0, 0, 3, -7, 3_600, -86_400]) * SECOND)
        late = rng.choice([0, 0, 0, 1, 60, 1_799, 1_800, 7_200, 200_000])
        first = row.occurred_at + late * SECOND
        again = [first + rng.randrange(1, 100_000) * SECOND for _ in range(rng.choice([0, 0, 0, 1, 2]))]
        copies = [] if rng.random() < 0.05 else [first, *again]
        found.append(Message(row, skew, copies))
    return found


class World:
    """A data folder, and the processes that work on it."""

    def __init__(self, folder: Path, rng: random.Random) -> None:
        self.folder, self.rng, self.now = folder, rng, START
        self.collectors: list[SpoolWriter | None] = [None, None]
        self.accepted: list[Message] = []
        self.clock: int | None = None
        self.owner: tuple[EmbeddedStore, Applier] | None = None

    def store(self) -> EmbeddedStore:
        return self.start()[0]

    def start(self) -> tuple[EmbeddedStore, Applier]:
        if self.owner is None:
            store = EmbeddedStore(self.folder / "data", now_us=self.now, lookups=LOOKUPS, memory_limit_mb=512)
            try:
                for name, text in SETTINGS.items():
                    store.apply(SPACE, ChangeSetting(name, text))
                reader = SpoolReader(self.folder / "data", store.spool_positions())
                self.owner = store, Applier(store, reader, ServingCopy(self.folder / "data"))
            except CrashError:
                store.close()
                raise
        return self.owner

    def crash_owner(self) -> None:
        """End the owner where it stands; what it had in memory is gone."""
        if self.owner:
            store, applier = self.owner
            applier.close()
            store.close()
            self.owner = None

    def collector(self, number: int) -> SpoolWriter:
        found = self.collectors[number]
        if found is None:
            store = self.store()
            data = self.folder / "data"
            found = SpoolWriter(data, new_series(data, store.spool_positions()))
            self.collectors[number] = found
            found.mark(self.now)
        return found

    def deliver(self, message: Message) -> None:
        """Let a message in; the collector may crash before it is on disk, then the SDK sends it again."""
        number = self.rng.randrange(2)
        if self.rng.random() < 0.03:
            self.crash_collector(number)
        call = read_call(message.body(self.now), "batch")
        found = lines_of(call, Request(received_at=self.now), SpaceSettings())
        assert not found.rejected
        self.collector(number).append([frame(EVENTS, 1, self.now, found.lines)], now_us=self.now)
        self.accepted.append(message)

    def crash_collector(self, number: int) -> None:
        if writer := self.collectors[number]:
            writer.close()
            self.collectors[number] = None

    def end(self) -> None:
        """End all processes."""
        for number in range(2):
            self.crash_collector(number)
        self.crash_owner()

    def round(self) -> bool:
        """Let the applier work once, unless it crashes."""
        store, applier = self.start()
        is_behind = applier.round()
        clock = store.status(SPACE).clock_at
        assert self.clock is None or (clock is not None and clock >= self.clock), "the clock went back"
        assert clock is None or clock <= self.now, "the clock is ahead of the time"
        self.clock = clock
        return is_behind

    def settle(self) -> None:
        """Let idle collectors mark the time, and the applier catch up."""
        for number in range(2):
            self.collector(number).mark(self.now)
        while self.round():
            pass

    def check(self) -> None:
        """Compare with the reference model of what was accepted, by the clock of the space."""
        store = self.store()
        clock = store.status(SPACE).clock_at
        events = [message.event() for message in self.accepted]
        assert store.status(SPACE).events == len({(e.user, e.client_at, e.message_id) for e in events})
        if clock is not None:
            assert_same(store, expected(events, store.settings(SPACE), clock))
        assert store.verify(SPACE) == []


@pytest.mark.parametrize("seed", SEEDS)
def test_whatever_happens_each_accepted_message_counts_once_and_sessions_close_by_the_clock(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    rng = random.Random(seed)
    world = World(tmp_path, rng)
    arrivals = sorted(
        ((at, number, message) for message in messages(rng) for number, at in enumerate(message.copies)),
        key=lambda arrival: arrival[:2],
    )
    crashes = Crashes(monkeypatch, rng, count=6)
    for at, _, message in arrivals:
        world.now = max(world.now, at)
        again = True
        while again:
            try:
                world.deliver(message)
                again = False
                if rng.random() < 0.15:
                    world.settle() if rng.random() < 0.5 else world.round()
            except CrashError:
                world.crash_owner()
    crashes.stop()
    world.settle()
    world.check()
    world.now += 3 * 3_600 * SECOND
    world.settle()
    world.settle()
    world.check()
    assert world.store().status(SPACE).open_sessions == 0
    world.end()


@pytest.mark.parametrize("step", STEPS)
def test_a_crash_before_any_step_of_a_round_repeats_and_loses_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    world = World(tmp_path, random.Random(1))
    for number in range(5):
        world.now += SECOND
        message = Message(Row("u", occurred_at=world.now, message_id=f"m{number}", type="page"), 0, [])
        world.deliver(message)
    _, applier = world.start()

    def crash(_: object) -> None:
        raise CrashError

    monkeypatch.setattr(applier, step, crash)
    with pytest.raises(CrashError):
        applier.round()
    world.crash_owner()
    world.settle()
    world.check()
    outcomes = world.store().status(SPACE).outcomes
    assert (outcomes.stored, outcomes.duplicate) == (5, 0)
    world.end()
