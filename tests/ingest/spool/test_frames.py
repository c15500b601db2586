"""The form of a frame, and finding frames again in bytes that are cut off or damaged."""

from __future__ import annotations

import zlib
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from spooling import events

from enduser import limits
from enduser.ingest.spool.frames import EVENTS, HEAD_BYTES, MAGIC, MARK, Frame, Gap, Scan, frame, scan

WHOLE = 1_000_000
"""More bytes than any block of these tests has."""

FRAMES = [events(1, 10), frame(MARK, 0, 20), events(2, 30, 40), events(3, 40)]
BLOCK = b"".join(FRAMES)
STARTS = [sum(map(len, FRAMES[:place])) for place in range(len(FRAMES) + 1)]


def payloads(found: Scan) -> list[bytes]:
    return [bytes(one.payload) for one in found.frames]


PAYLOADS = payloads(scan(BLOCK, WHOLE, is_end=True))


# --- form


def test_a_frame_is_read_as_it_was_written() -> None:
    block = frame(EVENTS, 2**32 - 1, -(2**63), "ü\n".encode())
    assert scan(block, WHOLE, is_end=True).frames == [Frame(1, 2**32 - 1, -(2**63), "ü\n".encode())]


def test_the_bytes_of_a_frame_are_those_of_the_docs() -> None:
    checked = b"\x03\0\0\0" + b"\x05\0\0\0" + b"\x01\x02\0\0\0\0\0\0" + b"\x01\0\0\0" + b"{}\n"
    crc = zlib.crc32(checked).to_bytes(4, "little")
    assert frame(EVENTS, 5, 513, b"{}\n") == b"\xffEU\x01" + crc + checked


def test_a_payload_that_is_no_text_is_a_mistake_of_the_programmer() -> None:
    with pytest.raises(AssertionError):
        frame(EVENTS, 1, 1, MAGIC)


def test_a_mark_moves_the_time_and_is_no_frame_to_apply() -> None:
    found = scan(frame(MARK, 0, 7), WHOLE, is_end=False)
    assert (found.frames, found.received_at, found.at) == ([], 7, HEAD_BYTES)


def test_the_time_is_that_of_the_last_frame_even_if_a_clock_went_back() -> None:
    assert scan(events(1, 50) + events(2, 40), WHOLE, is_end=False).received_at == 40


def test_a_kind_of_a_later_version_is_handed_on() -> None:
    checked = b"\x02\0\0\0" + b"\x05\0\0\0" + bytes(8) + b"\x09\0\0\0" + b"xy"
    block = MAGIC + zlib.crc32(checked).to_bytes(4, "little") + checked
    assert scan(block, WHOLE, is_end=True).frames == [Frame(9, 5, 0, b"xy")]


@pytest.mark.parametrize(("more", "is_good"), [(-1, True), (0, True), (1, False)])
def test_a_frame_beyond_its_bound_is_damage(
    more: int, is_good: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    block = events(1, size=500)
    monkeypatch.setattr(limits, "FRAME_BYTES_MAX", len(block) - more)
    found = scan(block, WHOLE, is_end=True)
    assert (len(found.frames), found.gaps == [Gap(False, 0, len(block))]) == (is_good, not is_good)


def test_a_length_beyond_the_bound_is_not_waited_on() -> None:
    block = MAGIC + bytes(4) + (limits.FRAME_BYTES_MAX + 1).to_bytes(4, "little") + bytes(HEAD_BYTES - 12)
    assert scan(block, WHOLE, is_end=False).gaps == [Gap(False, 0, HEAD_BYTES)]


# --- how much


def test_no_more_is_taken_than_is_wanted() -> None:
    found = scan(BLOCK, STARTS[3], is_end=True)
    assert (payloads(found), found.at, found.is_spent) == (PAYLOADS[:2], STARTS[3], True)


def test_a_first_frame_that_is_longer_than_wanted_is_taken() -> None:
    found = scan(BLOCK, 1, is_end=True)
    assert (payloads(found), found.at, found.is_spent) == (PAYLOADS[:1], STARTS[1], True)


def test_when_all_was_wanted_nothing_is_left() -> None:
    assert not scan(BLOCK, len(BLOCK), is_end=True).is_spent


# --- cut off


@pytest.mark.parametrize("size", range(STARTS[3] + 1, STARTS[4]))
def test_a_frame_that_is_cut_off_is_not_there_yet(size: int) -> None:
    found = scan(BLOCK[:size], WHOLE, is_end=False)
    assert (payloads(found), found.gaps, found.at) == (PAYLOADS[:2], [], STARTS[3])


@pytest.mark.parametrize("size", range(STARTS[3] + 1, STARTS[4]))
def test_a_frame_that_stays_cut_off_is_torn(size: int) -> None:
    found = scan(BLOCK[:size], WHOLE, is_end=True)
    assert (payloads(found), found.gaps, found.at) == (PAYLOADS[:2], [Gap(True, STARTS[3], size)], size)


# --- damaged


@pytest.mark.parametrize("is_end", [True, False])
@pytest.mark.parametrize("bits", [0x01, 0x80, 0xFF])
@pytest.mark.parametrize("byte", range(STARTS[3]))
def test_one_changed_byte_costs_the_frame_that_it_is_in_and_no_other(
    byte: int, bits: int, is_end: bool
) -> None:
    changed = BLOCK[:byte] + bytes([BLOCK[byte] ^ bits]) + BLOCK[byte + 1 :]
    found = scan(changed, WHOLE, is_end=is_end)
    hurt = next(place for place, (a, b) in enumerate(pairwise(STARTS)) if a <= byte < b)
    good = [one for place, one in enumerate(FRAMES) if place not in (hurt, 1)]
    assert payloads(found) == [one[HEAD_BYTES:] for one in good]
    assert found.gaps == [Gap(False, STARTS[hurt], STARTS[hurt + 1])]
    assert found.at == len(BLOCK)


@pytest.mark.parametrize("byte", range(STARTS[3], STARTS[4]))
def test_a_changed_byte_in_the_last_frame_is_reported_when_nothing_more_can_come(byte: int) -> None:
    changed = BLOCK[:byte] + bytes([BLOCK[byte] ^ 0x40]) + BLOCK[byte + 1 :]
    found = scan(changed, WHOLE, is_end=True)
    assert payloads(found) == PAYLOADS[:2]
    assert [(gap.start, gap.stop) for gap in found.gaps] == [(STARTS[3], STARTS[4])]


@pytest.mark.parametrize("byte", range(4))
def test_a_wrong_beginning_is_not_waited_on(byte: int) -> None:
    wrong = bytearray(FRAMES[0])
    wrong[byte] ^= 0x40
    found = scan(bytes(wrong), WHOLE, is_end=False)
    assert (found.gaps, found.at) == ([Gap(False, 0, len(wrong))], len(wrong))


@pytest.mark.parametrize("size", range(1, 4))
def test_behind_damage_a_beginning_that_may_become_a_frame_is_waited_for(size: int) -> None:
    found = scan(b"garbage" + MAGIC[:size], WHOLE, is_end=False)
    assert (found.gaps, found.at) == ([Gap(False, 0, 7)], 7)


def test_a_length_that_reaches_beyond_the_end_is_known_as_wrong_by_the_next_good_frame() -> None:
    longer = FRAMES[0][:9] + b"\x7f" + FRAMES[0][10:]
    found = scan(longer + FRAMES[2], WHOLE, is_end=False)
    assert (payloads(found), found.gaps) == ([PAYLOADS[1]], [Gap(False, 0, len(longer))])


def test_many_false_beginnings_are_passed_over_at_once() -> None:
    found = scan(MAGIC[:1] * 1_000_000 + FRAMES[0], 2_000_000, is_end=True)
    assert (payloads(found), found.gaps) == (PAYLOADS[:1], [Gap(False, 0, 1_000_000)])


@given(st.data())
def test_whatever_is_changed_no_wrong_payload_comes_and_no_untouched_frame_is_missing(
    data: st.DataObject,
) -> None:
    frames = [events(number, number, data.draw(st.integers(0, 60))) for number in range(6)]
    start = data.draw(st.integers(0, len(b"".join(frames))))
    stop = data.draw(st.integers(start, min(start + 200, len(b"".join(frames)))))
    noise = st.binary(max_size=stop - start + 5) | st.just(MAGIC) | st.just(MAGIC + bytes(24))
    block = b"".join(frames)[:start] + data.draw(noise) + b"".join(frames)[stop:]
    ends = [sum(map(len, frames[: place + 1])) for place in range(6)]
    untouched = [
        one[HEAD_BYTES:]
        for one, end in zip(frames, ends, strict=True)
        if end <= start or end - len(one) >= stop
    ]
    written = [one[HEAD_BYTES:] for one in frames]
    found = payloads(scan(block, WHOLE, is_end=True))
    assert set(found) <= set(written)
    assert [payload for payload in found if payload in untouched] == untouched


@given(st.binary(max_size=200), st.booleans(), st.integers(1, 100))
def test_any_bytes_are_gone_through_or_waited_on(block: bytes, is_end: bool, bytes_max: int) -> None:
    found = scan(block, bytes_max, is_end=is_end)
    assert found.at == len(block) or not is_end
    assert sum(gap.stop - gap.start for gap in found.gaps) == found.at
