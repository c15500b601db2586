"""How a CSV file is written, told from its beginning: encoding, delimiter, header, first rows."""

from __future__ import annotations

import pytest

from enduser import limits
from enduser.errors import InputError
from enduser.sources.csv_form import DELIMITERS, CsvForm, CsvHead, read_head

BOMS = {"utf-8": b"\xef\xbb\xbf", "utf-16-le": b"\xff\xfe", "utf-16-be": b"\xfe\xff"}


def head_of(content: str | bytes, *, is_whole: bool = True, fixed: tuple[str, str] | None = None) -> CsvHead:
    head = content if isinstance(content, bytes) else content.encode()
    return read_head("users.csv", head, is_whole=is_whole, fixed=fixed)


def test_a_head_has_the_form_of_the_file_and_its_first_rows() -> None:
    head = head_of('id,name\nu1,Ann\n"u2","B, ""C"" \nD"\n')
    assert head.form == CsvForm("utf-8", ",", ("id", "name"))
    assert head.rows == [["u1", "Ann"], ["u2", 'B, "C" \nD']]


# --- encodings


@pytest.mark.parametrize(
    ("content", "encoding"),
    [
        (b"id,plan\nu1,vip\n", "utf-8"),
        ("id,plan\nu1,né\n".encode(), "utf-8"),
        ("id,plan\nu1,né".encode(), "utf-8"),
        *((bom + "id,plan\nu1,né\n".encode(encoding), encoding) for encoding, bom in BOMS.items()),
        ("id,plan\nu1,né\n".encode("cp1252"), "windows-1252"),
        ("id,prix €\nu1,5\n".encode("cp1252"), "windows-1252"),
        ("id,plan\nu1,né".encode("cp1252"), "windows-1252"),
        ("idé,plan".encode("cp1252"), "windows-1252"),
    ],
)
def test_an_encoding_is_told_by_a_mark_or_by_what_can_be_read(content: bytes, encoding: str) -> None:
    assert head_of(content).form.encoding == encoding


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16-le", "utf-16-be", "windows-1252"])
def test_names_and_cells_are_read_in_the_encoding_and_without_its_mark(encoding: str) -> None:
    head = head_of(BOMS.get(encoding, b"") + "id,prénom\nü1,„né”\n".encode(encoding))
    assert (head.form.columns, head.rows) == (("id", "prénom"), [["ü1", "„né”"]])


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16-le", "utf-16-be"])
def test_a_head_may_end_within_a_line_and_within_a_character(encoding: str) -> None:
    content = BOMS[encoding] + "id,plan\nu1,né\nu2,é𝄞é\n".encode(encoding)
    for size in range(len(content) - len("\n".encode(encoding)), len(content) - 8, -1):
        head = head_of(content[:size], is_whole=False)
        assert (head.form.encoding, head.rows) == (encoding, [["u1", "né"]])


@pytest.mark.parametrize("cut", range(-9, 0))
def test_utf_8_without_a_mark_is_told_also_where_a_character_is_cut(cut: int) -> None:
    head = head_of("id,plan\nu1,né\nu2,é𝄞é".encode()[:cut], is_whole=False)
    assert (head.form.encoding, head.rows) == ("utf-8", [["u1", "né"]])


def test_a_head_without_any_line_end_is_a_header() -> None:
    assert head_of("id,plan", is_whole=False).form.columns == ("id", "plan")


# --- delimiters


@pytest.mark.parametrize("delimiter", DELIMITERS)
@pytest.mark.parametrize(
    "text",
    [
        "id,name,plan\nu1,Ann,vip\nu2,Bob,free\n",
        '"id","name","plan"\n"u1","Ann","vip"\n',
        'id,"name,; \t| all",plan\nu1,"a,b,c,d",vip\nu2,"e;f;g;h;i\tj\tk|l|m",free\n',
        'id,name,plan\nu1,"a\nb",vip\nu2,Bob,free\n',
        "id,name,plan\nu1,Ann\nu2,Bob,free\nu3,Cid,free\n",
        "\nid,name,plan\n\nu1,Ann,vip\n",
        "id,name,plan\n",
        "id,name,plan",
    ],
)
def test_each_delimiter_is_found(delimiter: str, text: str) -> None:
    table = str.maketrans({",": delimiter, delimiter: ","})
    form = head_of(text.translate(table)).form
    assert (form.delimiter, len(form.columns)) == (delimiter, 3)


@pytest.mark.parametrize(
    "text",
    [
        "id;name\nu1;1,5\nu2;2,5\n",
        "id;name, first;plan\nu1;Ann;vip\nu2;Bob;free\n",
        'id;"a,b,c,d,e"\nu1;"1,2,3,4,5"\n',
        'id;"a, b"\nu1;x\n',
    ],
)
def test_commas_in_cells_do_not_pass_for_the_delimiter(text: str) -> None:
    assert head_of(text).form.delimiter == ";"


@pytest.mark.parametrize("text", ["id\nu1\nu2\n", 'id\n"a,b"\n"c,d"\n', "id\na,b\nc;d\ne\n", "id"])
def test_a_file_of_one_column_has_one(text: str) -> None:
    assert head_of(text).form.columns == ("id",)


def test_rows_of_one_column_are_not_parted() -> None:
    assert head_of("name\nDoe, Ann\nRoe, Bob\n").rows == [["Doe, Ann"], ["Roe, Bob"]]


# --- what was fixed


def test_a_fixed_form_wins_over_what_a_file_seems_to_be() -> None:
    head = head_of("id;né,x\nu1;2,y\n".encode(), fixed=("windows-1252", ","))
    assert head.form == CsvForm("windows-1252", ",", ("id;nÃ©", "x"))


@pytest.mark.parametrize("encoding", BOMS)
def test_a_mark_is_no_part_of_a_name_where_the_form_is_fixed(encoding: str) -> None:
    content = BOMS[encoding] + "id,plan\n".encode(encoding)
    assert head_of(content, fixed=(encoding, ",")).form.columns == ("id", "plan")


# --- headers and rows


def test_blanks_around_a_name_do_not_matter_and_columns_without_name_may_repeat() -> None:
    head = head_of(" id ,\tplan,,\nu1,vip,,\n")
    assert (head.form.columns, head.rows) == (("id", "plan", "", ""), [["u1", "vip", "", ""]])


@pytest.mark.parametrize("start", ["\n", "\n\r\n\n", ",\n", '"",""\n', ",,,,\n"])
def test_the_header_is_the_first_row_that_is_not_blank(start: str) -> None:
    head = head_of(f"{start}id,plan\nu1,vip\n")
    assert (head.form.columns, head.rows) == (("id", "plan"), [["u1", "vip"]])


@pytest.mark.parametrize("start", ["  \n", " , \n", "\t\n"])
def test_a_row_of_blanks_before_the_header_is_none(start: str) -> None:
    assert head_of(f"{start}id,plan\nu1,vip\n").form.columns == ("id", "plan")


def test_rows_of_another_length_than_the_header_are_left_out() -> None:
    assert head_of("id,plan\nu1\nu2,a,b\n\nu3,vip\n").rows == [["u3", "vip"]]


@pytest.mark.parametrize("mark", ["\x0b", "\x0c", "\x1c", "\x85", "\u2028", "\u2029"])
def test_only_line_feeds_end_lines(mark: str) -> None:
    head = head_of(f"id,the{mark}plan,seats\nu1,a{mark}b,1\n")
    assert (len(head.form.columns), head.rows) == (3, [["u1", f"a{mark}b", "1"]])


@pytest.mark.parametrize("extra", [-1, 0, 1])
def test_so_many_rows_are_looked_at_and_no_more(extra: int) -> None:
    count = limits.SNIFFED_ROWS_MAX + extra
    rows = head_of("id,plan\n" + "".join(f"u{n},vip\n" for n in range(count))).rows
    assert len(rows) == min(count, limits.SNIFFED_ROWS_MAX)


@pytest.mark.parametrize("extra", [-1, 0, 1])
def test_columns_are_taken_at_the_limit_and_refused_above(extra: int) -> None:
    text = ",".join(f"c{n}" for n in range(limits.CSV_COLUMNS_MAX + extra)) + "\n"
    if extra <= 0:
        assert len(head_of(text).form.columns) == limits.CSV_COLUMNS_MAX + extra
    else:
        with pytest.raises(InputError, match=r"has 1,001 columns; the limit is 1,000 \(CSV_COLUMNS_MAX\)"):
            head_of(text)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty"),
        (b" \n\r\n\n", "is empty"),
        (b"\xef\xbb\xbf", "is empty"),
        (b"\xff\xfe", "is empty"),
        (b"\xff\xfe\n\x00", "is empty"),
        (b"id,plan\ru1,vip\r", "end with carriage returns alone"),
        ("\ufeffid,plan\ru1,vip\r".encode("utf-16-le"), "end with carriage returns alone"),
        (b"id,plan,plan\n", "has a column twice"),
        (b"id,plan, plan \n", "has a column twice"),
        (b"b,a,b,a\n", "has a column twice"),
        (b",,\n", "has no names in its header"),
        (b" , \n", "has no names in its header"),
        (b'""\n', "has no names in its header"),
        (b",,\n,,\n", "has no names in its header"),
    ],
)
def test_a_file_that_cannot_be_taken_is_an_error_that_says_why(content: bytes, message: str) -> None:
    with pytest.raises(InputError, match=message):
        head_of(content)


def test_what_is_kept_of_an_error_has_no_cell_of_a_file_without_a_header() -> None:
    with pytest.raises(InputError) as raised:
        head_of(b"eve,adam.br,adam.br,eve\neve,x,y,z\n")
    assert raised.value.message == "users.csv has a column twice"
    assert raised.value.hint == "give each column a name of its own, not 'adam.br', 'eve' twice"


@pytest.mark.parametrize("extra", [-1, 0, 1])
def test_a_header_may_come_after_any_number_of_blank_lines(extra: int) -> None:
    blank = "\n" * (limits.SNIFFED_ROWS_MAX + extra)
    assert head_of(f"{blank}id,plan\nu1,vip\n").form.columns == ("id", "plan")


def test_names_that_differ_by_case_are_two() -> None:
    assert head_of("id,Plan,plan\n").form.columns == ("id", "Plan", "plan")
