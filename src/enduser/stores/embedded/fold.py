"""From events to sessions to End User Objects: the fold by delta (docs/decisions/0003)."""

from __future__ import annotations

import duckdb

from enduser import limits
from enduser.core.settings import SpaceSettings
from enduser.stores.embedded.capped import ExactFold
from enduser.stores.embedded.claiming import Naming
from enduser.stores.embedded.linking import regroup
from enduser.stores.embedded.statements import run
from enduser.stores.records import AddLink, RemoveLink

EVENTS_PER_PART = 12_000_000
"""Pending events that one part of a fold may hold; bounds memory to about 1 GB."""

STEPS = (
    "pending",
    "filled",
    "touched",
    "near",
    "crowded",
    "merged",
    "exact",
    "fresh",
    "exact_fold",
    "replaced",
    "closing",
    "store_sessions",
    "changes",
    "known",
    "refolded",
    "folded",
    "refold",
    "spoke",
    "properties",
    "store_users",
    "changed_objects",
    "touch",
)
"""What a part of a fold does, in order: the statements of these names in `sql/fold.sql`.

Only `exact_fold` is more: the few sessions that must be counted from their events.
"""


def fold_pending(connection: duckdb.DuckDBPyConnection, settings: SpaceSettings) -> None:
    """Fold all events of the current schema that are not in sessions and users yet.

    The caller owns the transaction. Cost follows the pending events, not the history.
    """
    is_regrouped = regroup(connection)
    clock, folded, is_due = run(connection, "fold.state", window=settings.window_us)[0]
    waiting = run(connection, "fold.waiting", folded=folded)[0][0]
    if is_regrouped:
        waiting += run(connection, "fold.waiting_again", folded=folded)[0][0]
    elif clock is None or not (waiting or is_due):
        return
    parts = 1 << (waiting // EVENTS_PER_PART).bit_length()
    parameters = {
        "cap": settings.cap_us,
        "window": settings.window_us,
        "months": settings.retention_months,
        "clock": clock,
        "folded": folded,
        "parts": parts,
    }
    is_most = run(connection, "fold.persons")[0][0] <= waiting
    run(connection, "fold.every_member" if is_most else "fold.members", **parameters)
    for part in range(parts):
        _fold_part(connection, parameters | {"part": part})
    run(connection, "fold.finish")
    run(connection, "fold.number", touched_max=limits.TOUCHED_MAX)


def fold_link(naming: Naming, record: AddLink | RemoveLink) -> None:
    """Keep what the API says of two ids, and fold it at once. The caller owns the transaction.

    Raises:
        UsageError, LimitExceeded, UserSuppressed: as `Naming.say` and `Naming.require_one`.
    """
    naming.say(record)
    fold_pending(naming.connection, naming.settings)
    if isinstance(record, AddLink):
        naming.require_one(record)


def _fold_part(connection: duckdb.DuckDBPyConnection, parameters: dict[str, int]) -> None:
    for step in STEPS:
        if step == "exact_fold":
            parameters |= ExactFold(connection, parameters).fold()
            continue
        run(connection, f"fold.{step}", **parameters)
        if step == "touched":
            touched_from, touched_to = run(connection, "fold.touched_span")[0]
            parameters |= {"touched_from": touched_from, "touched_to": touched_to}
