"""The archive of a person on a running server, while events of the person come."""

from __future__ import annotations

import threading
from pathlib import Path

import httpx
from held import Archive, unpacked
from running import enduser
from serving import Server, wait_until

from enduser.stores.control import ControlStore

BATCH = 50


def test_archives_are_handed_out_while_events_of_the_person_come(
    shared_server: Server, tmp_path: Path
) -> None:
    server, stop, sent = shared_server, threading.Event(), [0]
    write_key = server.write_key
    with ControlStore(server.data) as control:
        headers = {"Authorization": f"Bearer {control.create_key('', 'admin', 0)}"}

    def send() -> None:
        with httpx.Client(base_url=server.url, auth=(write_key, "")) as client:
            while not stop.is_set():
                batch = [
                    {"type": "track", "event": "e", "userId": "ann", "messageId": f"ann-{sent[0]}-{number}"}
                    for number in range(BATCH)
                ]
                client.post("/v1/batch", json={"batch": batch}).raise_for_status()
                sent[0] += 1

    def called() -> Archive | None:
        url = f"{server.url}/api/v1/users/ann/archive"
        answer = httpx.get(url, headers=headers, timeout=30)
        return unpacked(answer.content) if answer.status_code == httpx.codes.OK else None

    sender = threading.Thread(target=send)
    sender.start()
    try:
        first = wait_until(called)
        found = wait_until(lambda: more_than(called(), len(first.rows("events"))))
        target = tmp_path / "ann.zip"
        told = enduser("users", "export-person", "ann", "--output", target, data=server.data)
        assert told.exit_code == 0, told.stderr
    finally:
        stop.set()
        sender.join()
    archives = [first, found, unpacked(target.read_bytes())]
    for archive in archives:
        assert_of_one_moment(archive)
    counts = [len(archive.rows("events")) for archive in archives]
    assert counts == sorted(counts)
    last = wait_until(lambda: more_than(called(), BATCH * sent[0] - 1))
    assert len({message for (message,) in last.cells("events", "message_id")}) == BATCH * sent[0]
    assert [*(server.data / "tmp").glob("work-*")] == []


def more_than(archive: Archive | None, count: int) -> Archive | None:
    """Return an archive if it has more events than so many."""
    return archive if archive is not None and len(archive.rows("events")) > count else None


def assert_of_one_moment(archive: Archive) -> None:
    """Check that events, sessions and the count of rows tell the same."""
    events = len(archive.rows("events"))
    assert sum(int(count) for (count,) in archive.cells("sessions", "events")) == events
    assert archive.user["rows"]["events.csv"] == events
