"""What is forgotten: a person on request, and what is too old. First copies lose it, then the truth."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from enduser.core.events import UserId
from enduser.stores import erasure_log, serving
from enduser.stores.answers import Applied
from enduser.stores.embedded import erasing, erasures, retention
from enduser.stores.embedded.database import Database
from enduser.stores.embedded.reading import Look
from enduser.stores.import_lock import require_no_import
from enduser.stores.records import BeginRetention, EraseAgain, EraseUser, ForgetOld

Forgets = EraseUser | EraseAgain | BeginRetention | ForgetOld
"""The records that are applied here."""


class Forgetting:
    """Applies records that forget, in two transactions.

    The serving copy follows the truth by keys, and could not learn from them which ids to drop once their
    names are gone. So in the first it is told that they change; then they are taken out of it; the second
    forgets them. Should that not happen, the copy gets them back.
    """

    def __init__(self, database: Database, copy_changes: Callable[[str], None]) -> None:
        """Forget in a database; `copy_changes` hears of the space whose objects change."""
        self._database = database
        self._copy_changes = copy_changes
        self._catch_up: Callable[[], None] = lambda: None
        self._portion: retention.Portion | None = None
        """What is to be forgotten next of what is too old."""
        self._last_logged = erasure_log.last_number(database.folder)
        """The number of the last erasure in the log; no other may have it, though the database is older."""
        self.log()

    def before_erasures(self, catch_up: Callable[[], None]) -> None:
        """Call `catch_up` before each erasure."""
        self._catch_up = catch_up

    def log(self) -> None:
        """Write the erasures since the last time into the log beside the database."""
        fresh = erasures.after(self._database.connection, self._last_logged)
        if fresh:
            erasure_log.append(self._database.folder, fresh)
            self._last_logged = fresh[-1].number

    def _next_number(self) -> int:
        """Return the number of the next erasure."""
        return max(erasures.last_number(self._database.connection), self._last_logged) + 1

    def prepare(self, space: str, record: Forgets) -> None:
        """Find what a record forgets, and take it out of the copy.

        Raises:
            UserNotFound: who is to be erased is not known.
            RetentionRefused: an import is running.
            RunNotFound: there is no such run of the retention, or it is over.
            StoreError: the copy cannot be changed, or what was accepted cannot be applied before an erasure.
        """
        if isinstance(record, EraseUser | EraseAgain):
            self._catch_up()
        else:
            require_no_import(self._database.folder)
        users: Sequence[UserId] = ()
        with self._database.changing(self._database.schema(space)):
            naming = Look(self._database.connection, space).naming()
            if isinstance(record, EraseUser):
                users = erasing.tell(naming, record)
            elif isinstance(record, EraseAgain):
                users = erasing.tell_again(naming, space, record)
            elif isinstance(record, ForgetOld):
                self._portion = retention.find(naming, retention.as_of(naming.connection, space, record))
                users = self._portion.ids if self._portion else ()
        self._copy_changes(space)
        if users:
            serving.take_out(self._database.folder, space, users)

    def apply(self, look: Look, record: Forgets) -> Applied:
        """Forget what was found last. The caller owns the transaction."""
        naming, space = look.naming(), look.space
        match record:
            case EraseUser():
                number = self._next_number()
                receipt, ids = erasing.erase(naming, space, record, number)
                return Applied(erased=receipt.amount, erased_ids=ids, erasure=receipt)
            case EraseAgain():
                is_free = erasures.is_free(naming.connection, record.number)
                number = record.number if is_free else self._next_number()
                again = erasing.erase_again(naming, space, record, number)
                return Applied(erased=again.amount if again else None, erasure=again)
            case BeginRetention():
                return Applied(retention=retention.begin(naming, space, record))
            case ForgetOld():
                amount = retention.forget(naming, self._portion) if self._portion else None
                return Applied(retention=retention.note(naming.connection, space, record, amount))
