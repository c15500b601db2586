"""Spark SQL on this machine: integer Parquet → sessions and users, two folders of Parquet files.

python spark_sessions.py EVENTS OUT WINDOW_US THREADS MEMORY_LIMIT_MB; the limit would be too small for Spark.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

from pyspark import SparkContext
from pyspark.sql import SparkSession

SESSIONS = """
WITH marked AS (
    SELECT *, CASE WHEN occurred_at - lag(occurred_at) OVER earlier < {window} THEN 0 ELSE 1 END AS first
    FROM events
    WINDOW earlier AS (PARTITION BY user_id ORDER BY occurred_at)
),
numbered AS (
    SELECT *, sum(first) OVER (PARTITION BY user_id ORDER BY occurred_at
                               ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS number
    FROM marked
)
SELECT
    user_id, min(occurred_at) AS started_at, max(occurred_at) AS ended_at,
    count(*) AS events, count_if(is_page_view) AS page_views, count_if(is_act) AS acts,
    max_by(place_id, occurred_at) AS place_id, max_by(browser_id, occurred_at) AS browser_id
FROM numbered GROUP BY user_id, number
"""

USERS = """
SELECT
    user_id, count(*) AS sessions, min(started_at) AS first_seen, max(ended_at) AS last_seen,
    sum(ended_at - started_at) AS duration_us,
    max_by(place_id, ended_at) AS place_id, max_by(browser_id, ended_at) AS browser_id
FROM sessions GROUP BY user_id
"""


def start(threads: int, scratch: Path) -> SparkSession:
    """Start Spark with memory enough not to spill, and few partitions, as suits one machine."""
    return (
        SparkSession.builder.master(f"local[{threads}]")
        .config("spark.driver.memory", "8g")
        .config("spark.sql.shuffle.partitions", 4 * threads)
        .config("spark.local.dir", str(scratch))
        .config("spark.ui.enabled", "false")
        .getOrCreate()
    )


def main(events: str, out: str, window_us: str, threads: str, _memory_limit_mb: str) -> None:
    """Write both folders and print the seconds that it took, the start of the JVM not included."""
    folder = Path(out)
    spark = start(int(threads), folder.with_name(folder.name + "-scratch"))
    began = time.perf_counter()
    spark.read.parquet(events).createOrReplaceTempView("events")
    spark.sql(SESSIONS.format(window=window_us)).write.parquet(f"{out}/sessions.parquet")
    spark.read.parquet(f"{out}/sessions.parquet").createOrReplaceTempView("sessions")
    spark.sql(USERS).write.parquet(f"{out}/users.parquet")
    print(json.dumps({"work_s": time.perf_counter() - began}))
    stop(spark)


def stop(spark: SparkSession) -> None:
    """Stop Spark and wait for the JVM, so that its processor time and memory are counted."""
    gateway = SparkContext._gateway  # noqa: SLF001 - pyspark has no public name for it
    spark.stop()
    gateway.shutdown()
    gateway.proc.stdin.close()
    gateway.proc.wait()


if __name__ == "__main__":
    main(*sys.argv[1:])
