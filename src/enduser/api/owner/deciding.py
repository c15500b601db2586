"""Decisions that a collector cannot make itself: the owner makes them from the truth.

Who is asked of was proven to the collector, where that is needed: nobody else reaches this.
"""

from __future__ import annotations

import uuid
from pathlib import Path
from typing import Any

import structlog

from enduser.api import decisions
from enduser.api.deciders import Deciders
from enduser.api.decisions import Answer, Asked
from enduser.api.management.calls import Services
from enduser.api.problems import mistake
from enduser.clock import now_us
from enduser.core.contents import Decision
from enduser.core.deciding import Decider
from enduser.errors import EnduserError
from enduser.ingest.doors import Doors

log = structlog.get_logger()


class DecisionsApp:
    """An ASGI application for `GET /v1/decisions`."""

    def __init__(self, folder: Path, services: Services, doors: Doors) -> None:
        """Decide by what the store of a data folder has, for the spaces that `doors` know."""
        self._services = services
        self._deciders = Deciders(folder)
        self._doors = doors

    async def __call__(self, scope: Any, _: Any, send: Any) -> None:
        """Answer one request."""
        await decisions.send_answer(scope, send, await self._answer(scope))

    async def _answer(self, scope: Any) -> Answer:
        try:
            asked = decisions.read_call(scope, self._doors, now_us())
            if isinstance(asked, Answer):
                return asked
            decider = await self._deciders.wait(asked.door)
            found = await self._services.on_thread(lambda: self._decide(decider, asked))
            return decisions.answer(found, asked)
        except EnduserError as error:
            return decisions.refused(error)
        except Exception:  # a caller gets an answer, whatever mistake was made
            request_id = uuid.uuid4().hex
            log.exception("decision failed", request_id=request_id)
            return decisions.refused(mistake(request_id))

    def _decide(self, decider: Decider | None, asked: Asked) -> Decision:
        store, who = self._services.store, (asked.door.space, asked.user_id, asked.id_kind)
        if decider is None:
            return store.reader.decide(*who)
        return decider.decide(*store.find_person(*who, decider.program))
