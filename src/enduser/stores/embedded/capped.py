"""Sessions that sums cannot answer: cut by the cap, tied at a microsecond, or filled since."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import duckdb

from enduser.core.sessions import cut_starts
from enduser.stores.embedded.statements import run

CUT_EVENTS_PER_ROUND = 2_000_000
"""Event times of capped stretches read at once; 64 bytes each in Python."""

_ROWS_PER_INSERT = 100_000
_ByPlace = dict[tuple[int, int], Sequence[int]]


@dataclass(frozen=True, slots=True)
class Cut:
    """A capped stretch to be cut anew from `started_at`, and at least to `ended_at`."""

    person_key: int
    started_at: int
    ended_at: int
    continues: bool
    """Whether the first piece itself began at a cut."""
    horizon: int
    """Events are known up to here."""


@dataclass(frozen=True, slots=True)
class Recut:
    """The starts of the new pieces of a stretch, in place of all stored ones before `until_at`."""

    cut: Cut
    starts: Sequence[int]
    until_at: int
    meets_old: bool
    """Whether the new cuts met an old one, so that all later pieces stay as they are."""


def recut_stretch(
    cut: Cut, times: Sequence[int], old_starts: Iterable[int], cap: int, window: int
) -> Recut | None:
    """Cut a stretch anew until a cut equals an old one beyond `ended_at`, or the stretch ends.

    `times` are the sorted event times from the cut's start up to its horizon. None where they end
    before the answer is known.
    """
    gaps = (i for i in range(1, len(times)) if times[i] - times[i - 1] >= window)
    end = next(gaps, len(times))
    is_whole = end < len(times) or cut.horizon - times[-1] >= window
    stretch = times[:end]
    old = set(old_starts)
    starts: list[int] = []
    for index in cut_starts(stretch, cap):
        start = stretch[index]
        if start > cut.ended_at and start in old:
            return Recut(cut, starts, start, meets_old=True)
        starts.append(start)
    return Recut(cut, starts, stretch[-1] + 1, meets_old=False) if is_whole else None


class ExactFold:
    """Sessions that must be counted from their events: capped, tied or filled ones."""

    def __init__(self, connection: duckdb.DuckDBPyConnection, parameters: Mapping[str, int]) -> None:
        """Work on the temporary tables of a fold with its parameters."""
        self._connection = connection
        self._cap = parameters["cap"]
        self._window = parameters["window"]

    def fold(self) -> dict[str, int]:
        """Add the exact sessions to `fresh`; return the bounds within which old ones are replaced."""
        run(self._connection, "capped.exact_tables")
        for cuts in self._rounds():
            self._store(self._recut(cuts))
        run(self._connection, "capped.uncovered")
        pieces_from, pieces_to = run(self._connection, "capped.pieces_span")[0]
        run(self._connection, "capped.pieces_fold", pieces_from=pieces_from, pieces_to=pieces_to)
        recut_from, recut_to = run(self._connection, "capped.recut_span")[0]
        return {"recut_from": recut_from, "recut_to": recut_to}

    def _rounds(self) -> Iterator[list[Cut]]:
        """Yield the capped stretches in groups of bounded size, all of a person in one group."""
        group: list[Cut] = []
        count = 0
        for key, start, end, events, continues, is_whole in run(self._connection, "capped.capped"):
            if count > CUT_EVENTS_PER_ROUND and group[-1].person_key != key:
                yield group
                group, count = [], 0
            reach = self._window if is_whole else 2 * (self._cap + self._window)
            group.append(Cut(key, start, end, continues, end + reach))
            count += events
        if group:
            yield group

    def _recut(self, cuts: Sequence[Cut]) -> list[Recut]:
        """Return the new cuts of some stretches, reading on where a horizon was too near.

        A stretch touched in two places comes as two cuts; where the first runs on into the second,
        they are done again as one.
        """
        done: list[Recut] = []
        waiting = list(cuts)
        while waiting:
            times, old = self._read(waiting)
            further = []
            for cut in waiting:
                place = (cut.person_key, cut.started_at)
                recut = recut_stretch(cut, times[place], old.get(place, ()), self._cap, self._window)
                if recut:
                    done.append(recut)
                else:
                    reach = 4 * (cut.horizon - cut.ended_at)
                    further.append(replace(cut, horizon=cut.ended_at + reach))
            done, joined = _join_overlapping(done)
            waiting = further + joined
        return done

    def _read(self, cuts: Sequence[Cut]) -> tuple[_ByPlace, _ByPlace]:
        """Return event times and starts of old pieces by (person, start of cut)."""
        columns = zip(*((c.person_key, c.started_at, c.horizon) for c in cuts), strict=True)
        keys, starts, horizons = map(list, columns)
        run(self._connection, "capped.cutting", keys=keys, starts=starts, horizons=horizons)
        bounds = {"cut_from": min(starts), "cut_to": max(horizons)}
        times = run(self._connection, "capped.cut_events", **bounds)
        old = run(self._connection, "capped.old_pieces", **bounds)
        return {(k, s): t for k, s, t in times}, {(k, s): t for k, s, t in old}

    def _store(self, recuts: Sequence[Recut]) -> None:
        pieces = []
        for recut in recuts:
            ends = [*recut.starts[1:], recut.until_at]
            for start, end in zip(recut.starts, ends, strict=True):
                continues = start > recut.starts[0] or recut.cut.continues
                is_cut_off = end < recut.until_at or recut.meets_old
                pieces.append((recut.cut.person_key, start, end - 1, continues, is_cut_off))
        spans = [(r.cut.person_key, r.cut.started_at, r.until_at) for r in recuts]
        for name, rows in (("capped.store_pieces", pieces), ("capped.store_recuts", spans)):
            for at in range(0, len(rows), _ROWS_PER_INSERT):
                columns = map(list, zip(*rows[at : at + _ROWS_PER_INSERT], strict=True))
                run(self._connection, name, **{f"c{i}": column for i, column in enumerate(columns)})


def _join_overlapping(recuts: Iterable[Recut]) -> tuple[list[Recut], list[Cut]]:
    """Return the recuts that stand apart, and one cut for each two of a person that overlap."""
    apart: list[Recut] = []
    joined: list[Cut] = []
    for recut in sorted(recuts, key=lambda r: (r.cut.person_key, r.cut.started_at)):
        last = apart[-1] if apart else None
        same = last is not None and last.cut.person_key == recut.cut.person_key
        if last is not None and same and recut.cut.started_at < last.until_at:
            apart.pop()
            end = max(last.cut.ended_at, recut.cut.ended_at)
            horizon = max(last.cut.horizon, recut.cut.horizon)
            joined.append(replace(last.cut, ended_at=end, horizon=horizon))
        else:
            apart.append(recut)
    return apart, joined
