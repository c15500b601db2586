"""What a server forgets by itself, when, and what it waits for; time is set by hand."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from types import SimpleNamespace
from typing import Any, cast

import pytest
from structlog.testing import capture_logs
from waiting import until

from enduser import limits
from enduser.api.owner import forgetting as module
from enduser.api.owner.forgetting import Forgetting
from enduser.core.settings import SpaceSettings
from enduser.errors import NoRoom, RetentionRefused, StoreError
from enduser.service.forgetting import Going
from enduser.stores.answers import Applied, BytesDue, RetentionAmount, RetentionRun, SpaceStatus
from enduser.stores.records import BeginRetention, ForgetOld

pytestmark = pytest.mark.anyio
SPACE = "acme/live"
S = 1_000_000
DAY = 86_400 * S
NOW = 1_767_261_600 * S
GRACE = limits.RETENTION_GRACE_DAYS * DAY
GATHER_S = 600.0
IMPORT = RetentionRefused("an import is running")
FULL = NoRoom("the disk is full", hint="make room")


@dataclass
class Space:
    """A space that is live since long ago."""

    live_since: int | None = NOW - 2 * GRACE
    clock_at: int | None = NOW
    settings: SpaceSettings = field(default_factory=SpaceSettings)
    runs: list[RetentionRun] = field(default_factory=list)


class File:
    """A file that is written anew."""

    def __init__(self, what: str, *, lasts: bool = False, problem: Exception | None = None) -> None:
        """Write it at once; or until it is stopped, or with a problem."""
        self.what = what
        self.is_written = self.is_used = self.is_closed = False
        self._problem = problem
        self._is_stopped = threading.Event()
        if not lasts:
            self._is_stopped.set()
        self._lasts = lasts

    def write(self) -> None:
        assert self._is_stopped.wait(20)
        if self._problem:
            raise self._problem
        if self._lasts:
            raise StoreError("it was to be stopped")
        self.is_written = True

    def stop(self) -> None:
        self._is_stopped.set()

    def close(self) -> None:
        self.is_closed = True


class World:
    """A server that forgets; it is its own store, reader and applier. What it forgets is said beforehand."""

    def __init__(self, spaces: dict[str, Space] | None = None) -> None:
        self.now = NOW
        self.of = spaces or {}
        self.looks = 0
        self.portions: list[int | Exception] = []
        """How many users each portion takes, or why it fails; when none is left, none takes anything."""
        self.refused: list[Exception] = []
        """Why no run begins, for so many times."""
        self.due: int | None = None
        self.lasting = 0
        self.asked_for_reads = 0
        """How often it was asked for reads while there were some."""
        self.going: list[Exception | None] = []
        """What comes of it each time when bytes are to go; then they do."""
        self.went: list[int] = []
        """Up to which times bytes went."""
        self.in_use = 0
        """So many looks long a file is in use."""
        self.gone: list[tuple[int, int]] = []
        """What was noted of what is gone: since when it was due, and when it was gone."""
        self.numbers = (1,)
        self.no_room: list[Exception] = []
        self.looks_for_bytes = 0
        self.steps = 0
        """How many steps the serving copy needs before it goes on in a new file."""
        self.files: list[File] = []
        """What is written anew, in order."""
        self.file = File
        self.start()

    def start(self) -> None:
        """Start the server, anew if it was killed."""
        self.stopping = asyncio.Event()
        store: Any = self
        self.forgetting = Forgetting(
            store, store, store, run_on_store=self.run_on_store, stopping=self.stopping, gather_s=GATHER_S
        )

    async def run_on_store(self, work: Callable[[], Any]) -> Any:
        return work()

    async def look(self, times: int = 3) -> None:
        """Let the server look so many times what is to be forgotten, and end it."""
        running = asyncio.create_task(self.forgetting.run())
        before = self.looks, self.looks_for_bytes
        await until(lambda: min(self.looks - before[0], self.looks_for_bytes - before[1]) >= times)
        await self.end(running)

    async def end(self, running: asyncio.Task[None]) -> None:
        self.stopping.set()
        await asyncio.wait_for(running, 20)

    # --- as a store

    @property
    def reader(self) -> World:
        return self

    def spaces(self) -> Sequence[str]:
        self.looks += 1
        return list(self.of)

    def settings(self, space: str) -> SpaceSettings:
        return self.of[space].settings

    def status(self, space: str) -> SpaceStatus:
        known = self.of[space]
        return cast("SpaceStatus", SimpleNamespace(live_since=known.live_since, clock_at=known.clock_at))

    def retention_runs(self, space: str, *, limit: int = 100) -> Sequence[RetentionRun]:
        return self.of[space].runs[::-1][:limit]

    def apply(self, space: str, record: BeginRetention | ForgetOld) -> Applied:
        runs = self.of[space].runs
        if isinstance(record, BeginRetention):
            if self.refused:
                raise self.refused.pop(0)
            assert record.as_of is None
            runs.append(RetentionRun(len(runs) + 1, space, self.now, record.began_at))
            return Applied(retention=runs[-1])
        at = record.run - 1
        assert runs[at].ended_at is None
        what = self.portions.pop(0) if self.portions else 0
        if isinstance(what, Exception):
            raise what
        amount = RetentionAmount(runs[at].amount.users + what)
        runs[at] = replace(runs[at], amount=amount, ended_at=None if what else record.now)
        return Applied(retention=runs[at])

    def bytes_due(self) -> BytesDue | None:
        self.looks_for_bytes += 1
        return None if self.due is None else BytesDue(self.due, self.numbers, {})

    def require_room(self, _: object) -> None:
        if self.no_room:
            raise self.no_room.pop()

    def lasting_reads(self) -> int:
        self.asked_for_reads += self.lasting > 0
        return self.lasting

    def new_copy(self) -> File:
        self.files.append(self.file("copy"))
        return self.files[-1]

    def serve_from(self, new: File) -> bool:
        assert new.is_written
        self.steps -= 1
        new.is_used = self.steps < 0
        return new.is_used

    def new_file(self) -> File:
        self.files.append(self.file("database"))
        return self.files[-1]

    def let_bytes_go(self, _: object, __: object, new: File, until: int) -> Going:
        assert new.is_written
        what = self.going.pop(0) if self.going else None
        if what:
            raise what
        new.is_used = True
        self.went.append(until)
        return Going(until, frozenset())

    def are_gone(self, *_: object) -> bool:
        self.in_use -= 1
        return self.in_use < 0

    def note_gone(self, due: BytesDue, now: int) -> None:
        self.gone.append((due.since, now))
        self.due = None


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> World:
    """A server without spaces; its pace is quick."""
    for name in ("_PACE_S", "_REFUSED_S", "_FAILED_S"):
        monkeypatch.setattr(module, name, 0.001)
    made = World()
    monkeypatch.setattr(module, "now_us", lambda: made.now)
    monkeypatch.setattr(module, "let_bytes_go", made.let_bytes_go)
    monkeypatch.setattr(module, "are_gone", made.are_gone)
    monkeypatch.setattr(module, "require_room", made.require_room)
    return made


# --- users by age


def ran(ago: int) -> list[RetentionRun]:
    """Return a run that began so long ago, and ended."""
    return [RetentionRun(1, SPACE, NOW - ago, NOW - ago, NOW - ago)]


NEVER = SpaceSettings(retention_months=0)


@pytest.mark.parametrize(
    ("space", "begins"),
    [
        (Space(), True),
        (Space(live_since=None), False),
        (Space(live_since=NOW - GRACE), True),
        (Space(live_since=NOW - GRACE + 1), False),
        (Space(live_since=NOW - 2 * GRACE, clock_at=NOW - GRACE - 1), False),
        (Space(clock_at=None), False),
        (Space(settings=NEVER), False),
        (Space(settings=replace(NEVER, event_retention_months=1)), True),
        (Space(runs=ran(DAY)), True),
        (Space(runs=ran(DAY - 1)), False),
        (Space(live_since=None, runs=ran(9 * DAY)), False),
    ],
)
async def test_a_run_begins_once_a_day_in_a_live_space_that_forgets(
    world: World, space: Space, begins: bool
) -> None:
    world.of[SPACE] = space
    before = len(space.runs)
    await world.look()
    assert len(space.runs) == before + begins
    if begins:
        assert (space.runs[-1].began_at, space.runs[-1].ended_at) == (NOW, NOW)


async def test_the_next_run_begins_a_day_later(world: World) -> None:
    space = world.of[SPACE] = Space()
    for later, runs in ((0, 1), (DAY - 1, 1), (1, 2)):
        world.now += later
        world.start()
        await world.look()
        assert len(space.runs) == runs


async def test_each_run_is_done_to_its_end_and_it_is_told_who_went(world: World) -> None:
    world.of = {SPACE: Space(), "acme/other": Space(runs=ran(1)), "acme/quiet": Space()}
    world.portions = [2, 3]
    with capture_logs() as lines:
        await world.look()
    assert [[run.amount.users for run in space.runs] for space in world.of.values()] == [[5], [0], [0]]
    told = [(line["event"], line["space"], line["users"]) for line in lines]
    assert told == [("users were deleted by age", SPACE, 5)]


async def test_after_each_portion_others_get_as_much_time_as_that_took(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.of[SPACE] = Space()
    world.portions = [1, 1]
    times = iter([10.0, 13.0, 20.0, 25.0, 30.0, 31.0])
    rests: list[float] = []
    rest = world.forgetting._rest

    async def noted(seconds: float) -> None:
        rests.append(seconds)
        await rest(0.001)

    monkeypatch.setattr(module, "elapsed_s", lambda: next(times))
    monkeypatch.setattr(world.forgetting, "_rest", noted)
    await world.look()
    assert [one for one in rests if one >= 1] == [3.0, 5.0, 1.0]


@pytest.mark.parametrize("live_since", [None, NOW - 2 * GRACE])
async def test_a_run_that_did_not_end_is_gone_on_with_after_a_restart(
    world: World, live_since: int | None
) -> None:
    unfinished = RetentionRun(1, SPACE, NOW - DAY, NOW - 1, amount=RetentionAmount(7))
    space = world.of[SPACE] = Space(live_since=live_since, runs=[unfinished])
    world.portions = [2]
    await world.look()
    assert space.runs == [replace(unfinished, amount=RetentionAmount(9), ended_at=NOW)]


async def test_of_several_that_did_not_end_each_is_done_to_its_end(world: World) -> None:
    space = world.of[SPACE] = Space(
        live_since=None, runs=[RetentionRun(number, SPACE, NOW, NOW) for number in (1, 2, 3)]
    )
    await world.look(5)
    assert [run.ended_at for run in space.runs] == [NOW, NOW, NOW]


async def test_a_run_waits_while_an_import_runs_and_nothing_is_told(world: World) -> None:
    space = world.of[SPACE] = Space()
    world.refused, world.portions = [IMPORT], [1, IMPORT, IMPORT, 1]
    with capture_logs() as lines:
        await world.look(6)
    (done,) = space.runs
    assert (done.amount.users, done.ended_at) == (2, NOW)
    assert [line["event"] for line in lines] == ["users were deleted by age"]


async def test_a_failure_is_told_once_and_it_is_tried_again(world: World) -> None:
    world.of[SPACE] = Space()
    other = StoreError("the file is damaged")
    world.portions = [FULL, NoRoom("the disk is full"), other, 1]
    with capture_logs() as lines:
        await world.look(6)
    told = [(line["event"], line["hint"]) for line in lines if line["log_level"] == "error"]
    assert told == [("nothing can be forgotten", "make room"), ("nothing can be forgotten", None)]
    assert [run.amount.users for run in world.of[SPACE].runs] == [1]


async def test_a_space_in_which_it_fails_holds_up_no_other(world: World) -> None:
    world.of = {SPACE: Space(), "acme/other": Space()}
    apply = world.apply

    def fails_in_one(space: str, record: BeginRetention | ForgetOld) -> Applied:
        if space == SPACE:
            raise FULL
        return apply(space, record)

    world.apply = fails_in_one  # type: ignore[method-assign]
    with capture_logs() as lines:
        await world.look()
    assert [len(space.runs) for space in world.of.values()] == [0, 1]
    assert [line["hint"] for line in lines if line["log_level"] == "error"] == ["make room"]


async def test_a_server_that_ends_leaves_the_rest_of_a_run_to_the_next(world: World) -> None:
    space = world.of[SPACE] = Space()
    world.portions = [1] * 10_000
    running = asyncio.create_task(world.forgetting.run())
    await until(lambda: space.runs and space.runs[0].amount.users > 3)
    await world.end(running)
    assert space.runs[0].ended_at is None


# --- bytes


@pytest.mark.parametrize(
    ("seconds", "lasting", "goes"),
    [
        (GATHER_S - 0.001, 0, False),
        (GATHER_S, 0, True),
        (GATHER_S, 1, False),
        (GATHER_S + 1_200 - 0.001, 1, False),
        (GATHER_S + 1_200, 1, True),
    ],
)
async def test_bytes_are_gathered_and_reads_that_last_are_waited_for_but_not_for_ever(
    world: World, seconds: float, lasting: int, goes: bool
) -> None:
    world.due, world.lasting = NOW - round(seconds * S), lasting
    running = asyncio.create_task(world.forgetting.run())
    await until(lambda: world.gone if goes else world.looks_for_bytes >= 3)
    await world.end(running)
    assert world.went == [NOW] * goes
    assert world.gone == [(NOW - round(seconds * S), NOW)] * goes
    assert world.forgetting.due_s() == (0 if goes else seconds)


def test_within_the_hour_they_are_gone() -> None:
    assert module.GATHER_S + module._LASTING_S <= 3_600 - 600


async def test_where_nothing_was_forgotten_no_file_is_written(world: World) -> None:
    await world.look()
    assert (world.went, world.gone, world.forgetting.due_s()) == ([], [], 0)


async def test_it_is_told_for_how_long_bytes_have_been_due(world: World) -> None:
    assert world.forgetting.due_s() == 0
    running = asyncio.create_task(world.forgetting.run())
    world.due = NOW
    await until(lambda: world.forgetting._due)
    assert world.forgetting.due_s() == 0
    world.now += 90 * S
    assert world.forgetting.due_s() == 90
    world.now = NOW - 1  # a clock that was set back
    assert world.forgetting.due_s() == 0
    world.now = NOW + round(GATHER_S * S)
    await until(lambda: world.gone)
    assert world.forgetting.due_s() == 0
    await world.end(running)


async def test_first_the_serving_copy_is_written_anew_then_the_database_and_each_is_gone_on_with(
    world: World,
) -> None:
    world.due, world.steps = NOW - DAY, 3
    running = asyncio.create_task(world.forgetting.run())
    await until(lambda: world.gone)
    await world.end(running)
    assert [(one.what, one.is_written, one.is_used, one.is_closed) for one in world.files] == [
        ("copy", True, True, True),
        ("database", True, True, True),
    ]
    assert (world.steps, world.gone) == (-1, [(NOW - DAY, NOW)])


@pytest.mark.parametrize("what", ["copy", "database"])
async def test_a_server_that_ends_waits_for_no_file_that_is_written_anew(world: World, what: str) -> None:
    world.due = NOW - DAY
    world.file = lambda name: File(name, lasts=name == what)  # type: ignore[assignment]
    with capture_logs() as lines:
        running = asyncio.create_task(world.forgetting.run())
        await until(lambda: world.files and world.files[-1].what == what)
        await world.end(running)
    assert not world.files[-1].is_used
    assert all(one.is_closed for one in world.files)
    assert (world.gone, world.due, lines) == ([], NOW - DAY, [])


@pytest.mark.parametrize("what", ["copy", "database"])
async def test_a_file_that_cannot_be_written_is_told_and_it_is_tried_again(world: World, what: str) -> None:
    world.due = NOW - DAY
    problems = [FULL]

    def file(name: str) -> File:
        return File(name, problem=problems.pop() if problems and name == what else None)

    world.file = file  # type: ignore[assignment]
    with capture_logs() as lines:
        running = asyncio.create_task(world.forgetting.run())
        await until(lambda: world.gone)
        await world.end(running)
    assert [line["hint"] for line in lines if line["log_level"] == "error"] == ["make room"]
    assert world.gone == [(NOW - DAY, NOW)]
    assert all(one.is_closed for one in world.files)


async def test_without_room_for_both_none_is_written(world: World) -> None:
    world.due, world.no_room = NOW - DAY, [FULL]
    with capture_logs() as lines:
        running = asyncio.create_task(world.forgetting.run())
        await until(lambda: not world.no_room)
        files = len(world.files)
        await until(lambda: world.gone)
        await world.end(running)
    assert files == 0
    assert [line["hint"] for line in lines if line["log_level"] == "error"] == ["make room"]


async def test_after_a_failure_the_copy_is_written_again_only_if_more_was_forgotten_since(
    world: World,
) -> None:
    world.due, world.going = NOW - DAY, [FULL, FULL]
    note = world.run_on_store

    async def run_on_store(work: Callable[[], Any]) -> Any:
        if len(world.going) == 0:
            world.numbers = (1, 2)
        return await note(work)

    world.forgetting._run_on_store = run_on_store
    running = asyncio.create_task(world.forgetting.run())
    await until(lambda: world.gone)
    await world.end(running)
    assert [one.what for one in world.files] == ["copy", "database", "database", "copy", "database"]


async def test_reads_that_began_while_files_were_written_are_waited_for_unless_somebody_waits(
    world: World,
) -> None:
    world.due = NOW - DAY
    world.now = NOW
    world.forgetting._went_at = NOW - round(GATHER_S * S)
    new_file = world.new_file

    def reads_begin() -> File:
        world.lasting = 1
        return new_file()

    world.new_file = reads_begin  # type: ignore[method-assign]
    running = asyncio.create_task(world.forgetting.run())
    await until(lambda: world.asked_for_reads > 1)
    assert world.went == []
    world.lasting = 0
    await until(lambda: world.went)
    await world.end(running)


async def test_a_file_in_use_is_waited_for_and_only_then_it_is_noted(world: World) -> None:
    world.due, world.in_use = NOW - DAY, 3
    are_gone = world.are_gone
    running = asyncio.create_task(world.forgetting.run())
    await until(lambda: world.gone)
    await world.end(running)
    assert world.went == [NOW]  # written anew once
    assert world.in_use == -1
    assert are_gone()


async def test_of_a_run_that_goes_on_for_long_bytes_go_each_time_they_are_gathered(world: World) -> None:
    """They are due since it began, whenever its last portion was."""
    world.due = NOW - DAY
    note_gone = world.note_gone

    def goes_on(until: int, now: int) -> None:
        note_gone(until, now)
        world.due = NOW - DAY

    world.note_gone = goes_on  # type: ignore[method-assign]
    for later_s, went in ((0, 1), (GATHER_S - 0.001, 1), (GATHER_S, 2)):
        world.now = NOW + round(later_s * S)
        running = asyncio.create_task(world.forgetting.run())
        looks = world.looks_for_bytes
        await until(lambda looks=looks: world.looks_for_bytes > looks + 3)  # type: ignore[misc]
        await world.end(running)
        assert len(world.went) == went
        world.stopping.clear()


async def test_who_asks_gets_them_gone_at_once(world: World) -> None:
    world.due, world.lasting = NOW, 1
    running = asyncio.create_task(world.forgetting.run())
    await until(lambda: world.looks_for_bytes > 2)
    assert world.went == []
    await asyncio.gather(world.forgetting.let_bytes_go_now(), world.forgetting.let_bytes_go_now())
    assert (world.went, world.gone) == ([NOW], [(NOW, NOW)])
    await world.forgetting.let_bytes_go_now()
    assert world.went == [NOW]  # there is nothing left to go
    await world.end(running)


async def test_who_asks_while_others_are_going_waits_for_what_was_forgotten_since(world: World) -> None:
    world.due, world.in_use = NOW - DAY, 10_000
    running = asyncio.create_task(world.forgetting.run())
    await until(lambda: world.went)
    asked = asyncio.create_task(world.forgetting.let_bytes_go_now())
    await until(lambda: world.forgetting._waiting)
    note_gone = world.note_gone

    def leaves_more(until: int, now: int) -> None:
        note_gone(until, now)
        world.due = NOW + 1 if len(world.gone) == 1 else None

    world.note_gone = leaves_more  # type: ignore[method-assign]
    world.now, world.in_use = NOW + 2, 0
    await asyncio.wait_for(asked, 20)
    assert [since for since, _ in world.gone] == [NOW - DAY, NOW + 1]
    await world.end(running)


async def test_who_asks_hears_what_went_wrong_and_it_is_tried_again(world: World) -> None:
    world.due, world.going = NOW, [FULL]
    with capture_logs() as lines:
        running = asyncio.create_task(world.forgetting.run())
        with pytest.raises(NoRoom, match="the disk is full"):
            await world.forgetting.let_bytes_go_now()
        assert (world.gone, world.forgetting.due_s()) == ([], 0)
        await world.forgetting.let_bytes_go_now()
        await world.end(running)
    assert world.gone == [(NOW, NOW)]
    told = [(line["event"], line["hint"]) for line in lines if line["log_level"] == "error"]
    assert told == [("nothing can be forgotten", "make room")]


async def test_what_fails_again_after_it_went_well_is_told_again(world: World) -> None:
    with capture_logs() as lines:
        running = asyncio.create_task(world.forgetting.run())
        for what in (FULL, None, FULL):
            world.due, world.going = NOW, [what]
            answers = await asyncio.gather(world.forgetting.let_bytes_go_now(), return_exceptions=True)
            assert answers == [what]
        await world.end(running)
    assert [line["log_level"] for line in lines] == ["error", "info", "error"]


async def test_bytes_that_cannot_go_stay_due_and_hold_up_no_run(world: World) -> None:
    space = world.of[SPACE] = Space()
    world.due, world.going = NOW - DAY, [FULL] * 10_000
    with capture_logs() as lines:
        running = asyncio.create_task(world.forgetting.run())
        await until(lambda: len(world.going) < 9_998 and space.runs and space.runs[0].ended_at)
        await world.end(running)
    assert [run.ended_at for run in space.runs] == [NOW]
    assert (world.forgetting.due_s(), len(world.going) < 9_998) == (86_400, True)
    assert len([line for line in lines if line["log_level"] == "error"]) == 1


async def test_who_asks_no_more_harms_nobody_else_who_asks(world: World) -> None:
    world.due, world.in_use = NOW, 5
    gone = asyncio.create_task(world.forgetting.let_bytes_go_now())
    waits = asyncio.create_task(world.forgetting.let_bytes_go_now())
    await until(lambda: len(world.forgetting._waiting) == 2)
    gone.cancel()
    with capture_logs() as lines:
        running = asyncio.create_task(world.forgetting.run())
        await asyncio.wait_for(waits, 20)
        await world.end(running)
    assert [line for line in lines if line["log_level"] == "error"] == []


# --- a server that ends


async def test_a_server_that_ends_waits_for_no_file_and_says_so(world: World) -> None:
    world.due, world.in_use = NOW, 10_000
    running = asyncio.create_task(world.forgetting.run())
    asked = asyncio.create_task(world.forgetting.let_bytes_go_now())
    await until(lambda: world.went)
    late = asyncio.create_task(world.forgetting.let_bytes_go_now())
    await until(lambda: world.forgetting._waiting)
    await world.end(running)
    for one in (asked, late):
        with pytest.raises(StoreError, match="the server ends before the bytes are gone"):
            await asyncio.wait_for(one, 20)
    assert world.gone == []


async def test_who_asks_a_server_that_has_ended_hears_it_at_once(world: World) -> None:
    world.due = NOW
    await world.look()
    with pytest.raises(StoreError, match="the server ends before the bytes are gone"):
        await asyncio.wait_for(world.forgetting.let_bytes_go_now(), 20)


async def test_no_portion_goes_between_the_writing_anew_and_the_note_that_it_is_gone(world: World) -> None:
    """Each takes what the machine has left."""
    space = world.of[SPACE] = Space()
    world.portions, world.due, world.in_use = [1] * 10_000, NOW - DAY, 10_000
    running = asyncio.create_task(world.forgetting.run())
    await until(lambda: world.went)
    users = sum(run.amount.users for run in space.runs)
    looks = world.in_use
    await until(lambda: world.in_use < looks - 5)
    assert sum(run.amount.users for run in space.runs) == users
    world.in_use = 0
    await until(lambda: sum(run.amount.users for run in space.runs) > users)
    assert world.gone
    await world.end(running)
