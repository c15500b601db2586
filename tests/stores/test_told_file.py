"""What the owner tells in a file is read once, whole, and by nobody else."""

from __future__ import annotations

from pathlib import Path

import pytest

from enduser.stores.told_file import ToldFile, tell


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "told.json"


def news(file: ToldFile[str]) -> list[str]:
    """Return what is told that was not read yet."""
    found: list[str] = []
    file.refresh(found.extend)
    return found


def test_what_is_told_is_read_once(path: Path) -> None:
    file = ToldFile(path, str)
    assert news(file) == []
    tell(path, ["one"])
    assert news(file) == ["one"]
    assert news(file) == []
    tell(path, ["two"])
    assert news(file) == ["two"]


def test_what_could_not_be_taken_is_read_again(path: Path) -> None:
    file = ToldFile(path, str)
    tell(path, ["one"])
    with pytest.raises(ZeroDivisionError):
        file.refresh(lambda _: 1 / 0)  # type: ignore[arg-type, return-value]
    assert news(file) == ["one"]


def test_a_file_that_a_killed_process_left_unfinished_is_in_nobodys_way(path: Path) -> None:
    path.with_suffix(".new").write_text("[")
    tell(path, ["one"])
    assert [one.name for one in path.parent.iterdir()] == ["told.json"]
    assert path.stat().st_mode & 0o077 == 0
