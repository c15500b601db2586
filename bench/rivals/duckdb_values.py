"""Bare DuckDB: a CSV file into a table by id, the second time over what is there.

python duckdb_values.py CSV ATTRIBUTES THREADS MEMORY_LIMIT_MB
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from pathlib import Path

import duckdb


def main(file: str, attributes: str, threads: str, memory_limit_mb: str) -> None:
    """Take the file twice, and time the second."""
    kinds = {f"n{n}": "DOUBLE" if n % 2 else "VARCHAR" for n in range(int(attributes))}
    columns = ", ".join(f"'{name}': '{kind}'" for name, kind in {"user_id": "VARCHAR", **kinds}.items())
    with tempfile.TemporaryDirectory(dir=Path(file).parent) as folder:
        config = {"threads": threads, "memory_limit": f"{memory_limit_mb}MB"}
        connection = duckdb.connect(f"{folder}/bare.duckdb", config=config)
        read = f"read_csv('{file}', header = true, columns = {{{columns}}})"
        connection.execute(f"CREATE TABLE users AS FROM {read} LIMIT 0")
        for _ in range(2):
            began = time.perf_counter()
            connection.execute("BEGIN")
            connection.execute(f"CREATE OR REPLACE TEMP TABLE fresh AS FROM {read}")
            connection.execute("DELETE FROM users WHERE user_id IN (SELECT user_id FROM fresh)")
            connection.execute("INSERT INTO users FROM fresh")
            connection.execute("COMMIT")
        connection.close()
    print(json.dumps({"work_s": time.perf_counter() - began}))


if __name__ == "__main__":
    main(*sys.argv[1:])
