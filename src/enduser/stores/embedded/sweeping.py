"""Of whom a relative time has reached or left a value: a rule may hold for them by the clock alone."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from enduser.core.attributes import AttributeType
from enduser.core.rules.programs import Program
from enduser.core.rules.tree import Happening
from enduser.stores.embedded.conditions import Conditions, Span, portions_of_happenings
from enduser.stores.embedded.reading import Look
from enduser.stores.embedded.statements import spliced, statements, used

_SWEPT_AT_ONCE = 20
"""Things that may have happened to any person of which one statement asks."""


@dataclass(frozen=True, slots=True)
class Sweep:
    """Finds whom the relative times of a program have reached or left since the clock showed less."""

    look: Look
    writer: Conditions
    program: Program
    before: int
    """What the clock showed at the last sweep, in µs."""

    def ask(self) -> None:
        """Ask also about them: put them into the table `asked_ids`."""
        writer = replace(self.writer, parameters={})
        reached = [self._reached(writer, name, spans) for name, spans in self._ends().items()]
        if reached:
            self._ask(writer, " UNION ALL ".join(reached))
        for some in portions_of_happenings(list(self._spans().items()), _SWEPT_AT_ONCE):
            writer = replace(self.writer, parameters={})
            self._ask(writer, writer.each_happened(some))

    def _ask(self, writer: Conditions, swept: str) -> None:
        query = spliced(statements("feed")["swept"][0], (), {"swept": swept})
        self.look.connection.execute(query, used(query, writer.parameters))

    def _ends(self) -> Mapping[str, Sequence[tuple[Any, Any]]]:
        """Return between which ends values of attributes lie that a relative time has reached or left."""
        before, now, zone = self.before, self.writer.now, self.writer.zone
        spans: defaultdict[str, list[tuple[Any, Any]]] = defaultdict(list)
        for (moment, is_day), fields in self.program.compared_fields.items():
            ends: tuple[Any, Any] = (moment.at(before, zone), moment.at(now, zone))
            if is_day:
                ends = (moment.day(before, zone), moment.day(now, zone))
            if ends[0] != ends[1]:
                for name in dict.fromkeys(name for name, _ in fields):
                    spans[name].append(ends)
        return spans

    def _reached(self, writer: Conditions, name: str, spans: Sequence[tuple[Any, Any]]) -> str:
        """Return the query of who has a value between such ends, both included."""
        value = writer.value_of(name)
        between = "{} BETWEEN {} AND {}"
        if writer.type_of(name) is not AttributeType.DATETIME:
            ends = [between.format(value, writer.bind(first), writer.bind(last)) for first, last in spans]
            return f"SELECT person_key FROM users WHERE {' OR '.join(ends)}"
        ends = [between.format("value", writer.bind(first), writer.bind(last)) for first, last in spans]
        width = self.writer.now - self.before
        pieces = sorted({piece for span in spans for piece in _pieces(*span, width)})
        splices = {"value": value, "width": writer.bind(width), "pieces": writer.bind(pieces)}
        return spliced(statements("feed")["near"][0], (), {**splices, "spans": " OR ".join(ends)})

    def _spans(self) -> Mapping[Happening, Sequence[Span]]:
        """Return within which spans things happened that a relative time has reached or left."""
        before, now, zone = self.before, self.writer.now, self.writer.zone
        spans: defaultdict[Happening, list[Span]] = defaultdict(list)
        for moment, places in self.program.compared_times.items():
            span = (moment.at(before, zone) - 1, moment.at(now, zone) + 1)
            for place in places:
                spans[self.program.happenings[place]].append(span)
        return spans


def _pieces(first: int, last: int, width: int) -> range:
    """Return the numbers of pieces of time in which a span lies, by a division that rounds towards 0."""
    begins, ends = (abs(end) // width * (1 if end > 0 else -1) for end in (first, last))
    return range(begins, ends + 1)
