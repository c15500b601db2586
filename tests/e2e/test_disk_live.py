"""A full disk: refused requests, nothing half-written, recovery without hands."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import signal
from collections.abc import Callable
from pathlib import Path

from disks import Mount, needs_root
from loaded import Senders, assert_each_once
from running import process
from serving import Server, wait_until

pytestmark = needs_root


def fill(disk: Path) -> Path:
    """Leave no room."""
    filler = disk / "filler"
    with contextlib.suppress(OSError), filler.open("ab") as file:
        while True:
            file.write(bytes(1 << 16))
            file.flush()
    return filler


def answer(server: Server, senders: Senders) -> tuple[int, http.client.HTTPMessage]:
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=20)
    body = json.dumps({"batch": [{"type": "track", "userId": "x", "event": "x" * 5_000}] * 40})
    connection.request("POST", "/v1/batch", body, senders.headers)
    found = connection.getresponse()
    found.read()
    connection.close()
    return found.status, found.headers


def test_a_full_disk_refuses_and_everything_acknowledged_is_there_when_there_is_room_again(
    mount: Mount, serve: Callable[..., Server]
) -> None:
    disk = mount("size=150m")
    server = serve("--collectors", 2, data=disk / "data")
    senders = Senders(server)
    senders.start()
    wait_until(lambda: len(senders.acknowledged) > 500)
    filler = fill(disk)
    status, headers = 0, None

    def is_refused() -> bool:
        nonlocal status, headers
        status, headers = answer(server, senders)
        return status != 200

    wait_until(is_refused)
    assert status == 503
    assert int(headers["retry-after"]) > 0
    wait_until(lambda: "applier failed" in server.log)
    filler.unlink()
    before = len(senders.acknowledged)
    wait_until(lambda: len(senders.acknowledged) > before + 200)
    senders.stop()
    server.stop(is_hurt=True)
    assert_each_once(server.data, senders)
    assert process("verify", data=server.data).returncode == 0


def test_a_collector_that_starts_on_a_full_disk_refuses_and_nobody_waits_for_it(
    mount: Mount, serve: Callable[..., Server]
) -> None:
    disk = mount("size=150m")
    server = serve("--collectors", 1, data=disk / "data")
    senders = Senders(server)
    filler = fill(disk)
    _, collector = server.pids()
    os.kill(collector, signal.SIGKILL)
    # What the dead one left is deleted, which makes some room again.
    wait_until(lambda: fill(disk) and "spool refused" in server.log)
    assert answer(server, senders)[0] == 503
    filler.unlink()
    wait_until(lambda: answer(server, senders)[0] == 200)
    server.stop(is_hurt=True)
