"""From a chunk of a file to typed rows: the temporary view `rows`."""

from __future__ import annotations

import math
from glob import escape

import duckdb

from enduser.stores.embedded import parquet
from enduser.stores.embedded.statements import run
from enduser.stores.records import EventChunk, Form, TimeUnit

ASSETS = (
    r"\.(css|js|mjs|map|json|xml|rss|atom|txt|png|jpe?g|gif|svg|ico|webp|avif|bmp|tiff?|woff2?|ttf|otf"
    r"|eot|swf|mp[34]|webm|ogg|wav|mov|avi|zip|gz|tgz|tar|bz2|xz|7z|rar|exe|dmg|iso|deb|rpm|jar|wasm)$"
)
"""Paths of an access log that are no pages: styles, scripts, images, fonts, media, feeds, archives."""

STRUCTURE = (
    '{"line_number":"VARCHAR","problem":"VARCHAR","messageId":"VARCHAR","message_id":"VARCHAR","userId":"VARCHAR",'
    '"user_id":"VARCHAR","anonymousId":"VARCHAR","anonymous_id":"VARCHAR","previousId":"VARCHAR",'
    '"timestamp":"VARCHAR","occurred_at":"VARCHAR","originalTimestamp":"VARCHAR","type":"VARCHAR",'
    '"event":"VARCHAR","name":"VARCHAR","active":"VARCHAR","ip":"VARCHAR","user_agent":"VARCHAR",'
    '"country":"VARCHAR","region":"VARCHAR","city":"VARCHAR","url":"VARCHAR","properties":"JSON",'
    '"traits":"JSON","context":{"active":"VARCHAR","ip":"VARCHAR","userAgent":"VARCHAR",'
    '"page":{"url":"VARCHAR","path":"VARCHAR"},"traits":"JSON",'
    '"location":{"country":"VARCHAR","region":"VARCHAR","city":"VARCHAR"}}}'
)
"""Where the fields of an event stand in a JSON line, in the Segment form and in the flat one."""

_STATEMENTS = {Form.ACCESS_LOG: "rows.access_log", Form.SPOOLED: "rows.spooled"}

_SECONDS_BELOW = 1e11
"""Numeric times below this are seconds: it is the year 5138 in seconds, 1973 in milliseconds."""

_MILLISECONDS_BELOW = 1e14
"""Below this they are milliseconds, by the same years; above it microseconds."""


def read_rows(connection: duckdb.DuckDBPyConnection, record: EventChunk, secret: str) -> TimeUnit | None:
    """Make the view `rows` of a chunk, each with the line of the file that it stands on.

    Returns the unit of its numeric times: the one that the record names, else the one inferred, None
    where the chunk has no numeric times.
    """
    if record.chunk.form is Form.PARQUET:
        return _read_parquet(connection, record)
    run(
        connection,
        _STATEMENTS.get(record.chunk.form, "rows.json_lines"),
        path=escape(str(record.chunk.path)),
        structure=STRUCTURE,
        is_numbered=record.chunk.form is Form.NUMBERED_JSON_LINES,
        secret=secret,
        assets=ASSETS,
        all_requests=record.rules.all_requests,
    )
    connection.execute("SET VARIABLE first_line = $1", [record.chunk.first_row])
    run(connection, "rows.numbered")
    return record.rules.time_unit or _inferred_unit(connection)


def _read_parquet(connection: duckdb.DuckDBPyConnection, record: EventChunk) -> TimeUnit | None:
    columns = parquet.columns_of(connection, record.chunk.path)
    unit = record.rules.time_unit
    if unit is None:
        connection.execute(
            f"CREATE OR REPLACE TEMP VIEW rows AS {parquet.times_query(record.chunk, columns)}"
        )
        unit = _inferred_unit(connection)
    query = parquet.rows_query(record.chunk, columns, unit.us if unit else 1, plausible_numbers(unit))
    connection.execute(f"CREATE OR REPLACE TEMP VIEW rows AS {query}")
    return unit


def _inferred_unit(connection: duckdb.DuckDBPyConnection) -> TimeUnit | None:
    """Return the unit that puts the middle one of the first numeric times of `rows` nearest to today."""
    found = run(connection, "rows.time_sample")
    if not found:
        return None
    middle, sample = found[0]
    us = 1_000_000 if middle < _SECONDS_BELOW else 1_000 if middle < _MILLISECONDS_BELOW else 1
    return TimeUnit(us, inferred_from=str(sample))


def plausible_numbers(unit: TimeUnit | None) -> tuple[float, float]:
    """Return from which number up to which (excluded) a numeric time can be of this unit.

    Where the unit was only inferred, a number that alone would have told another unit is none of it.
    """
    if unit is None or unit.inferred_from is None:
        return 0, math.inf
    return {
        1_000_000: (0, _SECONDS_BELOW),
        1_000: (_SECONDS_BELOW, _MILLISECONDS_BELOW),
        1: (_MILLISECONDS_BELOW, math.inf),
    }[unit.us]
