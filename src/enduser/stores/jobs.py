"""What sources were asked to do: looks at what a run would do, and runs. Part of the control data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import msgspec
import sqlalchemy as sa

from enduser import limits
from enduser.core.mentions import Mentions
from enduser.errors import JobNotCancellable, JobNotFound, LimitExceeded
from enduser.stores.control import METADATA, ControlStore
from enduser.stores.taken_inputs import remember_taken

_JOBS = sa.Table(
    "jobs",
    METADATA,
    sa.Column("number", sa.Integer, primary_key=True),
    sa.Column("space", sa.Text, nullable=False),
    sa.Column("source", sa.Text, nullable=False),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("state", sa.Text, nullable=False),
    sa.Column("inputs", sa.JSON, nullable=False),
    sa.Column("requested_at", sa.BigInteger, nullable=False),
    sa.Column("started_at", sa.BigInteger),
    sa.Column("attempts", sa.Integer, nullable=False),
    sa.Column("ended_at", sa.BigInteger),
    sa.Column("error", sa.JSON),
    sqlite_autoincrement=True,
)


class JobKind(StrEnum):
    """What a source can be asked to do."""

    PREVIEW = "preview"
    """See what a run would do; nothing is changed."""
    RUN = "run"


class JobState(StrEnum):
    """How far a job is."""

    WAITING = "waiting"
    RUNNING = "running"
    """It reads; it can still be cancelled."""
    WRITING = "writing"
    """What it read is being written, whole or not at all."""
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"


UNFINISHED = (JobState.WAITING, JobState.RUNNING, JobState.WRITING)
_CANCELLABLE = (JobState.WAITING, JobState.RUNNING)


class SourceInput(msgspec.Struct, frozen=True):
    """A file that a source takes."""

    name: str
    version: str = ""
    """Another one whenever what is read is another; empty: it is read once only."""
    upload: str | None = None
    """Its id, if it was sent."""
    run: int | None = None
    """The number of the run that took it; None: it is not taken yet, or only looked at."""
    error: Mapping[str, Any] | None = None
    """Why it could not be taken: `code` and `message`."""

    @property
    def is_over(self) -> bool:
        """Whether it is known what became of it."""
        return self.run is not None or self.error is not None


@dataclass(frozen=True, slots=True)
class Job:
    """Something that a source was asked to do. Times are µs."""

    number: int
    space: str
    source: str
    kind: JobKind
    state: JobState
    inputs: Sequence[SourceInput]
    """What it reads, in order; it is known when the job begins."""
    requested_at: int
    started_at: int | None
    """When it began first: the runs of its inputs are written at this time, and the µs that follow."""
    ended_at: int | None
    attempts: int
    """How often its input that is not over yet was begun; the server ended each time but the last."""
    error: Mapping[str, Any] | None
    """Why it failed: `code`, `message` and perhaps `hint`."""


def create_job(
    control: ControlStore,
    space: str,
    source: str,
    kind: JobKind,
    inputs: Sequence[SourceInput],
    now_us: int,
) -> Job:
    """Ask for something, and return the job; the oldest that are over are forgotten.

    Raises:
        LimitExceeded: too many wait already.
    """
    with control.changing() as connection:
        unfinished = sa.select(sa.func.count()).where(_JOBS.c.state.in_(UNFINISHED))
        if connection.execute(unfinished).scalar_one() >= limits.JOBS_WAITING_MAX:
            raise LimitExceeded(
                f"{limits.JOBS_WAITING_MAX} jobs wait already",
                hint=f"the limit is {limits.JOBS_WAITING_MAX} (JOBS_WAITING_MAX); wait, or cancel some",
                limit=limits.JOBS_WAITING_MAX,
            )
        insert = _JOBS.insert().returning(_JOBS.c.number)
        number = connection.execute(
            insert.values(
                space=space,
                source=source,
                kind=kind,
                state=JobState.WAITING,
                inputs=msgspec.to_builtins(inputs),
                requested_at=now_us,
                attempts=0,
            )
        ).scalar_one()
        connection.execute(
            _JOBS.delete().where(
                _JOBS.c.number <= number - limits.JOBS_KEPT_MAX, _JOBS.c.state.not_in(UNFINISHED)
            )
        )
    return find_job(control, space, number)


def list_jobs(
    control: ControlStore,
    space: str,
    *,
    source: str | None = None,
    before: int | None = None,
    limit: int = limits.PAGE_ROWS_MAX,
) -> Sequence[Job]:
    """Return the last jobs of a space, or of a source of it, the newest first; those before a number."""
    query = sa.select(_JOBS).where(_JOBS.c.space == space)
    if source is not None:
        query = query.where(_JOBS.c.source == source)
    if before is not None:
        query = query.where(_JOBS.c.number < before)
    with control.reading() as connection:
        rows = connection.execute(query.order_by(_JOBS.c.number.desc()).limit(limit)).all()
    return [_job(row) for row in rows]


def find_job(control: ControlStore, space: str, number: int) -> Job:
    """Return a job of a space.

    Raises:
        JobNotFound: there is none of this number, or it is forgotten.
    """
    with control.reading() as connection:
        query = sa.select(_JOBS).where(_JOBS.c.number == number, _JOBS.c.space == space)
        row = connection.execute(query).one_or_none()
    if row is None:
        raise JobNotFound(
            f"there is no job {number} in {space}", hint="the last ones are listed by GET /api/v1/jobs"
        )
    return _job(row)


def unfinished_jobs(control: ControlStore) -> Sequence[Job]:
    """Return the jobs that are not over, the oldest first."""
    with control.reading() as connection:
        query = sa.select(_JOBS).where(_JOBS.c.state.in_(UNFINISHED)).order_by(_JOBS.c.number)
        return [_job(row) for row in connection.execute(query).all()]


def begin_job(control: ControlStore, job: Job, inputs: Sequence[SourceInput], now_us: int) -> Job | None:
    """Say that a job begins, with what it reads; None: somebody cancelled it.

    One that began before, and did not end because its process did, keeps its inputs and its time.
    """
    with control.changing() as connection:
        unfinished = sa.and_(_JOBS.c.number == job.number, _JOBS.c.state.in_(UNFINISHED))
        row = connection.execute(sa.select(_JOBS).where(unfinished)).one_or_none()
        if row is None:
            return None
        values: dict[str, Any] = {"attempts": row.attempts + 1}
        if row.started_at is None:
            values |= {"state": JobState.RUNNING, "started_at": now_us}
            values["inputs"] = msgspec.to_builtins(inputs)
        connection.execute(_JOBS.update().where(unfinished).values(**values))
    return find_job(control, job.space, job.number)


def leave_job(control: ControlStore, number: int) -> None:
    """Leave a job, unless it is over, for the next start of the server; that it did not end is no attempt."""
    _move(control, number, UNFINISHED, JobState.WAITING, attempts=_JOBS.c.attempts - 1)


def begin_reading(control: ControlStore, number: int) -> bool:
    """Say that a job reads; return False where somebody cancelled it."""
    return _move(control, number, UNFINISHED, JobState.RUNNING)


def begin_writing(control: ControlStore, number: int) -> bool:
    """Say that a job writes from now on; return False where somebody cancelled it."""
    return _move(control, number, _CANCELLABLE, JobState.WRITING)


def end_job(
    control: ControlStore,
    number: int,
    state: JobState,
    now_us: int,
    error: Mapping[str, Any] | None = None,
) -> None:
    """Say how a job ended; where it is over already, it stays as it is."""
    _move(control, number, UNFINISHED, state, ended_at=now_us, error=error)


def cancel_job(control: ControlStore, space: str, number: int, now_us: int) -> Job:
    """Let a job end without a result, and return it.

    Raises:
        JobNotFound: there is none of this number.
        JobNotCancellable: it is over, or is being written.
    """
    find_job(control, space, number)
    is_cancelled = _move(control, number, _CANCELLABLE, JobState.CANCELLED, ended_at=now_us)
    job = find_job(control, space, number)
    if not is_cancelled:
        is_writing = job.state is JobState.WRITING
        raise JobNotCancellable(
            f"the job {number} is {'being written' if is_writing else f'over: it is {job.state}'}",
            hint="what was run can be undone: POST /api/v1/runs/{run}/undo",
        )
    return job


def _move(
    control: ControlStore, number: int, of: Sequence[JobState], state: JobState, **values: object
) -> bool:
    """Bring a job from one of some states to another; return whether it was in one of them."""
    with control.changing() as connection:
        there = (_JOBS.c.number == number, _JOBS.c.state.in_(of))
        moved = connection.execute(_JOBS.update().where(*there).values(state=state, **values))
    return bool(moved.rowcount)


def note_run(control: ControlStore, job: Job, taken: SourceInput, run: int) -> None:
    """Note the run that took an input of a job, and take the input no more until it is another."""
    with control.changing() as connection:
        _end_input(connection, job, msgspec.structs.replace(taken, run=run))
        remember_taken(connection, job.space, job.source, taken.name, taken.version)


def note_failure(
    control: ControlStore, job: Job, failed: SourceInput, error: Mapping[str, Any], *, is_final: bool = False
) -> None:
    """Note why an input of a job could not be taken; if that is final, only another is tried again."""
    with control.changing() as connection:
        _end_input(connection, job, msgspec.structs.replace(failed, error=error))
        if is_final:
            remember_taken(connection, job.space, job.source, failed.name, failed.version)


def forget_jobs(control: ControlStore, space: str, mentions: Mentions) -> int:
    """Forget the jobs of a space that are over and name somebody, as by a file's name; return how many."""
    over = sa.and_(_JOBS.c.space == space, _JOBS.c.state.not_in(UNFINISHED))
    with control.changing() as connection:
        rows = connection.execute(sa.select(_JOBS.c.number, _JOBS.c.inputs, _JOBS.c.error).where(over)).all()
        named = [row.number for row in rows if mentions.are_in([row.inputs, row.error])]
        connection.execute(_JOBS.delete().where(_JOBS.c.number.in_(named)))
    return len(named)


def _end_input(connection: sa.Connection, job: Job, ended: SourceInput) -> None:
    """Write down what became of an input; the next one is begun for the first time."""
    (told,) = connection.execute(sa.select(_JOBS.c.inputs).where(_JOBS.c.number == job.number)).one()
    inputs = [ended if one.name == ended.name else one for one in msgspec.convert(told, list[SourceInput])]
    change = _JOBS.update().where(_JOBS.c.number == job.number)
    connection.execute(change.values(inputs=msgspec.to_builtins(inputs), attempts=1))


def _job(row: Any) -> Job:
    return Job(
        number=row.number,
        space=row.space,
        source=row.source,
        kind=JobKind(row.kind),
        state=JobState(row.state),
        inputs=msgspec.convert(row.inputs, list[SourceInput]),
        requested_at=row.requested_at,
        started_at=row.started_at,
        ended_at=row.ended_at,
        attempts=row.attempts,
        error=row.error,
    )
