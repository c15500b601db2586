"""What came through the spool: its events and clocks, and the feed that follows both."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from enduser.stores.answers import Applied
from enduser.stores.embedded import database as files
from enduser.stores.embedded import feed
from enduser.stores.embedded.database import Database
from enduser.stores.embedded.engine import ANSWER, told
from enduser.stores.embedded.followed import Followed, followed_now
from enduser.stores.embedded.looks import Looks
from enduser.stores.embedded.parts.part import Part
from enduser.stores.embedded.reading import Look
from enduser.stores.embedded.spooled import (
    CLOCK_STEP_US,
    follow_clock,
    is_due,
    positions,
    store_positions,
    take_spooled,
)
from enduser.stores.records import Lookups, SpooledEvents, SpoolPosition


@dataclass(frozen=True, slots=True)
class _Followed:
    """What the feed of a space follows, as of an edition of the rules."""

    edition: int
    what: Followed
    is_idle: bool = False
    """Whether there is nothing to do for it."""


class Spool(Part):
    """See `enduser.stores.contract` for what each method means."""

    def __init__(self, database: Database, looks: Looks, lookups: Lookups) -> None:
        """Follow nothing yet."""
        super().__init__(database, looks, lookups)
        self._followed: dict[str, _Followed] = {}

    def spool_positions(self) -> Mapping[int, SpoolPosition]:
        """Return how far each series of the spool is applied."""
        with told(ANSWER):
            return positions(self._database.connection)

    def apply_spooled(self, spooled: SpooledEvents) -> Mapping[str, Applied]:
        """Apply what was spooled, in one transaction."""
        applied: dict[str, Applied] = {}
        with self._intake.forgets_on_failure(), self._database.changing("main"):
            for space, schema in self._database.spaces():
                with self._database.looking_at(schema):
                    look, number = self._look(space), files.space_number(schema)
                    if number in spooled.lines:
                        applied[space] = take_spooled(self._intake.taker(space), spooled, number)
                    elif self._is_due(look, spooled.clock_at or 0):
                        applied[space] = Applied()
                    else:
                        continue
                    follow_clock(look.connection, look.settings(), spooled.clock_at)
            if applied:
                store_positions(self._database.connection, spooled.positions)
        self._generations.update(applied.keys())
        return applied

    def _is_due(self, look: Look, clock_at: int) -> bool:
        """Return whether something waits for the clock of a space, or its feed does."""
        known = self._followed.get(look.space)
        step = CLOCK_STEP_US if known is None or known.is_idle else feed.SWEEP_US
        return is_due(look.connection, look.settings(), clock_at, step)

    def follow_feed(self, space: str, written_at: int) -> int:
        """Bring the feed of a space up to what holds now; return how many rows came."""
        known = self._followed.get(space)
        is_known = known is not None and known.edition == self._rules_editions[space]
        if known is not None and is_known and known.is_idle:
            return 0
        with self._changing(space) as look:
            if known is None or not is_known:
                known = _Followed(self._rules_editions[space], followed_now(look))
            written = feed.follow(look, known.what, written_at)
            is_idle = feed.is_idle(look, known.what)
        self._followed[space] = replace(known, is_idle=is_idle)
        return written
