"""What a collector answers with 200 is on the disk by then: seen in the calls that it makes of the system."""

from __future__ import annotations

import re
import shutil
import signal
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import pytest
from loaded import Senders
from serving import Server, wait_until

WATCHED = "read,readv,recvfrom,recvmsg,write,writev,sendto,sendmsg,fdatasync"
CALL = re.compile(r"(\d+) +(\w+)\(\d+<(.*?)>[,)]")
UNFINISHED = re.compile(r"(\d+) +(.*) <unfinished \.\.\.>")
RESUMED = re.compile(r"(\d+) +<\.\.\. \w+ resumed>(.*)")
MESSAGE = re.compile(r'messageId\\": ?\\"([\d-]+)\\"')
LINE = re.compile(r'\\"msg\\":\\"([\d-]+)\\"')


class Traced(NamedTuple):
    """A call of the system: when it began and ended, in lines of the trace, and all that is told of it."""

    began: int
    ended: int
    name: str
    target: str
    text: str


@contextmanager
def traced(pid: int, trace: Path) -> Iterator[None]:
    """Write down the calls of a process and its threads meanwhile; skip the test where that cannot be."""
    command = ["strace", "-f", "-yy", "-s", "100000", "-e", f"trace={WATCHED}", "-o", trace, "-p", str(pid)]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as tracer:
        assert tracer.stderr is not None
        try:
            if "attached" not in (told := tracer.stderr.readline()):
                pytest.skip(f"strace may not trace here: {told.strip()}")
            yield
        finally:
            tracer.send_signal(signal.SIGINT)


def calls_of(trace: Path) -> list[Traced]:
    """Return the calls of a trace in the order of their ends, those put together that others interrupted."""
    begun: dict[str, tuple[int, str]] = {}
    found = []
    for number, line in enumerate(trace.read_text(encoding="utf-8").splitlines()):
        began, text = number, line
        if (cut := UNFINISHED.fullmatch(line)) is not None:
            begun[cut[1]] = number, f"{cut[1]} {cut[2]}"
            continue
        if (rest := RESUMED.fullmatch(line)) is not None and rest[1] in begun:
            began, first = begun.pop(rest[1])
            text = first + rest[2]
        if (call := CALL.match(text)) is not None:
            found.append(Traced(began, number, call[2], call[3], text))
    return found


def durable_at(calls: list[Traced]) -> dict[str, int]:
    """Return when each message was on the disk: at the end of the first `fdatasync` begun after its write."""
    synced = [call for call in calls if call.name == "fdatasync" and call.text.endswith("= 0")]
    found = {}
    for write in calls:
        if write.target.endswith(".seg") and write.name == "writev":
            ends = [s.ended for s in synced if s.target == write.target and s.began > write.ended]
            found |= dict.fromkeys(LINE.findall(write.text), min(ends, default=10**12))
    return found


@pytest.mark.skipif(shutil.which("strace") is None, reason="strace shows the calls; it is not installed")
def test_no_call_is_answered_before_its_events_are_on_the_disk(
    serve: Callable[..., Server], tmp_path: Path
) -> None:
    server = serve()
    senders = Senders(server)
    with traced(server.pids()[1], tmp_path / "trace"):
        senders.start()
        wait_until(lambda: len(senders.acknowledged) > 1_000, deadline_s=60)
        senders.stop()
    calls = calls_of(tmp_path / "trace")
    durable = durable_at(calls)
    asked: dict[str, list[str]] = {}
    answered = []
    for call in calls:
        if '"HTTP/1.1 200 OK' in call.text:
            messages = asked.pop(call.target)
            assert [one for one in messages if durable[one] > call.began] == [], call.text
            answered += messages
        elif messages := MESSAGE.findall(call.text):
            asked.setdefault(call.target, []).extend(messages)
    assert sorted(answered) == sorted(senders.acknowledged)
