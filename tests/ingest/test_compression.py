"""gzip and zstd, whole and broken, in bounded memory."""

from __future__ import annotations

import gzip
import tracemalloc

import pytest
import zstandard

from enduser.ingest.compression import BLOCK_BYTES, BrokenStreamError, compression_of, decompressed

TEXT = b"".join(b"line %d of a text that is not only zeros\n" % number for number in range(60_000))
PACK = {"gzip": gzip.compress, "zstd": zstandard.ZstdCompressor().compress}
KINDS = list(PACK)


def parts(content: bytes, size: int = BLOCK_BYTES) -> list[bytes]:
    return [content[at : at + size] for at in range(0, len(content), size)]


def unpacked(content: bytes, kind: str, size: int = BLOCK_BYTES) -> bytes:
    return b"".join(decompressed(iter(parts(content, size)), kind))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("size", [1_000, 4_096, BLOCK_BYTES])
def test_a_stream_is_read_whole_however_it_is_cut_into_blocks(kind: str, size: int) -> None:
    packed = PACK[kind](TEXT)
    assert compression_of(packed[:4]) == kind
    assert unpacked(packed, kind, size) == TEXT


def test_what_is_not_compressed_passes_as_it_is() -> None:
    assert compression_of(TEXT[:4]) == "none"
    assert unpacked(TEXT, "none") == TEXT


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("size", [7, BLOCK_BYTES])
def test_several_members_read_as_one(kind: str, size: int) -> None:
    packed = PACK[kind](b"first\n") + PACK[kind](b"") + PACK[kind](b"second\n")
    assert unpacked(packed, kind, size) == b"first\nsecond\n"


def test_zeros_that_pad_a_gzip_member_are_skipped_wherever_a_block_ends() -> None:
    packed = gzip.compress(b"first\n") + bytes(100) + gzip.compress(b"second\n") + bytes(50)
    assert [unpacked(packed, "gzip", size) for size in (1, 60, 1_000)] == [b"first\nsecond\n"] * 3


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("kept", [0.5, 0.99])
def test_what_comes_before_the_break_of_a_truncated_stream_is_read(kind: str, kept: float) -> None:
    packed = PACK[kind](TEXT)
    found = []
    with pytest.raises(BrokenStreamError):
        found.extend(decompressed(iter(parts(packed[: int(len(packed) * kept)], 2_000)), kind))
    content = b"".join(found)
    assert content
    assert TEXT.startswith(content)


@pytest.mark.parametrize("kind", KINDS)
def test_a_damaged_stream_is_an_error(kind: str) -> None:
    packed = bytearray(PACK[kind](TEXT))
    packed[len(packed) // 2 : len(packed) // 2 + 40] = b"\xff" * 40
    with pytest.raises(BrokenStreamError):
        unpacked(bytes(packed), kind)


@pytest.mark.parametrize("kind", KINDS)
def test_rubbish_after_the_end_is_an_error(kind: str) -> None:
    with pytest.raises(BrokenStreamError):
        unpacked(PACK[kind](b"good\n") + b"rubbish", kind)


@pytest.mark.parametrize("kind", KINDS)
def test_a_bomb_is_read_in_blocks_of_bounded_size(kind: str) -> None:
    bomb = PACK[kind](bytes(64 * 1_048_576))
    tracemalloc.start()
    try:
        lengths = [len(block) for block in decompressed(iter(parts(bomb)), kind)]
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert sum(lengths) == 64 * 1_048_576
    assert max(lengths) <= BLOCK_BYTES
    assert peak < 20 * 1_048_576
