"""What every part of the store stands on."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from enduser.core.attributes import Attribute
from enduser.core.settings import SpaceSettings
from enduser.stores.embedded.database import Database
from enduser.stores.embedded.engine import ANSWER, told
from enduser.stores.embedded.intake import Intake
from enduser.stores.embedded.looks import Looks
from enduser.stores.embedded.reader import EmbeddedReader
from enduser.stores.embedded.reading import Look
from enduser.stores.embedded.statements import Rows
from enduser.stores.records import Lookups


class Part(EmbeddedReader):
    """The database, and what tells others that something of it is another.

    What is only read is read as by any reader. Spaces, settings and attributes are the exception: they are
    read on the connection that changes, which sees them as they become.
    """

    def __init__(self, database: Database, looks: Looks, lookups: Lookups) -> None:
        """Stand on a database, beside which others look."""
        super().__init__(looks)
        self._database = database
        self._intake = Intake(database, lookups)
        self._generations: Counter[str] = Counter()
        """How often the objects of a space may have changed."""
        self._rules_editions: Counter[str] = Counter()
        """How often what is decided by, and what is followed, may have changed in a space."""

    def spaces(self) -> Sequence[str]:
        """Return the names of all spaces."""
        return [space for space, _ in self._database.spaces()]

    def settings(self, space: str) -> SpaceSettings:
        """Return the settings of a space."""
        self._database.schema(space)  # there must be such a space
        with told(ANSWER):
            return self._look(space).settings()

    def attributes(self) -> Sequence[Attribute]:
        """Return the custom attributes, the oldest first."""
        return [column.attribute for column in self._database.columns()]

    def _rules_changed(self, *spaces: str) -> None:
        """Let what is decided by be worked out anew, in some spaces or in all."""
        self._rules_editions.update(spaces or self.spaces())

    def _objects_change(self, space: str) -> None:
        """Let others look which objects of a space are others."""
        self._generations[space] += 1

    def _look(self, space: str) -> Look:
        """Return a look at a space on the connection that changes; its tables must be in sight."""
        return Look(self._database.connection, space)

    @contextmanager
    def _looking(self, space: str) -> Iterator[Look]:
        """Run a block that looks at a space on the connection that changes."""
        with self._database.looking_at(self._database.schema(space)):
            yield self._look(space)

    @contextmanager
    def _changing(self, space: str) -> Iterator[Look]:
        """Run a block that changes a space, whole or not at all."""
        with self._database.changing(self._database.schema(space)):
            yield self._look(space)

    def _execute(self, query: str, parameters: Sequence[object] = ()) -> Rows:
        return self._database.execute(query, parameters)
