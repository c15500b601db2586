"""What a server does of the jobs of sources: one after the other, the oldest first, each to its end.

A job that began and did not end, because its process did, is done from its first input that no run has taken
yet. A run is known by its source and its time, so that none is done twice (docs/decisions/0015).
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import structlog

from enduser import limits
from enduser.clock import elapsed_s, now_us
from enduser.core.attributes import Attribute
from enduser.errors import EnduserError, InputError, InternalError, InvalidSource
from enduser.service.source_runs import SourceRun
from enduser.service.source_setup import look_at, mapping_of
from enduser.sources import uploaded
from enduser.sources.kinds import bring_input, kind_of
from enduser.stores.contract import Applied, OwnedStore, ValuesPreview, WriteValues
from enduser.stores.control import ControlStore
from enduser.stores.jobs import (
    Job,
    JobKind,
    JobState,
    SourceInput,
    begin_job,
    begin_reading,
    begin_writing,
    create_job,
    end_job,
    find_job,
    leave_job,
    note_run,
    taken_versions,
    unfinished_jobs,
)
from enduser.stores.scratch import scratch_folder
from enduser.stores.source_configs import SourceConfig, find_source
from enduser.stores.uploads import find_upload, forget_upload, list_uploads

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
        self._previews: OrderedDict[int, ValuesPreview] = OrderedDict()

    def perform_next(self) -> bool:
        """Do the job that waits longest; return whether there was one that is over now."""
        waiting = unfinished_jobs(self._control)
        if not waiting:
            return False
        state: JobState = JobState.DONE
        error: EnduserError | None = None
        try:
            self._perform(waiting[0])
        except _Stopped:
            leave_job(self._control, waiting[0].number)
            return False
        except _Cancelled:
            state = JobState.CANCELLED
        except EnduserError as failed:
            state, error = JobState.FAILED, failed
        except Exception:
            log.exception("job failed", job=waiting[0].number)
            state, error = JobState.FAILED, InternalError("the server made a mistake", hint="see its log")
        self._progress = None
        told = None if error is None else {"code": error.code, "message": error.message, "hint": error.hint}
        end_job(self._control, waiting[0].number, state, now_us(), told)
        if state is JobState.DONE and waiting[0].kind is JobKind.RUN:
            self._forget_uploads(waiting[0])
        return True

    def progress_of(self, number: int) -> Progress | None:
        """Return how far a job is with what it reads; None: it does not read."""
        progress = self._progress
        return progress[1] if progress is not None and progress[0] == number else None

    def preview_of(self, number: int) -> ValuesPreview | None:
        """Return what a run would do, as a job found; None: it did not, or the server began anew since."""
        return self._previews.get(number)

    def stop(self) -> None:
        """Let the job that is done end soon; it goes on when a server begins."""
        self._is_stopping.set()

    def _perform(self, waiting: Job) -> None:
        config = find_source(self._control, waiting.space, waiting.source)
        inputs = waiting.inputs or pending_inputs(self._control, self._store.folder, config, waiting.kind)
        job = begin_job(self._control, waiting, inputs, now_us())
        if job is None:
            raise _Cancelled
        for number, wanted in enumerate(job.inputs):
            if wanted.run is None:
                self._take(job, config, wanted, (job.started_at or 0) + number)

    def _take(self, job: Job, config: SourceConfig, wanted: SourceInput, written_at: int) -> None:
        if not begin_reading(self._control, job.number):
            raise _Cancelled
        folder, known = self._store.folder, mapping_of(self._control, job.space, job.source)
        with scratch_folder(self._store.folder) as scratch:
            path = bring_input(config, folder, wanted, scratch)
            looked = look_at(wanted.name, path, known)
            run = SourceRun(job.space, job.source, looked, known.mapping, written_at)
            beside = _Beside(self._store, self._change, lambda: self._begin_writing(job))
            watch = self._watch(job, wanted, looked.file.size)
            if job.kind is JobKind.PREVIEW:
                self._keep(job, run.preview(beside, scratch, watch))
            else:
                written, _ = run.do(beside, scratch, watch)
                note_run(self._control, job, wanted, written.run)

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

    def _keep(self, job: Job, preview: ValuesPreview) -> None:
        self._previews[job.number] = preview
        while len(self._previews) > limits.PREVIEWS_KEPT_MAX:
            self._previews.popitem(last=False)

    def _forget_uploads(self, job: Job) -> None:
        taken = {one.upload for one in job.inputs}
        for upload in list_uploads(self._control, job.space):  # somebody may have deleted it meanwhile
            if upload.id in taken:
                forget_upload(self._control, self._store.folder, upload)


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


def pending_inputs(
    control: ControlStore, folder: Path, config: SourceConfig, kind: JobKind
) -> Sequence[SourceInput]:
    """Return what a source has not taken yet, in order; a preview looks at the first of it alone.

    Raises:
        InputError: there is nothing.
        InvalidSource: it takes no files, or files that are sent alone.
    """
    _require_inputs(config)
    taken = taken_versions(control, config.space, config.name)
    found = kind_of(config).inputs(config.connection, folder)
    pending = [one for one in found if taken.get(one.name) != one.version]
    if not pending and kind is JobKind.PREVIEW:
        raise InputError(
            f"there is nothing that {config.name} has not taken yet",
            hint="put a file there, or send one and name it",
        )
    return pending[: 1 if kind is JobKind.PREVIEW else limits.INPUTS_MAX]


def request_job(
    control: ControlStore,
    config: SourceConfig,
    kind: JobKind,
    upload: str | None,
    at_us: int,
) -> Job:
    """Ask a source to look at, or to take, a file that was sent, or else what it has not taken yet.

    Raises:
        InvalidMapping: nobody has said yet what it takes.
        InvalidSource: it takes no files, or files that are sent alone and none is named.
        UploadNotFound: no such file was sent.
        LimitExceeded: too many jobs wait already.
    """
    if upload is None:
        _require_inputs(config)
    mapping_of(control, config.space, config.name)
    inputs: Sequence[SourceInput] = []
    if upload is not None:
        sent = find_upload(control, config.space, upload)
        inputs = [SourceInput(sent.name, upload=sent.id)]
    return create_job(control, config.space, config.name, kind, inputs, at_us)


def _require_inputs(config: SourceConfig) -> None:
    """Refuse a source that finds nothing to take by itself."""
    if kind_of(config) is uploaded:
        raise InvalidSource(
            f"the source {config.name!r} takes files that are sent, and none is named",
            hint=f"name one: enduser sources run {config.name} FILE; for the API see POST /api/v1/uploads",
            field="upload",
        )
