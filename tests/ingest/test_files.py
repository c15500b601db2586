"""Files as they come: told apart, decompressed, split, bad lines marked, in bounded memory."""

from __future__ import annotations

import gzip
import tracemalloc
from pathlib import Path

import pytest
import zstandard
from running import event, file_of

from enduser import limits
from enduser.errors import InputError
from enduser.ingest import files
from enduser.ingest.compression import BLOCK_BYTES
from enduser.ingest.files import chunks, clean, lines, open_file
from enduser.stores.records import Form

CSV = "user_id,occurred_at\nu1,2026-01-01\n"
COMBINED = '1.2.3.4 - - [01/Jan/2026:10:00:00 +0000] "GET / HTTP/1.1" 200 5 "-" "Firefox"\n'
COMMON = '1.2.3.4 - - [01/Jan/2026:10:00:00 +0000] "GET / HTTP/1.1" 200 5\n'
UNKNOWN = "is of no known format"


def read(path: Path, wanted: str = "auto") -> list[bytes]:
    """Return the lines of a file as the engine gets them."""
    return b"".join(lines(open_file(path.name, path, wanted))).splitlines()


@pytest.mark.parametrize(
    ("content", "form"),
    [
        (event() + "\n", "jsonl"),
        ("\ufeff\n  " + event(), "jsonl"),
        (CSV, "csv"),
        (CSV.replace(",", ";"), "csv"),
        ('"user_id","occurred_at"\n"u1","2026"\n', "csv"),
        (" occurred_at\tanonymous_id \n2026\ta\n", "csv"),
        (COMBINED, "access-log"),
        (COMMON, "access-log"),
        ('::1 - adam [01/Jan/2026:10:00:00 +0000] "-" 408 -\nrubbish\n' + COMBINED, "access-log"),
    ],
)
def test_a_format_is_told_by_its_first_lines(tmp_path: Path, content: str, form: str) -> None:
    assert open_file("f", file_of(tmp_path, "f", content), "auto").format == form


@pytest.mark.parametrize("pack", [gzip.compress, zstandard.compress], ids=["gzip", "zstd"])
def test_a_format_is_told_through_compression(tmp_path: Path, pack) -> None:
    opened = open_file("f", file_of(tmp_path, "f", pack(CSV.encode())), "auto")
    assert opened.format == "csv"
    assert b"".join(lines(opened)).decode() == CSV


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty"),
        (b"\n \n\n", "is empty"),
        (b"\xef\xbb\xbf", "is empty"),
        (b"\xef\xbb\xbf\n", "is empty"),
        (gzip.compress(b"", mtime=0), "is empty"),
        (b"\x7fELF\x00\x01\x02\x03" + bytes(range(256)) * 20, UNKNOWN),
        (b"Dear reader,\nthis is a letter.\n", UNKNOWN),
        (b"[1, 2]\n", UNKNOWN),
        (CSV.encode("utf-16"), "is UTF-16 text"),
        (event().encode("utf-16-be"), UNKNOWN),
        (b"\x1f\x8b\x08\x00", "cannot be decompressed"),
        (b"\x28\xb5\x2f\xfdrubbish", "cannot be decompressed"),
        (CSV.replace("\n", "\r").encode(), "end with carriage returns alone"),
        (b"user_id,name\nu1,x\n", "lacks the column occurred_at"),
        (gzip.compress(b"PAR1 and so on", mtime=0), "is compressed Parquet"),
    ],
)
def test_a_file_that_cannot_be_taken_is_an_error_before_anything_is_applied(
    tmp_path: Path, content: bytes, message: str
) -> None:
    with pytest.raises(InputError, match=message):
        open_file("f", file_of(tmp_path, "f", content), "auto")


@pytest.mark.parametrize("wanted", ["jsonl", "csv", "access-log"])
def test_utf_16_is_refused_also_where_the_format_was_given(tmp_path: Path, wanted: str) -> None:
    with pytest.raises(InputError, match="UTF-16"):
        open_file("f", file_of(tmp_path, "f", CSV.encode("utf-16")), wanted)


def test_a_missing_file_is_an_error_that_names_it(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"gone\.csv cannot be read: No such file"):
        open_file("gone.csv", tmp_path / "gone.csv", "auto")


def test_a_csv_of_a_header_only_has_no_rows(tmp_path: Path) -> None:
    opened = open_file("f", file_of(tmp_path, "f", "user_id,occurred_at\n"), "auto")
    assert list(chunks(opened, tmp_path)) == []


def test_a_byte_order_mark_crlf_and_a_missing_last_line_end_do_not_matter(tmp_path: Path) -> None:
    path = file_of(tmp_path, "f", b'\xef\xbb\xbf{"a":1}\r\n{"b":2}\r\n{"c":3}')
    assert read(path) == [b'{"a":1}', b'{"b":2}', b'{"c":3}']


def test_a_lone_carriage_return_is_a_blank_and_no_line_end(tmp_path: Path) -> None:
    assert read(file_of(tmp_path, "f", b'{"a":\r1}\n{}\n')) == [b'{"a": 1}', b"{}"]


@pytest.mark.parametrize(
    "bad", [b'{"a":"\xff"}', b'{"a":"\x00"}', b"\x01", b"\x02blank", b"\xed\xa0\x80", b"\xc3"]
)
def test_a_line_that_is_no_text_is_marked_and_keeps_its_number(tmp_path: Path, bad: bytes) -> None:
    path = file_of(tmp_path, "f", b"{}\n" + bad + b"\n{}\n")
    assert read(path, "jsonl") == [b"{}", b"\x02malformed_line", b"{}"]


def test_utf_8_of_every_length_passes(tmp_path: Path) -> None:
    text = '{"a":"é € 𝄞 \u2028"}\n'
    assert b"".join(lines(open_file("f", file_of(tmp_path, "f", text), "auto"))) == text.encode()


def test_a_character_across_two_blocks_passes(tmp_path: Path) -> None:
    line = "é" * 200_001
    assert read(file_of(tmp_path, "f", f'{{}}\n"{line}"\n{{}}\n'))[1].decode() == f'"{line}"'


@pytest.mark.parametrize("end", [b"\n", b"\r\n", b""])
@pytest.mark.parametrize(("extra", "is_good"), [(-1, True), (0, True), (1, False)])
def test_a_line_may_be_as_long_as_the_limit_and_no_longer(
    tmp_path: Path, extra: int, is_good: bool, end: bytes
) -> None:
    line = b"x" * (limits.LINE_BYTES_MAX + extra)
    path = file_of(tmp_path, "f", b"{}\n" + line + end)
    assert read(path)[1] == (line if is_good else b"\x02line_too_long")


def test_a_line_that_goes_on_after_a_carriage_return_at_the_limit_is_too_long(tmp_path: Path) -> None:
    start = b"{}\n" + b"x" * limits.LINE_BYTES_MAX + b"\r"
    whole = start + b"y" * (9 * BLOCK_BYTES - len(start)) + b"\n{}\n"  # its line end begins a block
    assert read(file_of(tmp_path, "f", whole))[1:] == [b"\x02line_too_long", b"{}"]


@pytest.mark.parametrize("pack", [bytes, gzip.compress, zstandard.compress], ids=["plain", "gzip", "zstd"])
def test_a_line_of_50_mb_is_rejected_in_bounded_memory(tmp_path: Path, pack) -> None:
    path = file_of(tmp_path, "f", pack(b"{}\n" + b"x" * 50_000_000 + b"\n{}\n"))
    tracemalloc.start()
    try:
        found = read(path)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert found == [b"{}", b"\x02line_too_long", b"{}"]
    assert peak < 20_000_000


def test_a_truncated_stream_ends_with_a_line_that_says_so(tmp_path: Path) -> None:
    whole = gzip.compress(b"".join(b'{"n":%d}\n' % n for n in range(200_000)))
    found = read(file_of(tmp_path, "f.gz", whole[: len(whole) // 2]))
    assert found[-1] == b"\x02truncated_file"
    assert found[-2].endswith(b"}")
    assert 10_000 < len(found) < 200_000


@pytest.mark.parametrize(
    ("block", "cleaned"),
    [
        (b"a\nb\n", b"a\nb\n"),
        (b"a\r\nb\r\n", b"a\nb\n"),
        (b"a\rb\n", b"a b\n"),
        (b"\xff\nb\n", b"\x02malformed_line\nb\n"),
        (b"a\x00\nb\n", b"\x02malformed_line\nb\n"),
        (b"\xc3\xa9\n", b"\xc3\xa9\n"),
    ],
)
def test_a_block_of_lines_is_cleaned(block: bytes, cleaned: bytes) -> None:
    assert clean(block) == cleaned


def test_lines_come_in_chunks_that_continue_each_others_numbers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(files, "CHUNK_BYTES", 300_000)
    numbers = [b'{"n":%d}' % n for n in range(100_000)]
    opened = open_file("f", file_of(tmp_path, "f", b"\n".join(numbers)), "auto")
    found, first_rows = [], []
    for chunk in chunks(opened, tmp_path):
        assert chunk.form is Form.JSON_LINES
        assert chunk.first_row == len(found) + 1
        first_rows.append(chunk.first_row)
        found += chunk.path.read_bytes().splitlines()
    assert found == numbers
    assert len(first_rows) > 2
    assert opened.bytes_read == opened.size


def test_a_parquet_file_comes_in_ranges_of_rows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "PARQUET_ROWS", 400)
    opened = open_file("f", file_of(tmp_path, "f", b"PAR1"), "auto")
    assert [(c.first_row, c.rows) for c in chunks(opened, tmp_path, 1_000)] == [
        (1, 400),
        (401, 400),
        (801, 200),
    ]
