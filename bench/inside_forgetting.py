"""What a benchmark of forgetting does within a data folder, with the engine.

`python bench/inside_forgetting.py prepare FOLDER MONTHS` lets the first space have been live for long
enough, with users who are idle for as many months as go by age, and keeps the server from beginning with
that by itself. It prints a user who stays, and by which time a tenth of the users go.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

import duckdb

from enduser import limits
from enduser.core.lives import add_months
from enduser.service.json_form import iso_time
from enduser.stores.embedded.database import DATABASE_FILE

_DAY_US = 86_400_000_000


def prepare(folder: Path, months: str) -> None:
    """Make the folder ready; print the id of a user who stays, and by which time a tenth of them go."""
    now = time.time_ns() // 1_000
    live_since = now - (limits.RETENTION_GRACE_DAYS + 1) * _DAY_US
    with duckdb.connect(str(folder / DATABASE_FILE)) as connection:
        connection.execute("DELETE FROM main.settings WHERE name = 'retention_months'")
        ((space,),) = connection.execute("SELECT space FROM main.spaces LIMIT 1").fetchall()
        connection.execute("INSERT INTO main.settings VALUES ($1, 'retention_months', $2)", [space, months])
        connection.execute("UPDATE space_1.state SET live_since = $1", [live_since])
        connection.execute(
            "INSERT INTO main.retention_runs VALUES (1, $1, $2, $2, $2, 0, 0, 0, 0, 0, 0, 0, $2)",
            [space, now],
        )
        last = "SELECT arg_max(person_key, last_visit_at) FROM space_1.users"
        query = f"SELECT id FROM space_1.user_ids WHERE user_key = ({last})"
        print(connection.execute(query).fetchall()[0][0])
        tenth = "SELECT quantile_disc(last_visit_at, 0.1) FROM space_1.users"
        ((tenth_at,),) = connection.execute(tenth).fetchall()
        print(iso_time(add_months(tenth_at, int(months)) + 1))


if __name__ == "__main__":
    prepare(Path(sys.argv[2]), sys.argv[3])
