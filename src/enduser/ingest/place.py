"""Place: IP address → country, region, city, by MaxMind-format files of the operator's choice."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import maxminddb

from enduser.core.origin import Place
from enduser.errors import GeoDatabaseError

_RECORDS_LOOKED_AT = 1_000
_DOTS = 3
"""Of an IPv4 address; the database would take "5" and "5.6" as well, for 0.0.0.5 and 5.0.0.6."""

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
        """Return where an address is, None where no file knows or it is no address.

        Raises:
            GeoDatabaseError: a file is damaged.
        """
        plain = _MAPPED.sub("", address.strip())
        if ":" not in plain and plain.count(".") != _DOTS:
            return None
        for reader in self._readers:
            try:
                record = reader.get(plain)
            except ValueError:
                continue  # no address, or one of IPv6 in a file of IPv4
            except maxminddb.InvalidDatabaseError as error:
                raise GeoDatabaseError(
                    f"the place database is damaged: {error}", hint="bring it anew: enduser geo install"
                ) from None
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


def check_place_database(paths: Sequence[Path]) -> None:
    """Check that each file names places; a MaxMind-format file can hold other things, such as networks.

    Raises:
        GeoDatabaseError: names the file that is no place database.
    """
    for path in paths:
        with _open(path) as reader:
            try:
                records = [record for _, record in islice(reader, _RECORDS_LOOKED_AT)]
            except maxminddb.InvalidDatabaseError as error:
                raise _no_database(path, error) from None
            kind = reader.metadata().database_type
        if not any(isinstance(record, dict) and place_of_record(record) for record in records):
            raise GeoDatabaseError(
                f"{path} names no country, region or city; it is of the type {kind!r}",
                hint="give a database of countries or cities",
            )


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
    country, region, city = (part if isinstance(part, str) and part else None for part in parts)
    place = Place(country, region, _DISTRICT.sub("", city) or None if city else None)
    return place if any(place) else None


def _nested_parts(record: Mapping[str, Any]) -> tuple[object, object, object]:
    def inside(*path: str | int) -> object:
        value: Any = record
        for step in path:
            try:
                value = value[step]
            except (KeyError, IndexError, TypeError):
                return None
        return value

    return (
        inside("country", "iso_code"),
        inside("subdivisions", 0, "names", "en"),
        inside("city", "names", "en"),
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
        raise _no_database(path, error) from None


def _no_database(path: Path, error: Exception) -> GeoDatabaseError:
    return GeoDatabaseError(
        f"{path} cannot be opened as a place database: {error}",
        hint="give a MaxMind-format (.mmdb) file, or run: enduser geo install",
    )
