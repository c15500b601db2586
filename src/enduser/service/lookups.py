"""What addresses and user agents mean, by what is installed in a data folder."""

from __future__ import annotations

from pathlib import Path

from enduser.core.origin import Place
from enduser.ingest.browser import browser_of, is_crawler
from enduser.ingest.place import PlaceDatabase
from enduser.service.geo import installed_edition, open_place_database
from enduser.stores.records import Lookups


class _Places:
    """The place database of a folder, opened when first asked and again when another took its place."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._opened: tuple[object, PlaceDatabase | None] | None = None

    def edition(self) -> object:
        """Return which database is installed, and close the one that was before."""
        edition = installed_edition(self._folder)
        if self._opened is not None and self._opened[0] != edition:
            if self._opened[1]:
                self._opened[1].close()
            self._opened = None
        return edition

    def place_of(self, address: str) -> Place | None:
        if self._opened is None:
            self._opened = (installed_edition(self._folder), open_place_database(self._folder))
        database = self._opened[1]
        return database.lookup(address) if database else None


def installed_lookups(folder: Path) -> Lookups:
    """Return the look-ups of a data folder: its place database if it has one, and the known browsers.

    A place database that is brought later takes effect with the next batch.
    """
    places = _Places(folder)
    return Lookups(places.place_of, browser_of, is_crawler, places.edition)
