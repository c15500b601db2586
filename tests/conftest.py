"""What all tests share: how many examples Hypothesis tries, and running servers."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from serving import Server
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


def stop_all(servers: list[Server]) -> None:
    """Stop those that still run; where one cannot be stopped, end it and the others too."""
    try:
        for one in servers:
            if one.is_running:
                one.stop()
    finally:
        for one in servers:
            one.kill()
