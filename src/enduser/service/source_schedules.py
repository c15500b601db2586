"""Sources that run by themselves."""

from __future__ import annotations

from dataclasses import replace

import structlog

from enduser.errors import EnduserError, InvalidSource
from enduser.service.source_jobs import request_job
from enduser.sources import uploaded
from enduser.sources.kinds import kind_of
from enduser.sources.schedules import check_schedule, next_at
from enduser.stores.control import ControlStore
from enduser.stores.jobs import JobKind, unfinished_jobs
from enduser.stores.source_configs import (
    Schedule,
    SourceConfig,
    every_source,
    find_source,
    save_source,
    set_due,
)

log = structlog.get_logger()


def set_schedule(
    control: ControlStore, space: str, name: str, schedule: Schedule | None, now_us: int
) -> SourceConfig:
    """Let a source run by a schedule from now on, or, without one, only when somebody asks.

    Raises:
        SourceNotFound: there is none of this name.
        InvalidSource: the schedule is none, or the source has nothing to take by itself.
    """
    config = find_source(control, space, name)
    due_at = None
    if schedule is not None:
        check_schedule(schedule)
        if kind_of(config) is uploaded:
            raise InvalidSource(
                f"the source {name!r} takes files that people send, so it cannot run by itself",
                hint="make one of the inbox: enduser sources create-inbox",
                field="schedule",
            )
        due_at = next_at(schedule, now_us)
    scheduled = replace(config, schedule=schedule, due_at=due_at)
    save_source(control, scheduled)
    return scheduled


def start_due(control: ControlStore, now_us: int) -> None:
    """Ask every source that is due to run; one that still does is due again next time.

    What was missed while no server ran is made up for once.
    """
    busy = {(job.space, job.source) for job in unfinished_jobs(control) if job.kind is JobKind.RUN}
    for config in every_source(control):
        if config.schedule is None or config.due_at is None or config.due_at > now_us:
            continue
        set_due(control, config, next_at(config.schedule, now_us))
        if (config.space, config.name) in busy:
            continue
        try:
            request_job(control, config, JobKind.RUN, None, now_us)
        except EnduserError as error:
            log.warning("scheduled run not started", source=config.name, space=config.space, error=str(error))
