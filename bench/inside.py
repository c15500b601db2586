"""What is timed inside a process of its own, by the calls of the store; prints JSON.

python bench/inside.py rebuild FOLDER
python bench/inside.py batches FOLDER FILE…
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

from enduser.clock import now_us
from enduser.service.lookups import installed_lookups
from enduser.stores.embedded import EmbeddedStore
from enduser.stores.embedded.store import DEFAULT_SPACE as SPACE
from enduser.stores.records import Chunk, EventChunk, Form, ImportRules, TimeUnit


def rebuild(folder: Path) -> dict[str, float]:
    """Time `store.rebuild` alone, and until the file is closed, as the rivals close theirs."""
    with EmbeddedStore(folder, now_us=now_us()) as store:
        store.fold(SPACE)
        began = time.perf_counter()
        store.rebuild(SPACE)
        rebuilt_at = time.perf_counter()
    return {"rebuild_s": rebuilt_at - began, "work_s": time.perf_counter() - began}


def batches(folder: Path, files: list[Path]) -> list[dict[str, float]]:
    """Apply and fold each file as one batch, and time both."""
    with EmbeddedStore(folder, now_us=now_us(), lookups=installed_lookups(folder)) as store:
        store.fold(SPACE)
        return [_batch(store, file) for file in files]


def _batch(store: EmbeddedStore, file: Path) -> dict[str, float]:
    rules = ImportRules(started_at=now_us(), time_unit=TimeUnit(1))
    is_parquet = file.suffix == ".parquet"
    rows = store.count_parquet_rows(file) if is_parquet else None
    chunk = Chunk(file, Form.PARQUET if is_parquet else Form.JSON_LINES, rows=rows)
    began = time.perf_counter()
    applied = store.apply(SPACE, EventChunk(chunk, rules))
    folds_at = time.perf_counter()
    store.fold(SPACE)
    ended = time.perf_counter()
    assert applied.outcomes.stored == applied.outcomes.read, applied.outcomes
    return {"events": applied.outcomes.stored, "apply_s": folds_at - began, "fold_s": ended - folds_at}


if __name__ == "__main__":
    what, target, *paths = sys.argv[1:]
    found = rebuild(Path(target)) if what == "rebuild" else batches(Path(target), [Path(p) for p in paths])
    print(json.dumps(found))
