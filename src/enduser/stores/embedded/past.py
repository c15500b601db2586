"""What is known of one person up to a time."""

from __future__ import annotations

from typing import Any

from enduser import limits
from enduser.core.as_of import KeptSession
from enduser.core.events import Event, UserId
from enduser.core.origin import Browser, Place
from enduser.errors import LimitExceeded
from enduser.stores.answers import Past
from enduser.stores.embedded.reading import Look, persons
from enduser.stores.embedded.statements import Rows


def find_past(look: Look, user_id: str, id_kind: str, until: int) -> Past | None:
    """Return what is known of the person of an id up to a time; see `Reader.find_past`."""
    for person_key in persons(look, user_id, id_kind):
        sessions = [_session(*row) for row in _rows(look, "read.past_sessions", person_key, until)]
        if sessions:
            ((text, is_anonymous),) = look.run("read.shown_id", person_key=person_key)
            said = [_said(*row) for row in _rows(look, "read.past_properties", person_key, until)]
            return Past(UserId(text, is_anonymous), sessions, said)
    return None


def _rows(look: Look, name: str, person_key: int, until: int) -> Rows:
    rows_max = limits.PAST_ROWS_MAX
    rows = look.run(name, person_key=person_key, until=until, rows=rows_max + 1)
    if len(rows) > rows_max:
        raise LimitExceeded(
            f"the person has more than {rows_max:,} sessions, or values of analytics properties, until then",
            hint="the limit is PAST_ROWS_MAX; ask for an earlier time",
            field="as_of",
            limit=rows_max,
        )
    return rows


def _session(started_at: int, ended_at: int, is_cut_off: bool, *origin: str | None) -> KeptSession:
    place, browser = Place(*origin[:3]), Browser(*origin[3:])
    return KeptSession(
        started_at, ended_at, is_cut_off, place if any(place) else None, browser if any(browser) else None
    )


def _said(name: str, value: str | None, at: int, message_id: str, is_visit: bool, *user: Any) -> Event:
    said = {name: value}
    return Event(UserId(*user), message_id, at, None, "identify", is_active=is_visit, properties=said)
