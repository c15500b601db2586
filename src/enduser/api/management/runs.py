"""Runs of sources: what they did, what they rejected, and taking them back."""

from __future__ import annotations

from functools import partial
from typing import Annotated

import msgspec
from msgspec import Meta

from enduser.api.management.calls import Call, FileAnswer, Route
from enduser.api.management.jobs import CountsJson
from enduser.api.management.parameters import CURSOR, LIMIT, RUN, SOURCE_NAME, SPACE
from enduser.clock import now_us
from enduser.errors import InvalidCursor, RunNotFound
from enduser.service.json_form import Time, iso_time, iso_time_if_known
from enduser.service.source_runs import find_run, rejected_path
from enduser.stores.answers import Run
from enduser.stores.contract import OwnedStore
from enduser.stores.paging import page_before
from enduser.stores.records import UndoRun

_NEWEST = "-run"


class RunJson(msgspec.Struct, frozen=True, kw_only=True):
    """A run of a file."""

    run: int
    source: str
    input: Annotated[str, Meta(description="the name of the file")]
    written_at: Time
    counts: CountsJson
    undone_at: Annotated[Time | None, Meta(description="when it was taken back; null: it was not")]


class RunsPage(msgspec.Struct, frozen=True):
    """Some runs, the newest first; `next_cursor` is null on the last page."""

    items: list[RunJson]
    next_cursor: str | None


class RunUndone(msgspec.Struct, frozen=True):
    """Nothing that the run said counts any more."""

    undone: bool


async def list_runs(call: Call) -> RunsPage:
    """Return a page of runs, the newest first."""
    source, limit, cursor = call.values["source"], call.values["limit"], call.values["cursor"]
    found, next_cursor = await call.read(
        lambda reader: page_before(
            partial(reader.runs, call.space, source=source), lambda run: run.run, limit, cursor, _NEWEST
        )
    )
    return RunsPage([_json(run) for run in found], next_cursor)


async def show_run(call: Call) -> RunJson:
    """Return one run."""
    return _json(await call.read(lambda reader: find_run(reader, call.space, call.values["run"])))


async def undo_run(call: Call) -> RunUndone:
    """Take back all that a run said: what was said before, or by others, holds again."""
    number = call.values["run"]

    def undo(store: OwnedStore) -> None:
        find_run(store, call.space, number)
        store.apply(call.space, UndoRun(number, now_us()))

    await call.change(undo)
    return RunUndone(undone=True)


async def show_rejected(call: Call) -> FileAnswer:
    """Return the file of the rows and values that a run rejected."""
    run = await call.read(lambda reader: find_run(reader, call.space, call.values["run"]))
    path = rejected_path(call.services.store.folder, call.space, run.source, run.written_at)
    if not path.exists():
        raise RunNotFound(
            f"the run {run.run} rejected nothing", hint="its counts say so: rejected and rejected_values"
        )
    return FileAnswer(path, f"run-{run.run}-rejected.csv", "text/csv")


def _json(run: Run) -> RunJson:
    return RunJson(
        run=run.run,
        source=run.source,
        input=run.input,
        written_at=iso_time(run.written_at),
        counts=msgspec.convert(run, CountsJson, from_attributes=True),
        undone_at=iso_time_if_known(run.undone_at),
    )


_RUN = RunJson(
    run=7,
    source="crm",
    input="crm.csv",
    written_at="2026-03-01T10:00:02.000000Z",
    counts=CountsJson(read=3, new=1, changed=1, unchanged=0, superseded=0, rejected=1, rejected_values=0),
    undone_at=None,
)
ROUTES = (
    Route(
        "GET",
        "/api/v1/runs",
        list_runs,
        "List the runs of files, the newest first",
        RunsPage,
        RunsPage([_RUN], None),
        (SPACE, SOURCE_NAME, LIMIT, CURSOR),
        (InvalidCursor,),
    ),
    Route(
        "GET",
        "/api/v1/runs/{run}",
        show_run,
        "Show what a run of a file did",
        RunJson,
        _RUN,
        (RUN, SPACE),
        (RunNotFound,),
    ),
    Route(
        "POST",
        "/api/v1/runs/{run}/undo",
        undo_run,
        "Take back all that a run said",
        RunUndone,
        RunUndone(undone=True),
        (RUN, SPACE),
        (RunNotFound,),
    ),
    Route(
        "GET",
        "/api/v1/runs/{run}/rejected",
        show_rejected,
        "Get the rows and values that a run rejected, with the reasons, as CSV",
        str,
        "row,attribute,reason\n4,,junk_user_id\n7,seats,wrong_type\n",
        (RUN, SPACE),
        (RunNotFound,),
        gives_file=("text/csv",),
    ),
)
