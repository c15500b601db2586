"""Bytes of the spool that are no frames: what is known about them, and a copy for the operator."""

import os
from dataclasses import dataclass, replace
from pathlib import Path

from enduser import limits
from enduser.ingest.spool.folder import damaged_of, spool_file_path

_BLOCK_BYTES = 1_048_576


@dataclass(frozen=True, slots=True)
class Damage:
    """Bytes of a file that were passed over."""

    series: int
    spool_file: int
    byte_from: int
    byte_to: int
    is_torn: bool
    """Whether they are the unfinished end of a file, as a crash leaves it: nobody acknowledged them."""
    kept_as: Path | None = None
    """Where a copy is; None: they are torn, or there was no room."""

    def followed_by(self, other: "Damage") -> "list[Damage]":
        """Return this damage and the next one of its series, as one where it goes on from here."""
        if (self.spool_file, self.byte_to, self.is_torn) == (
            other.spool_file,
            other.byte_from,
            other.is_torn,
        ):
            return [replace(self, byte_to=other.byte_to)]
        return [self, other]


def kept(damage: Damage, series_folder: Path) -> Damage:
    """Copy damaged bytes before their file is deleted; that it fails is no reason to stop."""
    if damage.is_torn:
        return damage
    name = f"{damage.series:08d}-{damage.spool_file:08d}-{damage.byte_from}-{damage.byte_to}"
    target = damaged_of(series_folder) / name
    try:
        if not target.exists() and not _copy(
            spool_file_path(series_folder, damage.spool_file), damage, target
        ):
            return damage
    except OSError:
        return damage
    return replace(damage, kept_as=target)


def _copy(source: Path, damage: Damage, target: Path) -> bool:
    """Copy the damaged bytes to the disk; return False if enough are kept already."""
    target.parent.mkdir(exist_ok=True)
    left = damage.byte_to - damage.byte_from
    unfinished = target.with_name("unfinished")
    unfinished.unlink(missing_ok=True)
    if left + sum(path.stat().st_size for path in target.parent.iterdir()) > limits.DAMAGED_BYTES_MAX:
        return False
    with source.open("rb") as bytes_from, unfinished.open("wb") as bytes_to:
        bytes_from.seek(damage.byte_from)
        while left > 0 and (block := bytes_from.read(min(left, _BLOCK_BYTES))):
            bytes_to.write(block)
            left -= len(block)
        bytes_to.flush()
        os.fsync(bytes_to.fileno())
    unfinished.rename(target)
    return True
