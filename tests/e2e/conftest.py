"""What tests of whole processes share."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from disks import Mount, small_disk
from loaded import Processes


@pytest.fixture
def mount(tmp_path: Path) -> Iterator[Mount]:
    """Mount a disk in memory."""
    with small_disk(tmp_path / "disk") as mounted:
        yield mounted


@pytest.fixture
def processes(tmp_path: Path) -> Iterator[Processes]:
    """Return a server that is not started yet; nothing of it is left running."""
    found = Processes(tmp_path / "data", tmp_path / "serve.log")
    yield found
    found.end()
