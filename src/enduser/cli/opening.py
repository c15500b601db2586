"""How commands open the data folder, or reach the server that owns it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from enduser.cli.helping import running_command
from enduser.cli.output import err
from enduser.clock import now_us
from enduser.errors import DataFolderInUse, DataFolderMissing
from enduser.ingest.spool import events_waiting
from enduser.service.lookups import installed_lookups
from enduser.stores.contract import OwnedStore, Store
from enduser.stores.embedded import EmbeddedStore
from enduser.stores.embedded import store as embedded
from enduser.stores.embedded.database import DATABASE_FILE

if TYPE_CHECKING:
    from enduser.stores.control import ControlStore

MEMORY_LIMIT_MB = embedded.MEMORY_LIMIT_MB

_OWN_FILES = (
    *(
        DATABASE_FILE,
        "control.sqlite",
        "serving",
        "doors.json",
        "erasures.jsonl",
        "deciding.json",
        "lock",
        "owner.sock",
        "api.sock",
    ),
    *("geo", "spool", "inbox", "uploads", "tmp", "rejected", "damaged", "lost+found"),
)
"""How names begin of what may lie in a data folder without a database: `geo install` and `keys create` may
have come first, the disk may have been full, or somebody moved a broken database away."""


def must_be_there(data: Path) -> None:
    """Let a command that shows or checks what is stored not make a data folder of a mistyped name.

    Raises:
        DataFolderMissing: there is none.
    """
    if not data.exists():
        raise DataFolderMissing(
            f"there is no data folder {data.absolute()}",
            hint="name it with --data or ENDUSER_DATA; enduser serve and enduser import make one",
        )


def must_not_be_foreign(data: Path) -> None:
    """Let only commands that fill a data folder make one among files of others.

    Raises:
        DataFolderMissing: there are such files, and no database.
    """
    if not data.is_dir() or (data / DATABASE_FILE).exists():
        return
    others = sorted(path.name for path in data.iterdir() if not path.name.startswith((*_OWN_FILES, ".")))
    if others:
        raise DataFolderMissing(
            f"{data.absolute()} is no data folder: it has no {DATABASE_FILE}, but {others[0]}",
            hint="name the folder that has it with --data or ENDUSER_DATA",
        )


@contextmanager
def opened(
    data: Path, space: str | None = None, memory_limit_mb: int = MEMORY_LIMIT_MB, *, fills: bool = False
) -> Iterator[Store]:
    """Open the data folder as it is, made if it is missing, or reach the server that owns it.

    Args:
        data: the folder.
        space: must exist; None: no space is used, or each.
        memory_limit_mb: for the engine.
        fills: whether the command is there to fill a folder; others say that they have made one.

    Raises:
        InvalidSpace: there is no such space.
    """
    is_new = not (data / DATABASE_FILE).exists()
    if not fills:
        must_not_be_foreign(data)
    with closing(_store(data, memory_limit_mb)) as store:
        if space is not None:
            store.settings(space)
        if is_new and not fills:
            say_new(data)
        yield store


@contextmanager
def existing(data: Path, space: str | None = None, memory_limit_mb: int = MEMORY_LIMIT_MB) -> Iterator[Store]:
    """Open the data folder as `opened` does, if there is one.

    Raises:
        DataFolderMissing: there is none.
        InvalidSpace: there is no such space.
    """
    must_be_there(data)
    with opened(data, space, memory_limit_mb) as store:
        yield store


def control_of(data: Path) -> ControlStore:
    """Open the control data of a data folder, made if it is missing.

    Raises:
        DataFolderMissing: it is a folder of others.
    """
    must_not_be_foreign(data)
    from enduser.stores.control import ControlStore  # SQLAlchemy takes 0.3 s, which `--help` need not wait

    return ControlStore(data)


def say_new(data: Path) -> None:
    """Say that a command has made a data folder, which may be another than was meant."""
    err.print(f"note: the data folder {data.absolute()} is new, and empty")


def _store(data: Path, memory_limit_mb: int) -> Store:
    lookups = installed_lookups(data)
    try:
        return EmbeddedStore(
            data, now_us=now_us(), lookups=lookups, memory_limit_mb=memory_limit_mb, command=running_command()
        )
    except DataFolderInUse:
        from enduser.stores.owner_socket import is_served
        from enduser.stores.remote import RemoteStore  # late: few commands meet a server

        if not is_served(data):
            raise
        return RemoteStore.reach(data)


@contextmanager
def folded(data: Path, space: str, memory_limit_mb: int = MEMORY_LIMIT_MB) -> Iterator[Store]:
    """Open the data folder, and fold first what an interrupted import took.

    For commands that read users and sessions. What repairs must not need this: the fold may fail.

    Raises:
        DataFolderMissing: there is none.
        InvalidSpace: there is no such space.
    """
    with existing(data, space, memory_limit_mb) as store:
        store.fold(space)
        yield store


def is_remote(store: Store) -> bool:
    """Return whether a running server owns the store."""
    return not isinstance(store, EmbeddedStore)


def owned(store: Store) -> OwnedStore | None:
    """Return the store if it is this process's own; None: a running server owns it."""
    return store if isinstance(store, EmbeddedStore) else None


def bring_feed_up(store: Store, space: str) -> None:
    """Let the feed tell what holds now, where no server does it all the time."""
    if isinstance(store, EmbeddedStore):
        store.follow_feed(space, now_us())


def events_left(store: Store) -> int:
    """Return how many events a server that was killed has accepted, and nobody has applied yet."""
    if not isinstance(store, EmbeddedStore):
        return 0
    return events_waiting(store.folder, store.spool_positions())
