"""CSV as lines of JSON: quotes, line ends inside cells, broken rows, headers."""

from __future__ import annotations

import json
from typing import Any

import pytest

from enduser import limits
from enduser.errors import InputError
from enduser.ingest.csv_rows import json_lines

HEADER = "user_id,occurred_at,name"


def rows(text: str | bytes, name: str = "x.csv") -> list[dict[str, Any]]:
    content = text if isinstance(text, bytes) else text.encode()
    return [json.loads(line) for block in json_lines(name, [content]) for line in block.splitlines()]


def test_a_row_carries_its_cells_by_name_and_the_line_where_it_begins() -> None:
    assert rows(f"{HEADER}\nu1,2026,Click\nu2,2027,\n") == [
        {"line_number": 2, "user_id": "u1", "occurred_at": "2026", "name": "Click"},
        {"line_number": 3, "user_id": "u2", "occurred_at": "2027"},
    ]


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_the_delimiter_is_the_one_that_the_header_uses_most(delimiter: str) -> None:
    text = f"{HEADER}\nu1,2026,Click\n".replace(",", delimiter)
    assert rows(text)[0]["name"] == "Click"


def test_quotes_within_quotes_and_delimiters_and_line_ends_within_cells() -> None:
    found = rows(f'{HEADER}\nu1,2026,"say ""hello"", twice\n\n and on"\nu2,2027,x\n')
    assert found[0]["name"] == 'say "hello", twice\n\n and on'
    assert [row["line_number"] for row in found] == [2, 5]


def test_blanks_around_a_name_in_the_header_do_not_matter_and_blank_lines_are_no_rows() -> None:
    assert rows(" user_id , occurred_at\n\nu1,2026\n   \n\nu2,2027\n") == [
        {"line_number": 3, "user_id": "u1", "occurred_at": "2026"},
        {"line_number": 6, "user_id": "u2", "occurred_at": "2027"},
    ]


def test_a_column_of_no_meaning_is_left_out() -> None:
    assert rows("user_id,shoe_size,occurred_at\nu1,44,2026\n") == [
        {"line_number": 2, "user_id": "u1", "occurred_at": "2026"}
    ]


@pytest.mark.parametrize(
    "broken",
    ['u1,2026,"a" b', "u1,2026", "u1,2026,a,b", "u1", '"u1"x,2026,a', "\x02malformed_line", '"u1,2026,a'],
)
def test_a_broken_row_costs_that_row_alone(broken: str) -> None:
    found = rows(f"{HEADER}\nu0,2026,a\n{broken}\nu2,2027,b\nu3,2028,c\n")
    assert [(row["line_number"], row.get("user_id"), row.get("problem")) for row in found] == [
        (2, "u0", None),
        (3, None, "malformed_line"),
        (4, "u2", None),
        (5, "u3", None),
    ]


def test_a_quote_inside_a_cell_without_quotes_is_text() -> None:
    assert rows(f'{HEADER}\nu1,2026,5" disk\nu2,2027,6" disk\n')[1]["name"] == '6" disk'


def test_what_an_unclosed_quote_swallowed_is_read_again_also_when_another_quote_follows() -> None:
    found = rows(f'{HEADER}\nu1,2026,"open\nu2,2027,b\nu3,2028,"closed"\nu4,2029,d\n')
    assert [row.get("user_id", row.get("problem")) for row in found] == ["malformed_line", "u2", "u3", "u4"]


def test_a_bad_line_inside_a_quoted_cell_breaks_the_row_and_keeps_its_own_reason() -> None:
    found = rows(f'{HEADER}\nu1,2026,"open\n\x02line_too_long\nclosed"\nu2,2027,b\n')
    assert [row.get("user_id", row.get("problem")) for row in found] == [
        "malformed_line",
        "line_too_long",
        "malformed_line",
        "u2",
    ]


def test_a_row_of_many_lines_may_have_as_many_bytes_as_a_line_and_no_more() -> None:
    start, end = "u1,2026,", '"\n'
    for extra, user in ((0, "u1"), (1, None)):
        size = limits.LINE_BYTES_MAX - len(start) - 3 + extra  # the quotes, one line end apart
        cell = "a" * (size // 2) + "\n" + "b" * (size - size // 2)
        found = rows(f'{HEADER}\n{start}"{cell}{end}u9,2026,z\n')
        assert found[0].get("user_id") == user
        assert found[-1]["user_id"] == "u9"


def test_a_row_that_grows_too_long_as_json_is_rejected() -> None:
    cell = "\x03" * (limits.LINE_BYTES_MAX // 2)
    found = rows(f"{HEADER}\nu1,2026,{cell}\nu2,2026,x\n")
    assert [row.get("user_id", row.get("problem")) for row in found] == ["line_too_long", "u2"]


def test_many_columns_are_taken_at_the_limit_and_refused_above() -> None:
    def header(count: int) -> str:
        return ",".join([HEADER, *(f"c{i}" for i in range(count - 3))])

    for count in (limits.CSV_COLUMNS_MAX - 1, limits.CSV_COLUMNS_MAX):
        row = "u1,2026,a" + "," * (count - 3)
        assert rows(f"{header(count)}\n{row}\n")[0]["user_id"] == "u1"
    with pytest.raises(InputError, match="has 1,001 columns; the limit is 1,000"):
        rows(f"{header(limits.CSV_COLUMNS_MAX + 1)}\n")


@pytest.mark.parametrize(
    ("header", "message"),
    [
        ("user_id,occurred_at,name,name", "has the column name twice"),
        ("user_id,name", "lacks the column occurred_at; it has: user_id, name"),
        ("occurred_at,name", "lacks the column user_id"),
        ("User_Id,Occurred_At", "lacks the column occurred_at and user_id"),
        ("", "lacks the column"),
        ("\x02line_too_long", "the first line of x.csv is no header: line_too_long"),
    ],
)
def test_a_header_that_will_not_do_is_an_error_that_names_what_is_wrong(header: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        rows(f"{header}\n")


def test_an_anonymous_id_is_id_enough_and_columns_without_name_may_repeat() -> None:
    assert rows("anonymous_id,occurred_at,,\na1,2026,,\n")[0]["anonymous_id"] == "a1"
