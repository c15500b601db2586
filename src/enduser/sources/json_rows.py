"""Rows of values that come as JSON: what a program or a person writes through the API."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec

from enduser.core.attributes import Attribute, AttributeType, RowProblem, ValueProblem
from enduser.core.links import IdKind
from enduser.stores.row_file import (
    CLEARED,
    INVALID,
    ITEM_END,
    KIND_CELLS,
    RowFile,
    ValueColumn,
    bad_row,
    cell_of,
    row_within_limit,
)

_ID_AT, _KIND_AT, _EFFECTIVE_AT, _VALUES_FROM = range(1, 5)


@dataclass(frozen=True, slots=True)
class JsonRow:
    """What is said of one id. A value of None is cleared; one that is not named is not spoken of."""

    user_id: str
    values: Mapping[str, object]
    id_kind: IdKind = "plain"
    effective_at: str | None = None
    """ISO 8601; None: from when it is written."""


@dataclass(frozen=True, slots=True)
class ValueFlaw:
    """A value that cannot be taken as it stands in its JSON; the row is the number of its row, from 1."""

    row: int
    attribute: str
    problem: ValueProblem


@dataclass(frozen=True, slots=True)
class JsonRows:
    """A file of rows, and what of them was not written into it."""

    file: RowFile
    flaws: Sequence[ValueFlaw]


def write_rows(
    path: Path, rows: Sequence[JsonRow | RowProblem], attributes: Iterable[Attribute], source: str
) -> JsonRows:
    """Write rows of a source as a file; a row that could not be read is there with its problem."""
    known = {attribute.name: attribute for attribute in attributes}
    flaws: list[ValueFlaw] = []
    spoken_of: dict[str, int] = {}
    good: list[Mapping[str, str]] = []
    for number, row in enumerate(rows, 1):
        cells = {}
        for name, value in row.values.items() if isinstance(row, JsonRow) else ():
            cell = _cell(known.get(name), value, source)
            if isinstance(cell, ValueProblem):
                flaws.append(ValueFlaw(number, name, cell))
            else:
                cells[name] = cell
                spoken_of.setdefault(name, len(spoken_of))
        good.append(cells)
    with path.open("w", encoding="utf-8", newline="\n") as file:
        file.writelines(_lines(rows, good, list(spoken_of)))
    columns = [ValueColumn(name, _VALUES_FROM + number) for name, number in spoken_of.items()]
    width = _VALUES_FROM + len(columns)
    return JsonRows(RowFile([path], width, columns, _ID_AT, _KIND_AT, _EFFECTIVE_AT), flaws)


def _lines(
    rows: Sequence[JsonRow | RowProblem], cells: Sequence[Mapping[str, str]], names: Sequence[str]
) -> Iterator[str]:
    width = _VALUES_FROM + len(names)
    for number, (row, named) in enumerate(zip(rows, cells, strict=True), 1):
        if not isinstance(row, JsonRow):
            yield bad_row(number, row, width)
            continue
        head = (cell_of(row.user_id), KIND_CELLS[row.id_kind], cell_of(row.effective_at or ""))
        values = (named.get(name, "") for name in names)
        yield row_within_limit(number, [*head, *values], RowProblem.ROW_TOO_LONG)


def _cell(attribute: Attribute | None, value: object, source: str) -> str | ValueProblem:
    if attribute is None:
        return ValueProblem.UNKNOWN_ATTRIBUTE
    if not attribute.may_be_written_by(source):
        return ValueProblem.NOT_WRITABLE
    return json_cell(attribute.type, value)


def json_cell(kind: AttributeType, value: object) -> str | ValueProblem:
    """Return a JSON value as the cell that means it; null and a list without items clear.

    A number or a boolean is its shortest JSON text, so a `string` takes it, and a `number` takes `"5"`.
    """
    if value is None or value == []:
        return CLEARED
    if isinstance(value, list) and kind is AttributeType.LIST:
        items = [json_cell(AttributeType.STRING, item) for item in value]
        texts = [item for item in items if not isinstance(item, ValueProblem) and item != CLEARED]
        if len(texts) < len(items):
            return ValueProblem.WRONG_TYPE
        return INVALID if INVALID in texts else ITEM_END.join(texts)
    if isinstance(value, list | dict) or kind is AttributeType.LIST:
        return ValueProblem.WRONG_TYPE
    return cell_of(value if isinstance(value, str) else _json_text(value))


def _json_text(value: object) -> str:
    return msgspec.json.encode(value).decode().removesuffix(".0")
