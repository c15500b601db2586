"""Sources that run by themselves."""

from __future__ import annotations

import zoneinfo
from collections.abc import Mapping

import structlog

from enduser.errors import EnduserError, InvalidSource
from enduser.service.source_inputs import request_job
from enduser.sources import uploaded
from enduser.sources.kinds import kind_of
from enduser.sources.schedules import check_schedule, next_at
from enduser.stores.control import ControlStore
from enduser.stores.jobs import JobKind, unfinished_jobs
from enduser.stores.source_configs import (
    Schedule,
    SourceConfig,
    every_source,
    set_due,
)

log = structlog.get_logger()


def schedule_changes(config: SourceConfig, schedule: Schedule | None, now_us: int) -> Mapping[str, object]:
    """Return what is to be changed of a source, so that it runs by a schedule from now on, or when asked.

    Raises:
        InvalidSource: the schedule is none, or the source has nothing to take by itself.
    """
    if schedule is None:
        return {"schedule": None, "due_at": None}
    check_schedule(schedule)
    if kind_of(config) is uploaded:
        raise InvalidSource(
            f"the source {config.name!r} takes files that people send, so it cannot run by itself",
            hint="make one of the inbox: enduser sources create-inbox",
            field="schedule",
        )
    return {"schedule": schedule, "due_at": next_at(schedule, now_us)}


def start_due(control: ControlStore, now_us: int) -> None:
    """Ask every source that is due to run; one that still does is due again next time.

    What was missed while no server ran is made up for once. What is wrong with one source hinders no other.
    """
    busy = {(job.space, job.source) for job in unfinished_jobs(control) if job.kind is JobKind.RUN}
    for config in every_source(control):
        if config.schedule is None or config.due_at is None or config.due_at > now_us:
            continue
        try:
            set_due(control, config, next_at(config.schedule, now_us))
            if (config.space, config.name) not in busy:
                request_job(control, config, JobKind.RUN, None, now_us)
        except (EnduserError, zoneinfo.ZoneInfoNotFoundError) as error:
            log.warning(
                "scheduled run not started", source=config.name, space=config.space, error=repr(error)
            )
