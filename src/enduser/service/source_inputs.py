"""What sources have not taken yet: found, asked for, and taken by a command."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext
from pathlib import Path

from enduser import limits
from enduser.errors import InputError, InvalidSource
from enduser.service.source_runs import SourceRun, running_alone
from enduser.service.source_setup import look_at, mapping_of
from enduser.sources import uploaded
from enduser.sources.kinds import bring_input, kind_of
from enduser.stores.answers import Written
from enduser.stores.contract import Store
from enduser.stores.control import ControlStore
from enduser.stores.jobs import Job, JobKind, SourceInput, create_job
from enduser.stores.scratch import scratch_folder
from enduser.stores.source_configs import SourceConfig
from enduser.stores.taken_inputs import remember_taken, taken_versions
from enduser.stores.uploads import find_upload


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


def input_run(
    control: ControlStore,
    config: SourceConfig,
    wanted: SourceInput,
    folder: Path,
    scratch: Path,
    written_at: int,
) -> SourceRun:
    """Return the run of an input, to be looked at or done; what is elsewhere is brought to `scratch`.

    Raises:
        InputError: it is not there any more, or cannot be read.
        InvalidMapping: nobody has said yet what the source takes.
    """
    known = mapping_of(control, config.space, config.name)
    path = bring_input(config, folder, wanted, scratch)
    looked = look_at(wanted.name, path, known)
    return SourceRun(config.space, config.name, looked, known.mapping, written_at)


def take_pending(
    store: Store,
    control: ControlStore,
    config: SourceConfig,
    kind: JobKind,
    take: Callable[[SourceRun, Path], Written],
    now_us: int,
) -> Iterator[Written]:
    """Take what a source has not taken yet, file by file, each by `take`; a preview looks at the first alone.

    Raises:
        UsageError: a run of the source is going on.
    """
    is_run = kind is JobKind.RUN
    with running_alone(store.folder, config.space, config.name) if is_run else nullcontext():
        for number, wanted in enumerate(pending_inputs(control, store.folder, config, kind)):
            with scratch_folder(store.folder) as scratch:
                written_at = now_us + number
                yield take(input_run(control, config, wanted, store.folder, scratch, written_at), scratch)
            if is_run:
                with control.changing() as connection:
                    remember_taken(connection, config.space, config.name, wanted.name, wanted.version)
