"""Writing values that come as JSON: rows of a program, and the edit of one user by hand."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from enduser import limits
from enduser.core.attributes import (
    MANUAL,
    Attribute,
    AttributeType,
    RowProblem,
    ValueProblem,
    read_items,
    read_value,
)
from enduser.errors import InvalidValue, suppressed
from enduser.service.value_problems import VALUE_HINTS, row_message, value_message
from enduser.sources.json_rows import JsonRow, json_cell, write_rows
from enduser.stores.answers import Written
from enduser.stores.contract import Store
from enduser.stores.records import Once, WriteValues
from enduser.stores.row_file import CLEARED, INVALID, ITEM_END, LINE_END
from enduser.stores.scratch import scratch_folder


@dataclass(frozen=True, slots=True)
class Flaw:
    """Why something of a row was not taken; without an attribute: nothing of it was."""

    attribute: str | None
    code: RowProblem | ValueProblem
    message: str


@dataclass(frozen=True, slots=True)
class WrittenRows:
    """What became of rows: the counts, and the flaws of each that has some, by its number from 1."""

    written: Written
    flaws: Mapping[int, Sequence[Flaw]]


def write_json_rows(
    store: Store,
    space: str,
    source: str,
    rows: Sequence[JsonRow | RowProblem],
    now_us: int,
    once: Once | None = None,
) -> WrittenRows:
    """Write what rows say of users, as a new run of a source, whole or not at all.

    Raises:
        KeyReused: `once` has the key of other rows.
    """
    attributes = store.attributes()
    with scratch_folder(store.folder) as folder:
        told = write_rows(folder / "rows", rows, attributes, source)
        written = store.apply(space, WriteValues(source, told.file, now_us, once)).written
    assert written is not None
    types = {attribute.name: attribute.type for attribute in attributes}
    flaws: dict[int, list[Flaw]] = defaultdict(list)
    for row in written.row_rejections:
        flaws[row.row].append(Flaw(None, RowProblem(row.reason), row_message(RowProblem(row.reason))))
    for flaw in told.flaws:
        flaws[flaw.row].append(_value_flaw(flaw.attribute, flaw.problem, types))
    for value in written.value_rejections:
        flaws[value.row].append(_value_flaw(value.attribute, ValueProblem(value.reason), types))
    return WrittenRows(written, flaws)


def _value_flaw(name: str, problem: ValueProblem, types: Mapping[str, AttributeType]) -> Flaw:
    shown = name[: limits.ATTRIBUTE_NAME_CHARACTERS_MAX]
    return Flaw(shown, problem, value_message(shown, problem, types.get(name)))


def edit_by_hand(store: Store, space: str, row: JsonRow, now_us: int) -> Written:
    """Write what a person says of one user: all of it or nothing.

    Raises:
        InvalidValue: a value cannot be taken; it names the attribute.
        UserSuppressed: the user was erased, and is to stay out.
    """
    attributes = {attribute.name: attribute for attribute in store.attributes()}
    for name, value in row.values.items():
        if (problem := _problem(attributes.get(name), value)) is not None:
            shown = name[: limits.ATTRIBUTE_NAME_CHARACTERS_MAX]
            kind = attributes[name].type if name in attributes else None
            raise InvalidValue(
                value_message(shown, problem, kind),
                hint=f"nothing was changed; {VALUE_HINTS[problem]}",
                field=shown,
            )
    found = write_json_rows(store, space, MANUAL, [row], now_us)
    for flaw in found.flaws.get(1, ()):
        if flaw.code is RowProblem.SUPPRESSED:
            raise suppressed(flaw.message, "user_id")
        raise InvalidValue(
            flaw.message, hint="nothing was changed; correct it and send it again", field="user_id"
        )
    return found.written


def _problem(attribute: Attribute | None, value: object) -> ValueProblem | None:
    """Return why a person cannot give an attribute this value, by the reference model."""
    if attribute is None:
        return ValueProblem.UNKNOWN_ATTRIBUTE
    if not attribute.may_be_written_by(MANUAL):
        return ValueProblem.NOT_WRITABLE
    cell = json_cell(attribute.type, value)
    if isinstance(cell, ValueProblem):
        return cell
    if cell in (CLEARED, INVALID):
        return ValueProblem.INVALID_TEXT if cell == INVALID else None
    text = cell.replace(LINE_END, "\n")
    is_list = attribute.type is AttributeType.LIST
    read = read_items(text.split(ITEM_END)) if is_list else read_value(attribute.type, text, ITEM_END)
    return read if isinstance(read, ValueProblem) else None
