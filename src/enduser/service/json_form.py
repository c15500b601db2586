"""End User Objects and sessions as programs outside get them: JSON with the names of the documentation."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

import msgspec
from msgspec import UNSET, Meta, UnsetType

from enduser.core.candidates import Candidate

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

Time = Annotated[
    str, Meta(description="ISO 8601, UTC, to the microsecond", extra_json_schema={"format": "date-time"})
]
Seconds = Annotated[float, Meta(description="seconds", ge=0)]
Count = Annotated[int, Meta(ge=0)]


class OriginJson(msgspec.Struct, frozen=True, kw_only=True):
    """Who said a value that holds: which run of which source, from when on it holds, when it was written."""

    source: str
    run: int
    effective_at: Time
    written_at: Time


class EndUserJson(msgspec.Struct, frozen=True, kw_only=True):
    """An End User Object. Unknown is null."""

    user_id: str
    is_anonymous: bool
    first_seen: Time
    last_seen: Time
    total_sessions: Annotated[int, Meta(ge=1)]
    average_session_duration: Seconds
    total_session_duration: Seconds
    average_time_between_sessions: Seconds | None
    country: str | None
    region: str | None
    city: str | None
    browser_name: str | None
    browser_version: str | None
    name: str | None
    role: str | None
    type: str | None
    status: str | None
    info: str | None
    attributes: Annotated[dict[str, Any], Meta(description="custom attributes by name, those that are known")]
    provenance: (
        Annotated[dict[str, OriginJson], Meta(description="by custom attribute; with provenance=true")]
        | UnsetType
    ) = UNSET


class ListedUserJson(msgspec.Struct, frozen=True, kw_only=True):
    """A user of a list: of his End User Object what was asked for. Unknown is null."""

    user_id: str
    is_anonymous: bool
    first_seen: Time | UnsetType = UNSET
    last_seen: Time | UnsetType = UNSET
    total_sessions: Annotated[int, Meta(ge=1)] | UnsetType = UNSET
    average_session_duration: Seconds | UnsetType = UNSET
    total_session_duration: Seconds | UnsetType = UNSET
    average_time_between_sessions: Seconds | UnsetType | None = UNSET
    country: str | UnsetType | None = UNSET
    region: str | UnsetType | None = UNSET
    city: str | UnsetType | None = UNSET
    browser_name: str | UnsetType | None = UNSET
    browser_version: str | UnsetType | None = UNSET
    name: str | UnsetType | None = UNSET
    role: str | UnsetType | None = UNSET
    type: str | UnsetType | None = UNSET
    status: str | UnsetType | None = UNSET
    info: str | UnsetType | None = UNSET
    attributes: Annotated[
        dict[str, Any], Meta(description="custom attributes by name, those that are known and asked for")
    ]


class SessionJson(msgspec.Struct, frozen=True, kw_only=True):
    """A session. Unknown is null."""

    user_id: str
    is_anonymous: bool
    started_at: Time
    ended_at: Time
    duration_s: Seconds
    events: Count
    page_views: Count
    interactions: Count
    is_empty: bool
    is_closed: bool
    country: str | None
    region: str | None
    city: str | None
    browser_name: str | None
    browser_version: str | None


def end_user_json(row: Mapping[str, Any], held: Mapping[str, Candidate] | None = None) -> EndUserJson:
    """Return the JSON form of a row of `Store.users`, with the origins of the values that are held."""
    times = {name: iso_time(row[name]) for name in ("first_seen", "last_seen")}
    provenance = UNSET if held is None else {name: origin_json(one) for name, one in held.items()}
    return EndUserJson(**{**row, **times}, provenance=provenance)


def listed_user_json(row: Mapping[str, Any]) -> ListedUserJson:
    """Return the JSON form of a row of `Store.users` that has what was asked for."""
    times = {name: iso_time(row[name]) for name in ("first_seen", "last_seen") if name in row}
    return ListedUserJson(**{**row, **times})


def origin_json(one: Candidate) -> OriginJson:
    """Return the JSON form of where a candidate comes from."""
    return OriginJson(
        source=one.source,
        run=one.run,
        effective_at=iso_time(one.effective_at),
        written_at=iso_time(one.written_at),
    )


def session_json(row: Mapping[str, Any]) -> SessionJson:
    """Return the JSON form of a row of `Store.sessions`."""
    times = {name: iso_time(row[name]) for name in ("started_at", "ended_at")}
    return SessionJson(**{**row, **times})


def iso_time(at_us: int) -> str:
    """Return an instant (µs since 1970) in ISO 8601 UTC with microseconds."""
    at = _EPOCH + timedelta(microseconds=at_us)
    return f"{at:%Y}".zfill(4) + f"{at:-%m-%dT%H:%M:%S.%fZ}"


def iso_time_if_known(at_us: int | None) -> str | None:
    """Return an instant as `iso_time` does; None stays None."""
    return None if at_us is None else iso_time(at_us)
