"""Compressed bytes as plain bytes, block by block, in bounded memory."""

from __future__ import annotations

import zlib
from collections.abc import Iterator

import zstandard

BLOCK_BYTES = 262_144
"""Bytes of a block at most. A compressed one can grow a thousandfold, and is yielded in parts."""

_ZSTD_BYTES = 256
"""Compressed bytes that zstd is given at once: the worst that they grow to is 8 MiB."""


class BrokenStreamError(Exception):
    """A compressed file ends too early or is damaged; what came before is good."""


def compression_of(magic: bytes) -> str:
    """Return how a file that begins with these four bytes is compressed: `gzip`, `zstd` or `none`."""
    if magic[:2] == b"\x1f\x8b":
        return "gzip"
    return "zstd" if magic == b"\x28\xb5\x2f\xfd" else "none"


def decompressed(blocks: Iterator[bytes], compression: str) -> Iterator[bytes]:
    """Yield the content of a compressed stream; one of several members or frames reads as one.

    Raises:
        BrokenStreamError: it ends too early or is damaged; what could be read was yielded before.
    """
    readers = {"gzip": _gunzip, "zstd": _unzstd}
    try:
        yield from readers[compression](blocks) if compression in readers else blocks
    except (zlib.error, zstandard.ZstdError) as error:
        raise BrokenStreamError(str(error)) from None


def _gunzip(blocks: Iterator[bytes]) -> Iterator[bytes]:
    inflater = None
    for block in blocks:
        rest = block
        while rest:
            if inflater is None:
                rest = rest.lstrip(b"\x00")  # members may be padded
                inflater = zlib.decompressobj(zlib.MAX_WBITS | 16) if rest else None
                continue
            while data := inflater.decompress(rest, BLOCK_BYTES):
                yield data
                rest = inflater.unconsumed_tail
            if not inflater.eof:
                break
            rest, inflater = inflater.unused_data, None
    if inflater is not None:
        raise BrokenStreamError("it ends too early")


def _unzstd(blocks: Iterator[bytes]) -> Iterator[bytes]:
    """Join the small parts to blocks again."""
    waiting, size = [], 0
    try:
        for part in _unzstd_parts(blocks):
            waiting.append(part)
            size += len(part)
            if size >= BLOCK_BYTES:
                yield from _cut(b"".join(waiting))
                waiting, size = [], 0
    except (BrokenStreamError, zstandard.ZstdError):
        yield from _cut(b"".join(waiting))
        raise
    yield from _cut(b"".join(waiting))


def _unzstd_parts(blocks: Iterator[bytes]) -> Iterator[bytes]:
    inflater = None
    for block in blocks:
        for at in range(0, len(block), _ZSTD_BYTES):
            rest = block[at : at + _ZSTD_BYTES]
            while rest:
                inflater = inflater or zstandard.ZstdDecompressor().decompressobj()
                yield inflater.decompress(rest)
                rest = b""
                if inflater.eof:
                    rest, inflater = inflater.unused_data, None
    if inflater is not None:
        raise BrokenStreamError("it ends too early")


def _cut(content: bytes) -> Iterator[bytes]:
    for at in range(0, len(content), BLOCK_BYTES):
        yield content[at : at + BLOCK_BYTES]
