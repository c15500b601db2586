"""Polars: integer Parquet → sessions and users, two Parquet files.

python polars_sessions.py EVENTS OUT WINDOW_US THREADS MEMORY_LIMIT_MB; Polars knows no memory limit.
"""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path

os.environ["POLARS_MAX_THREADS"] = sys.argv[4]  # read when Polars is imported

import polars as pl


def sessions_of(events: pl.LazyFrame, window_us: int) -> pl.LazyFrame:
    """Return the sessions: within each user a running count of the gaps that reach the window.

    Of six ways to write it (a sort by user and time, `order_by` in the window, two windows, each with
    either engine) this one with the streaming engine took the least time.
    """
    at = pl.col("occurred_at")
    gaps = (at - at.shift(1) >= window_us).cum_sum().fill_null(0)
    return (
        events.sort("occurred_at")
        .with_columns(number=gaps.over("user_id"))
        .group_by("user_id", "number")
        .agg(
            started_at=at.min(),
            ended_at=at.max(),
            events=pl.len(),
            page_views=pl.col("is_page_view").sum(),
            acts=pl.col("is_act").sum(),
            place_id=pl.col("place_id").last(),
            browser_id=pl.col("browser_id").last(),
        )
        .drop("number")
    )


def users_of(sessions: pl.LazyFrame) -> pl.LazyFrame:
    """Return the users of sessions in any order."""
    return sessions.group_by("user_id").agg(
        sessions=pl.len(),
        first_seen=pl.col("started_at").min(),
        last_seen=pl.col("ended_at").max(),
        duration_us=(pl.col("ended_at") - pl.col("started_at")).sum(),
        place_id=pl.col("place_id").get(pl.col("ended_at").arg_max()),
        browser_id=pl.col("browser_id").get(pl.col("ended_at").arg_max()),
    )


def main(events: str, out: str, window_us: str, _threads: str, _memory_limit_mb: str) -> None:
    """Write both files and print the seconds that it took."""
    began = time.perf_counter()
    folder = Path(out)
    folder.mkdir()
    sessions = sessions_of(pl.scan_parquet(events), int(window_us)).collect(engine="streaming")
    sessions.write_parquet(folder / "sessions.parquet")
    users_of(sessions.lazy()).collect(engine="streaming").write_parquet(folder / "users.parquet")
    print(json.dumps({"work_s": time.perf_counter() - began}))


if __name__ == "__main__":
    main(*sys.argv[1:])
