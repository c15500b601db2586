"""The clock of a space, whatever the machine's clock does: never back, never ahead of what waits.

What a user does here happens "now" by the machine's clock, wrong as it may be.
"""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from histories import SECOND, Row
from stored import SPACE
from tiers import tries
from world import START, Message, World

from enduser import limits
from enduser.ingest.spool import SpoolReader

MINUTE = 60 * SECOND
HOUR = 60 * MINUTE


class Machine(World):
    """A world whose clock is set by hand; both collectors run."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder, random.Random(1))
        self.sent = 0
        for number in range(2):
            self.collector(number)

    def act(self, user_id: str = "u", collector: int = 0) -> None:
        """Let a user do something now."""
        self.sent += 1
        row = Row(user_id, occurred_at=self.now, message_id=f"m{self.sent}", type="page")
        self.let_in(Message(row, 0, []), collector)

    def set_clock(self, now: int) -> None:
        """Set the machine's clock."""
        self.now = now

    def clock_at(self) -> int | None:
        return self.store().status(SPACE).clock_at

    def closed(self) -> dict[str, int]:
        """Return how many closed sessions each user has."""
        return {str(user["user_id"]): int(str(user["total_sessions"])) for user in self.store().users(SPACE)}


@pytest.fixture
def machine(tmp_path: Path):
    opened = Machine(tmp_path)
    yield opened
    opened.end()


def test_a_clock_that_steps_back_does_not_take_the_spaces_clock_with_it(machine: Machine) -> None:
    machine.act()
    machine.set_clock(START + HOUR)
    machine.act("v")
    machine.settle()
    before = machine.clock_at()
    assert machine.closed() == {"u": 1}
    machine.set_clock(START + 10 * MINUTE)
    for _ in range(3):
        machine.act("u", collector=1)
        machine.settle()
        machine.check()
        assert machine.clock_at() == before
        machine.now += MINUTE
    machine.set_clock(START + 3 * HOUR)
    machine.settle()
    machine.check()
    assert machine.closed() == {"u": 1, "v": 1}


def test_after_a_step_back_the_clock_goes_on_when_the_time_has_caught_up(machine: Machine) -> None:
    machine.act()
    machine.settle()
    before = machine.clock_at()
    assert before is not None
    machine.set_clock(START - HOUR)
    machine.settle()
    assert machine.clock_at() == before
    machine.set_clock(START + HOUR)
    machine.settle()
    after = machine.clock_at()
    assert after is not None
    assert after > before
    machine.check()


def test_a_step_forward_closes_what_was_open_once(machine: Machine) -> None:
    machine.act()
    machine.settle()
    assert machine.closed() == {}
    machine.set_clock(START + HOUR)
    machine.act()
    machine.settle()
    assert machine.closed() == {"u": 1}
    machine.set_clock(START + 2 * HOUR)
    machine.settle()
    machine.settle()
    machine.check()
    assert machine.closed() == {"u": 2}


def test_a_step_forward_waits_for_what_was_accepted_before_it(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A user goes on all the time; the owner hears of it only after the clock was set."""
    for minute in range(0, 60, 10):
        machine.set_clock(START + minute * MINUTE)
        machine.act(collector=int(minute > 0))  # one of them has little to read, then the new time
    machine.set_clock(START + 24 * HOUR)
    for number in range(2):
        machine.collector(number).mark(machine.now)
    apply_slowly(machine, monkeypatch)
    machine.check()
    assert machine.closed() == {"u": 1}


def test_an_hour_asleep_is_an_hour_without_events(machine: Machine) -> None:
    machine.act()
    machine.settle()
    machine.set_clock(START + HOUR)  # nothing ran meanwhile, not even a mark
    machine.round()
    assert machine.closed() == {}
    machine.act(collector=1)
    machine.settle()
    machine.check()
    assert machine.closed() == {"u": 1}
    machine.set_clock(START + 2 * HOUR)
    machine.settle()
    machine.check()
    assert machine.closed() == {"u": 2}


def test_an_hour_of_backlog_is_applied_as_if_it_came_in_time(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No session may be cut because the machine's clock is an hour ahead of what is applied."""
    machine.crash_owner()
    for minute in range(0, 60, tries(3, 1)):
        machine.set_clock(START + minute * MINUTE)
        machine.act(f"u{minute % 7}", collector=minute % 2)
    machine.act("late")
    machine.set_clock(START + 61 * MINUTE)
    for number in range(2):
        machine.collector(number).mark(machine.now)
    apply_slowly(machine, monkeypatch)
    machine.check()
    assert machine.closed() == {}
    machine.set_clock(START + 3 * HOUR)
    machine.settle()
    machine.check()
    assert set(machine.closed().values()) == {1}


def test_a_collector_that_hangs_holds_the_clock_until_it_goes_on(machine: Machine) -> None:
    machine.act(collector=1)
    machine.settle()
    held = machine.clock_at()
    machine.set_clock(START + HOUR)
    machine.collector(0).mark(machine.now)  # the other one does nothing
    machine.round()
    assert machine.clock_at() == held
    assert machine.closed() == {}
    machine.collector(1).mark(machine.now)
    machine.round()
    assert machine.closed() == {"u": 1}
    machine.check()


def test_a_collector_that_died_holds_nothing(machine: Machine) -> None:
    machine.act(collector=1)
    machine.settle()
    machine.crash_collector(1)
    machine.set_clock(START + HOUR)
    machine.collector(0).mark(machine.now)
    machine.round()
    machine.round()
    assert machine.closed() == {"u": 1}
    machine.check()


def apply_slowly(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    """Apply a frame of each series at a time; the clock is never ahead of what waits."""
    monkeypatch.setattr(limits, "BATCH_BYTES_MAX", 1)
    rounds = 0
    while machine.round():
        rounds += 1
        waiting = SpoolReader(machine.folder / "data", machine.store().spool_positions()).read(10**9)
        first = min((frame.received_at for frame in waiting.frames), default=None)
        clock = machine.clock_at()
        assert first is None or clock is None or clock <= first, "the clock is ahead of the backlog"
        assert machine.closed() == {}
    assert rounds > 2
    monkeypatch.undo()
