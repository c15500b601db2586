"""The applier at work: at which pace, and what becomes of it when it fails."""

from __future__ import annotations

import asyncio
import contextlib

import structlog

from enduser.api.owner.collectors import Collectors
from enduser.api.store_thread import RunOnOwner
from enduser.clock import elapsed_s
from enduser.ingest.applier import Applier
from enduser.stores.contract import OwnedStore

PACE_S = 0.5
"""How often the applier looks, while it keeps up and has little to do."""

PACE_S_MAX = 2.0
"""How often at least. A round costs as much for one event as for some thousands, so the more there is to
do, the more is gathered for the next."""

_REST = 4
"""One part of so many of its time the applier works; the rest is for collectors."""

_NO_PAUSE_S = 0.01
_DRAIN_S = 0.05
_RETRY_S = 1.0
log = structlog.get_logger()


class Applying:
    """Applies what collectors accept, round by round, and rests between; gives up nothing."""

    def __init__(
        self,
        store: OwnedStore,
        applier: Applier,
        collectors: Collectors,
        *,
        run_on_store: RunOnOwner,
        stopping: asyncio.Event,
    ) -> None:
        """Let `applier` work on the thread of the store; once the server is `stopping`, without rest."""
        self._store = store
        self._applier = applier
        self._collectors = collectors
        self._run_on_store = run_on_store
        self._stopping = stopping
        self.problem: str | None = None
        """Why the applier does not get on; None: it does."""

    async def run(self) -> None:
        """Apply what is accepted, at an even pace, until the collectors have ended and nothing is left."""
        while True:
            is_last = self._collectors.have_ended
            began = elapsed_s()
            is_behind = await self._round()
            if is_behind:
                continue
            if is_last:
                return
            if self._stopping.is_set():
                await asyncio.sleep(_DRAIN_S)
                continue
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), self._pause_s(elapsed_s() - began))

    async def _round(self) -> bool:
        """Let the applier work once; whatever stops it is told, and tried again: nothing is given up."""
        try:
            is_behind = await self._run_on_store(self._applier.round)
        except Exception as error:
            message = str(error)
            if self.problem != message:
                log.exception("applier failed", hint=getattr(error, "hint", None))
            self.problem = message
            with contextlib.suppress(Exception):  # the next round meets it again
                await self._run_on_store(self._store.heal)
            return False
        self.problem = None
        return is_behind

    def _pause_s(self, round_s: float) -> float:
        if self.problem is not None:
            return _RETRY_S
        if self._applier.is_serving:
            return _NO_PAUSE_S
        return pause_s(round_s)


def pause_s(round_s: float) -> float:
    """Return how many seconds the applier rests after a round that took so many (docs/decisions/0009)."""
    return max(min(max(PACE_S, _REST * round_s), PACE_S_MAX) - round_s, _NO_PAUSE_S)
