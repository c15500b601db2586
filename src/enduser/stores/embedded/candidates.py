"""What was ever said of one person."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from enduser.core.attributes import AttributeType, Value
from enduser.core.candidates import Candidate, SourceOrder
from enduser.core.events import UserId
from enduser.stores.embedded.reading import Look, persons
from enduser.stores.embedded.statements import bound, spliced, statements


def source_order(look: Look) -> SourceOrder:
    """Return the sources of a space, the first first."""
    return SourceOrder([name for (name,) in look.run("values.source_order")])


def find_candidates(look: Look, user_id: str, id_kind: str | None) -> Mapping[str, Sequence[Candidate]]:
    """Return what was ever said of the person of an id, by attribute; see `Reader.find_candidates`."""
    columns = look.columns()
    each = [column.splices("core") for column in columns]
    query = spliced(statements("values")["candidates_of_person"][0], each)
    found: dict[str, list[Candidate]] = {}
    for person_key in persons(look, user_id, id_kind):
        for row in look.rows(query, {"person_key": bound(person_key)}):
            for column in columns:
                value = row[column.name]
                if value is None and column.number not in row["cleared"]:  # type: ignore[operator]
                    continue
                own = found.setdefault(column.attribute.name, [])
                own.append(candidate(row, column.attribute.type, value))
        if found:
            break
    return found


def candidate(row: Mapping[str, Any], kind: AttributeType, value: Any) -> Candidate:
    """Return what a row says of an attribute of a type, whose value is as the engine has it."""
    typed: Value | None = tuple(value) if kind is AttributeType.LIST and value is not None else value
    return Candidate(
        typed,
        row["effective_at"],
        row["source"],
        row["run"],
        row["row"],
        UserId(row["id"], row["is_anonymous"]),
        row["written_at"],
    )
