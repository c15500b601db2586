"""Where the values of one user come from, and what they were: by the reference model, from what was said."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from enduser.core.attributes import Attribute, AttributeType, Value
from enduser.core.candidates import Candidate, Change, SourceOrder, history, winner
from enduser.service.json_form import iso_time
from enduser.stores.contract import Reader


@dataclass(frozen=True, slots=True)
class Said:
    """All that was said of one user."""

    attributes: Mapping[str, Attribute]
    candidates: Mapping[str, Sequence[Candidate]]
    """By attribute; none of those of which nothing was said."""
    sources: SourceOrder

    def holding(self, as_of: int | None = None) -> Mapping[str, Candidate]:
        """Return what holds by attribute, now or as of a time; none of those that are unknown."""
        found = {}
        for name, candidates in self.candidates.items():
            known = [one for one in candidates if as_of is None or one.effective_at <= as_of]
            held = winner(known, self.attributes[name].conflict_rule, self.sources)
            if held is not None and held.value is not None:
                found[name] = held
        return found

    def changes(self) -> Iterator[tuple[str, Change]]:
        """Yield the changes of all attributes, those of one attribute in order of time."""
        for name, candidates in self.candidates.items():
            for change in history(candidates, self.attributes[name].conflict_rule, self.sources):
                yield name, change

    def json_value(self, name: str, value: Value | None) -> object:
        """Return a value of an attribute as JSON has it."""
        return json_value(self.attributes[name].type, value)


def json_value(kind: AttributeType, value: Value | None) -> object:
    """Return a value of a type as JSON has it."""
    if kind is AttributeType.DATETIME and isinstance(value, int):
        return iso_time(value)
    return list(value) if isinstance(value, tuple) else value


def find_said(reader: Reader, space: str, user_id: str, id_kind: str | None) -> Said:
    """Return all that was said of the person of an id; nothing where nobody spoke of it."""
    candidates = reader.find_candidates(space, user_id, id_kind)
    attributes = {attribute.name: attribute for attribute in reader.attributes()}
    known = {name: own for name, own in candidates.items() if name in attributes}
    return Said(attributes, known, reader.source_order(space))
