"""Which of several candidates is the value of an attribute: now, at a time, and through time.

A candidate is what one run of one source said of one id. All are kept; the value is a function of them, so
that the order in which runs come cannot matter, and a run can be undone.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from enduser.core.attributes import SDK, ConflictRule, Value
from enduser.core.events import UserId


@dataclass(frozen=True, slots=True)
class Candidate:
    """What one row of a run says that an attribute of an id is. Times are µs."""

    value: Value | None
    """None: it is cleared."""
    effective_at: int
    """From when on it holds in the world."""
    source: str
    run: int
    """The number of the run: runs are counted as they begin."""
    row: int
    """Its row in the run; of two of one moment the later holds."""
    user: UserId
    written_at: int = 0


@dataclass(frozen=True, slots=True)
class SourceOrder:
    """The sources of a space, the first first."""

    names: Sequence[str]

    def order(self, candidate: Candidate) -> tuple[bool, int, int, int, int, UserId]:
        """What "latest" means. The greatest holds: what a browser sent unsigned is below all else."""
        return (
            candidate.source != SDK,
            candidate.effective_at,
            -self.names.index(candidate.source),
            candidate.run,
            candidate.row,
            candidate.user,
        )


def winner(candidates: Iterable[Candidate], rule: ConflictRule, sources: SourceOrder) -> Candidate | None:
    """Return the candidate that holds, of those of one attribute of one person; None: there is none.

    By `source_order` it is the latest of the first source whose latest has a value: a source that cleared
    its value leaves the place to the next. Where none has one, it is the latest of all.
    """
    latest: dict[str, Candidate] = {}
    for candidate in sorted(candidates, key=sources.order):
        latest[candidate.source] = candidate
    if rule is ConflictRule.SOURCE_ORDER:
        for name in sources.names:
            if name in latest and latest[name].value is not None:
                return latest[name]
    return max(latest.values(), key=sources.order, default=None)


@dataclass(frozen=True, slots=True)
class Change:
    """A value that became another at a time (µs). None: unknown."""

    at: int
    before: Value | None
    after: Value | None
    candidate: Candidate
    """The one that holds from then on; one that clears holds too."""


def history(candidates: Sequence[Candidate], rule: ConflictRule, sources: SourceOrder) -> Iterator[Change]:
    """Yield the changes of an attribute of one person, the first first."""
    before: Value | None = None
    for at in sorted({candidate.effective_at for candidate in candidates}):
        held = as_of(candidates, rule, sources, at)
        assert held is not None
        if held.value != before:
            yield Change(at, before, held.value, held)
        before = held.value


def as_of(
    candidates: Iterable[Candidate], rule: ConflictRule, sources: SourceOrder, at: int
) -> Candidate | None:
    """Return the candidate that held at a time; None: there was none."""
    return winner((one for one in candidates if one.effective_at <= at), rule, sources)
