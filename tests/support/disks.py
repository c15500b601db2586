"""What the tests of full and read-only disks share: a small disk in memory, mounted as root."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

Mount = Callable[[str], Path]

needs_root = pytest.mark.skipif(
    os.geteuid() != 0 or shutil.which("mount") is None, reason="a small disk is mounted, which needs root"
)


@contextmanager
def small_disk(point: Path) -> Iterator[Mount]:
    """Give a function that mounts a disk with options, such as `size=8m`; again to change them."""
    point.mkdir()

    def mounted(options: str) -> Path:
        command = ["mount", "-t", "tmpfs", "-o", f"remount,{options}" if point.is_mount() else options]
        done = subprocess.run([*command, "none", point], capture_output=True, text=True, check=False)
        if done.returncode:
            pytest.skip(f"no small disk can be mounted here: {done.stderr.strip()}")
        return point

    yield mounted
    if point.is_mount():
        subprocess.run(["umount", point], check=True)
