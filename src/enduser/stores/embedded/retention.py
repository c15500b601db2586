"""Deleting by age, portion by portion: who was not seen for long, earlier lives, content of old events."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import duckdb

from enduser import limits
from enduser.core.events import UserId
from enduser.core.retention import deletes_from, last_to_go, latest_as_of
from enduser.core.settings import SpaceSettings
from enduser.errors import RetentionRefused, RunNotFound, not_come
from enduser.stores.answers import IdleUser, RetentionAmount, RetentionPreview, RetentionRun
from enduser.stores.embedded.claiming import Naming
from enduser.stores.embedded.erasing import erase_rows, release, tell_touched
from enduser.stores.embedded.fold import fold_pending
from enduser.stores.embedded.reading import Look
from enduser.stores.embedded.registry import columns
from enduser.stores.embedded.statements import run, run_spliced
from enduser.stores.records import BeginRetention, ForgetOld

_ALL = 2**62
_PERSONS = ("idle", "idle_unseen", "returned", "old_links")
"""What is looked for, in order; the first that there is makes a portion. Each is a statement of that name."""


def begin(naming: Naming, space: str, record: BeginRetention) -> RetentionRun:
    """Begin a run, and return its receipt, with nothing in it yet. The caller owns the transaction.

    Raises:
        RetentionRefused: nobody may be deleted by age now, or as of that time.
    """
    as_of = _as_of(naming, record)
    ((number,),) = run(
        naming.connection, "retention.begin_run", space=space, as_of=as_of, began_at=record.began_at
    )
    run(naming.connection, "retention.forget_runs", space=space, runs_max=limits.RETENTION_RUNS_KEPT)
    return RetentionRun(number, space, as_of, record.began_at)


def _as_of(naming: Naming, record: BeginRetention) -> int:
    """Return the time by which users are judged."""
    clock, live_since = run(naming.connection, "retention.clock")[0]
    as_of = record.as_of if record.as_of is not None else clock or 0
    begins = deletes_from(live_since)
    if begins is not None and clock is not None and clock < begins:
        raise RetentionRefused(
            f"the space went live less than {limits.RETENTION_GRACE_DAYS} days ago: nobody is deleted yet",
            hint="a dry run says who would be; see RETENTION_GRACE_DAYS in docs/limits.md",
        )
    if as_of > latest_as_of(live_since, clock, record.began_at):
        raise not_come()
    return as_of


def as_of(connection: duckdb.DuckDBPyConnection, space: str, record: ForgetOld) -> int:
    """Return the time by which a run judges users.

    Raises:
        RunNotFound: there is no such run, or it is over.
    """
    for (time,) in run(connection, "retention.as_of", space=space, run=record.run):
        return int(time)
    raise _not_found(record.run)


def _not_found(number: int) -> RunNotFound:
    return RunNotFound(
        f"there is no run {number} of the retention that goes on", hint="begin another: enduser retention run"
    )


@dataclass(frozen=True, slots=True)
class Portion:
    """Something to be forgotten at once: it stands in temporary tables of the connection."""

    kind: str
    ids: Sequence[UserId]
    """Under these copies may have it."""


def find(naming: Naming, as_of: int) -> Portion | None:
    """Find the next portion, and tell copies of it; None: nothing is left. The caller owns the transaction.

    Should it not be forgotten after that, copies have got nothing wrong.
    """
    connection, settings = naming.connection, naming.settings
    fold_pending(connection, settings)
    kind = _find(connection, settings, as_of)
    if kind is None:
        return None
    return Portion(kind, [] if kind == "contents" else tell_touched(connection))


def _find(connection: duckdb.DuckDBPyConnection, settings: SpaceSettings, as_of: int) -> str | None:
    run(connection, "retention.nothing")
    last = last_to_go(as_of, settings.retention_months)
    found = {"last": last, "as_of": as_of, "persons_max": limits.RETENTION_PERSONS_AT_ONCE}
    for kind in _PERSONS if last is not None else ():
        if run(connection, f"retention.{kind}", **found)[0][0]:
            if kind.startswith("idle"):
                run(connection, "retention.erased")
                run(connection, "erasing.beside")
            return kind
    last = last_to_go(as_of, settings.event_retention_months)
    most = limits.RETENTION_EVENTS_AT_ONCE
    if last is not None and run(connection, "retention.contents", last=last, events_max=most)[0][0]:
        return "contents"
    return None


def forget(naming: Naming, portion: Portion) -> RetentionAmount:
    """Take away the portion that was found last; return how much. The caller owns the transaction."""
    connection = naming.connection
    if portion.kind == "contents":
        ((contents,),) = run(connection, "retention.forget_contents")
        run(connection, "fold.number", touched_max=limits.TOUCHED_MAX)
        return RetentionAmount(contents=contents)
    users, ids, lives = run(connection, "retention.persons")[0]
    events = sessions = values = 0
    if users:
        each = [column.splices() for column in columns(connection)]
        ((values,),) = run_spliced(connection, "retention.values", each)
        events, sessions = erase_rows(connection)
    elif lives:
        ((events,),) = run(connection, "retention.earlier_events")
        ((sessions,),) = run(connection, "retention.earlier_sessions")
        run(connection, "retention.earlier_rest")
        naming.take_claims(batch=0, of="(FROM events WHERE user_key IN (SELECT user_key FROM returned_ids))")
    run(connection, "retention.forget_links")
    release(naming)
    return RetentionAmount(users, ids, lives, events, sessions, values)


def note(
    connection: duckdb.DuckDBPyConnection, space: str, record: ForgetOld, amount: RetentionAmount | None
) -> RetentionRun:
    """Add what went to the receipt of a run, and return that; None: nothing is left, and the run is over.

    Raises:
        RunNotFound: there is no such run, or it is over.
    """
    rows = run(
        connection,
        "retention.note_run",
        space=space,
        run=record.run,
        now=record.now,
        is_done=amount is None,
        **asdict(amount or RetentionAmount()),
    )
    if not rows:
        raise _not_found(record.run)
    return _receipt(*rows[0])


def runs(look: Look, before: int | None, limit: int) -> Sequence[RetentionRun]:
    """Return the last runs, the newest first; see `Reader.retention_runs`."""
    rows = look.run("retention.runs", space=look.space, before=before, limit=limit)
    return [_receipt(*row) for row in rows]


def _receipt(number: int, space: str, as_of: int, began_at: int, *more: Any) -> RetentionRun:
    ended_at, *counts, gone_at = more
    return RetentionRun(number, space, as_of, began_at, ended_at, RetentionAmount(*counts), gone_at)


def preview(look: Look, as_of: int | None) -> RetentionPreview:
    """Return what deleting by age would take away; see `Reader.preview_retention`. It changes nothing."""
    clock, live_since = look.run("retention.clock")[0]
    settings, judged_at = look.settings(), clock or 0 if as_of is None else as_of
    look.run("retention.nothing")
    last = last_to_go(judged_at, settings.retention_months)
    if last is not None:
        for kind in ("idle", "idle_unseen", "returned"):
            look.run(f"retention.{kind}", last=last, as_of=judged_at, persons_max=_ALL)
        look.run("retention.erased")
    last_content = last_to_go(judged_at, settings.event_retention_months)
    each = [column.splices() for column in look.columns()]
    counts = run_spliced(look.connection, "retention.amount", each, last=last_content)[0]
    rows = look.run("retention.examples", examples_max=limits.PREVIEWED_USERS_MAX)
    examples = [IdleUser(*row) for row in rows]
    return RetentionPreview(judged_at, RetentionAmount(*counts), deletes_from(live_since), examples)
