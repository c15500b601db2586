"""What copies follow: the objects for the serving copy, and what decisions are made by."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager

from enduser.core.deciding import Decider, Deciding
from enduser.core.rules.demands import Demand
from enduser.stores.answers import ChangedObject, Changes, Fact
from enduser.stores.embedded import contents, facts, reading
from enduser.stores.embedded.database import Database
from enduser.stores.embedded.looks import Looks
from enduser.stores.embedded.parts.part import Part
from enduser.stores.embedded.reading import Look
from enduser.stores.records import Lookups


class Copies(Part):
    """See `enduser.stores.contract` for what each method means."""

    def __init__(self, database: Database, looks: Looks, lookups: Lookups) -> None:
        """Know nothing yet of what decides."""
        super().__init__(database, looks, lookups)
        self._rules: dict[str, tuple[int, Deciding, Sequence[Demand]]] = {}
        """What decides in a space as of an edition of its rules, and what that asks for."""

    def generations(self) -> Mapping[str, int]:
        """Return by space how often its objects may have changed."""
        return dict(self._generations)

    def changes(self, space: str, since: int) -> Changes:
        """Return which objects changed after a fold."""
        return reading.changes(self._database, space, since)

    def objects(self, space: str, part: int, parts: int) -> Iterator[ChangedObject]:
        """Yield the objects of a part of a space."""
        return reading.objects_of_part(self._database, space, part, parts)

    def rules_edition(self, space: str) -> int:
        """Return a number that is another whenever `deciding` or `demands` of a space may be."""
        return self._rules_editions[space]

    def deciding(self) -> Sequence[Deciding]:
        """Return what collectors must know to decide, space by space."""
        return [self._known_rules(space)[0] for space in self.spaces()]

    def demands(self, space: str) -> Sequence[Demand]:
        """Return what decisions ask for of persons."""
        return self._known_rules(space)[1]

    def _known_rules(self, space: str) -> tuple[Deciding, Sequence[Demand]]:
        """Return what decides in a space, and what that asks for; worked out when something is another."""
        known, edition = self._rules.get(space), self._rules_editions[space]
        if known is None or known[0] != edition:
            with self._looking(space) as look:
                known_now = contents.deciding(look, only_public=True)
            decider = Decider(known_now, self.settings(space).time_zone)
            known = (edition, known_now, decider.demands)
            self._rules[space] = known
        return known[1:]

    def changed_facts(self, space: str, demands: Sequence[Demand], since: int) -> Generator[Fact]:
        """Yield what demands ask for of the persons who changed after a fold."""
        with self._looking_once(space) as look:
            yield from facts.changed_facts(look, demands, since)

    def facts(self, space: str, demands: Sequence[Demand], part: int, parts: int) -> Generator[Fact]:
        """Yield what demands ask for of a part of a space."""
        with self._looking_once(space) as look:
            yield from facts.some_facts(look, demands, part, parts)

    @contextmanager
    def _looking_once(self, space: str) -> Iterator[Look]:
        """Run a block that looks at a space; of the tables that it makes nothing is left."""
        with self._looking(space) as look:
            self._execute("BEGIN")
            try:
                yield look
            finally:
                self._execute("ROLLBACK")
