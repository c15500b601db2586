"""What one user sees: the same in a collector, which has a copy of him, and in the owner of the truth."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import compress
from zoneinfo import ZoneInfo

from enduser.core.attributes import AttributeType
from enduser.core.contents import Content, Decision
from enduser.core.rules.book import RuleBook
from enduser.core.rules.changing import next_turn
from enduser.core.rules.demands import Demand, demands_of
from enduser.core.rules.programs import Person, Program
from enduser.core.rules.reading import Vocabulary
from enduser.core.rules.rule_json import RuleJson


@dataclass(frozen=True, slots=True, kw_only=True)
class Deciding:
    """What must be known to decide in a space, besides its settings and the user."""

    space: str
    contents: Sequence[Content]
    """What may be shown."""
    segments: Sequence[str]
    """The ids of those that may be told."""
    rules: Mapping[str, RuleJson]
    """The rules of those, of the segments of the contents, and of all that these name, by id."""
    attributes: Mapping[str, AttributeType]
    """The types of the custom attributes."""
    lists: Sequence[str]
    """The ids of the static lists."""
    unread: Sequence[str] = ()
    """The ids of segments whose rules cannot be any more: nobody is in them."""
    since_fold: int = field(default=0, compare=False)
    """Copies up to an earlier fold may have attributes that are called otherwise now, or of another type."""


class Decider:
    """Decides for any user of a space."""

    def __init__(self, known: Deciding, time_zone: str) -> None:
        """Read the rules, which were checked when they were saved."""
        self._known = known
        self.zone = ZoneInfo(time_zone)
        words = Vocabulary(custom=known.attributes, zone=self.zone, lists=known.lists)
        book = RuleBook(words, known.rules.get)
        named = [content.segment for content in known.contents if content.segment in known.rules]
        self._judged = list(dict.fromkeys([*known.segments, *(name for name in named if name is not None)]))
        self.program = Program([book.require(name) for name in self._judged])
        self.demands: Sequence[Demand] = demands_of(self.program, self.zone)
        """What must be at hand of a person."""
        self.keys = frozenset(demand.key for demand in self.demands)
        self.datetimes = {name for name, kind in known.attributes.items() if kind is AttributeType.DATETIME}
        """The custom attributes that are instants."""

    def decide(self, person: Person, now: int) -> Decision:
        """Return what a person sees at a time of the space's clock; `person` has what `demands` ask for."""
        answers = self.program.answers(person, self.program.edges(now, self.zone))
        held = set(compress(self._judged, answers))
        contents = self._known.contents
        return Decision(
            contents=[one for one in contents if one.segment is None or one.segment in held],
            segments=[name for name in self._known.segments if name in held],
            decided_at=now,
            turns_at=next_turn(self.program, person, now, self.zone),
        )
