"""Collectors, spool, applier and store by a virtual clock, with late, double and lost messages and crashes.

A failure prints its seed.
"""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from crashing import CrashError, Crashes
from histories import SECOND, Row, random_history
from stored import SPACE
from tiers import tries
from world import Message, World

from enduser.ingest.applier import STEPS

SEEDS = range(tries(1, 60))


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
