"""A full disk: refused requests, nothing half-written, recovery without hands."""

from __future__ import annotations

import contextlib
import http.client
import json
import time
from pathlib import Path

from disks import Mount, needs_root
from loaded import Processes, Senders, assert_each_once
from running import process
from serving import wait_until

pytestmark = needs_root


def fill(disk: Path) -> Path:
    """Leave no room."""
    filler = disk / "filler"
    with contextlib.suppress(OSError), filler.open("wb") as file:
        while True:
            file.write(bytes(1 << 16))
            file.flush()
    return filler


def answer(processes: Processes, senders: Senders) -> tuple[int, http.client.HTTPMessage]:
    connection = http.client.HTTPConnection("127.0.0.1", processes.port, timeout=20)
    body = json.dumps({"batch": [{"type": "track", "userId": "x", "event": "x" * 5_000}] * 40})
    connection.request("POST", "/v1/batch", body, senders.headers)
    found = connection.getresponse()
    found.read()
    connection.close()
    return found.status, found.headers


def test_a_full_disk_refuses_and_everything_acknowledged_is_there_when_there_is_room_again(
    mount: Mount,
    processes: Processes,
) -> None:
    disk = mount("size=150m")
    processes.data = disk / "data"
    processes.start()
    senders = Senders(processes, processes.write_key())
    senders.start()
    wait_until(lambda: len(senders.acknowledged) > 500)
    filler = fill(disk)
    status, headers = 0, None

    def is_refused() -> bool:
        nonlocal status, headers
        status, headers = answer(processes, senders)
        return status != 200

    wait_until(is_refused)
    assert status == 503
    assert int(headers["retry-after"]) > 0
    time.sleep(2)  # the applier meets it too
    filler.unlink()
    before = len(senders.acknowledged)
    wait_until(lambda: len(senders.acknowledged) > before + 200)
    senders.stop()
    assert processes.stop() == 0
    assert_each_once(processes.data, senders)
    assert process("verify", data=processes.data).returncode == 0
