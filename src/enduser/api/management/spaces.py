"""Spaces, their settings, and what is in them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Annotated, Any, get_type_hints

import msgspec
from msgspec import UNSET, Meta, UnsetType

from enduser.api.management.calls import Call, Route
from enduser.api.management.parameters import CONFIRMED, SPACE
from enduser.core.outcomes import Outcomes
from enduser.core.settings import SECRET_SETTINGS, SETTING_RULES, SpaceSettings, parse_setting, setting_rule
from enduser.core.settings import setting_text as text_of
from enduser.errors import InvalidSetting, MalformedRequest, Unconfirmed
from enduser.ingest.json_flaws import flaw_of
from enduser.service.changing_settings import what_is_for_good
from enduser.service.json_form import Count, Time, iso_time_if_known
from enduser.stores.answers import SpaceStatus
from enduser.stores.contract import OwnedStore
from enduser.stores.records import ChangeSettings


class SpaceJson(msgspec.Struct, frozen=True):
    """A space: a system in an environment; the GUID names it in paths below `/public/v1/`."""

    space: str
    guid: str


class SpacesPage(msgspec.Struct, frozen=True):
    """All spaces that the key opens, oldest first."""

    items: list[SpaceJson]
    next_cursor: str | None = None


class StatusJson(msgspec.Struct, frozen=True, kw_only=True):
    """What is in a space. `sessions` are the closed ones; the clock is null before the first event."""

    space: str
    clock_at: Time | None
    live_since: Time | None
    events: Count
    users: Count
    sessions: Count
    open_sessions: Count
    outcomes: OutcomesJson


class OutcomesJson(msgspec.Struct, frozen=True, kw_only=True):
    """What became of all events so far; the last two by reason."""

    stored: Count
    duplicate: Count
    filled: Count
    counted: Count
    excluded: dict[str, Count]
    rejected: dict[str, Count]


def _described(name: str, kind: Any) -> Any:
    rule = SETTING_RULES[name]
    return Annotated[kind, Meta(description=f"{rule.meaning}; {rule.bounds}")]


_KINDS = {
    field.name: list[str] if kind == tuple[str, ...] else kind
    for field in fields(SpaceSettings)
    for kind in [get_type_hints(SpaceSettings)[field.name]]
}

SettingsJson = msgspec.defstruct(
    "SettingsJson",
    [
        (f"{name}_is_set", Annotated[bool, Meta(description="whether this secret is set; it is never shown")])
        if name in SECRET_SETTINGS
        else (name, _described(name, kind))
        for name, kind in _KINDS.items()
    ],
    frozen=True,
    namespace={"__doc__": "All settings of a space."},
)

SettingsChange = msgspec.defstruct(
    "SettingsChange",
    [(name, _described(name, kind) | UnsetType, UNSET) for name, kind in _KINDS.items()],
    frozen=True,
    forbid_unknown_fields=True,
    namespace={"__doc__": "The settings to change; those that are not named stay as they are."},
)


def settings_json(settings: SpaceSettings) -> Any:
    """Return the JSON form of settings, without secrets."""
    values: dict[str, Any] = {}
    for name in _KINDS:
        value = getattr(settings, name)
        if name in SECRET_SETTINGS:
            values[f"{name}_is_set"] = bool(value)
        else:
            values[name] = list(value) if isinstance(value, tuple) else value
    return SettingsJson(**values)


async def list_spaces(call: Call) -> SpacesPage:
    """Return the spaces that the key opens."""
    found = await call.read(lambda reader: reader.guids())
    opened = call.key.spaces if call.key else ()
    return SpacesPage([SpaceJson(*one) for one in found.items() if not opened or one[0] in opened])


async def show_settings(call: Call) -> Any:
    """Return the settings of a space."""
    return settings_json(await call.read(lambda reader: reader.settings(call.space)))


async def change_settings(call: Call) -> Any:
    """Change some settings of a space, and return all."""
    await call.read(lambda reader: reader.settings(call.space))  # there must be such a space
    texts, confirmed = _texts(call.body), call.values["confirmed"]
    await call.change(lambda store: _change(store, call.space, texts, confirmed=confirmed))
    return await show_settings(call)


def _change(store: OwnedStore, space: str, texts: Mapping[str, str], *, confirmed: bool) -> None:
    """Change settings, all or none.

    Raises:
        InvalidSetting: one cannot change any more.
        Unconfirmed: the change hashes ids that are stored, and nobody has said yes to that.
    """
    if not confirmed and (sentences := what_is_for_good(store, space, texts)):
        raise Unconfirmed(
            f"hash_ids cannot be turned on without a confirmation. {' '.join(sentences)}",
            hint="send it again with ?confirmed=true to do this",
            field="hash_ids",
        )
    store.apply(space, ChangeSettings(texts))


def _texts(body: Mapping[str, Any]) -> dict[str, str]:
    """Return the settings of a body as the store reads them, each of which it would take.

    Raises:
        InvalidSetting: a name or a value is none.
        MalformedRequest: a value has another type.
    """
    texts = {}
    for name in body:
        setting_rule(name)
    try:
        msgspec.convert(body, SettingsChange)
    except msgspec.ValidationError as error:
        raise MalformedRequest(
            flaw_of(error), hint="write values as GET /api/v1/settings shows them"
        ) from None
    for name, value in body.items():
        texts[name] = text_of(tuple(value) if isinstance(value, list) else value)
        parse_setting(name, texts[name])
    return texts


async def show_status(call: Call) -> StatusJson:
    """Return what is in a space, and where its clock stands."""
    return status_json(await call.read(lambda reader: reader.status(call.space)))


def status_json(found: SpaceStatus) -> StatusJson:
    """Return the JSON form of a status."""
    return StatusJson(
        space=found.space,
        clock_at=iso_time_if_known(found.clock_at),
        live_since=iso_time_if_known(found.live_since),
        events=found.events,
        users=found.users,
        sessions=found.sessions,
        open_sessions=found.open_sessions,
        outcomes=_outcomes_json(found.outcomes),
    )


def _outcomes_json(outcomes: Outcomes) -> OutcomesJson:
    return OutcomesJson(
        stored=outcomes.stored,
        duplicate=outcomes.duplicate,
        filled=outcomes.filled,
        counted=outcomes.counted,
        excluded=dict(outcomes.excluded),
        rejected=dict(outcomes.rejected),
    )


_STATUS = StatusJson(
    space="default/production",
    clock_at="2026-03-02T10:00:00.000000Z",
    live_since="2026-03-01T09:59:59.000000Z",
    events=18,
    users=1,
    sessions=2,
    open_sessions=0,
    outcomes=OutcomesJson(
        stored=18, duplicate=1, filled=0, counted=0, excluded={"crawler": 3}, rejected={"junk_user_id": 1}
    ),
)

ROUTES = (
    Route(
        "GET",
        "/api/v1/spaces",
        list_spaces,
        "List the spaces that the key opens",
        SpacesPage,
        SpacesPage([SpaceJson("default/production", "3f2b6c1e-8d4a-4f0e-9b57-2a6d1c9e7f10")]),
    ),
    Route(
        "GET",
        "/api/v1/settings",
        show_settings,
        "Show the settings of a space",
        SettingsJson,
        settings_json(SpaceSettings()),
        (SPACE,),
    ),
    Route(
        "PATCH",
        "/api/v1/settings",
        change_settings,
        "Change settings of a space; window, cap and retention recompute all sessions, hash_ids is for good",
        SettingsJson,
        settings_json(SpaceSettings(inactivity_window_s=900)),
        (SPACE, CONFIRMED),
        (InvalidSetting, MalformedRequest, Unconfirmed),
        body=SettingsChange,
        body_example={"inactivity_window_s": 900},
    ),
    Route(
        "GET",
        "/api/v1/status",
        show_status,
        "Show what is in a space, and where its clock stands",
        StatusJson,
        _STATUS,
        (SPACE,),
    ),
)
