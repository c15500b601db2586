"""The form of a frame, and how frames are found again in bytes that may be cut off or damaged. No I/O.

    0   4   MAGIC
    4   4   CRC-32 of all that follows it
    8   4   bytes of the payload
    12  4   space
    16  8   received_at, µs since 1970, signed
    24  1   kind
    25  3   zero
    28      payload

Numbers are little-endian.
"""

import struct
import zlib
from dataclasses import dataclass, field
from enum import Enum
from typing import NamedTuple

from enduser import limits

MAGIC = b"\xffEU\x01"
"""Begins every frame. Payloads are UTF-8, which has no byte 0xFF: no client can send what looks like one."""

_HEAD = struct.Struct("<4sIIIqB3x")
_CHECKED = struct.Struct("<IIqB3x")
"""The part of the header that the CRC covers."""

HEAD_BYTES = _HEAD.size
_CHECKED_FROM = HEAD_BYTES - _CHECKED.size
_PREFIXES = [MAGIC[:length] for length in range(len(MAGIC) - 1, 0, -1)]


EVENTS = 1
"""Kind of a frame with the JSON lines, each with its line end, of one accepted request for one space."""

MARK = 2
"""Kind of a frame without payload: what follows in its series was received at its time or later."""


class Frame(NamedTuple):
    """A frame as it was read."""

    kind: int
    space: int
    received_at: int
    """Microseconds since 1970."""
    payload: memoryview


def frame(kind: int, space: int, received_at: int, payload: bytes = b"") -> bytes:
    """Return a frame as it is written. The payload is UTF-8, and the frame within `FRAME_BYTES_MAX`."""
    assert HEAD_BYTES + len(payload) <= limits.FRAME_BYTES_MAX, len(payload)
    assert MAGIC[:1] not in payload, "a payload is UTF-8"
    checked = _CHECKED.pack(len(payload), space, received_at, kind)
    crc = zlib.crc32(payload, zlib.crc32(checked))
    return b"".join((MAGIC, crc.to_bytes(4, "little"), checked, payload))


# --- reading


class _State(Enum):
    GOOD = 1
    CUT_OFF = 2
    """Right as far as it goes, but its end is not there."""
    BAD = 3


class Gap(NamedTuple):
    """Bytes that are no frame: cut off while they were written (torn), or changed afterwards."""

    is_torn: bool
    start: int
    stop: int


@dataclass(slots=True)
class Scan:
    """What a block of bytes holds, up to `at`."""

    frames: list[Frame] = field(default_factory=list)
    """All but the marks."""
    gaps: list[Gap] = field(default_factory=list)
    received_at: int | None = None
    """Of the last frame, be it a mark; None: there is none."""
    at: int = 0
    """Where to go on; what follows is not complete yet, or was too much."""
    is_spent: bool = False
    """Whether good frames follow that were more than wanted."""


def scan(block: bytes, bytes_max: int, *, is_end: bool) -> Scan:
    """Find the frames of a block that begins where a frame should begin.

    Args:
        block: bytes of one file.
        bytes_max: where to stop; a first frame that is longer is taken all the same.
        is_end: nothing will ever follow the block, so that what is incomplete stays so.
    """
    found = Scan()
    view = memoryview(block)
    _take_good(block, view, found, bytes_max)
    while not found.is_spent and found.at < len(block):
        if not _pass_over(block, view, found, is_end=is_end):
            break
        _take_good(block, view, found, bytes_max)
    return found


def _take_good(block: bytes, view: memoryview, found: Scan, bytes_max: int) -> None:
    """Take good frames until one is not, or one is too much. Nearly all work of a restart is done here."""
    at, received_at = found.at, found.received_at
    end, length_max = len(block), limits.FRAME_BYTES_MAX - HEAD_BYTES
    unpack_from, crc32, take = _HEAD.unpack_from, zlib.crc32, found.frames.append
    while at + HEAD_BYTES <= end:
        magic, crc, length, space, received, kind = unpack_from(block, at)
        payload_at = at + HEAD_BYTES
        stop = payload_at + length
        if magic != MAGIC or stop > end or length > length_max:
            break
        if crc32(view[at + _CHECKED_FROM : stop]) != crc:
            break
        if stop > bytes_max and at:
            found.is_spent = True
            break
        if kind != MARK:
            take(Frame(kind, space, received, view[payload_at:stop]))
        received_at = received
        at = stop
    found.at, found.received_at = at, received_at


def _pass_over(block: bytes, view: memoryview, found: Scan, *, is_end: bool) -> bool:
    """Go on behind bytes that are no good frame; return False if their rest may still come."""
    at = found.at
    if _state(block, view, at) is _State.CUT_OFF:
        # A good frame inside a longer one proves that the longer one's length is wrong.
        found.at = _next(block, view, at, {_State.GOOD})
        if found.at == len(block) and not is_end:
            found.at = at
            return False
        found.gaps.append(Gap(found.at == len(block), at, found.at))
    else:
        found.at = _next(block, view, at, {_State.GOOD, _State.CUT_OFF})
        found.gaps.append(Gap(False, at, found.at))
    return True


def _next(block: bytes, view: memoryview, at: int, states: set[_State]) -> int:
    """Return where the next frame in one of these states begins behind `at`, else the end of the block."""
    start = block.find(MAGIC, at + 1)
    while start >= 0:
        if _state(block, view, start) in states:
            return start
        start = block.find(MAGIC, start + 1)
    return len(block) - _begun(block, at + 1) if _State.CUT_OFF in states else len(block)


def _begun(block: bytes, start: int) -> int:
    """Return how many bytes at the end, from `start` on, may be the beginning of a frame's MAGIC."""
    return next((len(prefix) for prefix in _PREFIXES if block.endswith(prefix, start)), 0)


def _state(block: bytes, view: memoryview, at: int) -> _State:
    if not MAGIC.startswith(block[at : at + len(MAGIC)]):
        return _State.BAD
    if at + HEAD_BYTES > len(block):
        return _State.CUT_OFF
    _, crc, length, *_ = _HEAD.unpack_from(block, at)
    stop = at + HEAD_BYTES + length
    if stop - at > limits.FRAME_BYTES_MAX:
        return _State.BAD
    if stop > len(block):
        return _State.CUT_OFF
    return _State.GOOD if zlib.crc32(view[at + _CHECKED_FROM : stop]) == crc else _State.BAD
