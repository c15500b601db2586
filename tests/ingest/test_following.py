"""What follows the folds goes on in one space while it fails in another, and is tried again and again."""

from __future__ import annotations

import pytest
from structlog.testing import capture_logs

from enduser.api.owner.server import tell_trouble
from enduser.errors import EnduserError, InvalidRule, StoreError
from enduser.ingest import following
from enduser.ingest.following import Follower, Trouble

SPACE, OTHER = "default/production", "acme/test"
FULL = StoreError("the disk is full", hint="make room")


class World:
    """A follower by a clock of its own, whose steps come out as they are told to, and the store it heals."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now_s = 1_000.0
        self.error: EnduserError | None = None
        self.step_s = 0.0
        self.steps: list[float] = []
        """When each step was taken."""
        self.troubles: list[Trouble] = []
        self.healed = 0
        self.heals = True
        monkeypatch.setattr(following, "elapsed_s", lambda: self.now_s)
        self.follower = Follower(
            "feed",
            self._step,
            tell_trouble=self.troubles.append,
            heal=self._heal,
            rest_s=lambda took_s: 9 * took_s,
        )

    def _step(self, space: str) -> bool:
        self.steps.append(self.now_s)
        self.now_s += self.step_s
        if self.error is not None and space == SPACE:
            raise self.error
        return True

    def _heal(self) -> None:
        self.healed += 1
        if not self.heals:
            raise FULL

    def live(self, seconds: int) -> list[float]:
        """Follow each second; return when steps were taken, from now on."""
        began, self.steps = self.now_s, []
        for second in range(seconds):
            self.now_s = began + second
            self.follower.follow(SPACE, 1)
        return [at - began for at in self.steps]


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> World:
    return World(monkeypatch)


def test_a_step_is_taken_once_for_each_state(world: World) -> None:
    for state in (1, 1, 2, 2):
        world.follower.follow(SPACE, state)
    assert len(world.steps) == 2
    assert world.follower.is_up(SPACE, 2)
    assert not world.follower.is_up(SPACE, 3)


def test_what_failed_is_tried_again_after_twice_as_long_each_time_at_most_a_minute(world: World) -> None:
    world.error = FULL
    assert world.live(200) == [0, 1, 3, 7, 15, 31, 63, 123, 183]


def test_once_it_goes_well_it_is_tried_soon_after_the_next_failure(world: World) -> None:
    world.error = FULL
    world.live(100)
    world.now_s += 60
    world.error = None
    world.follower.follow(SPACE, 0)
    assert not world.follower.is_stuck(SPACE)
    world.error = FULL
    assert world.live(4) == [0, 1, 3]
    assert world.follower.is_stuck(SPACE)


def test_each_problem_is_told_once_and_again_when_it_comes_back(world: World) -> None:
    world.error = FULL
    world.live(100)
    world.error = InvalidRule("a mistake")
    world.live(100)
    assert [(one.follower, one.space, one.error) for one in world.troubles] == [
        ("feed", SPACE, FULL),
        ("feed", SPACE, world.error),
    ]
    world.error = None
    world.live(100)
    world.error = FULL
    world.now_s += 100
    world.follower.follow(SPACE, 2)
    assert [one.error for one in world.troubles[2:]] == [FULL]


def test_what_fails_in_one_space_goes_on_in_another(world: World) -> None:
    world.error = FULL
    for space in (SPACE, OTHER):
        world.follower.follow(space, 1)
    assert [world.follower.is_stuck(space) for space in (SPACE, OTHER)] == [True, False]
    assert world.follower.is_up(OTHER, 1)
    assert not world.follower.is_up(SPACE, 1)


def test_after_a_failure_the_store_is_healed_and_if_that_fails_it_is_loud(world: World) -> None:
    world.error = FULL
    world.follower.follow(SPACE, 1)
    assert world.healed == 1
    world.heals = False
    world.now_s += 1
    with pytest.raises(StoreError, match="the disk is full"):
        world.follower.follow(SPACE, 1)
    world.heals = True
    assert world.live(10) == [2, 6]


def test_the_log_says_which_space_why_and_what_to_do() -> None:
    with capture_logs() as lines:
        tell_trouble(Trouble("feed", SPACE, FULL))
    (line,) = lines
    assert (line["event"], line["log_level"]) == ("space is not followed", "error")
    assert (line["space"], line["follower"], line["hint"]) == (SPACE, "feed", "make room")
    assert line["exc_info"] is FULL
