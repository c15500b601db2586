"""Jobs of sources: a look at what a run would do, or a run; asked for, followed, cancelled."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from enduser.api.management.calls import Call, Route
from enduser.api.management.parameters import CURSOR, JOB, LIMIT, SOURCE, SOURCE_NAME, SPACE
from enduser.clock import now_us
from enduser.errors import (
    InvalidCursor,
    InvalidMapping,
    InvalidSource,
    JobNotCancellable,
    JobNotFound,
    LimitExceeded,
    SourceNotFound,
    UploadNotFound,
)
from enduser.service.json_form import Count, Time, iso_time, iso_time_if_known
from enduser.service.source_inputs import request_job
from enduser.service.source_jobs import SourceJobs
from enduser.stores.answers import AttributeDiff, SegmentDiff, ValuesPreview, Written
from enduser.stores.jobs import Job, JobKind, JobState, cancel_job, find_job, list_jobs
from enduser.stores.paging import page_before
from enduser.stores.source_configs import find_source

_NEWEST = "-job"


class NewJob(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a source is asked to do, with a file that was sent, or else with what it has not taken yet."""

    kind: JobKind
    upload: Annotated[str | None, Meta(description="the id of a file that was sent")] = None


class InputJson(msgspec.Struct, frozen=True):
    """A file that a job reads, and the run that took it or why none could."""

    name: str
    run: int | None
    error: JobErrorJson | None = None


class ProgressJson(msgspec.Struct, frozen=True):
    """How far a job is with the file that it reads."""

    input: str
    bytes_read: Count
    bytes_total: Count
    rows: Count


class JobErrorJson(msgspec.Struct, frozen=True):
    """Why a job, or one of its files, failed, as an error of the API says it."""

    code: str
    message: str
    hint: str | None
    input: Annotated[str | None, Meta(description="the file, if it is because of one")] = None


class CountsJson(msgspec.Struct, frozen=True, kw_only=True):
    """What becomes of the rows of a file: each is in exactly one of the counts but `read`, their sum."""

    read: Count
    new: Annotated[int, Meta(description="users of whom nothing of this was known")]
    changed: Annotated[int, Meta(description="other users of whom something else holds")]
    unchanged: Count
    superseded: Annotated[int, Meta(description="rows of a user of whom a later row speaks too")]
    rejected: Annotated[int, Meta(description="rows of which nothing could be taken")]
    rejected_values: Annotated[int, Meta(description="values of good rows that could not be taken")]


class RejectionJson(msgspec.Struct, frozen=True):
    """A row that would not be taken, or a value of one; rows are counted as a spreadsheet shows them."""

    row: int
    attribute: str | None
    reason: str


class ChangedUserJson(msgspec.Struct, frozen=True):
    """A user as he is and as he would become, by attribute; null: unknown."""

    user_id: str
    is_anonymous: bool
    before: dict[str, Any]
    after: dict[str, Any]


class PreviewJson(msgspec.Struct, frozen=True, kw_only=True):
    """What a run would do: counts, how many users each attribute changes for, and the first of each."""

    counts: CountsJson
    user_count: Annotated[int, Meta(description="of how many users the file speaks")]
    seen_count: Annotated[int, Meta(description="how many of them have an End User Object")]
    attributes: list[AttributeDiff]
    users: list[ChangedUserJson]
    segments: Annotated[
        list[SegmentDiff], Meta(description="how many users would enter and leave each, where some would")
    ]
    rejections: list[RejectionJson]


class JobJson(msgspec.Struct, frozen=True, kw_only=True):
    """A job. `preview` is kept until the server ends, and is null in lists."""

    job: int
    source: str
    kind: JobKind
    state: JobState
    inputs: list[InputJson]
    requested_at: Time
    started_at: Time | None
    ended_at: Time | None
    error: JobErrorJson | None
    progress: ProgressJson | None
    preview: PreviewJson | None


class JobsPage(msgspec.Struct, frozen=True):
    """Some jobs, the newest first; `next_cursor` is null on the last page."""

    items: list[JobJson]
    next_cursor: str | None


async def create_job(call: Call) -> JobJson:
    """Ask a source to do something; it is done as soon as what was asked for before is."""
    told = call.told(NewJob, 'send {"kind": "preview", "upload": …} or {"kind": "run", "upload": …}')
    control, space, name = call.services.control, call.space, call.values["source"]

    def ask() -> Job:
        return request_job(control, find_source(control, space, name), told.kind, told.upload, now_us())

    return _json(await call.services.on_thread(ask), call.services.jobs)


async def show_jobs(call: Call) -> JobsPage:
    """Return a page of jobs, the newest first."""
    values, control, space = call.values, call.services.control, call.space
    find = partial(list_jobs, control, space, source=values["source"])
    await call.read(lambda reader: reader.settings(space))  # there must be such a space
    found, next_cursor = await call.services.on_thread(
        lambda: page_before(find, lambda job: job.number, values["limit"], values["cursor"], _NEWEST)
    )
    return JobsPage([_json(job, call.services.jobs) for job in found], next_cursor)


async def show_job(call: Call) -> JobJson:
    """Return one job, with how far it is, and what it found."""
    control, number = call.services.control, call.values["job"]
    job = await call.services.on_thread(lambda: find_job(control, call.space, number))
    return _json(job, call.services.jobs, with_preview=True)


async def stop_job(call: Call) -> JobJson:
    """Let a job end without a result."""
    control, number = call.services.control, call.values["job"]
    job = await call.services.on_thread(lambda: cancel_job(control, call.space, number, now_us()))
    return _json(job, call.services.jobs)


def _json(job: Job, jobs: SourceJobs, *, with_preview: bool = False) -> JobJson:
    progress = jobs.progress_of(job.number)
    preview = jobs.preview_of(job.number) if with_preview else None
    return JobJson(
        job=job.number,
        source=job.source,
        kind=job.kind,
        state=job.state,
        inputs=[InputJson(one.name, one.run, _error(one.error)) for one in job.inputs],
        requested_at=iso_time(job.requested_at),
        started_at=iso_time_if_known(job.started_at),
        ended_at=iso_time_if_known(job.ended_at),
        error=_error(job.error),
        progress=None if progress is None else msgspec.convert(progress, ProgressJson, from_attributes=True),
        preview=None if preview is None else _preview(preview),
    )


def _error(told: Mapping[str, Any] | None) -> JobErrorJson | None:
    return None if told is None else JobErrorJson(**told)


def _preview(preview: ValuesPreview) -> PreviewJson:
    written = preview.written
    rows = [RejectionJson(one.row, None, one.reason) for one in written.row_rejections]
    values = [RejectionJson(one.row, one.attribute, one.reason) for one in written.value_rejections]
    return PreviewJson(
        counts=counts_json(written),
        user_count=preview.users,
        seen_count=preview.seen,
        attributes=list(preview.attributes),
        users=[msgspec.convert(one, ChangedUserJson, from_attributes=True) for one in preview.samples],
        segments=list(preview.segments),
        rejections=[*rows, *values],
    )


def counts_json(written: Written) -> CountsJson:
    """Return what became of the rows of a file as programs outside get it."""
    return msgspec.convert(written, CountsJson, from_attributes=True)


def _example(**more: Any) -> JobJson:
    told: dict[str, Any] = {"state": JobState.WAITING, "started_at": None, "ended_at": None, "preview": None}
    return JobJson(
        job=12,
        source="crm",
        kind=JobKind.PREVIEW,
        inputs=[InputJson("crm.csv", None)],
        requested_at="2026-03-01T10:00:00.000000Z",
        error=None,
        progress=None,
        **(told | more),
    )


_COUNTS = CountsJson(read=3, new=1, changed=1, unchanged=0, superseded=0, rejected=1, rejected_values=0)
_DONE = _example(
    state=JobState.DONE,
    started_at="2026-03-01T10:00:01.000000Z",
    ended_at="2026-03-01T10:00:02.000000Z",
    preview=PreviewJson(
        counts=_COUNTS,
        user_count=2,
        seen_count=1,
        attributes=[AttributeDiff("plan", 1, 1, 0)],
        users=[ChangedUserJson("adam.br", False, {"plan": "free"}, {"plan": "vip"})],
        segments=[SegmentDiff("upgraded", "Recently upgraded to VIP", 1, 0)],
        rejections=[RejectionJson(4, None, "junk_user_id")],
    ),
)
ROUTES = (
    Route(
        "POST",
        "/api/v1/sources/{source}/jobs",
        create_job,
        "Ask a source to look at a file, or to take it",
        JobJson,
        _example(),
        (SOURCE, SPACE),
        (SourceNotFound, InvalidMapping, InvalidSource, UploadNotFound, LimitExceeded),
        body=NewJob,
        body_example={"kind": "preview", "upload": "6f1c0a9be2d47385"},
    ),
    Route(
        "GET",
        "/api/v1/jobs",
        show_jobs,
        "List what sources were asked to do, the newest first",
        JobsPage,
        JobsPage([_example()], None),
        (SPACE, SOURCE_NAME, LIMIT, CURSOR),
        (InvalidCursor,),
    ),
    Route(
        "GET",
        "/api/v1/jobs/{job}",
        show_job,
        "Show a job: how far it is, and what it found",
        JobJson,
        _DONE,
        (JOB, SPACE),
        (JobNotFound,),
    ),
    Route(
        "POST",
        "/api/v1/jobs/{job}/cancel",
        stop_job,
        "Cancel a job that is not being written yet",
        JobJson,
        _example(state=JobState.CANCELLED, ended_at="2026-03-01T10:00:02.000000Z"),
        (JOB, SPACE),
        (JobNotFound, JobNotCancellable),
    ),
)
