"""Who owns a data folder: what it tells of itself, and what is told where the folder cannot be owned."""

from __future__ import annotations

from pathlib import Path

import pytest

from enduser.errors import StoreError
from enduser.stores.embedded.folder import FolderLock, command_line


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["serve", "--port", "8300", "--data", "a b"], "enduser serve --port 8300 --data 'a b'"),
        (["status"], "enduser status"),
        ([], "enduser"),
        (["config", "set", "--yes", "hash_salt", "geheim"], "enduser config set --yes hash_salt …"),
        (["users", "show", "ada@example.com", "--include-open"], "enduser users show …"),
        (["users", "show"], "enduser users show"),
    ],
)
def test_a_command_is_told_as_it_was_typed_but_for_what_is_private(words: list[str], told: str) -> None:
    assert command_line(words) == told


@pytest.mark.parametrize(("length", "end"), [(192, "x"), (193, "x …")])
def test_a_command_is_told_up_to_two_hundred_characters(length: int, end: str) -> None:
    assert command_line(["x" * length]) == f"enduser {'x' * 191}{end}"


def test_a_file_of_the_folder_that_cannot_be_used_is_named(tmp_path: Path) -> None:
    (tmp_path / "lock").mkdir()
    with pytest.raises(StoreError) as raised:
        FolderLock(tmp_path, 0)
    assert raised.value.message == (
        f"the data folder {tmp_path} cannot be used: {tmp_path / 'lock'}: Is a directory"
    )


def test_a_folder_that_cannot_be_made_is_named_once(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    folder = tmp_path / "file" / "below"
    with pytest.raises(StoreError) as raised:
        FolderLock(folder, 0)
    assert raised.value.message == f"the data folder {folder} cannot be used: Not a directory"
