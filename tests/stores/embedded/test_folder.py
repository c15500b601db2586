"""Who owns a data folder: what it tells of itself, and what is told where the folder cannot be owned."""

from __future__ import annotations

import json
import os
from contextlib import closing
from pathlib import Path

import pytest

from enduser.errors import DataFolderInUse, StoreError
from enduser.stores.embedded.folder import FolderLock


def test_who_finds_a_folder_taken_is_told_by_whom(tmp_path: Path) -> None:
    with closing(FolderLock(tmp_path, 7, "enduser users show")), pytest.raises(DataFolderInUse) as raised:
        FolderLock(tmp_path, 8, "enduser status")
    holder = f"process {os.getpid()} (enduser users show)"
    assert raised.value.message == f"the data folder {tmp_path} is in use by {holder}"


def test_who_gives_a_folder_back_leaves_nothing_in_its_lock(tmp_path: Path) -> None:
    with closing(FolderLock(tmp_path, 7, "enduser users show")):
        told = json.loads((tmp_path / "lock").read_text())
        assert told == {"pid": os.getpid(), "command": "enduser users show", "started_at": 7}
    assert (tmp_path / "lock").read_text() == ""


def test_a_file_of_the_folder_that_cannot_be_used_is_named(tmp_path: Path) -> None:
    (tmp_path / "lock").mkdir()
    with pytest.raises(StoreError) as raised:
        FolderLock(tmp_path, 0, "enduser")
    assert raised.value.message == (
        f"the data folder {tmp_path} cannot be used: {tmp_path / 'lock'}: Is a directory"
    )


def test_a_folder_that_cannot_be_made_is_named_once(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    folder = tmp_path / "file" / "below"
    with pytest.raises(StoreError) as raised:
        FolderLock(folder, 0, "enduser")
    assert raised.value.message == f"the data folder {folder} cannot be used: Not a directory"
