"""What the tests of the spool share, and a writer as a process.

`python spooling.py FOLDER SERIES APPENDS` appends numbered records until it is killed or has made so many
appends (0: no end). After each append it prints the number of the last record: that one is acknowledged.
"""

from __future__ import annotations

import os
import random
import subprocess
import sys
from pathlib import Path

from enduser import clock, limits
from enduser.ingest.spool import EVENTS, Frame, SpoolReader, SpoolWriter, frame

SPOOL_FILE_BYTES = 200_000
"""Small, so that files are begun all the time."""


def events(number: int, received_at: int = 0, size: int = 0, space: int = 1) -> bytes:
    """Return a frame with one event, which has this number and is at least this long."""
    return frame(EVENTS, space, received_at, b'{"n":%d,"x":"%s"}\n' % (number, b"x" * size))


def number_of(found: Frame) -> int:
    """Return the number of the event of a frame; its content must be whole."""
    head, _, rest = bytes(found.payload).partition(b',"x":"')
    assert found.kind == EVENTS
    assert rest.endswith(b'"}\n')
    assert not rest[:-3].strip(b"x")
    return int(head.removeprefix(b'{"n":'))


def drained(reader: SpoolReader, bytes_max: int = 1_000_000) -> tuple[list[Frame], list[bool]]:
    """Read and advance until nothing more is waiting; return the frames and which damages are torn."""
    frames, damages = [], []
    while True:
        batch = reader.read(bytes_max)
        reader.advance(batch)
        frames += batch.frames
        damages += [damage.is_torn for damage in batch.damages]
        if not batch.is_behind:
            return frames, damages


def writing(folder: Path, series: int, appends: int = 0) -> subprocess.Popen[bytes]:
    """Start a writer as a process; its output are the acknowledged numbers, one a line."""
    command = [sys.executable, __file__, folder, str(series), str(appends)]
    return subprocess.Popen(command, stdout=subprocess.PIPE)


def main() -> None:
    folder, series, appends = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
    limits.SPOOL_FILE_BYTES_MAX = SPOOL_FILE_BYTES
    writer = SpoolWriter(folder, series)
    sizes = random.Random(series)
    number = done = 0
    while not appends or done < appends:
        now_us = clock.now_us()
        count = sizes.choice([1, 2, 40])
        frames = [events(number + place, now_us, sizes.randrange(3_000), series) for place in range(count)]
        writer.append(frames, now_us=now_us)
        number += count
        done += 1
        os.write(1, b"%d\n" % (number - 1))
        if done % 7 == 0:
            writer.mark(now_us)


if __name__ == "__main__":
    main()
