"""What all tests share: how many examples Hypothesis tries, new data folders, and running servers."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from ready_made import copy_ready_made, make_anew
from serving import Server, stop_all
from tiers import tries

settings.register_profile(
    "enduser",
    max_examples=tries(60, 500),
    deadline=None,
    print_blob=True,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("enduser")

signal.signal(signal.SIGINT, signal.default_int_handler)
"""What a shell starts in the background ignores Ctrl-C; the commands that tests start must hear it."""


@pytest.fixture(scope="session", autouse=True)
def copied() -> Iterator[None]:
    """New data folders of this process are copies of one that was made first."""
    with pytest.MonkeyPatch.context() as patch:
        copy_ready_made(patch)
        yield


@pytest.fixture
def made_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    """New data folders are made as they are without tests."""
    make_anew(monkeypatch)


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Callable[..., Server]]:
    """Start servers with options of one's own; each is stopped in the end, and must end well."""
    servers: list[Server] = []

    def start(*options: object, data: Path = tmp_path / "data", port: int = 0) -> Server:
        servers.append(Server(data, *options, port=port, logs=tmp_path / f"logs-{len(servers)}"))
        return servers[-1]

    yield start
    stop_all(servers)


@pytest.fixture
def server(serve: Callable[..., Server]) -> Server:
    """A running server on an empty data folder."""
    return serve()


@pytest.fixture(scope="module")
def shared_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A running server that the tests of a module share; each must use users of its own."""
    started = Server(tmp_path_factory.mktemp("shared") / "data")
    yield started
    stop_all([started])
