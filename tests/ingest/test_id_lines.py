"""Files of ids."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from enduser import limits
from enduser.errors import InputError
from enduser.ingest.files import open_file
from enduser.ingest.id_lines import id_lines


def ids_of(path: Path, content: bytes) -> list[str]:
    path.write_bytes(content)
    return list(id_lines([open_file(path.name, path, "ids")]))


@pytest.mark.parametrize(
    ("content", "ids"),
    [
        (b"a\nb\n", ["a", "b"]),
        (b"a\r\nb", ["a", "b"]),
        (b"\xef\xbb\xbfa\n\n  \nb\n\n", ["a", "b"]),
        (b' a b \n"c",d\n', [" a b ", '"c",d']),
        (gzip.compress("é\n".encode(), mtime=0), ["é"]),
        (b"user_id\n7\n", ["user_id", "7"]),
    ],
)
def test_each_line_that_is_not_blank_is_an_id(tmp_path: Path, content: bytes, ids: list[str]) -> None:
    assert ids_of(tmp_path / "ids", content) == ids


@pytest.mark.parametrize("line", [b"\xff", b"a\x00b", b"x" * (limits.LINE_BYTES_MAX + 1)])
def test_a_line_that_is_no_text_or_too_long_is_nobodys_id(tmp_path: Path, line: bytes) -> None:
    first, bad, last = ids_of(tmp_path / "ids", b"a\n" + line + b"\nb\n")
    assert (first, bad[0], last) == ("a", "\x02", "b")


def test_of_several_files_all_lines_are_ids(tmp_path: Path) -> None:
    files = []
    for name in ("a", "b"):
        (tmp_path / name).write_text(name)
        files.append(open_file(name, tmp_path / name, "ids"))
    assert list(id_lines(files)) == ["a", "b"]


def test_a_file_that_ends_too_early_is_refused(tmp_path: Path) -> None:
    whole = gzip.compress(b"".join(f"u{number}\n".encode() for number in range(200_000)))
    with pytest.raises(InputError, match="ends too early"):
        ids_of(tmp_path / "ids", whole[:-100])
