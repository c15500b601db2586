"""`GET /v1/decisions` in a collector: from the serving copy, where that has all that is asked for.

What it has not, the owner is asked for: facts that are still looked up, things that happened too often to be
kept, rules that were changed just now.
"""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import structlog

from enduser.api import decisions
from enduser.api.collector.owner_proxy import OwnerProxy
from enduser.api.decisions import Answer, Asked
from enduser.api.figures import Figures
from enduser.api.problems import mistake
from enduser.clock import now_us
from enduser.core.contents import Decision
from enduser.core.deciding import Decider
from enduser.core.rules.programs import Person
from enduser.core.rules.tree import InList
from enduser.core.times import iso_instant
from enduser.errors import EnduserError, StoreError
from enduser.ingest.doors import Doors
from enduser.stores.answers import Door
from enduser.stores.deciding_file import DecidingFile
from enduser.stores.serving_reader import Served, ServingReader

log = structlog.get_logger()


class Decisions:
    """An ASGI application for `GET /v1/decisions`."""

    def __init__(self, folder: Path, doors: Doors, owner: OwnerProxy, figures: Figures) -> None:
        """Decide for the spaces that `doors` know; `owner` answers what nobody can here."""
        self._served = ServedPersons(folder)
        self._doors = doors
        self._owner = owner
        self._figures = figures

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Answer one request."""
        try:
            asked = decisions.read_call(scope, self._doors, now_us())
            if isinstance(asked, Answer):
                await decisions.send_answer(scope, send, asked)
                return
            decision = self._served.decide(asked)
        except EnduserError as error:
            self._figures.refuse(error.code)
            await decisions.send_answer(scope, send, decisions.refused(error))
            return
        except Exception:  # a caller gets an answer, whatever mistake was made
            request_id = uuid.uuid4().hex
            log.exception("decision failed", request_id=request_id)
            await decisions.send_answer(scope, send, decisions.refused(mistake(request_id)))
            return
        if decision is None:
            await self._owner(scope, receive, send)
        else:
            await decisions.send_answer(scope, send, decisions.answer(decision, asked))

    def close(self) -> None:
        """Close the copy."""
        self._served.close()


class ServedPersons:
    """Decides by what the serving copy has of persons."""

    def __init__(self, folder: Path) -> None:
        """Read the copy of a data folder, if there is one."""
        self._copy = ServingReader(folder)
        self._file = DecidingFile(folder)
        self._deciders: dict[str, tuple[object, Decider | None]] = {}
        """By space, with what they were made of; None: it is being made, or could not be."""
        self._making: set[asyncio.Task[None]] = set()

    def decide(self, asked: Asked) -> Decision | None:
        """Return what is decided; None: it cannot be told from the copy."""
        self._file.refresh()
        decider = self._decider(asked.door)
        if decider is None:
            return None
        user = asked.stored_id()
        try:
            served = None if user is None else self._copy.find_served(asked.door.space, user)
        except StoreError:
            return None
        person = None if served is None else _person(decider, served)
        return None if person is None or served is None else decider.decide(person, served.clock_at)

    def _decider(self, door: Door) -> Decider | None:
        """Return what decides in a space by the rules of now; None: it is still to be made."""
        made_of = (self._file.edition, door.settings.time_zone)
        known = self._deciders.get(door.space)
        if known is not None and known[0] == made_of:
            return known[1]
        self._deciders[door.space] = (made_of, None)
        task = asyncio.get_running_loop().create_task(self._make(door, made_of))
        self._making.add(task)
        task.add_done_callback(self._making.discard)
        return None

    async def _make(self, door: Door, made_of: object) -> None:
        """Make what decides, beside the event loop: thousands of rules take a second."""
        known = self._file.spaces.get(door.space)
        if known is None:
            return
        try:
            decider = await asyncio.to_thread(Decider, known, door.settings.time_zone)
        except EnduserError as error:  # of settings that are others since: the owner answers meanwhile
            log.warning("rules cannot be read here", space=door.space, problem=error.message)
            return
        self._deciders[door.space] = (made_of, decider)

    def close(self) -> None:
        """Close the copy."""
        self._copy.close()


def _person(decider: Decider, served: Served) -> Person | None:
    """Return what a decider needs to know; None: the copy has not all of it."""
    times, lists = {}, set()
    for demand, key in zip(decider.demands, decider.keys, strict=True):
        if key not in served.demands:
            return None
        told = served.times.get(key, ())
        if told is None:
            return None
        if not isinstance(demand.what, InList):
            times[demand.what] = told
        elif told:
            lists.add(demand.what.id)
    return Person(_values(decider, served.found), times, lists)


def _values(decider: Decider, found: Mapping[str, Any] | None) -> Mapping[str, object] | None:
    """Return the attributes of an object by name; times as numbers."""
    if found is None:
        return None
    custom = dict(found["attributes"])
    for name in decider.datetimes & custom.keys():
        custom[name] = iso_instant(custom[name])
    return {**found, **custom}
