"""Data folders for the benchmarks: made by the real import, cached, and lent as copies."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import datasets
from measure import DATA, ENDUSER, HERE, run, say

WORK = DATA / "work"
_FREE_GB_MIN = 15


def cached_folder(events: int, users: int, *, close: bool, **settings: int) -> Path:
    """Return the data folder of a history, imported anew where the schema has changed since."""
    told = "".join(f"-{name}={value}" for name, value in settings.items())
    folder = DATA / f"folder-{events}-{users}-{'closed' if close else 'open'}{told}"
    made_by = folder / "made-by"
    wanted = f"{datasets.VERSION} {_schema()}"
    if made_by.exists() and made_by.read_text() == wanted:
        return folder
    shutil.rmtree(folder, ignore_errors=True)
    check_space()
    say(f"importing {folder.name}")
    file = datasets.importable(events, users)
    for name, value in settings.items():
        run([ENDUSER, "config", "set", name, str(value), "--yes", "--data", folder])
    import_events(folder, file, close=close)
    file.unlink()
    made_by.write_text(wanted)
    return folder


def import_events(folder: Path, file: Path, *, close: bool = True) -> None:
    """Import a file into a new data folder that has a place database."""
    run([ENDUSER, "geo", "install", "--file", datasets.places(), "--data", folder])
    run([ENDUSER, "import", "events", file, "--data", folder, *(["--close"] if close else [])])


def check_space() -> None:
    """Stop before the disk is full.

    Raises:
        SystemExit: too little of it is free.
    """
    DATA.mkdir(exist_ok=True)
    free_gb = shutil.disk_usage(DATA).free / 1e9
    if free_gb < _FREE_GB_MIN:
        raise SystemExit(f"{free_gb:.0f} GB are free under {DATA}; the benchmarks need {_FREE_GB_MIN}")


def _schema() -> str:
    """Return a hash of what decides how a stored folder reads: its migrations, and how keys are made."""
    engine = HERE.parent / "src" / "enduser" / "stores" / "embedded"
    files = sorted(
        [*engine.glob("migrations/*.sql"), *engine.glob("**/functions.sql"), engine / "database.py"]
    )
    return hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()[:16]


@contextmanager
def scratch(name: str) -> Iterator[Path]:
    """Lend a path under the cache that does not exist yet; what is there at the end is removed."""
    WORK.mkdir(parents=True, exist_ok=True)
    path = WORK / name
    remove(path)
    try:
        yield path
    finally:
        remove(path)


@contextmanager
def copy_of(folder: Path) -> Iterator[Path]:
    """Lend a copy of a data folder, so that the cached one stays as it was imported."""
    with scratch(folder.name) as path:
        shutil.copytree(folder, path)
        yield path


def remove(path: Path) -> None:
    """Remove a file or a folder, if it is there."""
    if path.is_dir():
        shutil.rmtree(path)
    path.unlink(missing_ok=True)


def megabytes(path: Path) -> float:
    """Return the size of a file or of all files of a folder."""
    files = [path] if path.is_file() else [file for file in path.rglob("*") if file.is_file()]
    return sum(file.stat().st_size for file in files) / 1e6
