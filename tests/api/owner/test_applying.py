"""The applier goes on until nothing is left, whatever stops it, and rests between."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest
from structlog.testing import capture_logs

from enduser.api.owner import applying
from enduser.api.owner.applying import Applying, pause_s
from enduser.errors import StoreError

FULL, BEHIND, UP = StoreError("the disk is full", hint="make room"), True, False


class World:
    """A server whose rounds come out as they are told to; it is its own store, applier and collectors."""

    def __init__(self, *rounds: Exception | bool, ends_in_round: int = 0) -> None:
        self._rounds = rounds
        self._ends_in_round = ends_in_round
        self.have_ended = ends_in_round == 0
        self.is_serving = False
        self.healed = 0
        self.problems: list[str | None] = []
        """What was the problem when each round began."""
        self.has_looked = asyncio.Event()
        self.stopping = asyncio.Event()
        self.applying = Applying(self, self, self, run_on_store=self.run_on_store, stopping=self.stopping)

    async def run_on_store(self, work: Callable[[], object]) -> object:
        self.has_looked.set()
        return work()

    def round(self) -> bool:
        self.problems.append(self.applying.problem)
        self.have_ended = len(self.problems) >= self._ends_in_round
        outcome = self._rounds[len(self.problems) - 1]
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    def heal(self) -> None:
        self.healed += 1
        raise FULL

    def run(self) -> int:
        """Let a server that is to stop end; return how many rounds that takes."""
        self.stopping.set()
        asyncio.run(asyncio.wait_for(self.applying.run(), 20))
        return len(self.problems)


@pytest.mark.parametrize("rounds", [[UP], [BEHIND, BEHIND, UP]])
def test_it_ends_when_nothing_is_left(rounds: list[bool]) -> None:
    assert World(*rounds).run() == len(rounds)


def test_what_came_in_until_the_collectors_had_ended_is_applied_too() -> None:
    assert World(UP, UP, BEHIND, UP, ends_in_round=2).run() == 4


def test_what_stops_it_is_told_until_it_gets_on() -> None:
    world = World(FULL, FULL, UP, UP, ends_in_round=3)
    world.run()
    assert world.problems == [None, "the disk is full", "the disk is full", None]
    assert world.applying.problem is None


def test_after_each_failure_the_store_is_healed_if_that_can_be_done() -> None:
    world = World(FULL, ZeroDivisionError("a mistake"), UP, UP, ends_in_round=3)
    world.run()
    assert world.healed == 2


def test_the_log_tells_each_problem_once_with_what_to_do() -> None:
    with capture_logs() as lines:
        World(FULL, FULL, ZeroDivisionError("a mistake"), FULL, UP, UP, ends_in_round=5).run()
    assert [line["hint"] for line in lines] == ["make room", None, "make room"]


def test_a_server_that_is_to_stop_does_not_wait_for_the_next_round(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(applying, "PACE_S", 1_000)
    monkeypatch.setattr(applying, "PACE_S_MAX", 1_000)

    async def stop_in_the_pause(world: World) -> None:
        running = asyncio.create_task(world.applying.run())
        await world.has_looked.wait()
        world.stopping.set()
        await asyncio.wait_for(running, 20)

    asyncio.run(stop_in_the_pause(World(UP, UP, ends_in_round=1)))


@pytest.mark.parametrize(
    ("round_s", "rest_s"), [(0, 0.5), (0.125, 0.375), (0.2, 0.6), (0.5, 1.5), (1, 1), (1.9, 0.1), (9, 0.01)]
)
def test_it_rests_thrice_as_long_as_it_worked_and_looks_each_half_second_to_two(
    round_s: float, rest_s: float
) -> None:
    assert pause_s(round_s) == pytest.approx(rest_s)
