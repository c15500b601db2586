"""Where an event came from: place and browser. Unknown is None, never a default."""

from __future__ import annotations

from typing import NamedTuple


class Place(NamedTuple):
    """Country (ISO 3166 code where the source has one), region and city; at least one is known."""

    country: str | None = None
    region: str | None = None
    city: str | None = None


class Browser(NamedTuple):
    """Browser name and version as dotted numbers; the name is known."""

    name: str | None = None
    version: str | None = None
