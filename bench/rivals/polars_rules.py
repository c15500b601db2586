"""Polars on the tables as Parquet, read anew for each question.

python polars_rules.py FOLDER NOW REPEATS
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
from duckdb_rules import DAY_US, KINDS


def questions(folder: Path, now: int) -> dict[str, Callable[[], Any]]:
    """Return each question by the name that it has elsewhere."""

    def scan(name: str) -> pl.LazyFrame:
        return pl.scan_parquet(folder / f"{name}.parquet")

    seen = pl.col("total_sessions") > 0
    five = (
        seen
        & pl.col("a1").is_in(["team", "vip"])
        & (pl.col("a11") > 0.3)
        & (pl.col("a12") >= 2)
        & pl.col("a23").is_between(now - 90 * DAY_US, now)
        & pl.col("a17")
    )

    def count(rows: pl.LazyFrame) -> int:
        return int(rows.select(pl.len()).collect(engine="streaming").item())

    def count_persons(persons: pl.LazyFrame, key: str) -> int:
        users = scan("users").filter(seen).select("person_key")
        return count(users.join(persons.select(pl.col(key).alias("person_key")), on="person_key", how="semi"))

    def events(*more: pl.Expr) -> int:
        recent = pl.col("occurred_at") >= now - 7 * DAY_US
        said = scan("events").filter(recent, pl.col("name") == "Action 3", *more)
        opened = scan("open_sessions")
        within = (
            said.join(opened, left_on="user_key", right_on="person_key")
            .filter(
                pl.col("is_visit")
                & pl.col("occurred_at").is_between(pl.col("started_at"), pl.col("ended_at"))
            )
            .select("user_key", "occurred_at")
        )
        return count_persons(said.join(within, on=["user_key", "occurred_at"], how="anti"), "user_key")

    amount = pl.col("properties").str.json_path_match("$.amount").cast(pl.Float64) > 50
    return {
        "5 attributes": lambda: count(scan("users").filter(five)),
        "100 conditions, 25 attributes": lambda: count(scan("users").filter(seen, *hundred())),
        "≥ 8 sessions in 30 days": lambda: count_persons(
            scan("sessions")
            .filter(pl.col("started_at").is_between(now - 60 * DAY_US, now - 30 * DAY_US, closed="left"))
            .group_by("person_key")
            .len()
            .filter(pl.col("len") >= 8),
            "person_key",
        ),
        "event, 7 days": events,
        "event with a property, 7 days": lambda: events(amount),
        "plan changed, 30 days": lambda: count_persons(
            scan("candidates")
            .filter(pl.col("a1").is_not_null())
            .sort("user_key", "effective_at")
            .with_columns(
                before=pl.when(pl.col("user_key") == pl.col("user_key").shift()).then(pl.col("a1").shift())
            )
            .filter(pl.col("effective_at") >= now - 30 * DAY_US, pl.col("a1") != pl.col("before")),
            "user_key",
        ),
        "5 attributes, by industry": lambda: [
            list(row)
            for row in scan("users")
            .filter(five, pl.col("a3").is_not_null())
            .group_by("a3")
            .len()
            .sort(["len", "a3"], descending=[True, False])
            .head(10)
            .collect(engine="streaming")
            .rows()
        ],
        "5 attributes, last 1,000": lambda: last_seen(scan, five),
    }


def last_seen(scan: Callable[[str], pl.LazyFrame], which: pl.Expr) -> list[int]:
    """Return when the last of some users were seen, looked up with all that there is of them."""
    last = scan("users").filter(which).sort("last_seen", descending=True).head(1_000)
    whole = (
        last.join(scan("user_ids"), left_on="person_key", right_on="user_key")
        .join(scan("places"), on="place_id", how="left")
        .join(scan("browsers"), on="browser_id", how="left")
        .sort("last_seen", descending=True)
    )
    return whole.collect(engine="streaming")["last_seen"].to_list()


def hundred() -> list[pl.Expr]:
    """Return four conditions on each attribute, which hold of everybody."""
    return [_four(pl.col(f"a{number}"), kind) for number, kind in enumerate(KINDS, 1)]


def _four(value: pl.Expr, kind: str) -> pl.Expr:
    if kind == "boolean":
        return value | ~value | value.is_null() | value.is_not_null()
    if kind in ("date", "datetime"):
        last = pl.date(2100, 1, 1) if kind == "date" else pl.lit(4_102_444_800_000_000)
        return (value < last) | (value < last) | value.is_null() | value.is_not_null()
    each = {
        "string": lambda k: value.str.contains(f"z{k}", literal=True).not_().fill_null(value=True),
        "number": lambda k: value.ne_missing(-1_000_000 - k),
        "list": lambda k: value.list.contains(f"z{k}").not_().fill_null(value=True),
    }[kind]
    return each(0) & each(1) & each(2) & each(3)


def main(folder: str, now: str, repeats: str) -> None:
    """Ask each question once, which is not counted, and so often again."""
    answers = {}
    for name, ask in questions(Path(folder), int(now)).items():
        times, cpu_s = [], []
        for _ in range(1 + int(repeats)):
            began, before = time.perf_counter(), time.process_time()
            found = ask()
            times.append(time.perf_counter() - began)
            cpu_s.append(time.process_time() - before)
        answers[name] = {"seconds": times[1:], "cpu_s": cpu_s[1:], "found": found}
    print(json.dumps(answers))


if __name__ == "__main__":
    main(*sys.argv[1:])
