"""`GET /v1/decisions` in a collector: from the serving copy, where that has all that is asked for.

What it has not, the owner is asked for: facts that are still looked up, things that happened too often to be
kept, rules that were changed just now.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import structlog

from enduser.api import decisions
from enduser.api.collector.identities import Identities
from enduser.api.collector.owner_proxy import OwnerProxy
from enduser.api.deciders import Deciders
from enduser.api.decisions import Answer, Asked
from enduser.api.figures import Figures
from enduser.api.problems import mistake
from enduser.clock import now_us
from enduser.core.contents import Decision
from enduser.core.deciding import Decider
from enduser.core.identity import Verdict, unproven
from enduser.core.rules.programs import Person
from enduser.core.rules.tree import Happening, InList
from enduser.core.times import iso_instant
from enduser.errors import EnduserError, StoreError
from enduser.ingest.doors import Doors
from enduser.stores.serving_reader import Served, ServingReader

log = structlog.get_logger()


class Decisions:
    """An ASGI application for `GET /v1/decisions`."""

    def __init__(self, folder: Path, doors: Doors, owner: OwnerProxy, figures: Figures) -> None:
        """Decide for the spaces that `doors` know; `owner` answers what nobody can here."""
        self._copy = ServingReader(folder)
        self._deciders = Deciders(folder)
        self._doors = doors
        self._owner = owner
        self._figures = figures
        self._identities = Identities(folder)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Answer one request."""
        try:
            asked = decisions.read_call(scope, self._doors, now_us())
            if isinstance(asked, Answer):
                await decisions.send_answer(scope, send, asked)
                return
            self._identify(asked)
            decision = self._decide(asked)
        except EnduserError as error:
            self._figures.refuse(error.code)
            await decisions.send_answer(scope, send, decisions.refused(error))
            return
        except Exception:  # a caller gets an answer, whatever mistake was made
            request_id = uuid.uuid4().hex
            log.exception("decision failed", request_id=request_id)
            await decisions.send_answer(scope, send, decisions.refused(mistake(request_id)))
            return
        self._figures.decide("owner" if decision is None else "copy")
        if decision is None:
            await self._owner(scope, receive, decisions.for_pages(send))
        else:
            await decisions.send_answer(scope, send, decisions.answer(decision, asked))

    def _identify(self, asked: Asked) -> None:
        """Look whether a call proves for whom it is made, where the space wants to know.

        Raises:
            IdentityUnproven: it does not, and the space enforces that.
            StoreError: nobody can tell, and the space enforces that.
        """
        mode = asked.door.settings.identity
        if mode == "open":
            return
        try:
            verdict = self._identities.judge(asked, now_us())
        except StoreError:
            self._figures.identify(Verdict.UNCHECKED.value)
            if mode == "enforce":
                raise
            return
        self._figures.identify(verdict.value)
        if mode == "enforce" and not verdict.is_proven:
            raise unproven(verdict)

    def _decide(self, asked: Asked) -> Decision | None:
        """Return what is decided; None: it cannot be told from the copy."""
        decider, space = self._deciders.find(asked.door), asked.door.space
        if decider is None:
            return None
        try:
            served = self._copy.find_served(space, asked.stored_id())
        except StoreError:
            return None
        if served is None or served.fold < self._deciders.since_fold(space):
            return None
        person = _person(decider, served)
        return None if person is None else decider.decide(person, served.clock_at)

    def close(self) -> None:
        """Close the copy, and the keys."""
        self._copy.close()
        self._identities.close()


def _person(decider: Decider, served: Served) -> Person | None:
    """Return what a decider needs to know; None: the copy has not all of it."""
    if not decider.keys <= served.demands:
        return None
    times, lists = dict[Happening, Sequence[int]](), set()
    for demand in decider.demands:
        told = served.times.get(demand.key, ())
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
    return {**found, "attributes": None, **custom}
