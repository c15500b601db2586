"""Real MaxMind-format files, as small as tests need them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mmdb_writer import MMDBWriter
from netaddr import IPSet

FLAT = {"country_code": "NO", "state1": "Oslo County", "city": "Oslo"}
"""The record of an address as ip-location-db has it."""


def write_mmdb(
    path: Path, records: Mapping[str, Mapping[str, Any]], *, ip_version: int = 4, kind: str = "Test-City"
) -> Path:
    """Write a database of network -> record."""
    writer = MMDBWriter(ip_version, kind, ipv4_compatible=ip_version == 6)
    for network, record in records.items():
        writer.insert_network(IPSet([network]), dict(record))
    writer.to_db_file(str(path))
    return path
