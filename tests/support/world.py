"""A data folder and the processes that work on it, by a virtual clock.

Everything is real but the time, the network and the processes: a crash ends a "process" between any two
steps, and what is on disk is all that the next one has.
"""

from __future__ import annotations

import json
import random
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from crashing import CrashError
from histories import SECOND, Row, expected
from stored import LOOKUPS, SPACE, assert_same

from enduser.core.events import Event
from enduser.core.settings import SpaceSettings
from enduser.ingest.applier import Applier
from enduser.ingest.door import Request, lines_of
from enduser.ingest.messages import read_call
from enduser.ingest.spool import EVENTS, SpoolReader, SpoolWriter, frame, new_series
from enduser.stores.embedded import EmbeddedStore
from enduser.stores.records import ChangeSettings
from enduser.stores.serving import ServingCopy
from enduser.stores.serving_reader import ServingReader

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


class World:
    """A data folder, and the processes that work on it."""

    def __init__(self, folder: Path, rng: random.Random) -> None:
        self.folder, self.rng, self.now = folder, rng, START
        self.latest = START
        """The latest that the machine's clock ever was."""
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
                    store.apply(SPACE, ChangeSettings({name: text}))
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
        self.let_in(message, number)

    def let_in(self, message: Message, number: int) -> None:
        """Let a message in by one of the collectors."""
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
        self.latest = max(self.latest, self.now)
        assert self.clock is None or (clock is not None and clock >= self.clock), "the clock went back"
        assert clock is None or clock <= self.latest, "the clock is ahead of the time"
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
        self.check_served(store)
        assert store.verify(SPACE) == []

    def check_served(self, store: EmbeddedStore) -> None:
        """Compare the serving copy with the truth."""
        copy = ServingReader(store.folder)
        for user in store.users(SPACE):
            assert copy.find(SPACE, str(user["user_id"]), is_anonymous=bool(user["is_anonymous"])) == user
        copy.close()
