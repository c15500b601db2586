"""CSV files as files of rows: quotes, line ends in cells, broken records, encodings, numbers of rows."""

from __future__ import annotations

import csv
import gzip
import io
import tempfile
from collections.abc import Sequence
from pathlib import Path

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from enduser import limits
from enduser.errors import LimitExceeded
from enduser.ingest import compression, files
from enduser.ingest.compression import BLOCK_BYTES
from enduser.ingest.files import EventFile
from enduser.sources.csv_form import DELIMITERS, CsvForm
from enduser.sources.csv_rows import write_rows
from enduser.stores.row_file import BAD_ROW, CELL_END, INVALID, LINE_END

HEADER = "id,plan\n"
MALFORMED = "malformed_row"
TOO_LONG = "row_too_long"

Row = tuple[int, *tuple[str, ...]]
"""The number of a row and its cells, or the one reason why it has none."""


def opened(folder: Path, content: str | bytes, compression: str = "none") -> EventFile:
    path = folder / "users.csv"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return EventFile(path.name, path, "csv", compression, path.stat().st_size)


def rows(file: EventFile, *, delimiter: str = ",", width: int = 2, encoding: str = "utf-8") -> list[Row]:
    """Return the rows that a file becomes, their cells as texts again."""
    target = file.path.with_name("rows")
    write_rows(file, CsvForm(encoding, delimiter, tuple(f"c{n}" for n in range(width))), target)
    lines = target.read_bytes().decode().split("\n")
    assert lines.pop() == ""
    return [row_in(line, width) for line in lines]


def row_in(line: str, width: int) -> Row:
    number, *cells = line.split(CELL_END)
    assert len(cells) == width
    if cells[0].startswith(BAD_ROW):
        assert not any(cells[1:])
        return (int(number), cells[0][1:])
    return (int(number), *(cell.replace(LINE_END, "\n") for cell in cells))


# --- what stands in a file


@pytest.mark.parametrize(
    "text",
    [
        "u1,vip\nu2,free\n",
        "u1,vip\nu2,free",
        "u1,vip\r\nu2,free\r\n",
        '"u1","vip"\n"u2","free"\n',
        '"u1","vip"\n"u2","free"',
        '"u1","vip"\r\n"u2","free"\r\n',
        'u1,"vip"\n"u2",free\n',
        "u1,vip\nu2,\tfree\t\n",
        '"u1","vip"\n"u2","\tfree"\n',
        *(f"u1,vip\nu2,{blank}free{blank}\n" for blank in "\x0c\x85\u2028\u2029"),
        *(f'"u1","vip"\n"u2","{blank}free"\n' for blank in "\x0c\x85\u2028\u2029"),
    ],
)
def test_a_row_is_its_number_and_its_cells(tmp_path: Path, text: str) -> None:
    assert rows(opened(tmp_path, HEADER + text)) == [(2, "u1", "vip"), (3, "u2", "free")]


@pytest.mark.parametrize("delimiter", DELIMITERS)
@pytest.mark.parametrize("text", ["id,plan\nu1,vip\nu2,\n", '"id","plan"\n"u1","vip"\n"u2",""\n'])
def test_cells_are_parted_at_the_delimiter_of_the_form(tmp_path: Path, delimiter: str, text: str) -> None:
    found = rows(opened(tmp_path, text.replace(",", delimiter)), delimiter=delimiter)
    assert found == [(2, "u1", "vip"), (3, "u2", "")]


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ('"a,b"', "a,b"),
        ('"a\nb"', "a\nb"),
        ('"a\r\nb"', "a\nb"),
        ('"a\n\n\nb"', "a\n\n\nb"),
        ('"say ""hello"""', 'say "hello"'),
        ('""""', '"'),
        ('""","""', '","'),
        ('"a"",""b"', 'a","b'),
        ('","', ","),
        ('""', ""),
        ('"\n a \n"', "a"),
        ("a\tb", "a\tb"),
        ("a\u2028b", "a\u2028b"),
        ('5" disk', '5" disk'),
        ('"5"" disk"', '5" disk'),
    ],
)
def test_a_cell_means_what_it_means_to_a_spreadsheet(tmp_path: Path, written: str, meant: str) -> None:
    text = f"{HEADER}u1,{written}\nu2,{written}\nu3,x\n"
    assert rows(opened(tmp_path, text)) == [(2, "u1", meant), (3, "u2", meant), (4, "u3", "x")]


@pytest.mark.parametrize(
    "cell", ["\x03", "a\x08", "a\x0bb", "a\x1fb", "a\x1eb", "\x7f", '"a\x18"', '"\x1b\n"']
)
def test_a_cell_with_control_characters_is_invalid_and_parts_nothing(tmp_path: Path, cell: str) -> None:
    content = f"{HEADER}u1,vip\nu2,{cell}\nu3,free\n"
    assert rows(opened(tmp_path, content)) == [(2, "u1", "vip"), (3, "u2", INVALID), (4, "u3", "free")]


@pytest.mark.parametrize("start", ["\ufeff", "", "\n", "\r\n", "  \n\n"])
def test_the_header_is_the_first_line_that_is_not_blank(tmp_path: Path, start: str) -> None:
    found = rows(opened(tmp_path, f"{start}{HEADER}u1,vip\n"))
    assert found == [(2 + start.count("\n"), "u1", "vip")]


@pytest.mark.parametrize("start", [",", " , ", '"",""', ",,,"])
def test_a_row_of_blank_cells_before_the_header_is_no_header(tmp_path: Path, start: str) -> None:
    assert rows(opened(tmp_path, f"{start}\n{HEADER}u1,vip\n")) == [(3, "u1", "vip")]


def test_a_header_of_several_lines_is_one_row(tmp_path: Path) -> None:
    assert rows(opened(tmp_path, 'id,"the\nplan"\nu1,vip\n')) == [(2, "u1", "vip")]


def test_a_quote_within_a_name_of_the_header_does_not_swallow_rows(tmp_path: Path) -> None:
    assert rows(opened(tmp_path, 'id,size 5"\nu1,vip\nu2,free\n')) == [(2, "u1", "vip"), (3, "u2", "free")]


@pytest.mark.parametrize("blank", ["", "  ", ",", " , ", '"",""', "\t", ",,,"])
def test_blank_rows_are_skipped_and_counted(tmp_path: Path, blank: str) -> None:
    found = rows(opened(tmp_path, f"{HEADER}u1,vip\n{blank}\n{blank}\nu2,free\n"))
    assert found == [(2, "u1", "vip"), (5, "u2", "free")]


def test_a_record_of_several_lines_is_one_row_as_in_a_spreadsheet(tmp_path: Path) -> None:
    found = rows(opened(tmp_path, f'{HEADER}u1,"a\nb\nc"\nu2,free\n'))
    assert found == [(2, "u1", "a\nb\nc"), (3, "u2", "free")]


def test_a_file_of_one_column_has_rows_of_one_cell(tmp_path: Path) -> None:
    found = rows(opened(tmp_path, 'id\nu1\n\n"u2"\n"u,3"\nu,4\n'), width=1)
    assert found == [(2, "u1"), (4, "u2"), (5, "u,3"), (6, MALFORMED)]


@pytest.mark.parametrize("text", ["id,plan", "id,plan\n", "id,plan\n\n", "\ufeffid,plan\r\n"])
def test_a_file_of_a_header_only_has_no_rows(tmp_path: Path, text: str) -> None:
    assert rows(opened(tmp_path, text)) == []


def test_the_count_of_rows_has_the_header_and_blank_lines_and_is_told_on_the_way(tmp_path: Path) -> None:
    file, told = opened(tmp_path, f"{HEADER}u1,vip\n\nu2,free\nu3\n"), list[int]()
    form = CsvForm("utf-8", ",", ("id", "plan"))
    assert write_rows(file, form, tmp_path / "rows", told.append) == 5
    assert told == [5]


# --- records that cannot be read


@pytest.mark.parametrize(
    "broken",
    [
        *("u1", "u1,a,b", '"u1"', '"u1","a","b"', '"u1"x,a', 'u1,"a" b', 'u1,"a"b"'),
        *("u1,a\x00", "\x02malformed_line", "\x01", "\x00"),
    ],
)
def test_a_broken_record_costs_that_record_alone(tmp_path: Path, broken: str) -> None:
    found = rows(opened(tmp_path, f"{HEADER}u0,a\n{broken}\nu2,b\nu3,c\n"))
    assert found == [(2, "u0", "a"), (3, MALFORMED), (4, "u2", "b"), (5, "u3", "c")]


@pytest.mark.parametrize(
    ("after", "found"),
    [
        ("", []),
        ("u2,b\nu3,c\n", [(3, "u2", "b"), (4, "u3", "c")]),
        ("u2,b\n\nu3", [(3, "u2", "b"), (5, MALFORMED)]),
        ('u2,b\nu3,"c"\nu4,d\n', [(3, "u2", "b"), (4, "u3", "c"), (5, "u4", "d")]),
        ('u2,b\nu3,"c\nu4,d\n', [(3, "u2", "b"), (4, MALFORMED), (5, "u4", "d")]),
        ("u2,b\nu3\x00\nu4,d\n", [(3, "u2", "b"), (4, MALFORMED), (5, "u4", "d")]),
        ('u2,"b\nc"\nu3,d\n', [(3, "u2", "b\nc"), (4, "u3", "d")]),
    ],
)
def test_what_an_unclosed_quote_has_swallowed_is_read_again(
    tmp_path: Path, after: str, found: Sequence[Row]
) -> None:
    assert rows(opened(tmp_path, f'{HEADER}u1,"open\n{after}')) == [(2, MALFORMED), *found]


def test_quotes_in_cells_without_quotes_open_nothing(tmp_path: Path) -> None:
    found = rows(opened(tmp_path, f'{HEADER}u1,5" disk\nu2,free\nu3,6" disk\nu4,"a\nb"\n'))
    assert found == [(2, "u1", '5" disk'), (3, "u2", "free"), (4, "u3", '6" disk'), (5, "u4", "a\nb")]


def test_invalid_utf_8_costs_its_row_alone(tmp_path: Path) -> None:
    found = rows(opened(tmp_path, HEADER.encode() + b"u1,\xc3\xa9\nu2,\xe9\nu3,x\n"))
    assert found == [(2, "u1", "é"), (3, MALFORMED), (4, "u3", "x")]


@pytest.mark.parametrize("end", ["\n", "\r\n", ""])
@pytest.mark.parametrize(("extra", "is_good"), [(-1, True), (0, True), (1, False)])
@pytest.mark.parametrize("quote", ["", '"'])
def test_a_line_may_be_as_long_as_the_limit_and_no_longer(
    tmp_path: Path, extra: int, is_good: bool, end: str, quote: str
) -> None:
    cell = "x" * (limits.LINE_BYTES_MAX + extra - len("u1,") - 2 * len(quote))
    found = rows(opened(tmp_path, f"{HEADER}u0,a\nu1,{quote}{cell}{quote}{end}"))
    assert found == [(2, "u0", "a"), (3, "u1", cell) if is_good else (3, TOO_LONG)]


def test_after_a_line_that_is_too_long_rows_keep_their_numbers(tmp_path: Path) -> None:
    found = rows(opened(tmp_path, f"{HEADER}u1,{'x' * 3 * limits.LINE_BYTES_MAX}\nu2,b\n"))
    assert found == [(2, TOO_LONG), (3, "u2", "b")]


def test_a_line_too_long_within_quotes_costs_the_record_and_itself(tmp_path: Path) -> None:
    found = rows(opened(tmp_path, f'{HEADER}u1,"a\n{"x" * (limits.LINE_BYTES_MAX + 1)}\nu2,b\n'))
    assert found == [(2, MALFORMED), (3, TOO_LONG), (4, "u2", "b")]


@pytest.mark.parametrize(("extra", "is_good"), [(0, True), (1, False)])
def test_a_record_of_several_lines_may_be_as_long_as_a_line_and_no_longer(
    tmp_path: Path, extra: int, is_good: bool
) -> None:
    size = limits.LINE_BYTES_MAX + extra - len('u1,""\n')
    first, second = "a" * (size // 2), "b" * (size - size // 2)
    found = rows(opened(tmp_path, f'{HEADER}u1,"{first}\n{second}"\nu2,b\n'))
    assert (found[0] == (2, "u1", f"{first}\n{second}")) is is_good
    assert found[-1] == (3 if is_good else 4, "u2", "b")


def test_a_quote_that_is_never_closed_is_given_up_at_the_limit_and_all_is_read_again(tmp_path: Path) -> None:
    size = 100_000
    after = [f"u{n},{'x' * size}" for n in range(2 * limits.LINE_BYTES_MAX // size)]
    found = rows(opened(tmp_path, "\n".join([f'{HEADER}u,"open', *after, 'v,"z"', ""])))
    assert [(row[0], row[1]) for row in found[1:]] == [
        *((number, f"u{number - 3}") for number in range(3, 3 + len(after))),
        (3 + len(after), "v"),
    ]
    assert found[0] == (2, MALFORMED)


# --- how a file is packed and encoded


@pytest.mark.parametrize(
    ("compression", "pack"), [("gzip", gzip.compress), ("zstd", zstandard.compress)], ids=["gzip", "zstd"]
)
def test_a_compressed_file_has_the_rows_of_the_plain_one(tmp_path: Path, compression: str, pack) -> None:
    text = HEADER + "".join(f'u{n},"{n}\n"\n' for n in range(50_000))
    found = rows(opened(tmp_path, pack(text.encode()), compression))
    assert found == [(n + 2, f"u{n}", str(n)) for n in range(50_000)]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16-le"])
def test_a_truncated_file_has_the_rows_before_and_then_says_so(tmp_path: Path, encoding: str) -> None:
    text = HEADER + "".join(f"u{n},{n * n}\n" for n in range(100_000))
    packed = gzip.compress(text.encode(encoding))
    *before, last = rows(opened(tmp_path, packed[: len(packed) // 2], "gzip"), encoding=encoding)
    assert before == [(n + 2, f"u{n}", str(n * n)) for n in range(len(before))]
    assert last == (len(before) + 2, "truncated_file")
    assert len(before) > 10_000


def test_a_file_truncated_within_quotes_has_what_they_swallowed(tmp_path: Path) -> None:
    text = f'{HEADER}u1,a\nu2,"open\n' + "".join(f"v{n},{n * n}\n" for n in range(100))
    packed = gzip.compress(text.encode())
    first, second, *others, last = rows(opened(tmp_path, packed[:-8], "gzip"))
    assert (first, second, last[1]) == ((2, "u1", "a"), (3, MALFORMED), "truncated_file")
    assert others == [(n + 4, f"v{n}", str(n * n)) for n in range(len(others))]


@pytest.mark.parametrize("encoding", ["windows-1252", "utf-16-le", "utf-16-be", "utf-8"])
@pytest.mark.parametrize("bom", ["", "\ufeff"])
def test_a_file_is_read_in_the_encoding_of_its_form(tmp_path: Path, encoding: str, bom: str) -> None:
    start = bom if encoding != "windows-1252" else ""
    content = f'{start}{HEADER}ü1,„né”\nu2,"€\n5"\n'.encode(encoding)
    found = rows(opened(tmp_path, content), encoding=encoding)
    assert found == [(2, "ü1", "„né”"), (3, "u2", "€\n5")]


@pytest.mark.parametrize(
    ("encoding", "bad"), [("windows-1252", b"\x81"), ("utf-16-le", b"\x00\xd8"), ("utf-16-be", b"\xdc\x00")]
)
def test_what_an_encoding_does_not_know_costs_its_row_alone(
    tmp_path: Path, encoding: str, bad: bytes
) -> None:
    start, end = f"{HEADER}u1,a".encode(encoding), "\nu2,b\n".encode(encoding)
    assert rows(opened(tmp_path, start + bad + end), encoding=encoding) == [(2, MALFORMED), (3, "u2", "b")]


def test_half_a_character_at_the_end_costs_the_last_row_alone(tmp_path: Path) -> None:
    content = f"{HEADER}u1,a\nu2,b".encode("utf-16-le") + b"c"
    assert rows(opened(tmp_path, content), encoding="utf-16-le") == [(2, "u1", "a"), (3, MALFORMED)]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16-le"])
@pytest.mark.parametrize("cut", range(-8, 3))
def test_a_record_may_lie_in_two_blocks(tmp_path: Path, encoding: str, cut: int) -> None:
    record = 'u2,"né\né"\n'
    before = BLOCK_BYTES // len("a".encode(encoding)) - len(f"{HEADER}u1,\n") + cut
    found = rows(
        opened(tmp_path, f"{HEADER}u1,{'x' * before}\n{record}u3,c\n".encode(encoding)), encoding=encoding
    )
    assert found == [(2, "u1", "x" * before), (3, "u2", "né\né"), (4, "u3", "c")]


# --- properties

CELLS = st.text(alphabet='ab é𝄞,;|"\n\t\x85\u2028\u00a0', max_size=6)
TABLES = st.integers(1, 4).flatmap(
    lambda width: st.lists(st.lists(CELLS, min_size=width, max_size=width), min_size=0, max_size=8)
)


@given(
    table=TABLES,
    delimiter=st.sampled_from(DELIMITERS),
    quoting=st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]),
    line_end=st.sampled_from(["\n", "\r\n"]),
    encoding=st.sampled_from(["utf-8", "utf-16-le"]),
    block_bytes=st.sampled_from([1, 2, 3, 7, 50, BLOCK_BYTES]),
)
def test_a_table_comes_back_as_it_was_written(
    table: list[list[str]], delimiter: str, quoting: int, line_end: str, encoding: str, block_bytes: int
) -> None:
    width = len(table[0]) if table else 2
    text = io.StringIO(newline="")
    writer = csv.writer(text, delimiter=delimiter, quoting=quoting, lineterminator=line_end)  # type: ignore[arg-type]
    writer.writerows([["h"] * width, *table])
    found = rows_in_blocks(text.getvalue().encode(encoding), block_bytes, delimiter, width, encoding)
    stripped = [(number, *(cell.strip() for cell in cells)) for number, cells in enumerate(table, 2)]
    assert found == [row for row in stripped if any(row[1:])]


def rows_in_blocks(
    content: bytes, block_bytes: int, delimiter: str, width: int, encoding: str = "utf-8"
) -> list[Row]:
    """Return the rows of a file that is read in blocks of so many bytes, as the engine trims them."""
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setattr(files, "BLOCK_BYTES", block_bytes)
        found = rows(opened(Path(folder), content), delimiter=delimiter, width=width, encoding=encoding)
    trimmed = [(number, *(cell.strip() for cell in cells)) for number, *cells in found]
    return [row for row in trimmed if any(row[1:])]


@pytest.mark.parametrize("text", ["u,x\n" * 1_000, "\n" * 1_000, "x\n" * 1_000])
@pytest.mark.parametrize(("more", "is_good"), [(1, True), (0, True), (-1, False)])
def test_a_packed_file_has_as_many_bytes_as_the_limit_and_no_more_are_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, more: int, is_good: bool
) -> None:
    monkeypatch.setattr(compression, "BLOCK_BYTES", 50)
    file, target = opened(tmp_path, gzip.compress((HEADER + text).encode()), "gzip"), tmp_path / "rows"
    found = rows(file)
    bytes_max = max(len(HEADER + text), target.stat().st_size) + more
    monkeypatch.setattr(limits, "UNPACKED_BYTES_MAX", bytes_max)
    if is_good:
        assert rows(file) == found
        return
    with pytest.raises(LimitExceeded, match=r"users\.csv has more than") as refused:
        rows(file)
    assert refused.value.limit == bytes_max
    assert target.stat().st_size <= bytes_max


@given(
    text=st.text(alphabet='ab,"\n', max_size=40),
    block_bytes=st.sampled_from([1, 5, BLOCK_BYTES]),
)
def test_any_text_has_the_rows_of_which_a_strict_reader_can_read_each(text: str, block_bytes: int) -> None:
    assert rows_in_blocks(f"{HEADER}{text}".encode(), block_bytes, ",", 2) == strict_rows(text)


def strict_rows(text: str) -> list[Row]:
    """Return rows of two cells, each as Python reads it; after one that is broken the next line is tried."""
    lines, found, at, number = text.split("\n"), list[Row](), 0, 2
    if lines[-1] == "":
        lines.pop()
    while at < len(lines):
        reader = csv.reader((f"{line}\n" for line in lines[at:]), strict=True)
        try:
            cells, taken = next(reader), reader.line_num
        except csv.Error:
            cells, taken = [MALFORMED], 1
        if cells == [MALFORMED] or any(cell.strip() for cell in cells):
            row = (number, *(cell.strip() for cell in cells))
            found.append(row if len(cells) == 2 else (number, MALFORMED))
        at, number = at + taken, number + 1
    return found
