"""One import at a time, and who asks whether there is one does not hold it up."""

from __future__ import annotations

import fcntl
from pathlib import Path

import pytest

from enduser.errors import RetentionRefused, UsageError
from enduser.stores import import_lock
from enduser.stores.import_lock import one_import, require_no_import


def test_while_an_import_runs_there_is_no_other_and_nobody_may_be_deleted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(import_lock, "_LOOK_S", 0.0)
    with one_import(tmp_path):
        with pytest.raises(UsageError, match="another import is running"), one_import(tmp_path):
            pass
        with pytest.raises(RetentionRefused, match="an import is running"):
            require_no_import(tmp_path)
    require_no_import(tmp_path)
    with one_import(tmp_path):
        pass


def test_one_that_failed_holds_up_nothing(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), one_import(tmp_path):
        _ = 1 / 0
    require_no_import(tmp_path)


def test_where_nothing_was_ever_imported_there_is_none_and_nothing_is_made(tmp_path: Path) -> None:
    require_no_import(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_an_import_waits_for_who_only_looks_but_not_for_ever(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with one_import(tmp_path):
        pass
    looks: list[float] = []
    with (tmp_path / "tmp" / "import.lock").open() as looking:
        fcntl.flock(looking, fcntl.LOCK_SH)
        monkeypatch.setattr(import_lock.time, "sleep", looks.append)
        with pytest.raises(UsageError, match="another import is running"), one_import(tmp_path):
            pass
        assert sum(looks) == pytest.approx(1)
        require_no_import(tmp_path)  # who looks disturbs nobody who looks

        def release(_: float) -> None:
            fcntl.flock(looking, fcntl.LOCK_UN)

        monkeypatch.setattr(import_lock.time, "sleep", release)
        with one_import(tmp_path), pytest.raises(RetentionRefused):
            require_no_import(tmp_path)
