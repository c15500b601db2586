"""Letting the bytes go of what was forgotten, from the database and from all files beside it.

First come the two that are large, the serving copy and the database: they can be written anew, but for the
end, while their owner goes on.
"""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from enduser.errors import StoreError
from enduser.ingest.spool import clear_applied, end_spool_files, spool_files_with_events
from enduser.service.leftovers import clear_leftovers
from enduser.stores.contract import NewFile, OwnedStore
from enduser.stores.control import ControlStore
from enduser.stores.serving_anew import require_room_for_copy, write_anew


@dataclass(frozen=True, slots=True)
class Going:
    """Bytes of what was forgotten up to a time (µs), gone but from some files, which go soon."""

    until: int
    left: frozenset[Path]


def require_room(store: OwnedStore) -> None:
    """Check that the disk has room for the serving copy and for the database a second time, one by one.

    Raises:
        NoRoom: it has not.
    """
    require_room_for_copy(store.folder)
    store.require_room()


def let_bytes_go(store: OwnedStore, control: ControlStore, new: NewFile, until: int) -> Going:
    """Let the bytes go of all that was forgotten up to a time, when `new` was not begun yet.

    Those in the serving copy are gone. It is done on the thread that changes the store.

    Raises:
        StoreError: a file cannot be written, or somebody has read one of them for too long.
    """
    end_spool_files(store.folder)
    spool_files = spool_files_with_events(store.folder)
    store.replace_file(new)
    used = clear_leftovers(store.folder, until)
    if not control.settle():
        raise StoreError(
            "the control data is being read for long, and keeps bytes of what was deleted",
            hint="it is tried again; see which process reads control.sqlite",
        )
    return Going(until, spool_files.union(used))


def are_gone(store: OwnedStore, going: Going) -> bool:
    """Return whether also those files are gone that were in use; on the thread that changes the store."""
    if not going.left:
        return True
    there = spool_files_with_events(store.folder).union(clear_leftovers(store.folder, going.until))
    return not going.left & there


def let_bytes_go_at_once(store: OwnedStore, control: ControlStore, now: int) -> bool:
    """Let the bytes go where no server runs, and note it; return whether none is left.

    Raises:
        NoRoom, StoreError: as `let_bytes_go`.
    """
    due = store.bytes_due()
    if due is None:
        return True
    if not clear_applied(store.folder, store.spool_positions()):
        return False
    require_room(store)
    write_anew(store.folder)
    with closing(store.new_file()) as new:
        going = let_bytes_go(store, control, new, now)
    if not are_gone(store, going):
        return False
    store.note_gone(due, now)
    return True
