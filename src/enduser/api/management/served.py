"""One End User Object by id, without the database: from the serving copy, while that has all it has."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from enduser.core.links import stored_ids
from enduser.ingest.doors import Doors
from enduser.stores.serving_reader import ServingReader


class ServedUsers:
    """Finds users for the management API; may be used from any thread."""

    def __init__(self, copy: ServingReader, doors: Doors, is_current: Callable[[str], bool]) -> None:
        """Find in `copy`, with the settings that `doors` know, a space for which `is_current`."""
        self._copy = copy
        self._doors = doors
        self._is_current = is_current

    def knows(self, space: str) -> bool:
        """Return whether what is found now is what the truth has."""
        return self._is_current(space) and self._doors.of_space(space) is not None

    def find(self, space: str, user_id: str, id_kind: str | None) -> Mapping[str, object] | None:
        """Return what `Reader.find_user` returns, without open sessions, of a space that it knows."""
        self._doors.refresh()  # ids may be hashed since
        door = self._doors.of_space(space)
        assert door is not None
        for text, is_anonymous in stored_ids(door.settings, user_id, id_kind):
            if (found := self._copy.find(space, text, is_anonymous=is_anonymous)) is not None:
                return found
        return None
