"""The log of erasures: whole lines only, whatever was killed, and durable."""

from __future__ import annotations

from pathlib import Path

import pytest

from enduser.errors import InputError
from enduser.stores import erasure_log
from enduser.stores.answers import Erased, Erasure
from enduser.stores.erasure_log import FILE, append, last_number, read


def erasure(number: int) -> Erasure:
    return Erasure(
        number, "acme/test", 1_700_000_000_000_000, f"{number:032x}", ["0" * 32], Erased(1, 2, 3, 4), True
    )


def test_what_is_added_is_read_in_order(tmp_path: Path) -> None:
    append(tmp_path, [erasure(1), erasure(2)])
    append(tmp_path, [erasure(5)])
    assert list(read(tmp_path / FILE)) == [erasure(1), erasure(2), erasure(5)]
    assert last_number(tmp_path) == 5
    assert (tmp_path / FILE).stat().st_mode & 0o777 == 0o600


def test_where_there_is_no_log_there_is_no_last_number(tmp_path: Path) -> None:
    assert last_number(tmp_path) == 0
    (tmp_path / FILE).write_bytes(b"")
    assert last_number(tmp_path) == 0


@pytest.mark.parametrize("block_bytes", [1, 7, 65_536])
@pytest.mark.parametrize("whole", [0, 2])
@pytest.mark.parametrize("torn", [b"", b"{", b'{"number":3,' + b" " * 1_000])
def test_of_a_line_that_a_killed_process_left_half_written_nothing_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, block_bytes: int, whole: int, torn: bytes
) -> None:
    monkeypatch.setattr(erasure_log, "_BLOCK_BYTES", block_bytes)
    before = [erasure(number) for number in range(1, whole + 1)]
    append(tmp_path, before)
    with (tmp_path / FILE).open("ab") as file:
        file.write(torn)
    assert list(read(tmp_path / FILE)) == before
    assert last_number(tmp_path) == whole
    append(tmp_path, [erasure(3)])
    assert list(read(tmp_path / FILE)) == [*before, erasure(3)]
    content = (tmp_path / FILE).read_bytes()
    assert (content.count(b"\n"), content[-1:]) == (whole + 1, b"\n")


@pytest.mark.parametrize("line", [b"{}\n", b"adam\n", b'{"number":"1"}\n', b"\xff\n", b"\n"])
def test_a_line_that_is_no_erasure_is_named(tmp_path: Path, line: bytes) -> None:
    append(tmp_path, [erasure(1)])
    with (tmp_path / FILE).open("ab") as file:
        file.write(line)
    with pytest.raises(InputError, match=r"erasures\.jsonl: the line 2 is no erasure") as told:
        list(read(tmp_path / FILE))
    assert told.value.hint == "name the file erasures.jsonl of a data folder"


def test_a_new_log_is_in_its_folder_durably_and_each_addition_on_the_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    done: list[object] = []
    monkeypatch.setattr(erasure_log, "make_durable", done.append)
    monkeypatch.setattr(erasure_log.os, "fsync", lambda _: done.append(len(list(read(tmp_path / FILE)))))
    append(tmp_path, [erasure(1)])
    append(tmp_path, [erasure(2), erasure(3)])
    assert done == [1, tmp_path, 3]


def test_a_disk_that_refuses_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        append(tmp_path / "gone", [erasure(1)])


def test_the_last_number_is_told_by_the_last_whole_line_alone(tmp_path: Path) -> None:
    append(tmp_path, [erasure(1), erasure(2)])
    first, last = (tmp_path / FILE).read_bytes().splitlines(keepends=True)
    (tmp_path / FILE).write_bytes(b"{}\n" + last)
    assert last_number(tmp_path) == 2
    (tmp_path / FILE).write_bytes(first + b"{}\n" + b"torn")
    with pytest.raises(InputError, match=r"erasures\.jsonl: the last line is no erasure"):
        last_number(tmp_path)
