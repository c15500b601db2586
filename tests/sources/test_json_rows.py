"""Rows of JSON as a file of rows: what each JSON value is as a cell, and what is not taken."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from enduser import limits
from enduser.core.attributes import API, SDK, Attribute, AttributeType, RowProblem, ValueProblem, read_value
from enduser.sources.json_rows import JsonRow, JsonRows, ValueFlaw, json_cell, write_rows
from enduser.stores.row_file import (
    ANONYMOUS,
    BAD_ROW,
    CELL_END,
    CLEARED,
    HASHED,
    INVALID,
    ITEM_END,
    LINE_END,
    ValueColumn,
)

STRING, LIST = AttributeType.STRING, AttributeType.LIST
NO_LISTS = [kind for kind in AttributeType if kind is not LIST]
WRONG = ValueProblem.WRONG_TYPE


# --- cells


@pytest.mark.parametrize("kind", NO_LISTS)
@pytest.mark.parametrize(
    ("value", "cell"),
    [
        ("vip", "vip"),
        (" vip\t", "vip"),
        ("", ""),
        (" \n", ""),
        ("a\nb\r\nc\rd", LINE_END.join("abcd")),
        ("a\tb", "a\tb"),
        ("a\x1fb", INVALID),
        ("a\x1eb", INVALID),
        (CLEARED, INVALID),
        (INVALID, INVALID),
        (BAD_ROW, INVALID),
        ("a\x00", INVALID),
        ("a\udcff", INVALID),
        (True, "true"),
        (False, "false"),
        (0, "0"),
        (5, "5"),
        (-7, "-7"),
        (5.0, "5"),
        (5.5, "5.5"),
        (1e300, "1e300"),
        (10**20, "100000000000000000000"),
        (None, CLEARED),
        ([], CLEARED),
        (["a"], WRONG),
        ({}, WRONG),
        ({"a": 1}, WRONG),
    ],
)
def test_a_json_value_is_a_cell_of_every_type_but_a_list(
    kind: AttributeType, value: object, cell: str | ValueProblem
) -> None:
    assert json_cell(kind, value) == cell


@pytest.mark.parametrize(
    ("value", "cell"),
    [
        (["a"], "a"),
        (["a", "b"], f"a{ITEM_END}b"),
        ([" a ", 5, 5.0, True], ITEM_END.join(["a", "5", "5", "true"])),
        (["a;b", "c,d", "e\nf"], ITEM_END.join(["a;b", "c,d", f"e{LINE_END}f"])),
        ([""], ""),
        ([], CLEARED),
        (None, CLEARED),
        (["a", "b\x1dc"], INVALID),
        (["a\x00"], INVALID),
        ([CLEARED], INVALID),
        (["a", None], WRONG),
        ([None], WRONG),
        (["a", []], WRONG),
        (["a", ["b"]], WRONG),
        (["a", {}], WRONG),
        (["a\x00", None], WRONG),
        ("a", WRONG),
        ("", WRONG),
        (5, WRONG),
        (True, WRONG),
        ({}, WRONG),
    ],
)
def test_a_list_is_a_cell_of_items(value: object, cell: str | ValueProblem) -> None:
    assert json_cell(LIST, value) == cell


@given(text=st.text(max_size=20))
def test_a_cell_means_what_its_text_means_and_parts_nothing(text: str) -> None:
    cell = json_cell(STRING, text)
    assert isinstance(cell, str)
    assert not {CELL_END, ITEM_END, "\n", "\r"} & set(cell)
    assert read_value(STRING, cell.replace(LINE_END, "\n"), ITEM_END) == read_value(STRING, text, ITEM_END)


# --- files


PLAN, TAGS = Attribute("plan", STRING), Attribute("tags", LIST)
OWN = Attribute("own", STRING, sources=("crm",))


def write(folder: Path, *rows: JsonRow | RowProblem, source: str = API) -> tuple[JsonRows, list[list[str]]]:
    """Write rows; return what was done, and the cells of each row of the file."""
    done = write_rows(folder / "rows", rows, [PLAN, TAGS, OWN], source)
    text = (folder / "rows").read_bytes().decode()
    assert text == "" or text.endswith("\n")
    lines = [line.split(CELL_END) for line in text.split("\n")[:-1]]
    assert [len(line) for line in lines] == [done.file.cells] * len(rows)
    return done, lines


def test_a_row_has_its_number_whose_it_is_from_when_and_its_values(tmp_path: Path) -> None:
    done, lines = write(tmp_path, JsonRow("u1", {"plan": "vip", "tags": ["a", "b"]}))
    assert lines == [["1", "u1", "", "", "vip", f"a{ITEM_END}b"]]
    assert (done.file.id_at, done.file.kind_at, done.file.effective_at) == (1, 2, 3)
    assert done.file.columns == [ValueColumn("plan", 4), ValueColumn("tags", 5)]
    assert (done.file.paths, done.flaws) == ([tmp_path / "rows"], [])


@pytest.mark.parametrize(
    ("row", "cells"),
    [
        (JsonRow("u1", {}), ["u1", "", ""]),
        (JsonRow("u1", {}, "anonymous"), ["u1", ANONYMOUS, ""]),
        (JsonRow("u1", {}, "hashed"), ["u1", HASHED, ""]),
        (JsonRow(" u1\t", {}, effective_at=" 2026-01-01 "), ["u1", "", "2026-01-01"]),
        (JsonRow("", {}, effective_at=""), ["", "", ""]),
        (JsonRow("\x02malformed_row", {}), [INVALID, "", ""]),
        (JsonRow("u\n1", {}), [f"u{LINE_END}1", "", ""]),
        (JsonRow("é𝄞", {}), ["é𝄞", "", ""]),
    ],
)
def test_an_id_its_kind_and_a_time_are_cells(tmp_path: Path, row: JsonRow, cells: Sequence[str]) -> None:
    assert write(tmp_path, row)[1] == [["1", *cells]]


def test_attributes_have_columns_in_the_order_in_which_they_are_spoken_of(tmp_path: Path) -> None:
    done, lines = write(
        tmp_path,
        JsonRow("u1", {"tags": ["a"]}),
        JsonRow("u2", {"plan": "vip"}),
        JsonRow("u3", {"plan": None}),
    )
    assert [column.attribute for column in done.file.columns] == ["tags", "plan"]
    assert [line[4:] for line in lines] == [["a", ""], ["", "vip"], ["", CLEARED]]


@pytest.mark.parametrize(
    ("values", "source", "problem"),
    [
        ({"gone": "x"}, API, ValueProblem.UNKNOWN_ATTRIBUTE),
        ({"Plan": "x"}, API, ValueProblem.UNKNOWN_ATTRIBUTE),
        ({"own": "x"}, API, ValueProblem.NOT_WRITABLE),
        ({"own": None}, API, ValueProblem.NOT_WRITABLE),
        ({"plan": "x"}, SDK, ValueProblem.NOT_WRITABLE),
        ({"plan": ["x"]}, API, ValueProblem.WRONG_TYPE),
        ({"tags": "x"}, API, ValueProblem.WRONG_TYPE),
    ],
)
def test_a_value_that_cannot_be_taken_is_a_flaw_of_its_row_and_no_column(
    tmp_path: Path, values: Mapping[str, object], source: str, problem: ValueProblem
) -> None:
    done, lines = write(tmp_path, JsonRow("u1", {}), JsonRow("u2", values), source=source)
    assert done.flaws == [ValueFlaw(2, *values, problem)]
    assert (lines, done.file.columns) == ([["1", "u1", "", ""], ["2", "u2", "", ""]], [])


def test_a_flaw_costs_its_value_alone(tmp_path: Path) -> None:
    values = {"gone": 1, "plan": "vip", "tags": "x", "own": "y"}
    done, lines = write(tmp_path, JsonRow("u1", values), JsonRow("u2", {"tags": ["a"]}))
    assert lines == [["1", "u1", "", "", "vip", ""], ["2", "u2", "", "", "", "a"]]
    assert [(flaw.row, flaw.attribute) for flaw in done.flaws] == [(1, "gone"), (1, "tags"), (1, "own")]


def test_a_source_of_an_attribute_of_its_own_may_write_it(tmp_path: Path) -> None:
    done, lines = write(tmp_path, JsonRow("u1", {"own": "x"}), source="crm")
    assert (done.flaws, lines) == ([], [["1", "u1", "", "", "x"]])


def test_a_row_that_could_not_be_read_stands_in_its_place(tmp_path: Path) -> None:
    done, lines = write(
        tmp_path, JsonRow("u1", {"plan": "a"}), RowProblem.MALFORMED_ROW, JsonRow("u3", {"plan": "c"})
    )
    assert lines == [
        ["1", "u1", "", "", "a"],
        ["2", f"{BAD_ROW}malformed_row", "", "", ""],
        ["3", "u3", "", "", "c"],
    ]
    assert done.flaws == []


@pytest.mark.parametrize(("extra", "is_good"), [(-1, True), (0, True), (1, False)])
@pytest.mark.parametrize("letter", ["x", "é"])
def test_a_row_may_have_as_many_bytes_as_a_line_and_no_more(
    tmp_path: Path, letter: str, extra: int, is_good: bool
) -> None:
    size = limits.LINE_BYTES_MAX + extra - len("1|u1||||\n") + len("|")
    value = letter * (size // len(letter.encode())) + "y" * (size % len(letter.encode()))
    _, lines = write(tmp_path, JsonRow("u1", {"plan": value}), JsonRow("u2", {"plan": "b"}))
    good, bad = ["1", "u1", "", "", value], ["1", f"{BAD_ROW}row_too_long", "", "", ""]
    assert (lines[0] == good, lines[0] == bad) == (is_good, not is_good)
    assert lines[1] == ["2", "u2", "", "", "b"]


def test_no_rows_are_an_empty_file(tmp_path: Path) -> None:
    done, lines = write(tmp_path)
    assert (lines, done.file.cells, done.file.columns) == ([], 4, [])
