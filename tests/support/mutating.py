"""The conftest of the copy that `tests/core/mutants.py` makes: runs the tests that reach what was broken.

Tests are collected once. Each mutant has a process of its own, a fork of this one, in which nothing was
called yet, and the first test that fails ends it.
"""

from __future__ import annotations

import gc
import json
import math
import os
import resource
import signal
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, settings
from mutmut.mutation.trampoline import set_mutant_under_test
from mutmut.state import state

MUTANTS, OUTCOMES, REACHED = Path("mutants.json"), Path("outcomes.txt"), Path("reached.json")
"""Which are asked for; what became of each; which tests reach which functions, and how long they take."""

ENDS = {
    0: "survived",
    1: "killed",
    -signal.SIGXCPU: "timeout",
    -signal.SIGKILL: "timeout",
    -signal.SIGALRM: "timeout",
}
"""What became of a mutant, by how its process ended."""

DEPTH_MAX = 10_000
"""Each call of what can be broken is four calls deep."""

settings.register_profile(
    "mutants",
    max_examples=100,
    deadline=None,
    derandomize=True,
    database=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
)
"""The same examples each time, and none made smaller: one failure is enough."""
settings.load_profile("mutants")
sys.setrecursionlimit(DEPTH_MAX)


class Tests:
    """The tests that were collected, and whether one of them failed."""

    def __init__(self, session: pytest.Session) -> None:
        self._config = session.config
        self.items = session.items
        self.failed: list[pytest.TestReport] = []
        self._caches = list(caches())

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.failed:
            self.failed.append(report)

    def passes(self, index: int) -> bool:
        for cache in self._caches:  # what they keep was worked out before, by another test
            cache.cache_clear()
        item = self.items[index]
        self._config.hook.pytest_runtest_protocol(item=item, nextitem=None)
        return not self.failed


def caches() -> Iterator[Any]:
    """Yield the functions of the core that keep results."""
    for name, module in sys.modules.items():
        if name.startswith("enduser.core"):
            yield from (value for value in vars(module).values() if hasattr(value, "cache_clear"))


def forked(run: Callable[[], bool], seconds: float) -> int:
    """Return how a process of its own ends, which has so much time: 0 if it returns True."""
    pid = os.fork()
    if pid == 0:
        status = 2
        try:
            signal.setitimer(signal.ITIMER_REAL, 10 * seconds)
            used = time.process_time()
            resource.setrlimit(
                resource.RLIMIT_CPU, (math.ceil(used + seconds), math.ceil(used + seconds) + 1)
            )
            status = 0 if run() else 1
        finally:
            os._exit(status)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def find_reached(tests: Tests) -> bool:
    """Write which tests reach which functions."""
    set_mutant_under_test("stats")
    reached: dict[str, list[int]] = defaultdict(list)
    seconds = []
    for index in range(len(tests.items)):
        state()._stats.clear()
        begins_at = time.process_time()
        if not tests.passes(index):
            print(*(f"{report.nodeid}\n{report.longrepr}" for report in tests.failed), sep="\n")
            return False
        seconds.append(time.process_time() - begins_at)
        for function in state()._stats:
            reached[function].append(index)
    REACHED.write_text(json.dumps([reached, seconds]), encoding="utf-8")
    return True


def is_unnoticed(tests: Tests, mutant: str, indexes: Sequence[int]) -> bool:
    set_mutant_under_test(mutant)
    return all(tests.passes(index) for index in indexes)


def in_order(tests: Tests, mutant: str, indexes: Sequence[int], seconds: Sequence[float]) -> Sequence[int]:
    """Return the tests of a mutant in the order in which one should fail soon: those of its module first."""
    own = f"/test_{mutant.split('.')[-2]}.py"
    return sorted(indexes, key=lambda index: (own not in tests.items[index].nodeid, seconds[index]))


@pytest.hookimpl(tryfirst=True)
def pytest_runtestloop(session: pytest.Session) -> bool:
    tests = Tests(session)
    plugins = session.config.pluginmanager
    plugins.register(tests)
    plugins.unregister(name="terminalreporter")
    gc.freeze()  # so that forks do not copy what they only look through
    assert forked(lambda: find_reached(tests), 3_600) == 0, "a test fails though nothing is broken"
    reached, seconds = json.loads(REACHED.read_text(encoding="utf-8"))
    with OUTCOMES.open("w", encoding="utf-8") as outcomes:
        for mutant in json.loads(MUTANTS.read_text(encoding="utf-8")):
            indexes = in_order(tests, mutant, reached.get(mutant.partition("__mutmut_")[0], []), seconds)
            most = 3 + 4 * sum(seconds[index] for index in indexes)
            status = forked(lambda: is_unnoticed(tests, mutant, indexes), most)  # noqa: B023 - runs at once
            outcome = ENDS.get(status, f"ended with {status}") if indexes else "no tests"
            print(mutant, outcome, file=outcomes, flush=True)
    return True
