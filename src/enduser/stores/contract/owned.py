"""What a store can do in the process that owns it."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from typing import Protocol

from enduser.core.deciding import Deciding
from enduser.core.rules.demands import Demand
from enduser.core.rules.programs import Person, Program
from enduser.stores.answers import Applied, BytesDue, ChangedObject, Changes, Door, Fact
from enduser.stores.contract.reader import Reader
from enduser.stores.contract.store import Store
from enduser.stores.records import SpooledEvents, SpoolPosition


class NewFile(Protocol):
    """A new file that is to take the place of the database."""

    def write(self) -> None:
        """Write ahead what can be written while all goes on, so that less is left to do; on any thread.

        Raises:
            StoreError: it cannot be written, or it was to `stop`.
        """

    def stop(self) -> None:
        """Let `write` end soon, with an error; from any thread. It may have to be said again."""

    def close(self) -> None:
        """End it, on the thread that owns the store. If that did not go on with it, nothing is left."""


class OwnedStore(Store, Protocol):
    """The store in the process that owns it: also what only the owner does."""

    def heal(self) -> None:
        """Make the store usable again after a call failed, if that can be done.

        Raises:
            StoreError: it cannot be done now.
        """

    def require_room(self) -> None:
        """Check that the disk has room for the database a second time.

        Raises:
            NoRoom: it has not.
        """

    def new_file(self) -> NewFile:
        """Begin to write the database into a new file, without the bytes of what was deleted until now.

        Raises:
            NoRoom: the disk has no room for it a second time.
            StoreError: it cannot be written.
        """

    def replace_file(self, new: NewFile) -> None:
        """Go on with a new file in place of the old one, with all that has changed since it was begun.

        Nothing changes meanwhile. Reads go on, but for a moment at the end; those that last are stopped then.

        Raises:
            StoreError: it cannot be written, or the old one replaced, which stays.
        """

    def lasting_reads(self) -> int:
        """Return how many reads are made now that may last for longer than `READ_SECONDS_MAX`."""

    def bytes_due(self) -> BytesDue | None:
        """Return what is forgotten of which files may have bytes still; None: there is nothing."""

    def note_gone(self, due: BytesDue, now: int) -> None:
        """Note that since now (µs) no file has a byte of what was due; not of a run that took more since."""

    @property
    def reader(self) -> Reader:
        """What other threads read with."""

    @property
    def forgotten(self) -> int:
        """How often something was to be forgotten since the store was opened: a person, or plain ids.

        What was read before that may not be shown any more.
        """

    def before_erasures(self, catch_up: Callable[[], None]) -> None:
        """Call `catch_up` before each erasure: it applies what is accepted and not yet applied."""

    def generations(self) -> Mapping[str, int]:
        """Return by space how often its objects may have changed since the store was opened; at first 1."""

    def changes(self, space: str, since: int) -> Changes:
        """Return which objects changed after the fold of the number `since`; 0: everything."""

    def objects(self, space: str, part: int, parts: int) -> Iterator[ChangedObject]:
        """Yield the objects of one of `parts` equal parts of a space, the first is 0."""

    def follow_feed(self, space: str, written_at: int) -> int:
        """Bring the feed of a space up to what holds as of the last fold; return how many rows came.

        `written_at` is server time in µs. Rows that are too old go.
        """

    def rules_edition(self, space: str) -> int:
        """Return a number that is another whenever `deciding`, `demands` or what is followed may be."""

    def deciding(self) -> Sequence[Deciding]:
        """Return what collectors must know to decide, space by space."""

    def demands(self, space: str) -> Sequence[Demand]:
        """Return what decisions ask for of persons besides their attributes."""

    def find_person(self, space: str, user_id: str, id_kind: str, program: Program) -> tuple[Person, int]:
        """Return what a program needs to know of the person of an id, and what the clock shows (µs).

        May be asked from any thread.
        """

    def changed_facts(self, space: str, demands: Sequence[Demand], since: int) -> Generator[Fact]:
        """Yield what some demands ask for, under each id of each person who changed after the fold `since`.

        Of whom there is nothing to tell none is told. It must be closed before the store is used again.
        """

    def facts(self, space: str, demands: Sequence[Demand], part: int, parts: int) -> Generator[Fact]:
        """Yield the same of one of `parts` equal parts of a space, the first is 0."""

    def doors(self) -> Sequence[Door]:
        """Return what collectors must know, space by space."""

    def spool_positions(self) -> Mapping[int, SpoolPosition]:
        """Return how far each series of the spool is applied."""

    def apply_spooled(self, spooled: SpooledEvents) -> Mapping[str, Applied]:
        """Apply what was spooled, whole or not at all, durably; return what became of it by space.

        Clocks of live spaces follow, sessions that are over close, and End User Objects are up to date.
        Lines of a space that does not exist (any more) are passed over.
        """
