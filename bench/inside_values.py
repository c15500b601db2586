"""Custom attributes timed inside a process of its own; prints JSON.

python bench/inside_values.py make FOLDER USERS ATTRIBUTES
python bench/inside_values.py measure FOLDER
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

import duckdb

from enduser.clock import now_us
from enduser.core.attributes import API, Attribute, AttributeType
from enduser.service.source_runs import SourceRun
from enduser.service.source_setup import look_at
from enduser.service.writing_values import write_json_rows
from enduser.sources.json_rows import JsonRow
from enduser.sources.mapping import propose
from enduser.stores.embedded import EmbeddedStore
from enduser.stores.embedded.store import DEFAULT_SPACE as SPACE
from enduser.stores.records import Chunk, CloseHistory, EventChunk, Form, ImportRules, TimeUnit, UndoRun

ROWS_PER_CALL = 10_000
CALLS = 10


def make(folder: Path, users: int, attributes: int) -> None:
    """Make a data folder of users with a session each, and a file that says something of each."""
    folder.mkdir(parents=True)
    events = folder / "events.parquet"
    duckdb.execute(
        "COPY (SELECT 'u' || i AS user_id, 1700000000000000 + i AS occurred_at, 'm' || i AS message_id "
        f"FROM range({users}) r(i)) TO '{events}'"
    )
    with EmbeddedStore(folder / "data", now_us=now_us()) as store:
        for number in range(attributes):
            kind = AttributeType.NUMBER if number % 2 else AttributeType.STRING
            store.create_attribute(Attribute(f"n{number}", kind))
        rules = ImportRules(started_at=now_us(), time_unit=TimeUnit(1))
        store.apply(SPACE, EventChunk(Chunk(events, Form.PARQUET, 1, users), rules))
        store.apply(SPACE, CloseHistory())
        store.fold(SPACE)
    cells = ", ".join(
        (f"i * {n + 3} % 97" if n % 2 else f"'value ' || (i * {n + 3} % 50)") + f" AS n{n}"
        for n in range(attributes)
    )
    duckdb.execute(
        f"COPY (SELECT 'u' || (i * 7919 % {users}) AS user_id, {cells} FROM range({users}) r(i)) "
        f"TO '{folder / 'rows.csv'}' (HEADER)"
    )


def measure(folder: Path) -> dict[str, float]:
    """Time a dry run, the run, the same run again, and undoing both; and the update API."""
    times = {}
    with EmbeddedStore(folder / "data", now_us=now_us()) as store:
        looked = look_at("rows.csv", folder / "rows.csv")
        mapping = propose(looked.columns, store.attributes())
        runs = []
        for what in ("dry run", "run", "the same again"):
            source = SourceRun(SPACE, "crm", looked, mapping, now_us())
            began = time.perf_counter()
            if what == "dry run":
                source.preview(store, folder)
            else:
                runs.append(source.do(store, folder)[0].run)
            times[what] = time.perf_counter() - began
        for run in reversed(runs):
            began = time.perf_counter()
            store.apply(SPACE, UndoRun(run, now_us()))
            times["undo"] = time.perf_counter() - began
        began = time.perf_counter()
        for call in range(CALLS):
            _call(store, call)
        times["update API"] = time.perf_counter() - began
    return times


def _call(store: EmbeddedStore, call: int) -> None:
    values = {"n0": f"call {call}", "n1": call, "n2": "x", "n3": 1.5, "n4": "y"}
    rows = [JsonRow(f"u{call * ROWS_PER_CALL + number}", values) for number in range(ROWS_PER_CALL)]
    assert not write_json_rows(store, SPACE, API, rows, now_us()).flaws


if __name__ == "__main__":
    what, target, *numbers = sys.argv[1:]
    if what == "make":
        make(Path(target), *map(int, numbers))
    else:
        print(json.dumps(measure(Path(target))))
