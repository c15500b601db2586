"""Files of rows: what an engine would not read is not in them."""

from __future__ import annotations

from pathlib import Path

import pytest

from enduser import limits
from enduser.core.attributes import RowProblem
from enduser.stores.row_file import (
    BAD_ROW,
    CELL_END,
    INVALID,
    bad_row,
    row_of,
    row_within_limit,
    write_ids,
)

TOO_LONG = RowProblem.ROW_TOO_LONG


@pytest.mark.parametrize(("more", "is_good"), [(-1, True), (0, True), (1, False)])
@pytest.mark.parametrize("character", ["x", "é", "💥"])
def test_a_row_has_as_many_bytes_as_the_limit(character: str, more: int, is_good: bool) -> None:
    room = limits.LINE_BYTES_MAX + more - len(row_of(7, ["", ""]))
    count, rest = divmod(room, len(character.encode()))
    cells = [character * count + "x" * rest, ""]
    right = row_of(7, cells) if is_good else bad_row(7, TOO_LONG, 3)
    assert row_within_limit(7, cells, TOO_LONG) == right


def test_an_id_that_an_engine_would_not_read_is_there_with_its_reason(tmp_path: Path) -> None:
    ids = ["💥" * limits.LINE_BYTES_MAX, "a\udcff", " a "]
    write_ids(tmp_path / "ids", ids, "anonymous")
    rows = (tmp_path / "ids").read_text(encoding="utf-8").splitlines()
    assert [row.split(CELL_END) for row in rows] == [
        ["1", f"{BAD_ROW}user_id_too_long", ""],
        ["2", INVALID, "a"],
        ["3", "a", "a"],
    ]
