"""What the tests of the command line share: run a command in this process or as one of its own."""

from __future__ import annotations

import csv
import io
import json
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from unittest.mock import patch

from forking import forked
from typer import testing
from typer.testing import CliRunner, Result

from enduser.__main__ import main
from enduser.cli import app

# Each call would put the tree of commands together anew, which takes longer than most commands.
testing._get_command = cache(testing._get_command)  # type: ignore[attr-defined]

AT = "2026-01-01T10:00:00Z"
DEADLINE_S = 60
"""What no process of a test may take longer than."""


def enduser(*arguments: object, data: Path | None = None, stdin: str | bytes | None = None) -> Result:
    """Run a command in this process, on the data folder if one is named."""
    with_data = [] if data is None else ["--data", data]
    return CliRunner().invoke(
        app, [str(word) for word in (*arguments, *with_data)], input=stdin, catch_exceptions=False
    )


class _Terminal(io.BytesIO):
    def isatty(self) -> bool:
        return True


def answered(typed: bytes, *arguments: object, data: Path | None = None) -> Result:
    """Run a command in this process for somebody who types that on a terminal, and then nothing more."""
    with patch.object(testing, "make_input_stream", lambda *_: _Terminal(typed)):
        return enduser(*arguments, data=data)


@dataclass(frozen=True)
class Done:
    """What came of a process; the code is negative where a signal ended it."""

    returncode: int
    stdout: str
    stderr: str


def process(
    *arguments: object, data: Path | None = None, main: Callable[[], None] = main, cwd: Path | None = None
) -> Done:
    """Run a command, or another program, as a process of its own, and wait for its end."""
    with_data = [] if data is None else ["--data", data]
    with tempfile.TemporaryDirectory() as folder:
        said, told = Path(folder, "stdout"), Path(folder, "stderr")
        running = forked(*arguments, *with_data, stdout=said, stderr=told, main=main, cwd=cwd)
        running.join(DEADLINE_S)
        if running.exitcode is None:
            running.kill()
            raise TimeoutError(f"{arguments} has not ended after {DEADLINE_S} s: {told.read_text()}")
        return Done(running.exitcode, said.read_text(), told.read_text())


def command(*arguments: object) -> list[str]:
    """Return the command line of a command, for a process that begins with nothing."""
    return [sys.executable, "-m", "enduser", *map(str, arguments)]


def event(user_id: str | None = "u1", occurred_at: object = AT, **more: object) -> str:
    """Return an event as a line of JSON in the flat form."""
    return json.dumps({"user_id": user_id, "occurred_at": occurred_at, **more})


def write_lines(path: Path, *lines: str) -> Path:
    """Write lines to a file."""
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    return path


def counts(stdout: str) -> dict[str, int]:
    """Return the counts of an import's summary: outcomes, reasons, users and sessions."""
    found = {}
    for line in stdout.splitlines():
        name, _, rest = line.strip().partition(" ")
        words = rest.split()
        if words and words[0].replace(",", "").isdigit():
            found[name] = int(words[0].replace(",", ""))
    return found


def exported(what: str, data: Path) -> list[dict[str, str]]:
    """Return the rows of `users export` or `sessions export`, cells as they stand in the CSV."""
    result = enduser(what, "export", data=data)
    assert result.exit_code == 0, result.stderr
    return list(csv.DictReader(result.stdout.splitlines(keepends=True)))


def rejections(data: Path) -> list[Mapping[str, str]]:
    """Return the rows of the newest file of rejected rows."""
    newest = max((data / "rejected").iterdir())
    with newest.open(newline="", encoding="utf-8") as rows:
        return list(csv.DictReader(rows))


def file_of(folder: Path, name: str, content: str | bytes | Sequence[str]) -> Path:
    """Write a file of any content."""
    path = folder / name
    if isinstance(content, bytes):
        path.write_bytes(content)
    else:
        path.write_text(content if isinstance(content, str) else "\n".join(content) + "\n", encoding="utf-8")
    return path
