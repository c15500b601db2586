"""Files of rows: the one form in which every source hands over what it says of users.

A row is a line, its cells are parted by chr(31); there are no quotes and no header. So an engine reads it as
fast as it can read at all, on all processors, and nothing in a cell can be taken for the end of it. The first
cell is the number of the row, by which all about it is told; the second is, of a row that could not be read,
the reason.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from enduser import limits
from enduser.core.attributes import CONTROLS, RowProblem
from enduser.core.events import BLANKS
from enduser.core.links import IdKind
from enduser.core.value_forms import ValueForm

CELL_END = "\x1f"
LINE_END = "\x1e"
"""Stands for a line end within a text."""
ITEM_END = "\x1d"
"""Parts the items of a list of JSON."""
CLEARED = "\x18"
"""A cell that says: there is no value any more. An empty one says nothing."""
INVALID = "\x01"
"""A cell whose text had control characters, or was no UTF-8."""
BAD_ROW = "\x02"
"""Begins the second cell of a row that could not be read; the reason follows."""

ANONYMOUS, HASHED = "a", "h"
"""Cells that say of which kind an id is; an empty one: a plain user id."""

KIND_CELLS: Mapping[IdKind, str] = {"plain": "", "hashed": HASHED, "anonymous": ANONYMOUS}

PLAIN = ValueForm(separator=ITEM_END)
"""The form of values that need no reading, as of JSON."""


@dataclass(frozen=True, slots=True)
class ValueColumn:
    """Where the values of an attribute stand in a row."""

    attribute: str
    at: int
    """The number of the cell; that of the row's number is 0."""
    form: ValueForm = PLAIN
    """How they are written."""


@dataclass(frozen=True, slots=True)
class RowFile:
    """Rows in files that follow each other, and what stands in which cell."""

    paths: Sequence[Path]
    cells: int
    """How many each row has, its number included."""
    columns: Sequence[ValueColumn]
    id_at: int = 1
    kind_at: int | None = None
    effective_at: int | None = None
    """Where the time stands from which on a row holds; None: that is when it is written."""
    is_anonymous: bool = False
    """Whether all ids are anonymous ones, where no cell says it."""
    blank_clears: bool = False
    """Whether a blank cell means that there is no value any more."""


def cell_of(text: str) -> str:
    """Return a text as a cell, without blanks around it; of control characters only line ends are kept."""
    plain = text.strip(BLANKS).replace("\r\n", "\n").replace("\r", "\n")
    return INVALID if CONTROLS.search(plain) else plain.replace("\n", LINE_END)


def row_of(number: int, cells: Sequence[str]) -> str:
    """Return a row of cells."""
    return CELL_END.join([str(number), *cells]) + "\n"


def row_within_limit(number: int, cells: Sequence[str], too_long: RowProblem) -> str:
    """Return a row of cells; in place of one that is too long for an engine to read, one with this reason."""
    row = row_of(number, cells)
    return row if len(row.encode()) <= limits.LINE_BYTES_MAX else bad_row(number, too_long, 1 + len(cells))


def bad_row(number: int, reason: str, cells: int) -> str:
    """Return a row of so many cells that stands for one that could not be read."""
    return f"{number}{CELL_END}{BAD_ROW}{reason}{CELL_END * (cells - 2)}\n"


def write_ids(path: Path, ids: Iterable[str], id_kind: IdKind) -> RowFile:
    """Write ids of a kind as rows that have nothing else, and return the file."""
    with path.open("w", encoding="utf-8", newline="\n") as file:
        for number, text in enumerate(ids, 1):
            cells = [cell_of(text), KIND_CELLS[id_kind]]
            file.write(row_within_limit(number, cells, RowProblem.USER_ID_TOO_LONG))
    return RowFile([path], 3, (), id_at=1, kind_at=2)
