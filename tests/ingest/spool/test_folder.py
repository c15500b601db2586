"""Where the spool's files lie, and who holds them."""

from __future__ import annotations

import errno
import fcntl
from contextlib import closing
from pathlib import Path

import pytest

from enduser.errors import SpoolError
from enduser.ingest.spool import SpoolWriter, folder, new_series
from enduser.ingest.spool.folder import is_live, series_folders, spool_error, spool_files_of, take_series


def test_the_first_series_is_number_one(tmp_path: Path) -> None:
    assert new_series(tmp_path) == 1


def test_a_new_series_is_greater_than_all_that_exist_and_all_that_are_named(tmp_path: Path) -> None:
    with closing(SpoolWriter(tmp_path, 4)):
        assert new_series(tmp_path) == 5
        assert new_series(tmp_path, [2, 9]) == 10


def test_a_series_that_was_just_being_begun_is_not_begun_again(tmp_path: Path) -> None:
    (tmp_path / "spool" / ".00000007").mkdir(parents=True)
    assert new_series(tmp_path) == 8
    assert series_folders(tmp_path) == {}


def test_other_files_are_no_series_and_no_spool_files(tmp_path: Path) -> None:
    with closing(SpoolWriter(tmp_path, 4)):
        for name in ("notes", "12", "spool/00000004/0001.seg", "spool/00000004/00000001.seg~"):
            (tmp_path / name).touch()
        (tmp_path / "spool" / "lost+found").mkdir()
        assert list(series_folders(tmp_path)) == [4]
        assert spool_files_of(series_folders(tmp_path)[4]) == []


def test_a_series_is_live_while_it_is_held(tmp_path: Path) -> None:
    writer = SpoolWriter(tmp_path, 1)
    folder = series_folders(tmp_path)[1]
    assert is_live(folder)
    writer.close()
    assert not is_live(folder)


def test_a_series_is_never_there_without_being_held(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    flock = fcntl.flock

    def look_and_hold(descriptor: int, how: int) -> None:
        assert series_folders(tmp_path) == {}
        flock(descriptor, how)

    with monkeypatch.context() as patch:
        patch.setattr(fcntl, "flock", look_and_hold)
        writer = SpoolWriter(tmp_path, 1)
    with closing(writer):
        assert is_live(series_folders(tmp_path)[1])


def test_a_series_folder_without_a_lock_is_dead(tmp_path: Path) -> None:
    (tmp_path / "spool" / "00000001").mkdir(parents=True)
    assert not is_live(series_folders(tmp_path)[1])


@pytest.mark.parametrize("is_ended", [True, False])
def test_nobody_writes_to_a_series_that_was_begun_before(tmp_path: Path, is_ended: bool) -> None:
    first = SpoolWriter(tmp_path, 1)
    if is_ended:
        first.close()
    with pytest.raises(SpoolError, match="series 1 of the spool cannot be begun"):
        take_series(tmp_path, 1)
    assert [path.name for path in (tmp_path / "spool").iterdir()] == ["00000001"]
    assert is_live(series_folders(tmp_path)[1]) is not is_ended


def test_a_series_whose_name_could_not_be_made_durable_may_be_begun_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_: Path) -> None:
        raise OSError(errno.EIO, "broken")

    with monkeypatch.context() as broken:
        broken.setattr(folder, "make_durable", refuse)
        with pytest.raises(SpoolError, match="broken"):
            take_series(tmp_path, 1)
    assert list((tmp_path / "spool").iterdir()) == []
    with closing(SpoolWriter(tmp_path, 1)):
        assert is_live(series_folders(tmp_path)[1])


def test_a_folder_that_cannot_be_made_is_a_clear_error(tmp_path: Path) -> None:
    (tmp_path / "spool").write_text("a file")
    with pytest.raises(SpoolError) as caught:
        take_series(tmp_path, 1)
    assert "rights on its folder spool" in (caught.value.hint or "")
    with pytest.raises(SpoolError, match="cannot be read"):
        new_series(tmp_path)


@pytest.mark.parametrize(
    ("code", "hint"),
    [
        (errno.ENOSPC, "free space"),
        (errno.EDQUOT, "free space"),
        (errno.EIO, "check the disk"),
        (errno.EROFS, "check the disk"),
    ],
)
def test_a_disk_without_room_is_told_from_a_broken_one(code: int, hint: str) -> None:
    error = spool_error("it cannot be done", OSError(code, "because"))
    assert error.message == "it cannot be done: because"
    assert (error.hint or "").startswith(hint)
