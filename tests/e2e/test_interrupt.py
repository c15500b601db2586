"""Ctrl-C while a file is imported: one line, exit code 130, and the next run finishes."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import killed
import pytest
from running import DEADLINE_S, enduser, event, write_lines
from tiers import tries

ROWS = tries(12_000, 30_000)
MESSAGE = "interrupted; run the same command again to finish: nothing is taken twice"


def start(data: Path, path: Path) -> subprocess.Popen[str]:
    """Start an import in small chunks."""
    return subprocess.Popen(
        [sys.executable, killed.__file__, "0", "import", "events", str(path), "--close", "--data", str(data)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@dataclass(frozen=True)
class Undisturbed:
    """A file, what its import makes, and how long that takes."""

    file: Path
    exports: list[str]
    seconds: float


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Undisturbed:
    folder = tmp_path_factory.mktemp("undisturbed")
    lines = [event(f"u{n % 500}", 1_700_000_000 + n * 7, message_id=f"m{n}") for n in range(ROWS)]
    file = write_lines(folder / "x.jsonl", *lines)
    began = time.monotonic()
    with start(folder / "data", file) as process:
        process.communicate(timeout=DEADLINE_S)
    return Undisturbed(file, exports(folder / "data"), time.monotonic() - began)


def exports(data: Path) -> list[str]:
    return [enduser(what, "export", data=data).stdout for what in ("users", "sessions")]


@pytest.mark.parametrize("share", [0.0, 0.3, 0.7])
def test_an_interrupted_import_says_so_and_the_next_run_ends_in_the_same_state(
    tmp_path: Path, undisturbed: Undisturbed, share: float
) -> None:
    data = tmp_path / "data"
    with start(data, undisturbed.file) as process:
        assert process.stderr is not None
        assert process.stderr.readline().startswith("note: ")  # the import has begun
        try:
            process.wait(undisturbed.seconds * share)
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=DEADLINE_S)
    assert (process.returncode, MESSAGE in errors.splitlines()) in ((130, True), (0, False))
    assert "Traceback" not in errors
    assert enduser("import", "events", undisturbed.file, "--close", data=data).exit_code == 0
    assert exports(data) == undisturbed.exports
    assert enduser("verify", data=data).exit_code == 0


def test_an_interrupt_before_the_command_begins_ends_with_130_and_no_traceback(tmp_path: Path) -> None:
    program = "import signal, os, time; os.kill(os.getpid(), signal.SIGINT); time.sleep(60)"
    (tmp_path / "rich.py").write_text(program)  # loaded while the commands are imported
    done = subprocess.run(
        [sys.executable, "-m", "enduser", "status"],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        timeout=DEADLINE_S,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "")


def test_an_interrupt_after_the_command_does_not_deny_what_was_done(tmp_path: Path) -> None:
    program = (
        "import atexit, os, signal, sys; from enduser.__main__ import main;"
        "atexit.register(os.kill, os.getpid(), signal.SIGINT);"
        f"sys.argv[1:] = ['config', 'list', '--data', {str(tmp_path / 'data')!r}]; main()"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=DEADLINE_S, check=False
    )
    assert (done.returncode, "Interrupt" in done.stderr) == (0, False)
    assert "inactivity_window" in done.stdout
