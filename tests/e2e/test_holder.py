"""One process owns a data folder; a second one is told who holds it."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from running import DEADLINE_S, command, counts, event, process

from enduser.errors import DataFolderInUse
from enduser.stores.embedded import EmbeddedStore


@contextmanager
def holding(data: Path) -> Iterator[subprocess.Popen[str]]:
    """Start an import that waits for its standard input, and meanwhile holds a data folder."""
    with subprocess.Popen(
        command("import", "events", "-", "--close", "--data", data),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as waiting:
        assert waiting.stderr is not None
        assert waiting.stderr.readline().startswith("note: ")
        yield waiting
        waiting.kill()


@pytest.fixture
def holder(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    with holding(tmp_path / "data") as waiting:
        yield waiting


@dataclass(frozen=True)
class Held:
    """A data folder and who holds it, which nobody disturbs."""

    data: Path
    holder: subprocess.Popen[str]


@pytest.fixture(scope="module")
def held(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Held]:
    data = tmp_path_factory.mktemp("held") / "data"
    with holding(data) as waiting:
        yield Held(data, waiting)


def in_use(data: Path, *arguments: str) -> str:
    """Return what a second process says; it must end at once with 2."""
    began = time.monotonic()
    done = process(*arguments, data=data)
    assert (done.returncode, done.stdout) == (2, "")
    assert time.monotonic() - began < DEADLINE_S / 4
    return done.stderr


@pytest.mark.parametrize("arguments", [["status"], ["users", "list"], ["import", "events", "-"], ["verify"]])
def test_a_second_process_is_told_which_one_holds_the_folder(held: Held, arguments: list[str]) -> None:
    said = in_use(held.data, *arguments)
    assert said == (
        f"error: the data folder {held.data} is in use by process {held.holder.pid} (enduser import events)\n"
        "  wait until it has finished, or stop it\n"
    )


def test_the_holder_goes_on_undisturbed_and_the_folder_is_free_after_it(
    tmp_path: Path, holder: subprocess.Popen[str]
) -> None:
    data = tmp_path / "data"
    in_use(data, "status")
    output, errors = holder.communicate(event() + "\n", timeout=DEADLINE_S)
    assert (holder.returncode, errors) == (0, "")
    assert counts(output)["stored"] == 1
    assert process("status", data=data).returncode == 0


def test_a_holder_that_was_killed_holds_nothing(tmp_path: Path, holder: subprocess.Popen[str]) -> None:
    os.kill(holder.pid, signal.SIGKILL)
    holder.wait(DEADLINE_S)
    assert process("status", data=tmp_path / "data").returncode == 0


def test_two_folders_are_two_things(tmp_path: Path, held: Held) -> None:
    assert process("systems", "create", "acme/test", data=tmp_path / "other").returncode == 0
    assert held.holder.poll() is None


def test_being_refused_leaves_no_file_open(held: Held) -> None:
    lock = str(held.data / "lock")
    with pytest.raises(DataFolderInUse) as refused:
        EmbeddedStore(held.data, now_us=0)
    opened = [entry.resolve() for entry in Path("/proc/self/fd").iterdir()]
    assert lock not in map(str, opened), refused
