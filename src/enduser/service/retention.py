"""Deleting by age: a run from its begin to its end, portion by portion."""

from __future__ import annotations

from collections.abc import Callable

from enduser.core.retention import latest_as_of
from enduser.errors import not_come
from enduser.stores.answers import RetentionRun, SpaceStatus
from enduser.stores.contract import Store
from enduser.stores.records import BeginRetention, ForgetOld


def require_past(found: SpaceStatus, as_of: int | None, now: int) -> None:
    """Check that users of a space may be judged by a time.

    Raises:
        RetentionRefused: it has not come.
    """
    if as_of is not None and as_of > latest_as_of(found.live_since, found.clock_at, now):
        raise not_come()


def begin_retention(store: Store, space: str, as_of: int | None, now: int) -> RetentionRun:
    """Begin a run, and return its receipt, with nothing in it yet.

    Raises:
        RetentionRefused: nobody may be deleted by age now, or as of that time.
    """
    begun = store.apply(space, BeginRetention(now, as_of)).retention
    assert begun is not None
    return begun


def forget_portion(store: Store, run: RetentionRun, now: int) -> RetentionRun:
    """Let the next portion of a run go; return its receipt, which has an end when nothing was left.

    Raises:
        RetentionRefused: an import is running.
        RunNotFound: the run is over.
    """
    done = store.apply(run.space, ForgetOld(run.number, now)).retention
    assert done is not None
    return done


def run_retention(store: Store, space: str, as_of: int | None, now: Callable[[], int]) -> RetentionRun:
    """Do a whole run, and return its receipt.

    Raises:
        RetentionRefused: nobody may be deleted by age now, or as of that time.
    """
    run = begin_retention(store, space, as_of, now())
    while run.ended_at is None:
        run = forget_portion(store, run, now())
    return run
