"""What decides in each space: made of the rules that the owner of the data folder last told."""

from __future__ import annotations

import asyncio
from pathlib import Path

import structlog

from enduser.core.deciding import Decider
from enduser.errors import EnduserError
from enduser.stores.answers import Door
from enduser.stores.deciding_file import DecidingFile

log = structlog.get_logger()
_MadeOf = tuple[int, str]
"""The edition of what is decided by, and the time zone."""


class Deciders:
    """Keeps what decides in each space, and makes it anew when rules change. For one event loop."""

    def __init__(self, folder: Path) -> None:
        """Know what the file of a data folder tells."""
        self._file = DecidingFile(folder)
        self._made: dict[str, tuple[_MadeOf, Decider | None]] = {}
        """By space; None: it cannot be made."""
        self._making: dict[str, tuple[_MadeOf, asyncio.Task[None]]] = {}

    def find(self, door: Door) -> Decider | None:
        """Return what decides in a space by the rules of now; None: it is still to be made, or cannot be."""
        try:
            self._file.refresh()
        except OSError:  # too many files are open, perhaps
            log.exception("what is decided by cannot be read")
            return None
        space, made_of = door.space, (self._file.editions[door.space], door.settings.time_zone)
        if space in self._made and self._made[space][0] == made_of:
            return self._made[space][1]
        if space not in self._making or self._making[space][0] != made_of:
            making = asyncio.get_running_loop().create_task(self._make(door, made_of))
            self._making[space] = (made_of, making)
        return None

    async def wait(self, door: Door) -> Decider | None:
        """Return what decides in a space by the rules of now; None: it cannot be made."""
        while (found := self.find(door)) is None and door.space in self._making:
            await asyncio.shield(self._making[door.space][1])
        return found

    def since_fold(self, space: str) -> int:
        """Return up to which fold a copy must be at least, so that it has what rules speak of."""
        known = self._file.spaces.get(space)
        return 0 if known is None else known.since_fold

    async def _make(self, door: Door, made_of: _MadeOf) -> None:
        """Make what decides, beside the event loop: thousands of rules take a second."""
        known, decider = self._file.spaces.get(door.space), None
        try:
            if known is not None:
                decider = await asyncio.to_thread(Decider, known, door.settings.time_zone)
        except EnduserError as error:  # of settings that are others since
            log.warning("rules cannot be read here", space=door.space, problem=error.message)
        finally:
            making = self._making.get(door.space)
            if making is not None and making[0] == made_of:  # else something newer is made, or is there
                self._made[door.space] = (made_of, decider)
                del self._making[door.space]
