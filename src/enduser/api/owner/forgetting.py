"""What the owner forgets by itself: users by age, once a day; and the bytes of all that was forgotten."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Iterable
from functools import partial

import structlog

from enduser.api.store_thread import RunOnOwner
from enduser.clock import elapsed_s, now_us
from enduser.core.retention import DAY_US, deletes_from
from enduser.errors import RetentionRefused, StoreError
from enduser.ingest.applier import Applier
from enduser.service.forgetting import Going, are_gone, let_bytes_go, require_room
from enduser.service.retention import begin_retention, forget_portion
from enduser.stores.answers import BytesDue, RetentionRun
from enduser.stores.contract import NewFile, OwnedStore, Reader
from enduser.stores.control import ControlStore
from enduser.stores.serving_anew import NewCopy

_PACE_S = 1.0
"""How often it is looked whether something is to be done."""
_REFUSED_S = 5.0
_FAILED_S = 60.0
_STOP_S = 1.0
_STEP_S = 0.05
GATHER_S = 1_800.0
"""So long what is forgotten is gathered before its bytes go: all is written anew for it, each time."""
_LASTING_S = 1_200.0
"""So long after that reads that last, such as exports, may keep it waiting: within the hour it is done."""
_STOPPED = StoreError(
    "the server ends before the bytes are gone", hint="they go when it runs again; the receipt says when"
)
log = structlog.get_logger()


class Forgetting:
    """Deletes users by age in all live spaces, and lets bytes go; what fails is told, and tried again."""

    def __init__(
        self,
        store: OwnedStore,
        applier: Applier,
        control: ControlStore,
        *,
        run_on_store: RunOnOwner,
        stopping: asyncio.Event,
        gather_s: float = GATHER_S,
    ) -> None:
        """Work on the thread of the store until the server is `stopping`."""
        self._store = store
        self._applier = applier
        self._control = control
        self._run_on_store = run_on_store
        self._stopping = stopping
        self._gather_s = gather_s
        self._waiting: list[asyncio.Future[None]] = []
        self._has_ended = False
        self._at_work = asyncio.Lock()
        """Either users go by age or bytes do: each takes what the machine has left."""
        self._due: BytesDue | None = None
        self._copied_for: BytesDue | None = None
        """For what the serving copy was written anew last: what fails after that need not do it again."""
        self._went_at = 0
        """When bytes went last: of a long run of the retention more are due after each portion."""

    def due_s(self) -> float:
        """Return for how many seconds bytes of something that is forgotten have been there still."""
        return 0.0 if self._due is None else max(now_us() - self._due.since, 0) / 1e6

    async def run(self) -> None:
        """Forget until the server ends."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._repeat(self._delete_by_age))
            tasks.create_task(self._repeat(self._let_bytes_go))
        self._has_ended = True
        _answer(self._waiting, _STOPPED)

    async def let_bytes_go_now(self) -> None:
        """Let the bytes go of all that was forgotten so far, without gathering; return when they are gone.

        Raises:
            StoreError: they cannot go now; it is tried again.
        """
        if self._has_ended:
            raise _STOPPED
        waiting = asyncio.get_running_loop().create_future()
        self._waiting.append(waiting)
        await waiting

    async def _repeat(self, work: Callable[[], Awaitable[None]]) -> None:
        problem: str | None = None
        while not self._stopping.is_set():
            rest_s = _PACE_S
            try:
                await work()
                problem = None
            except RetentionRefused:  # an import is running
                rest_s = _REFUSED_S
            except Exception as error:
                rest_s = _FAILED_S
                if str(error) != problem:
                    log.exception("nothing can be forgotten", hint=getattr(error, "hint", None))
                problem = str(error)
            await self._rest(rest_s)

    async def _rest(self, seconds: float) -> None:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._stopping.wait(), seconds)

    # --- users by age

    async def _delete_by_age(self) -> None:
        """Do all runs that are due, or that began and did not end; a space that fails holds up no other."""
        problem: Exception | None = None
        for space in await asyncio.to_thread(self._store.reader.spaces):
            try:
                await self._delete_by_age_in(space)
            except RetentionRefused:
                raise
            except Exception as error:  # noqa: BLE001 - it is told after the others had their turn
                problem = problem or error
        if problem is not None:
            raise problem

    async def _delete_by_age_in(self, space: str) -> None:
        run = await asyncio.to_thread(_unfinished, self._store.reader, space)
        if run is None and await asyncio.to_thread(_is_due, self._store.reader, space, now_us()):
            run = await self._run_on_store(partial(begin_retention, self._store, space, None, now_us()))
        if run is not None:
            await self._finish(run)

    async def _finish(self, run: RetentionRun) -> None:
        """Do a run to its end; after each portion others get as much time as that took."""
        while run.ended_at is None and not self._stopping.is_set():
            async with self._at_work:
                began = elapsed_s()
                run = await self._run_on_store(partial(forget_portion, self._store, run, now_us()))
            await self._rest(elapsed_s() - began)
        if run.amount.is_any:
            log.info("users were deleted by age", space=run.space, run=run.number, users=run.amount.users)

    # --- bytes

    async def _let_bytes_go(self) -> None:
        """Let bytes go, if they have waited for long enough, or somebody waits for it."""
        waiting, self._waiting = self._waiting, []
        try:
            self._due = await self._run_on_store(self._store.bytes_due)
            if self._due is not None and (waiting or self._may_begin()):
                async with self._at_work:
                    await self._go(is_hurried=bool(waiting))
        except Exception as error:
            _answer(waiting, error)
            raise
        _answer(waiting, None if self._due is None else _STOPPED)

    def _may_begin(self) -> bool:
        return self._waited_s() >= self._gather_s and self._may_stop_reads()

    def _may_stop_reads(self) -> bool:
        """Return whether no read is made that lasts, or has lasted for too long."""
        return self._waited_s() >= self._gather_s + _LASTING_S or not self._store.lasting_reads()

    def _waited_s(self) -> float:
        return min(self.due_s(), (now_us() - self._went_at) / 1e6)

    async def _go(self, *, is_hurried: bool) -> None:
        """Let the bytes go of what is due, unless the server ends before."""
        until, due = now_us(), await self._run_on_store(self._store.bytes_due)
        self._due = due
        if due is None:
            return
        await self._run_on_store(lambda: require_room(self._store))
        if due != self._copied_for:
            await self._write_copy_anew()
            self._copied_for = due
        going = await self._write_database_anew(until, is_hurried=is_hurried)
        while going is not None and not self._stopping.is_set():
            if await self._run_on_store(lambda: are_gone(self._store, going)):
                await self._run_on_store(lambda: self._store.note_gone(due, now_us()))
                self._due, self._went_at = None, until
                took_s = round((now_us() - until) / 1e6, 1)
                log.info("bytes of what was forgotten are gone", seconds=took_s)
                return
            await self._rest(_PACE_S)

    async def _write_copy_anew(self) -> None:
        """Write the serving copy into a new file and go on with that, unless the server ends before."""
        new = await self._run_on_store(self._applier.new_copy)
        try:
            is_written = await self._is_written(new)
            while is_written and not self._stopping.is_set():
                if await self._run_on_store(lambda: self._applier.serve_from(new)):
                    break
                await self._rest(_STEP_S)
        finally:
            await self._run_on_store(new.close)

    async def _write_database_anew(self, until: int, *, is_hurried: bool) -> Going | None:
        """Write the database into a new file and go on with that; None: the server ends before.

        Reads that last are stopped at the end. They may go on for a while, if nobody waits for it.
        """
        if self._stopping.is_set():
            return None
        new = await self._run_on_store(self._store.new_file)
        try:
            if not await self._is_written(new):
                return None
            while not (is_hurried or self._may_stop_reads()) and not self._stopping.is_set():
                await self._rest(_PACE_S)
            return await self._run_on_store(lambda: let_bytes_go(self._store, self._control, new, until))
        finally:
            await self._run_on_store(new.close)

    async def _is_written(self, new: NewCopy | NewFile) -> bool:
        """Write a file while events are applied; return whether that was done before the server ends."""
        writing = asyncio.create_task(asyncio.to_thread(new.write))
        stopping = asyncio.create_task(self._stopping.wait())
        await asyncio.wait((writing, stopping), return_when=asyncio.FIRST_COMPLETED)
        stopping.cancel()
        while not writing.done():
            new.stop()
            await asyncio.wait((writing,), timeout=_STOP_S)
        try:
            await writing
        except StoreError:
            if not self._stopping.is_set():
                raise
            return False
        return True


def _answer(waiting: Iterable[asyncio.Future[None]], error: Exception | None) -> None:
    """Tell those who wait that the bytes are gone, or why they are not."""
    for one in waiting:
        if one.done():  # who asked waits no more
            continue
        if error is None:
            one.set_result(None)
        else:
            one.set_exception(error)


def _unfinished(reader: Reader, space: str) -> RetentionRun | None:
    """Return the oldest run of a space that goes on, for somebody may wait for each; None: none does."""
    begun = [run for run in reader.retention_runs(space) if run.ended_at is None]
    return begun[-1] if begun else None


def _is_due(reader: Reader, space: str, now: int) -> bool:
    """Return whether a run is to begin: the last look is the dearest, for the status counts users."""
    if any(now - run.began_at < DAY_US for run in reader.retention_runs(space, limit=1)):
        return False
    settings = reader.settings(space)
    if not (settings.retention_months or settings.event_retention_months):
        return False
    found = reader.status(space)
    begins = deletes_from(found.live_since)
    return begins is not None and (found.clock_at or 0) >= begins
