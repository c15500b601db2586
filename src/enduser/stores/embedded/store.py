"""The embedded store: one DuckDB file in a data folder, owned by this process."""

from __future__ import annotations

from pathlib import Path
from typing import Self

from enduser import limits
from enduser.errors import LimitExceeded
from enduser.stores.contract import OwnedStore
from enduser.stores.data_folder import DEFAULT_SPACE
from enduser.stores.embedded import database as files
from enduser.stores.embedded.database import Database
from enduser.stores.embedded.folder import FolderLock
from enduser.stores.embedded.looks import Looks
from enduser.stores.embedded.parts.attributes import Attributes
from enduser.stores.embedded.parts.copies import Copies
from enduser.stores.embedded.parts.file import DatabaseFile
from enduser.stores.embedded.parts.records import Records
from enduser.stores.embedded.parts.rules import Rules
from enduser.stores.embedded.parts.spaces import Spaces
from enduser.stores.embedded.parts.spool import Spool
from enduser.stores.embedded.reader import EmbeddedReader
from enduser.stores.records import Lookups

MEMORY_LIMIT_MB = 1_200
"""Default for DuckDB's memory; alone it would take 80 % of the machine's."""


class EmbeddedStore(Spaces, Attributes, Rules, Records, Spool, Copies, DatabaseFile):
    """See `enduser.stores.contract.OwnedStore` for what each method means.

    The contract is one wide thing, as all that a store does is true of one database and one thread. So its
    subjects are parts that it inherits: held as objects of their own, each of their methods would have to be
    written a second time here, only to hand over what it is given. It is a reader too: what is only read, it
    reads like any other.
    """

    def __init__(
        self,
        folder: Path,
        *,
        now_us: int,
        lookups: Lookups | None = None,
        memory_limit_mb: int = MEMORY_LIMIT_MB,
        user_key_sql: str = files.USER_KEY_SQL,
        command: str = "enduser",
    ) -> None:
        """Take the data folder, creating it with the space `default/production` if it is new.

        Without `lookups` no address and no user agent says anything. Who finds the folder taken is told the
        `command`: its names, without what it is given, for they stay if the process is killed.

        Raises:
            DataFolderInUse: another process holds it.
            StoreError: it cannot be read or written.
        """
        if memory_limit_mb < limits.MEMORY_LIMIT_MB_MIN:
            raise LimitExceeded(
                f"a memory limit of {memory_limit_mb} MB is too small",
                hint=f"the least is {limits.MEMORY_LIMIT_MB_MIN} MB (MEMORY_LIMIT_MB_MIN)",
                limit=limits.MEMORY_LIMIT_MB_MIN,
            )
        self._lock = FolderLock(folder, now_us, command)
        try:
            database = Database(folder, memory_limit_mb=memory_limit_mb, user_key_sql=user_key_sql)
            super().__init__(database, Looks(database.connection, user_key_sql), lookups or Lookups())
            self._reader = EmbeddedReader(self.looks)
            if not self.spaces():
                self.create_space(DEFAULT_SPACE, now_us)
            self._generations.update(self.spaces())
        except BaseException:
            self._lock.close()
            raise

    @property
    def folder(self) -> Path:
        """The data folder."""
        return self._database.folder

    @property
    def reader(self) -> EmbeddedReader:
        """What other threads read with."""
        return self._reader

    def close(self) -> None:
        """Release the data folder."""
        self.looks.close()
        self._database.close()
        self._lock.close()

    def __enter__(self) -> Self:
        """Return the store, to be closed at the end of the block."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close the store."""
        self.close()


_: type[OwnedStore] = EmbeddedStore
