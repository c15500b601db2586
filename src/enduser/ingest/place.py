"""Place: IP address → country, region, city, by MaxMind-format files of the operator's choice."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import maxminddb

from enduser.core.origin import Place
from enduser.errors import GeoDatabaseError

_DISTRICT = re.compile(r"\s*\([^()]*\)$")
_MAPPED = re.compile(r"^::ffff:(?=\d+\.)", re.IGNORECASE)


class PlaceDatabase:
    """One or more database files; where several know an address, the first wins.

    Understands the record shapes of GeoIP2/GeoLite2 (nested), of ip-location-db and of IPinfo (flat).
    """

    def __init__(self, paths: Sequence[Path]) -> None:
        """Open the files, memory-mapped.

        Raises:
            GeoDatabaseError: a file is missing or no such database, or maxminddb lacks its C extension.
        """
        if not hasattr(maxminddb, "MODE_MMAP_EXT") or not _has_extension():
            raise GeoDatabaseError(
                "maxminddb is installed without its C extension, which is nine times as fast",
                hint="install a wheel of maxminddb for this platform",
            )
        self._readers = [_open(path) for path in paths]

    def lookup(self, address: str) -> Place | None:
        """Return where an address is, None where no file knows; never raises on a bad address."""
        plain = _MAPPED.sub("", address.strip())
        for reader in self._readers:
            try:
                record = reader.get(plain)
            except ValueError:
                continue
            if isinstance(record, dict) and (place := place_of_record(record)):
                return place
        return None

    @property
    def built_at(self) -> int:
        """When the oldest file was built, in seconds since 1970."""
        return min(reader.metadata().build_epoch for reader in self._readers)

    def close(self) -> None:
        """Unmap the files."""
        for reader in self._readers:
            reader.close()


def place_of_record(record: Mapping[str, Any]) -> Place | None:
    """Return the place in a database record of any known shape, None where it names none."""
    if isinstance(record.get("country"), dict) or isinstance(record.get("city"), dict):
        parts = _nested_parts(record)
    else:
        parts = (
            record.get("country_code") or record.get("country"),
            record.get("state1") or record.get("region"),
            record.get("city"),
        )
    country, region, city = (part or None for part in parts)
    place = Place(country, region, _DISTRICT.sub("", city) or None if city else None)
    return place if any(place) else None


def _nested_parts(record: Mapping[str, Any]) -> tuple[str | None, str | None, str | None]:
    regions = record.get("subdivisions") or [{}]
    return (
        record.get("country", {}).get("iso_code"),
        regions[0].get("names", {}).get("en"),
        record.get("city", {}).get("names", {}).get("en"),
    )


def _has_extension() -> bool:
    try:
        import maxminddb.extension  # noqa: F401
    except ImportError:
        return False
    return True


def _open(path: Path) -> maxminddb.Reader:
    try:
        return maxminddb.open_database(str(path), maxminddb.MODE_MMAP_EXT)
    except (OSError, ValueError, maxminddb.InvalidDatabaseError) as error:
        raise GeoDatabaseError(
            f"{path} cannot be opened as a place database: {error}",
            hint="give a MaxMind-format (.mmdb) file, or run: enduser geo install",
        ) from None
