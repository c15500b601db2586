"""kill -9 at any moment: started again, a command ends in the state of one that nothing disturbed."""

from __future__ import annotations

import os
import random
import secrets
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import killed
import pytest
from forking import forked
from running import enduser, event, process
from tiers import tries

ROWS = tries(12_000, 24_000)
KILLS = 2
"""So often a command is killed before it may end."""

SEED = os.environ.get("ENDUSER_SEED", secrets.token_hex(4))
"""Another one each time; a failure prints it, and ENDUSER_SEED gives it again."""


@dataclass(frozen=True)
class History:
    """A file, what a clean import makes of it, and how long that takes."""

    path: Path
    data: Path
    exports: list[str]
    steps: int
    seconds: float


@dataclass(frozen=True)
class Recomputed:
    """What a clean change of a setting makes of the history."""

    exports: list[str]
    steps: int


Command = tuple[str, ...]
RECOMPUTES: list[Command] = [
    ("config", "set", "inactivity_window_s", "600", "--yes"),
    ("config", "set", "session_cap_s", "900", "--yes"),
    ("rebuild",),
]


def to_the_end(data: Path, *command: object) -> int:
    """Run a command undisturbed and return the number of its statements."""
    done = process(0, *command, data=data, main=killed.main)
    assert done.returncode == 0, done.stderr
    return int(done.stderr.splitlines()[-1])


def killed_at_a_step(data: Path, step: int, *command: object) -> None:
    done = process(step, *command, data=data, main=killed.main)
    assert done.returncode in (-9, 0), done.stderr


def killed_at_a_time(data: Path, seconds: float, *command: object) -> None:
    running = forked(0, *command, "--data", data, main=killed.main)
    running.join(seconds)
    running.kill()
    running.join()


def exports(data: Path) -> list[str]:
    results = [enduser(what, "export", data=data) for what in ("users", "sessions")]
    assert [result.exit_code for result in results] == [0, 0]
    return [result.stdout for result in results]


def write_history(path: Path) -> Path:
    """Write rows in a random order: visits near the window, some without message id, some twice."""
    rng = random.Random(1)
    lines = []
    at = 1_700_000_000
    for number in range(ROWS):
        at += rng.choice([0, 1, 20, 60])
        more = {"message_id": f"m{number}"} if rng.random() < 0.8 else {}
        if rng.random() < 0.1:
            more |= {"type": "identify", "traits": {"role": rng.choice("abc")}}
        lines.append(event(f"u{rng.randrange(800)}", at, country=rng.choice(["NO", "KE", ""]), **more))
    lines += rng.sample(lines, ROWS // 20)
    rng.shuffle(lines)
    path.write_text("\n".join(lines) + "\n")
    return path


@pytest.fixture(scope="module")
def history(tmp_path_factory: pytest.TempPathFactory) -> History:
    folder = tmp_path_factory.mktemp("history")
    path, data = write_history(folder / "history.jsonl"), folder / "data"
    assert enduser("config", "list", data=data).exit_code == 0
    began = time.monotonic()
    steps = to_the_end(data, "import", "events", path, "--close")
    return History(path, data, exports(data), steps, time.monotonic() - began)


@pytest.fixture(scope="module")
def recomputed(history: History, tmp_path_factory: pytest.TempPathFactory) -> Callable[[Command], Recomputed]:
    @cache
    def recompute(command: Command) -> Recomputed:
        data = Path(shutil.copytree(history.data, tmp_path_factory.mktemp("clean") / "data"))
        steps = to_the_end(data, *command)
        found = Recomputed(exports(data), steps)
        assert (found.exports == history.exports) == (command == ("rebuild",))
        return found

    return recompute


def rounds(count: int, count_full: int) -> list[object]:
    """Return the numbers of the rounds; those beyond `count` run in the full tier only."""
    return [pytest.param(n, marks=pytest.mark.full if n >= count else []) for n in range(count_full)]


def step_of(rng: random.Random, steps: int) -> int:
    """Return a step at which to die: anywhere, or in the fold, with which a command ends."""
    return rng.choice([rng.randint(1, steps), rng.randint(max(steps - 50, 1), steps)])


@pytest.mark.parametrize("number", rounds(2, 60))
def test_an_import_that_was_killed_anywhere_ends_in_the_same_state(
    tmp_path: Path, history: History, number: int
) -> None:
    rng = random.Random(f"{SEED}/{number}")
    told = f"ENDUSER_SEED={SEED}, round {number}"
    data = tmp_path / "data"
    command = ("import", "events", history.path, "--close")
    assert enduser("config", "list", data=data).exit_code == 0
    for _ in range(rng.randint(1, KILLS)):
        if rng.random() < 0.5:
            killed_at_a_time(data, rng.uniform(0.1, history.seconds), *command)
        else:
            killed_at_a_step(data, step_of(rng, history.steps), *command)
    to_the_end(data, *command)
    assert exports(data) == history.exports, told
    assert enduser("verify", data=data).exit_code == 0, told


@pytest.mark.parametrize("number", rounds(2, 20))
def test_a_recompute_that_was_killed_leaves_the_old_state_or_the_new_one(
    tmp_path: Path, history: History, recomputed: Callable[[Command], Recomputed], number: int
) -> None:
    rng = random.Random(f"{SEED}/recompute/{number}")
    told = f"ENDUSER_SEED={SEED}, round {number}"
    command = RECOMPUTES[number % len(RECOMPUTES)]
    clean = recomputed(command)
    data = Path(shutil.copytree(history.data, tmp_path / "data"))
    for _ in range(rng.randint(1, KILLS)):
        killed_at_a_step(data, rng.randint(1, clean.steps), *command)
        assert exports(data) in (history.exports, clean.exports), told
    to_the_end(data, *command)
    assert exports(data) == clean.exports, told
    assert enduser("verify", data=data).exit_code == 0, told
