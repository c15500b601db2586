"""What collectors accepted, brought into the truth in one transaction with how far the spool is read."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

import duckdb

from enduser.core.settings import SpaceSettings
from enduser.stores.answers import Applied
from enduser.stores.embedded.fold import fold_pending
from enduser.stores.embedded.reading import Look
from enduser.stores.embedded.statements import run
from enduser.stores.embedded.taking import EventTaker
from enduser.stores.records import (
    Chunk,
    EventChunk,
    Form,
    ImportRules,
    SpooledEvents,
    SpoolPosition,
    TimeUnit,
)

CLOCK_STEP_US = 60_000_000
"""A clock that nothing waits for is written down this often."""


def take_spooled(taker: EventTaker, spooled: SpooledEvents, number: int) -> Applied:
    """Take the lines of the current space."""
    rules = ImportRules(started_at=spooled.clock_at or 0, time_unit=TimeUnit(1))
    chunk = Chunk(spooled.lines[number], Form.SPOOLED)
    applied = taker.take(EventChunk(chunk, rules, is_first=False))
    return replace(applied, samples=taker.last_rows(spooled.sample_rows))


def follow_clock(
    connection: duckdb.DuckDBPyConnection, settings: SpaceSettings, clock_at: int | None
) -> None:
    """Move the clock of the current space, if it is live, and fold what waits for it."""
    if clock_at is not None:
        run(connection, "spooled.follow_clock", clock_at=clock_at)
    fold_pending(connection, settings)


def close_history(look: Look) -> None:
    """Let a history clock show that every visit until now is over."""
    look.run("spooled.close_history", window=look.settings().window_us)


def is_due(
    connection: duckdb.DuckDBPyConnection, settings: SpaceSettings, clock_at: int, step: int = CLOCK_STEP_US
) -> bool:
    """Whether a live clock that moves to `clock_at` closes a session, or moves by a step."""
    rows = run(
        connection,
        "spooled.is_due",
        clock_at=clock_at,
        window=settings.window_us,
        step=step,
    )
    return bool(rows[0][0])


def positions(connection: duckdb.DuckDBPyConnection) -> Mapping[int, SpoolPosition]:
    """Return how far each series of the spool is applied."""
    rows = connection.execute("SELECT series, segment, byte FROM main.spool_positions").fetchall()
    return {series: (segment, byte) for series, segment, byte in rows}


def store_positions(connection: duckdb.DuckDBPyConnection, reached: Mapping[int, SpoolPosition]) -> None:
    """Write down how far each series is applied, in place of what was known."""
    rows: Iterable[tuple[int, int, int]] = ((s, segment, byte) for s, (segment, byte) in reached.items())
    columns = [list(column) for column in zip(*rows, strict=True)] or [[], [], []]
    series, segments, read = columns
    run(connection, "spooled.store_positions", series=series, segments=segments, bytes=read)
