"""What a server does of the jobs of sources: one after the other, the oldest first, each to its end.

A job that began and did not end, because its process did, is done from its first input that no run has taken
yet. A run is known by its source and its time, so that none is done twice (docs/decisions/0015).
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import structlog

from enduser import limits
from enduser.clock import elapsed_s, now_us
from enduser.core.attributes import Attribute
from enduser.errors import EnduserError, InputError, InternalError, InvalidMapping
from enduser.service.source_inputs import input_run, pending_inputs
from enduser.service.source_runs import SourceRun, ValuesStore, running_alone
from enduser.stores.answers import Applied, ValuesPreview
from enduser.stores.contract import OwnedStore
from enduser.stores.control import ControlStore
from enduser.stores.jobs import (
    Job,
    JobKind,
    JobState,
    SourceInput,
    begin_job,
    begin_reading,
    begin_writing,
    end_job,
    find_job,
    leave_job,
    note_failure,
    note_run,
    unfinished_jobs,
)
from enduser.stores.records import WriteValues
from enduser.stores.scratch import scratch_folder
from enduser.stores.source_configs import SourceConfig, find_source
from enduser.stores.uploads import forget_upload, list_uploads

Result = TypeVar("Result")
Change = Callable[[Callable[[], Result]], Result]
"""Runs a function on the thread that changes the store, waits for it, and returns its result."""

_LOOK_S = 1.0
"""How often it is looked whether somebody cancelled the job that is done."""
log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a job is with what it reads."""

    input: str
    bytes_read: int
    bytes_total: int
    rows: int


class _Cancelled(Exception):
    """The job was cancelled."""


class _Stopped(Exception):
    """The server ends; the job goes on with the next one."""


class SourceJobs:
    """Does jobs on a thread of its own; what is asked of it may be asked from any."""

    def __init__(self, store: OwnedStore, control: ControlStore, change: Change[Applied]) -> None:
        """Read beside the thread that changes the store, and write on it by `change`."""
        self._store = store
        self._control = control
        self._change = change
        self._is_stopping = threading.Event()
        self._progress: tuple[int, Progress] | None = None
        self._previews: OrderedDict[int, tuple[ValuesPreview, int]] = OrderedDict()
        """By job, with how often the store had forgotten something when it was begun."""

    def perform_next(self) -> bool:
        """Do the job that waits longest; return whether there was one that is over now."""
        waiting = unfinished_jobs(self._control)
        if not waiting:
            return False
        state: JobState = JobState.DONE
        told: Mapping[str, Any] | None = None
        try:
            told = self._perform(waiting[0])
            state = JobState.DONE if told is None else JobState.FAILED
        except _Stopped:
            leave_job(self._control, waiting[0].number)
            return False
        except _Cancelled:
            state = JobState.CANCELLED
        except EnduserError as failed:
            state, told = JobState.FAILED, _told(failed)
        except Exception:
            log.exception("job failed", job=waiting[0].number)
            state = JobState.FAILED
            told = _told(InternalError("the server made a mistake", hint="see its log"))
        self._progress = None
        end_job(self._control, waiting[0].number, state, now_us(), told)
        if state is JobState.DONE and waiting[0].kind is JobKind.RUN:
            self._forget_uploads(waiting[0])
        return True

    def progress_of(self, number: int) -> Progress | None:
        """Return how far a job is with what it reads; None: it does not read."""
        progress = self._progress
        return progress[1] if progress is not None and progress[0] == number else None

    def preview_of(self, number: int) -> ValuesPreview | None:
        """Return what a run would do, as a job found; None: it did not, or it may not be shown any more."""
        preview, forgotten = self._previews.get(number, (None, 0))
        if forgotten != self._store.forgotten:
            self._previews.pop(number, None)
            return None
        return preview

    def stop(self) -> None:
        """Let the job that is done end soon; it goes on when a server begins."""
        self._is_stopping.set()

    def _perform(self, waiting: Job) -> Mapping[str, Any] | None:
        """Do a job; return why not all of it could be done, if that is so."""
        config = find_source(self._control, waiting.space, waiting.source)
        inputs = waiting.inputs or pending_inputs(self._control, self._store.folder, config, waiting.kind)
        job = begin_job(self._control, waiting, inputs, now_us())
        if job is None:
            raise _Cancelled
        if job.kind is JobKind.RUN:
            with running_alone(self._store.folder, job.space, job.source):
                return self._run(job, config)
        self._preview(job, config, job.inputs[0])
        return None

    def _preview(self, job: Job, config: SourceConfig, wanted: SourceInput) -> None:
        if job.attempts > limits.JOB_ATTEMPTS_MAX:
            raise _too_often(wanted.name)
        forgotten = self._store.forgotten
        with self._reading(job, config, wanted, job.started_at or 0) as (run, beside, scratch, watch):
            self._previews[job.number] = run.preview(beside, scratch, watch), forgotten
        while len(self._previews) > limits.PREVIEWS_KEPT_MAX:
            self._previews.popitem(last=False)

    def _run(self, job: Job, config: SourceConfig) -> Mapping[str, Any] | None:
        """Take all inputs that are not taken yet; one that cannot be hinders no other."""
        runs = self._store.reader.runs(job.space, source=job.source, limit=limits.PAGE_ROWS_MAX)
        known = {run.written_at: run.run for run in runs}
        is_hopeless = job.attempts > limits.JOB_ATTEMPTS_MAX
        for number, wanted in enumerate(job.inputs):
            written_at = (job.started_at or 0) + number
            if wanted.is_over:
                continue
            if written_at in known:  # the server ended when it had just written it
                note_run(self._control, job, wanted, known[written_at])
                continue
            try:
                if is_hopeless:
                    raise _too_often(wanted.name)
                note_run(self._control, job, wanted, self._take(job, config, wanted, written_at))
            except EnduserError as error:
                note_failure(self._control, job, wanted, _told(error), is_final=is_hopeless)
            is_hopeless = False
        inputs = find_job(self._control, job.space, job.number).inputs
        return next(({**one.error, "input": one.name} for one in inputs if one.error is not None), None)

    def _take(self, job: Job, config: SourceConfig, wanted: SourceInput, written_at: int) -> int:
        """Take one input; return the number of its run."""
        with self._reading(job, config, wanted, written_at) as (run, beside, scratch, watch):
            written, _ = run.do(beside, scratch, watch)
        return written.run

    @contextmanager
    def _reading(
        self, job: Job, config: SourceConfig, wanted: SourceInput, written_at: int
    ) -> Iterator[tuple[SourceRun, ValuesStore, Path, Callable[[int, int], None]]]:
        """Yield the run of an input, and with what it is looked at or done."""
        if not begin_reading(self._control, job.number):
            raise _Cancelled
        with scratch_folder(self._store.folder) as scratch:
            run = input_run(self._control, config, wanted, self._store.folder, scratch, written_at)
            beside = _Beside(self._store, self._change, lambda: self._begin_writing(job))
            yield run, beside, scratch, self._watch(job, wanted, run.looked.file.size)

    def _begin_writing(self, job: Job) -> None:
        if self._is_stopping.is_set():
            raise _Stopped
        if not begin_writing(self._control, job.number):
            raise _Cancelled

    def _watch(self, job: Job, wanted: SourceInput, size: int) -> Callable[[int, int], None]:
        """Return what is told how far a job reads, and ends it where nobody wants it any more."""
        looked_s = elapsed_s()

        def watch(done: int, rows: int) -> None:
            nonlocal looked_s
            self._progress = job.number, Progress(wanted.name, done, size, rows)
            if self._is_stopping.is_set():
                raise _Stopped
            if elapsed_s() - looked_s >= _LOOK_S:
                looked_s = elapsed_s()
                if find_job(self._control, job.space, job.number).state is JobState.CANCELLED:
                    raise _Cancelled

        return watch

    def _forget_uploads(self, job: Job) -> None:
        taken = {one.upload for one in job.inputs}
        for upload in list_uploads(self._control, job.space):  # somebody may have deleted it meanwhile
            if upload.id in taken:
                forget_upload(self._control, self._store.folder, upload)


def _told(error: EnduserError) -> Mapping[str, Any]:
    """Return what is kept of an error; a hint about a file's content may have cells of it."""
    is_of_content = isinstance(error, InvalidMapping | InputError)
    return {"code": error.code, "message": error.message, "hint": None if is_of_content else error.hint}


def _too_often(name: str) -> InternalError:
    return InternalError(
        f"the server ended {limits.JOB_ATTEMPTS_MAX} times while it read {name}",
        hint="its log may say why; the file is left alone until it is another (JOB_ATTEMPTS_MAX)",
    )


class _Beside:
    """The store as a job uses it: reads beside the thread that changes it, writes on that."""

    def __init__(self, store: OwnedStore, change: Change[Applied], begin_writing: Callable[[], None]) -> None:
        self._store = store
        self._change = change
        self._begin_writing = begin_writing

    @property
    def folder(self) -> Path:
        return self._store.folder

    def attributes(self) -> Sequence[Attribute]:
        return self._store.reader.attributes()

    def preview_values(self, space: str, record: WriteValues) -> ValuesPreview:
        return self._store.reader.preview_values(space, record)

    def apply(self, space: str, record: WriteValues) -> Applied:
        self._begin_writing()
        return self._change(lambda: self._store.apply(space, record))
