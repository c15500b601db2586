"""An API for all tests of this folder that only read, and one of its own for those that change."""

from __future__ import annotations

from pathlib import Path

import pytest
from managing import served


@pytest.fixture(scope="package")
def api(tmp_path_factory: pytest.TempPathFactory):
    with served(tmp_path_factory.mktemp("api") / "data") as opened:
        yield opened


@pytest.fixture
def own_api(tmp_path: Path):
    with served(tmp_path / "data") as opened:
        yield opened
