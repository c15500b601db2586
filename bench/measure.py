"""Running a command and saying what it cost; tables; the machine."""

from __future__ import annotations

import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

HERE = Path(__file__).parent
DATA = HERE / "data"
ENDUSER = Path(sys.executable).parent / "enduser"
RIVAL_PYTHON = HERE.parent / ".venv-bench" / "bin" / "python"
CORES = len(os.sched_getaffinity(0))
MEMORY_LIMIT_MB = 1_200
"""What the embedded engine takes by default; bare DuckDB gets the same."""


@dataclass(frozen=True, slots=True)
class Measured:
    """What one process cost: wall clock, CPU of it and its children, greatest resident memory."""

    wall_s: float
    cpu_s: float
    peak_mb: float
    out: str


class CommandFailedError(Exception):
    """A measured command ended badly; the message has the end of what it wrote."""


def say(text: str) -> None:
    """Tell the person who waits what is going on."""
    print(f"… {text}", file=sys.stderr, flush=True)


def run(command: Sequence[str | Path]) -> Measured:
    """Run a command to its end and measure it.

    The peak is the greatest resident set of the process or of any child that it waited for. The kernel
    counts in what this process holds at the start, so it must stay small: it imports no engine.

    Raises:
        CommandFailedError: the exit code is not 0.
    """
    words = [str(word) for word in command]
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        began = time.perf_counter()
        process = subprocess.Popen(words, stdout=out, stderr=err)
        try:
            _, status, usage = os.wait4(process.pid, 0)
        except BaseException:
            process.kill()
            raise
        wall_s = time.perf_counter() - began
        process.returncode = os.waitstatus_to_exitcode(status)
        texts = [_text(stream) for stream in (out, err)]
    if process.returncode:
        end = "\n".join(texts)[-2_000:]
        raise CommandFailedError(f"{' '.join(words)} ended with {process.returncode}:\n{end}")
    return Measured(wall_s, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1_024, texts[0])


def _text(stream: tempfile._TemporaryFileWrapper[bytes]) -> str:
    stream.seek(0)
    return stream.read().decode(errors="replace")


def median(measurements: Sequence[Measured]) -> Measured:
    """Return the median of wall and CPU and the greatest peak, with the output of the last."""
    return Measured(
        statistics.median(m.wall_s for m in measurements),
        statistics.median(m.cpu_s for m in measurements),
        max(m.peak_mb for m in measurements),
        measurements[-1].out,
    )


def spread(seconds: Iterable[float]) -> str:
    """Return the least and the greatest of some times."""
    ordered = sorted(seconds)
    return f"{ordered[0]:.2f}, {ordered[-1]:.2f}"


def verdict(*, met: bool) -> str:
    """Return the word for a target's column."""
    return "met" if met else "**missed**"


def table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Return a Markdown table with its columns aligned; all but the first to the right."""
    lines = [list(map(str, head)), *(list(map(str, row)) for row in rows)]
    widths = [max(len(line[i]) for line in lines) for i in range(len(head))]
    text = [
        "| "
        + " | ".join(
            c.ljust(w) if i == 0 else c.rjust(w) for i, (c, w) in enumerate(zip(line, widths, strict=True))
        )
        + " |"
        for line in lines
    ]
    rule = (
        "|" + "|".join("-" * (w + 2) if i == 0 else "-" * (w + 1) + ":" for i, w in enumerate(widths)) + "|"
    )
    return "\n".join([text[0], rule, *text[1:]])


def moment() -> str:
    """Return when a part is measured, of which code, and how busy the machine was."""
    return (
        f"*{datetime.now(UTC):%Y-%m-%d %H:%M} UTC, commit {_commit()}, load before {os.getloadavg()[0]:.2f}*"
    )


def machine() -> str:
    """Return the machine and versions as a Markdown table."""
    cpu = _field("/proc/cpuinfo", "model name")
    memory = int(_field("/proc/meminfo", "MemTotal").split()[0]) / 1_048_576
    rows = [
        ("processor", f"{cpu}, {CORES} cores"),
        ("memory", f"{memory:.0f} GiB"),
        ("system", f"{platform.system()} {platform.release()}, Python {platform.python_version()}"),
        ("engine", f"DuckDB {version('duckdb')}, memory limit {MEMORY_LIMIT_MB} MB, {CORES} threads"),
        ("rivals", _rivals()),
    ]
    return table(("", ""), rows)


def _field(path: str, name: str) -> str:
    for line in Path(path).read_text(encoding="utf-8").splitlines():
        if line.startswith(name):
            return line.split(":", 1)[1].strip()
    return "unknown"


def _commit() -> str:
    found = subprocess.run(
        ["git", "describe", "--always", "--dirty"], cwd=HERE, capture_output=True, text=True, check=False
    )
    return found.stdout.strip() or "unknown"


def _rivals() -> str:
    names = ("duckdb", "polars", "pyspark")
    code = (
        f"from importlib.metadata import version as v; print(*(f'{{n}} {{v(n)}}' for n in {names}), sep=', ')"
    )
    if not RIVAL_PYTHON.exists():
        return "not installed; make bench does it"
    rivals = run([RIVAL_PYTHON, "-c", code]).out.strip()
    if not shutil.which("java"):
        return f"{rivals}, no Java"
    java = subprocess.run(["java", "-version"], capture_output=True, text=True, check=False)
    return f"{rivals} on {java.stderr.splitlines()[0]}"
