"""What changes the truth record by record, and what is derived from it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import assert_never

from enduser.core.lists import ListAction
from enduser.core.users_query import ALL_USERS, UsersQuery
from enduser.errors import StoreError
from enduser.stores import serving
from enduser.stores.answers import Applied, Difference
from enduser.stores.embedded import (
    changing_settings,
    listing,
    lists,
    parquet,
    reading,
    rebuild,
    spooled,
    suppressing,
    values,
)
from enduser.stores.embedded.database import Database
from enduser.stores.embedded.engine import ANSWER, told
from enduser.stores.embedded.fold import fold_link, fold_pending
from enduser.stores.embedded.forgetting import Forgets, Forgetting
from enduser.stores.embedded.looks import Looks
from enduser.stores.embedded.parts.part import Part
from enduser.stores.embedded.reading import Look
from enduser.stores.records import (
    AddLink,
    BeginRetention,
    ChangeSettings,
    CloseHistory,
    DeleteList,
    EraseAgain,
    EraseUser,
    EventChunk,
    ForgetOld,
    LiftSuppression,
    Lookups,
    Record,
    RemoveLink,
    UndoRun,
    WriteList,
    WriteValues,
)


class Records(Part):
    """See `enduser.stores.contract` for what each method means."""

    def __init__(self, database: Database, looks: Looks, lookups: Lookups) -> None:
        """Have forgotten nothing yet."""
        super().__init__(database, looks, lookups)
        self._forgetting = Forgetting(database, self._objects_change)
        self._forgotten = 0

    @property
    def forgotten(self) -> int:
        """How often something was to be forgotten since the store was opened."""
        return self._forgotten

    def before_erasures(self, catch_up: Callable[[], None]) -> None:
        """Call `catch_up` before each erasure."""
        self._forgetting.before_erasures(catch_up)

    def apply(self, space: str, record: Record) -> Applied:
        """Apply one record in one transaction."""
        if isinstance(record, Forgets):
            self._forgetting.prepare(space, record)
        with self._intake.forgets_on_failure(), self._changing(space) as look:
            applied = self._change(look, record)
        self._objects_change(space)
        self._follow_up(space, record, applied)
        return applied

    def _change(self, look: Look, record: Record) -> Applied:
        """Do what a record says, and return what became of it. The caller owns the transaction."""
        applied = Applied()
        match record:
            case EventChunk():
                applied = self._intake.take(look.space, record)
            case CloseHistory():
                spooled.close_history(look)
            case ChangeSettings():
                self._intake.forget()
                changing_settings.change(look, record.texts, lambda: self._forget_copy(look.space))
            case AddLink() | RemoveLink():
                fold_link(look.naming(), record)
            case WriteValues():
                applied = Applied(written=values.write_values(look.naming(), record))
            case UndoRun():
                values.undo_run(look.connection, record)
            case WriteList():
                applied = Applied(listed=lists.write_list(look.naming(), record))
            case DeleteList():
                lists.delete_list(look, record)
            case LiftSuppression():
                suppressing.lift(look.naming(), record)
            case EraseUser() | EraseAgain() | BeginRetention() | ForgetOld():
                self._intake.forget()
                applied = self._forgetting.apply(look, record)
            case _:
                assert_never(record)
        return applied

    def _follow_up(self, space: str, record: Record, applied: Applied) -> None:
        """Do what is due once a record is applied."""
        match record:
            case ChangeSettings():
                self._forgotten += 1
                self._rules_changed(space)
                if "hash_ids" in record.texts:
                    self._database.checkpoint()  # the log has plain ids still
            case WriteList():
                if record.action is ListAction.CREATE:
                    self._rules_changed(space)
                if applied.listed and applied.listed.removed:
                    self._forget_released(space)
            case DeleteList():
                self._rules_changed(space)
                self._forget_released(space)
            case EraseUser() | EraseAgain():
                self._forgotten += 1
                self._forgetting.log()
            case ForgetOld():
                self._forgotten += 1

    def _forget_copy(self, space: str) -> None:
        """Let the serving copy of a space go, so that no crash leaves plain ids in it."""
        self._objects_change(space)
        serving.forget(self._database.folder, space)

    def _forget_released(self, space: str) -> None:
        """Forget ids that a list alone named; where the serving copy cannot be changed, they stay known."""
        with suppress(StoreError), self._changing(space) as look:
            folder = self._database.folder
            lists.forget_released(look.connection, lambda ids: serving.take_out(folder, space, ids))

    def count_parquet_rows(self, path: Path) -> int:
        """Return the count of rows of a Parquet file of events."""
        parquet.columns_of(self._database.connection, path)
        return parquet.count_rows(self._database.connection, path)

    # --- what is derived

    def fold(self, space: str) -> None:
        """Bring sessions and End User Objects up to all applied records."""
        with self._changing(space) as look:
            fold_pending(look.connection, look.settings())
        self._objects_change(space)

    def rebuild(self, space: str) -> None:
        """Recompute all sessions and End User Objects."""
        with self._changing(space) as look:
            rebuild.recompute(look.naming())
        self._objects_change(space)

    def verify(self, space: str) -> Sequence[Difference]:
        """Recompute beside what is stored and return each difference."""
        schema = self._database.schema(space)
        with told(ANSWER):
            naming = self._look(space).naming()
        return rebuild.differences(self._database, schema, naming)

    def users(
        self, space: str, asked: UsersQuery = ALL_USERS, *, limit: int | None = None
    ) -> Iterator[Mapping[str, object]]:
        """Yield End User Objects."""
        return listing.users(self._database, space, asked, limit)

    def sessions(self, space: str) -> Iterator[Mapping[str, object]]:
        """Yield all sessions."""
        return reading.sessions(self._database, space)
