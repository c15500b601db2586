"""Scratch room: each has his own, and what the dead left goes."""

from __future__ import annotations

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

import pytest

from enduser.stores.scratch import scratch_folder

LENT = """
import sys
from pathlib import Path
from enduser.stores.scratch import scratch_folder
with scratch_folder(Path(sys.argv[1])) as folder:
    (folder / "rows").write_text("x")
    print(folder, flush=True)
    sys.stdin.read()
"""


def test_what_a_killed_process_left_goes_and_what_another_uses_stays(tmp_path: Path) -> None:
    command = [sys.executable, "-c", LENT, str(tmp_path)]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with subprocess.Popen(command, **pipes) as other:  # type: ignore[call-overload]
        theirs = Path(other.stdout.readline().strip())
        with scratch_folder(tmp_path) as mine:
            assert list(mine.iterdir()) == []
            assert (theirs / "rows").exists()
        assert not mine.exists()
        other.kill()
        other.wait()
        assert (theirs / "rows").exists()
        with scratch_folder(tmp_path):
            assert not theirs.exists()


def test_a_folder_goes_also_when_its_use_fails(tmp_path: Path) -> None:
    def use() -> None:
        with scratch_folder(tmp_path) as folder:
            (folder / "rows").write_text("x")
            (folder / "none").read_text()

    with pytest.raises(FileNotFoundError):
        use()
    assert list((tmp_path / "tmp").glob("work-*")) == []


def test_threads_have_each_their_own(tmp_path: Path) -> None:
    together = Barrier(4)

    def use(number: int) -> str:
        with scratch_folder(tmp_path) as folder:
            (folder / "rows").write_text(str(number))
            together.wait(20)
            return (folder / "rows").read_text()

    with ThreadPoolExecutor(4) as threads:
        assert list(threads.map(use, range(4))) == ["0", "1", "2", "3"]
    assert [path.name for path in (tmp_path / "tmp").iterdir()] == ["work.lock"]


def test_many_who_come_and_go_at_once_take_nothing_from_each_other(tmp_path: Path) -> None:
    def use(number: int) -> bool:
        with scratch_folder(tmp_path) as folder:
            (folder / "rows").write_text(str(number))
            return (folder / "rows").read_text() == str(number)

    with ThreadPoolExecutor(8) as threads:
        assert all(threads.map(use, range(400)))
