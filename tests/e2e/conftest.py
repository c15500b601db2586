"""What tests of whole processes share."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from disks import Mount, small_disk


@pytest.fixture
def mount(tmp_path: Path) -> Iterator[Mount]:
    """Mount a disk in memory."""
    with small_disk(tmp_path / "disk") as mounted:
        yield mounted
