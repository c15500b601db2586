"""The End User Object of one user as of a time."""

from __future__ import annotations

from collections.abc import Mapping

from enduser.core.as_of import end_user_as_of
from enduser.core.end_user import EndUser
from enduser.core.events import ANALYTICS_PROPERTIES
from enduser.core.origin import Browser, Place
from enduser.service.provenance import find_said
from enduser.stores.contract import Reader


def find_user_as_of(
    reader: Reader, space: str, user_id: str, id_kind: str | None, at: int
) -> Mapping[str, object] | None:
    """Return the object of an id as it was at a time (µs), None if there was none.

    It has the form of `Reader.find_user`.

    Raises:
        LimitExceeded: too much is known of the person until then.
    """
    kinds = (id_kind,) if id_kind is not None else ("plain", "anonymous")
    found = (_find_of_kind(reader, space, user_id, kind, at) for kind in kinds)
    return next((one for one in found if one is not None), None)


def _find_of_kind(
    reader: Reader, space: str, user_id: str, id_kind: str, at: int
) -> Mapping[str, object] | None:
    past = reader.find_past(space, user_id, id_kind, at)
    if past is None:
        return None
    found = end_user_as_of(past.sessions, past.said, reader.settings(space), at, [past.user])
    if found is None:
        return None
    said = find_said(reader, space, user_id, id_kind)
    attributes = {name: said.json_value(name, one.value) for name, one in said.holding(at).items()}
    return {**_standard(found), "attributes": attributes}


def _standard(user: EndUser) -> Mapping[str, object]:
    place, browser = user.place or Place(), user.browser or Browser()
    between_us = user.average_time_between_sessions_us
    return {
        "user_id": user.user.id,
        "is_anonymous": user.user.is_anonymous,
        "first_seen": user.first_seen,
        "last_seen": user.last_seen,
        "total_sessions": user.total_sessions,
        "average_session_duration": user.average_session_duration_us / 1e6,
        "total_session_duration": user.total_session_duration_us / 1e6,
        "average_time_between_sessions": None if between_us is None else between_us / 1e6,
        **place._asdict(),
        "browser_name": browser.name,
        "browser_version": browser.version,
        **dict.fromkeys(ANALYTICS_PROPERTIES),
        **user.properties,
    }
