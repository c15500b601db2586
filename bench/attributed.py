"""Data folders whose users have custom attributes, for rules to ask about.

`python bench/attributed.py fill FOLDER` gives the users of a folder their values: 25 attributes, each known
of 70 % of the users; of a tenth of those who pay the plan was another before. Events of the type `track` get
a name and properties. It is done by a few statements on the store's own tables, in one transaction, since a
source would take some ten minutes at ten million users. They leave what two runs of the source `api` would
have left: a candidate of each user, and what holds in `users`.

`python bench/attributed.py shift FOLDER` moves all times of such a folder so that its clock shows a minute
ago: what comes over HTTP goes on from there.
"""

from __future__ import annotations

import shutil
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from datasets import CITIES, DAY_US, ENDS_AT_US, MACROS
from folders import cached_folder, check_space
from measure import DATA, HERE, run, say

if TYPE_CHECKING:
    import duckdb

VERSION = 1
"""Change it when users get other values."""
PLANS = ("free", "trial", "team", "vip")
KNOWN = 0.7
ATTRIBUTES = {
    "plan": ("string", f"({list(PLANS)})[1 + pick(n, 1, {len(PLANS)})]"),
    "company": ("string", "'Company ' || pick(n, 2, 50000)"),
    "industry": ("string", "'Industry ' || pick(n, 3, 40)"),
    "email": ("string", "'person' || pick(n, 4, 100000000) || '@mail' || pick(n, 5, 2000) || '.example'"),
    "job": ("string", "'Job ' || pick(n, 6, 300)"),
    "language": ("string", "(['en', 'de', 'fr', 'nb', 'es', 'it'])[1 + pick(n, 7, 6)]"),
    "campaign": ("string", "'campaign-' || pick(n, 8, 500)"),
    "home_city": ("string", f"'City ' || pick(n, 9, {CITIES})"),
    "seats": ("number", "pick(n, 10, 500)::DOUBLE"),
    "revenue": ("number", "pick(n, 11, 10000000) / 100"),
    "score": ("number", "chance(n, 12)"),
    "orders": ("number", "floor(ln(1 - chance(n, 13)) * -4)"),
    "age": ("number", "(18 + pick(n, 14, 60))::DOUBLE"),
    "discount": ("number", "pick(n, 15, 40)::DOUBLE"),
    "balance": ("number", "(pick(n, 16, 200000) - 100000) / 100"),
    "tickets": ("number", "pick(n, 17, 12)::DOUBLE"),
    "opted_in": ("boolean", "chance(n, 18) < 0.4"),
    "is_partner": ("boolean", "chance(n, 19) < 0.05"),
    "has_app": ("boolean", "chance(n, 20) < 0.5"),
    "born_on": ("date", "'1950-01-01'::DATE + pick(n, 21, 20000)::INTEGER"),
    "renews_on": ("date", "'2025-04-01'::DATE + pick(n, 22, 365)::INTEGER"),
    "signed_up_at": ("datetime", f"{ENDS_AT_US} - floor(chance(n, 23) * {1_000 * DAY_US})::BIGINT"),
    "last_order_at": ("datetime", f"{ENDS_AT_US} - floor(chance(n, 24) * {200 * DAY_US})::BIGINT"),
    "interests": ("list", "['i' || pick(n, 25, 20), 'j' || pick(n, 26, 20), 'k' || pick(n, 27, 20)]"),
    "tags": ("list", "['tag ' || pick(n, 28, 100)]"),
}
"""The type of each, and its value from what the key of a user hashes to, `n`."""
ACTIONS = 12
"""Events of the type `track` are called `Action 0` and so on."""
_EVENT = "(user_key >> 12) + occurred_at % 1000000"
_PROPERTIES = (
    f"""'{{"amount":' || pick({_EVENT}, 1, 300) || """
    f"""',"category":"Category ' || pick({_EVENT}, 2, 40) || '"}}'"""
)

_NAMES = ", ".join(f"a{number}" for number in range(1, len(ATTRIBUTES) + 1))
_VALUES = ", ".join(
    f"CASE WHEN chance(n, {100 + number}) < {KNOWN} THEN {value} END AS a{number}"
    for number, (_, value) in enumerate(ATTRIBUTES.values(), 1)
)
_STATEMENTS = (
    f"""CREATE TEMP TABLE said AS
        SELECT user_key, {_VALUES},
            {ENDS_AT_US} - floor(chance(n, 30) * {60 * DAY_US})::BIGINT AS effective_at
        FROM (SELECT user_key, user_key >> 12 AS n FROM user_ids)""",
    f"""INSERT INTO candidates BY NAME
        SELECT user_key, {PLANS[0]!r} AS a1, {ENDS_AT_US - 90 * DAY_US} AS effective_at,
            2 AS source, 1 AS run, row_number() OVER () AS row, {ENDS_AT_US} AS written_at
        FROM said WHERE a1 <> {PLANS[0]!r} AND chance(user_key >> 12, 29) < 0.1""",
    f"""INSERT INTO candidates BY NAME
        SELECT *, 2 AS source, 2 AS run, row_number() OVER () AS row, {ENDS_AT_US} AS written_at FROM said""",
    "CREATE TEMP TABLE held AS FROM users",
    "TRUNCATE users",
    f"""INSERT INTO users BY NAME
        SELECT held.* EXCLUDE ({_NAMES}), said.* EXCLUDE (user_key, effective_at)
        FROM held JOIN said ON said.user_key = held.person_key ORDER BY held.rowid""",
    f"""INSERT INTO events
        SELECT * REPLACE (
            CASE WHEN type = 'track' THEN 'Action ' || pick({_EVENT}, 3, {ACTIONS}) END AS name,
            CASE WHEN type = 'track' THEN {_PROPERTIES} END AS properties)
        FROM events""",
    "DELETE FROM events WHERE rowid < (SELECT count(*) // 2 FROM events)",
    "UPDATE state SET last_run = 2, last_fold = last_fold + 1, touched_since = last_fold + 1",
)


def attributed_folder(events: int, users: int, *, close: bool) -> Path:
    """Return the data folder of a history whose users have attributes, made anew where the plain one is."""
    plain = cached_folder(events, users, close=close)
    folder = DATA / f"attributed-{plain.name.removeprefix('folder-')}"
    made_by, wanted = folder / "made-by", f"{VERSION} {(plain / 'made-by').read_text()}"
    if made_by.exists() and made_by.read_text() == wanted:
        return folder
    shutil.rmtree(folder, ignore_errors=True)
    check_space()
    say(f"attributes for {plain.name}")
    shutil.copytree(plain, folder)
    (folder / "made-by").unlink()
    run([sys.executable, HERE / "attributed.py", "fill", folder])
    made_by.write_text(wanted)
    return folder


def fill(folder: Path) -> None:
    """Give the users of a folder their values, and events their names and properties."""
    from enduser.core.attributes import Attribute, AttributeType
    from enduser.stores.embedded import EmbeddedStore

    with EmbeddedStore(folder, now_us=ENDS_AT_US) as store:
        for name, (kind, _) in ATTRIBUTES.items():
            store.create_attribute(Attribute(name, AttributeType(kind)))
    with _connected(folder) as connection:
        for statement in _STATEMENTS:
            connection.execute(statement)


_TIMES = {
    "events": ("client_at", "occurred_at", "received_at"),
    "property_events": ("occurred_at",),
    "sessions": ("started_at", "ended_at", "place_at", "browser_at"),
    "open_sessions": ("started_at", "ended_at", "place_at", "browser_at"),
    "users": (
        *("first_seen", "last_seen", "place_at", "browser_at", "life_started_at", "last_visit_at"),
        *("a22", "a23"),
    ),
    "candidates": ("effective_at", "written_at", "a22", "a23"),
    "state": ("clock_at", "greatest_event_at"),
}
"""The columns that are moved; nobody of these folders has had another life."""


def shift(folder: Path) -> None:
    """Move all times, so that the clock shows a minute ago."""
    with _connected(folder) as connection:
        ((clock_at,),) = connection.execute("SELECT clock_at FROM state").fetchall()
        moved_by = time.time_ns() // 1_000 - 60_000_000 - clock_at
        for table, columns in _TIMES.items():
            ((last,),) = connection.execute(f"SELECT max(rowid) FROM {table}").fetchall()
            if last is not None:
                moved = ", ".join(f"{name} + {moved_by} AS {name}" for name in columns)
                connection.execute(f"INSERT INTO {table} SELECT * REPLACE ({moved}) FROM {table}")
                connection.execute(f"DELETE FROM {table} WHERE rowid <= {last}")


@contextmanager
def _connected(folder: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    """Lend a connection to the tables of the first space, in one transaction."""
    import duckdb

    from enduser.stores.embedded.database import DATABASE_FILE

    config = {"memory_limit": "4GB", "temp_directory": str(folder / "tmp")}
    with duckdb.connect(str(folder / DATABASE_FILE), config=config) as connection:
        connection.execute(MACROS.replace("CREATE MACRO", "CREATE TEMP MACRO"))
        connection.execute("SET search_path = 'space_1'")
        connection.execute("BEGIN")
        yield connection
        connection.execute("COMMIT")


if __name__ == "__main__":
    {"fill": fill, "shift": shift}[sys.argv[1]](Path(sys.argv[2]))
