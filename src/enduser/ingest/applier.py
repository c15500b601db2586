"""From the spool into the truth: the path of accepted events, in batches at the applier's own pace."""

from __future__ import annotations

import shutil
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from enduser import limits
from enduser.clock import elapsed_s, now_us
from enduser.core.outcomes import Outcomes
from enduser.errors import StoreError
from enduser.ingest.following import Follower, Trouble
from enduser.ingest.spool import EVENTS, Batch, Damage, Frame, SpoolReader
from enduser.stores.answers import Applied, Sample
from enduser.stores.contract import OwnedStore
from enduser.stores.records import SpooledEvents
from enduser.stores.serving import ServingCopy
from enduser.stores.serving_anew import NewCopy

_FORGET_S = 30.0
_SERVE_S = 1.0
"""So long, and a step, the serving copy may be made in one round."""
_TELL_REST = 9
"""So many times as long as a step of a feed took it rests: a tenth of the time is for it."""
_TELL_S = 20.0
"""So long it rests at most: it is told within a minute what came by the clock."""

STEPS = ("read", "write_lines", "apply", "advance", "serve", "tell")
"""What happens to what was accepted, in order. Each is the method of that name.

`apply` is one transaction with the position in the spool, so a crash between any two steps repeats or
skips nothing: what was not applied is read again, what was applied is passed over. A step that fails ends
the round: before `advance` the next one reads the same again, after it what comes next. In `serve` and `tell`
an error of one space ends nothing: they follow what is applied, each space by itself.
"""
_APPLYING = STEPS[: STEPS.index("serve")]


@dataclass(slots=True)
class Work:
    """What one round of the applier carries from step to step."""

    batch: Batch | None = None
    lines: dict[int, Path] = field(default_factory=dict)
    applied: Mapping[str, Applied] = field(default_factory=dict)


class Watch:
    """The last events of a space that somebody watches."""

    def __init__(self, asked_at_s: float) -> None:
        """Begin to watch."""
        self.asked_at_s = asked_at_s
        self.seen = 0
        """How many events were seen so far."""
        self._last: deque[Sample] = deque(maxlen=limits.WATCHED_EVENTS_MAX)

    def see(self, samples: Iterable[Sample]) -> None:
        """Keep the events of a batch."""
        for sample in samples:
            self.seen += 1
            self._last.append(sample)

    def forget(self) -> None:
        """Keep none of the events; the next ones are numbered on."""
        self._last.clear()

    def after(self, number: int) -> list[Sample]:
        """Return the events after the one of this number, as far as they are kept."""
        wanted = min(max(self.seen - number, 0), len(self._last))
        return list(self._last)[len(self._last) - wanted :]


class Applier:
    """Applies what collectors accepted. Used on the thread that owns the store."""

    def __init__(
        self,
        store: OwnedStore,
        reader: SpoolReader,
        serving: ServingCopy,
        tell_damage: Callable[[Damage], None] = lambda _: None,
        tell_trouble: Callable[[Trouble], None] = lambda _: None,
    ) -> None:
        """Read with `reader`, which stands where the store is, and keep the serving copy up with it.

        `tell_damage` hears of each place of the spool that is passed over, once, and `tell_trouble` of each
        reason for which a space is not served or told.
        """
        self._tell_damage = tell_damage
        self._store = store
        self._reader = reader
        self._serving = serving
        self._scratch = store.folder / "tmp" / "spool"
        shutil.rmtree(self._scratch, ignore_errors=True)  # what a killed process left may hold plain ids
        self._scratch.mkdir(parents=True, exist_ok=True)
        follower = partial(Follower, tell_trouble=tell_trouble, heal=store.heal)
        self._copy = follower("copy", self._copy_space)
        self._facts = follower("facts", self._fill_space)
        self._feed = follower("feed", self._tell_space, rest_s=_rest_s)
        self._watches: dict[str, Watch] = {}
        self._doubtful: Work | None = None
        """What was to be applied when the store failed: a full disk can hide that it was committed."""
        self.damages: Counter[str] = Counter()
        """How many places of the spool were found `torn` or `damaged` since the start."""
        self.outcomes: dict[str, Outcomes] = {}
        """What became of the events applied since the start, by space."""
        self.applied_at: int | None = None
        """Server time up to which everything that was accepted is applied."""
        store.before_erasures(self.catch_up)

    def round(self) -> bool:
        """Apply what is waiting, at most one batch; return whether more is waiting.

        Raises:
            EnduserError: a step failed; the next round goes on from there.
        """
        return self._do(STEPS)

    def _do(self, steps: Iterable[str]) -> bool:
        """Take steps; return whether more is waiting."""
        work = Work()
        for step in steps:
            getattr(self, step)(work)
        assert work.batch is not None
        return work.batch.is_behind

    def catch_up(self) -> None:
        """Apply all that is accepted so far, before an erasure: it must not bring the person back.

        The serving copy and the feed do not follow: an erasure takes the person out of both, however far
        they are, so nothing of what may be wrong with them keeps anybody from being erased.

        Raises:
            StoreError: that takes longer than `CATCH_UP_SECONDS_MAX`, or it fails.
        """
        began = elapsed_s()
        while self._goes_on():
            if elapsed_s() - began > limits.CATCH_UP_SECONDS_MAX:
                raise StoreError(
                    "events that were accepted before are still to be applied; nothing was erased",
                    hint=f"that took longer than {limits.CATCH_UP_SECONDS_MAX} s (CATCH_UP_SECONDS_MAX); "
                    "try again when the server keeps up",
                )
        for watch in self._watches.values():
            watch.forget()

    def _goes_on(self) -> bool:
        try:
            return self._do(_APPLYING)
        except OSError as error:
            raise StoreError(
                f"events that were accepted before cannot be applied: {error}; nothing was erased",
                hint="the server's log says more; try again when it gets on",
            ) from error

    def read(self, work: Work) -> None:
        """Read the next frames of all series, after what may be committed already."""
        if self._doubtful is not None:
            self._settle(self._doubtful)
        work.batch = self._reader.read(limits.BATCH_BYTES_MAX)

    def _settle(self, work: Work) -> None:
        """Go on behind a batch that was committed though the store did not say so; nobody counted it."""
        assert work.batch is not None
        if self._store.spool_positions() == work.batch.positions:
            self.advance(work)
        self._doubtful = None

    def write_lines(self, work: Work) -> None:
        """Write the lines of each space to a file that the engine reads."""
        assert work.batch is not None
        for space, payloads in by_space(work.batch.frames).items():
            work.lines[space] = self._scratch / f"lines-{space}.jsonl"
            with work.lines[space].open("wb") as file:
                file.writelines(payloads)

    def apply(self, work: Work) -> None:
        """Take them, follow the clock and fold, in one transaction with the positions."""
        batch = work.batch
        assert batch is not None
        self._doubtful = work
        work.applied = self._store.apply_spooled(
            SpooledEvents(work.lines, batch.positions, batch.watermark, self._sample_rows())
        )

    def advance(self, work: Work) -> None:
        """Keep what is told about what is applied, and forget the rest."""
        batch = work.batch
        assert batch is not None
        for damage in batch.damages:
            self.damages["torn" if damage.is_torn else "damaged"] += 1
            self._tell_damage(damage)
        self.applied_at = batch.watermark
        for space, applied in work.applied.items():
            self.outcomes.setdefault(space, Outcomes()).add(applied.outcomes)
            if space in self._watches:
                self._watches[space].see(applied.samples)
        self._doubtful = None
        self._reader.advance(batch)
        for path in work.lines.values():
            path.unlink()

    def serve(self, _: Work) -> None:
        """Bring the serving copy up to the folds."""
        for space, generation in self._store.generations().items():
            self._copy.follow(space, generation)
        for space, state in self._states().items():
            if self.is_served(space):
                self._facts.follow(space, state)

    def tell(self, _: Work) -> None:
        """Bring the feeds up to the folds, and to the clocks; one that took long rests."""
        for space, state in self._states().items():
            self._feed.follow(space, state)

    def _copy_space(self, space: str) -> bool:
        return _for_a_while(lambda: self._serving.follow(space, self._store))

    def _fill_space(self, space: str) -> bool:
        return _for_a_while(lambda: self._serving.fill(space, self._store))

    def _tell_space(self, space: str) -> bool:
        self._store.follow_feed(space, now_us())
        return True

    def _states(self) -> Mapping[str, tuple[int, int]]:
        """Return by space what is another whenever the serving copy or the feed may lack something."""
        generations, edition_of = self._store.generations(), self._store.rules_edition
        return {space: (generation, edition_of(space)) for space, generation in generations.items()}

    @property
    def is_serving(self) -> bool:
        """Whether the serving copy of a space is being made, and more of it can be done now."""
        return any(
            self._facts.is_due(space, state) if self.is_served(space) else self._copy.is_due(space, state[0])
            for space, state in self._states().items()
        )

    def is_served(self, space: str) -> bool:
        """Return whether the serving copy has all that the truth has; may be asked from any thread."""
        return self._copy.is_up(space, self._store.generations().get(space))

    def stuck(self) -> Iterator[tuple[str, str, bool]]:
        """Yield each space with each of its followers, and whether that does not get on.

        May be asked from any thread.
        """
        for space in self._store.generations():
            for follower in (self._copy, self._facts, self._feed):
                yield space, follower.name, follower.is_stuck(space)

    def new_copy(self) -> NewCopy:
        """Begin to write the serving copy into a new file.

        Raises:
            StoreError: the copy cannot be changed.
        """
        return NewCopy(self._serving)

    def serve_from(self, new: NewCopy) -> bool:
        """Take a step towards serving from a new file that is written; return whether it is served from.

        Spaces in which the copy does not get on hold it up no more than others: there it is begun anew.

        Raises:
            StoreError: the copy cannot be changed.
        """
        spaces = self._store.generations()
        if not new.catch_up(self._store, [one for one in spaces if not self._copy.is_stuck(one)]):
            return False
        new.take_place()
        self._copy.begin_again()
        self._facts.begin_again()
        return True

    def close(self) -> None:
        """Close the serving copy."""
        self._serving.close()

    def watch(self, space: str, after: int, at_s: float) -> tuple[int, list[Sample]]:
        """Return the events of a space applied after the number `after`, and the number of the last.

        Who asks for the first time sees what comes from then on. Nobody has to say that he watches no
        more: a space that is not asked for is forgotten.
        """
        for name, watch in list(self._watches.items()):
            if at_s - watch.asked_at_s > _FORGET_S:
                del self._watches[name]
        watch = self._watches.setdefault(space, Watch(at_s))
        watch.asked_at_s = at_s
        return watch.seen, watch.after(after)

    def _sample_rows(self) -> int:
        return limits.WATCHED_EVENTS_MAX if self._watches else 0


def _for_a_while(step: Callable[[], bool]) -> bool:
    """Take steps for a while; return whether all is done."""
    began = elapsed_s()
    while not step():
        if elapsed_s() - began > _SERVE_S:
            return False
    return True


def _rest_s(took_s: float) -> float:
    """Return how many seconds a feed rests after a step that took so many."""
    return min(_TELL_REST * took_s, _TELL_S)


def by_space(frames: Iterable[Frame]) -> dict[int, list[memoryview]]:
    """Return the payloads of the frames that hold events, by the number of their space."""
    payloads: dict[int, list[memoryview]] = {}
    for frame in frames:
        if frame.kind == EVENTS:
            payloads.setdefault(frame.space, []).append(frame.payload)
    return payloads
