"""What a collector measures of its calls, told to the owner once a second; nothing of it touches the disk."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable

import msgspec

BUCKETS_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)
"""Upper bounds of the buckets of answer times; above the last there is one more."""

DECIDERS = ("copy", "owner")
"""Where decisions come from: the serving copy, or the owner of the data folder."""


class Figures(msgspec.Struct):
    """Counts since the start of a collector, or the sum of several."""

    answered: list[int] = msgspec.field(default_factory=lambda: [0] * (len(BUCKETS_S) + 1))
    """Calls that were answered with 200, by how long that took."""
    answered_s: float = 0.0
    """The sum of their seconds, from the head of a call to its answer."""
    refused: dict[str, int] = {}
    """Calls that were refused whole, by the code of the error."""
    decided: dict[str, int] = {}
    """Decisions by one of `DECIDERS`."""
    identified: dict[str, int] = {}
    """Decisions that were asked for by what proves for whom, a `Verdict`; of spaces that want to know."""

    def answer(self, seconds: float) -> None:
        """Count a call that was answered."""
        self.answered[bisect_left(BUCKETS_S, seconds)] += 1
        self.answered_s += seconds

    def refuse(self, code: str) -> None:
        """Count a call that was refused."""
        self.refused[code] = self.refused.get(code, 0) + 1

    def decide(self, by: str) -> None:
        """Count a decision."""
        self.decided[by] = self.decided.get(by, 0) + 1

    def identify(self, verdict: str) -> None:
        """Count what a call proves of its user."""
        self.identified[verdict] = self.identified.get(verdict, 0) + 1

    def add(self, other: Figures) -> None:
        """Add the counts of another."""
        self.answered = [one + more for one, more in zip(self.answered, other.answered, strict=True)]
        self.answered_s += other.answered_s
        for code, count in other.refused.items():
            self.refused[code] = self.refused.get(code, 0) + count
        for by, count in other.decided.items():
            self.decided[by] = self.decided.get(by, 0) + count
        for verdict, count in other.identified.items():
            self.identified[verdict] = self.identified.get(verdict, 0) + count


def total(all_figures: Iterable[Figures]) -> Figures:
    """Return the sum of figures."""
    result = Figures()
    for figures in all_figures:
        result.add(figures)
    return result


def line_of(figures: Figures) -> bytes:
    """Return figures as a collector tells them: one line."""
    return msgspec.json.encode(figures) + b"\n"


def read_line(line: bytes) -> Figures:
    """Return the figures that a line tells."""
    return msgspec.json.decode(line, type=Figures)
