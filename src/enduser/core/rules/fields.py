"""What rules can ask about: attributes of users, and what sessions and events have."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from enduser.core.attributes import AttributeType
from enduser.core.end_user import USER_COLUMNS

_STRING, _NUMBER, _BOOLEAN, _DATETIME = (
    AttributeType.STRING,
    AttributeType.NUMBER,
    AttributeType.BOOLEAN,
    AttributeType.DATETIME,
)
_NO_STRINGS = {
    "is_anonymous": _BOOLEAN,
    "first_seen": _DATETIME,
    "last_seen": _DATETIME,
    "total_sessions": _NUMBER,
    "average_session_duration": _NUMBER,
    "total_session_duration": _NUMBER,
    "average_time_between_sessions": _NUMBER,
}
USER_FIELDS: Mapping[str, AttributeType] = {name: _NO_STRINGS.get(name, _STRING) for name in USER_COLUMNS}
"""What every End User Object has."""

SESSION_FIELDS: Mapping[str, AttributeType] = {
    "started_at": _DATETIME,
    "ended_at": _DATETIME,
    "duration_s": _NUMBER,
    "events": _NUMBER,
    "page_views": _NUMBER,
    "interactions": _NUMBER,
    "is_empty": _BOOLEAN,
    "is_closed": _BOOLEAN,
    "country": _STRING,
    "region": _STRING,
    "city": _STRING,
    "browser_name": _STRING,
    "browser_version": _STRING,
}
EVENT_FIELDS: Mapping[str, AttributeType] = {
    "type": _STRING,
    "name": _STRING,
    "occurred_at": _DATETIME,
    "page_url": _STRING,
    "page_path": _STRING,
}
PROPERTIES = "properties."
"""Begins the name of a field that is a property of an event."""

PAGE_PATH = r"^(?:(?:[A-Za-z][A-Za-z0-9+.-]*:)?//[^/?#]*)?([^?#]*)"
"""The expression whose first group is the path of an address; an empty one is `/`."""


@dataclass(frozen=True, slots=True)
class Scope:
    """What conditions at a place of a rule can be about."""

    word: str
    """What people call it."""
    fields: Mapping[str, AttributeType]
    has_properties: bool = False


SESSION_SCOPE = Scope("field of sessions", SESSION_FIELDS)
EVENT_SCOPE = Scope("field of events", EVENT_FIELDS, has_properties=True)
