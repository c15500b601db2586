"""Sources of custom attributes: what they take, from where, when, and as what."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType

from enduser.api.management.calls import Call, Route
from enduser.api.management.parameters import SOME_UPLOAD, SOURCE, SPACE
from enduser.clock import now_us
from enduser.core.attributes import AttributeType
from enduser.errors import (
    Forbidden,
    InputError,
    InvalidMapping,
    InvalidSource,
    LimitExceeded,
    SourceNotFound,
    UploadNotFound,
)
from enduser.service.json_form import Time, iso_time, iso_time_if_known
from enduser.service.source_inputs import pending_inputs
from enduser.service.source_schedules import schedule_changes
from enduser.service.source_setup import CsvMapping, Looked, known_mapping, look_at, save_mapping
from enduser.service.update_api import API_KIND, api_mapping, create_api_source, map_api_source
from enduser.sources.kinds import KINDS, bring_input, kind_of
from enduser.sources.mapping import Blank, ColumnMapping, Flag, SourceMapping, flags, propose
from enduser.stores import source_configs
from enduser.stores.contract import OwnedStore, Reader
from enduser.stores.jobs import JobKind, SourceInput
from enduser.stores.scratch import scratch_folder
from enduser.stores.source_configs import (
    Schedule,
    SourceConfig,
    delete_source,
    find_source,
    list_sources,
)
from enduser.stores.uploads import find_upload

_HINT = "docs/attributes.md says what a source has"
Kind = Literal["csv", "inbox", "api"]


class MappingJson(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a source says of whom: its columns, or, of a source that programs call, paths into objects."""

    identifier: Annotated[str, Meta(description="the column with the user's id")]
    columns: Annotated[list[ColumnMapping], Meta(min_length=1)]
    is_anonymous: bool = False
    effective_at: Annotated[
        str | None, Meta(description="the column with the time from which on a row holds")
    ] = None
    blank: Annotated[Blank, Meta(description="what a blank cell means")] = "keep"
    encoding: Annotated[str, Meta(description="of its files")] = "utf-8"
    delimiter: Annotated[str, Meta(description="what parts the cells of its files")] = ","


class SourceJson(msgspec.Struct, frozen=True, kw_only=True):
    """A source of values of custom attributes."""

    name: str
    kind: Kind
    connection: Annotated[dict[str, Any], Meta(description="how its files are reached")]
    mapping: MappingJson | None
    schedule: Schedule | None
    next_run_at: Time | None
    created_at: Time


class SourcesPage(msgspec.Struct, frozen=True):
    """All sources of a space, the oldest first; of values of one time that of the first in `order` holds."""

    items: list[SourceJson]
    order: list[str]
    next_cursor: str | None = None


class NewSource(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A source to be; one that programs call needs its mapping at once."""

    name: str
    kind: Kind
    connection: dict[str, Any] = {}
    mapping: MappingJson | None = None


class SourceCreated(msgspec.Struct, frozen=True):
    """A source, the attributes that were made for it, and the token of one that programs call."""

    source: SourceJson
    made: Annotated[list[str], Meta(description="attributes that were not there yet")]
    token: Annotated[str | None, Meta(description="it cannot be had again")] = None


class SourceChange(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is to be another of a source; what is not named stays."""

    connection: dict[str, Any] | UnsetType = UNSET
    schedule: Annotated[Schedule | None, Meta(description="null: it runs when asked")] | UnsetType = UNSET


class SourceDeleted(msgspec.Struct, frozen=True):
    """A source is gone; what it said stays, until its runs are undone."""

    deleted: bool


class ColumnJson(msgspec.Struct, frozen=True):
    """A column of a file: its first values, what they seem to be, and what that leaves open."""

    column: str
    type: AttributeType
    samples: list[str]
    note: str


class ColumnsJson(msgspec.Struct, frozen=True, kw_only=True):
    """What a file has, and what would be taken: what the source takes, or else a proposal."""

    input: str
    columns: list[ColumnJson]
    mapping: Annotated[MappingJson | None, Meta(description="null: no column looks like a user's id")]
    problems: Annotated[list[Flag], Meta(description="what hinders this mapping from being saved")]


async def show_sources(call: Call) -> SourcesPage:
    """Return the sources of a space."""
    control, space = call.services.control, call.space

    def found(reader: Reader) -> SourcesPage:
        order = reader.source_order(space).names
        return SourcesPage([_json(config) for config in list_sources(control, space)], list(order))

    return await call.read(found)


async def show_source(call: Call) -> SourceJson:
    """Return one source."""
    return _json(await call.services.on_thread(lambda: _found(call)))


async def create_source(call: Call) -> SourceCreated:
    """Make a source."""
    told = call.told(NewSource, _HINT)
    control = call.services.control
    config = SourceConfig(call.space, told.name, told.kind, None, now_us())

    def made_of(store: OwnedStore) -> SourceCreated:
        store.settings(call.space)  # there must be such a space
        made, token = [], None
        if told.kind == API_KIND:
            if told.connection:
                raise InvalidSource(
                    "a source that programs call has no connection", hint="leave it out", field="connection"
                )
            token = create_api_source(store, control, config, _api_mapping(told.mapping), is_new=True)
        elif told.mapping is None:
            source_configs.create_source(control, _reached(config, told))
        else:
            made = _map(call, store, _reached(config, told), told.mapping, is_new=True)
        return SourceCreated(_json(find_source(control, call.space, told.name)), made, token)

    return await call.change(made_of)


async def map_source(call: Call) -> SourceCreated:
    """Say what a source takes; attributes that are not there yet are made."""
    told = call.told(MappingJson, _HINT)
    made = await call.change(lambda store: _map(call, store, _found(call), told))
    return SourceCreated(await show_source(call), made)


def _reached(config: SourceConfig, told: NewSource) -> SourceConfig:
    """Return a source with how its files are reached."""
    return replace(config, connection=KINDS[told.kind].check(told.connection))


def _map(
    call: Call, store: OwnedStore, config: SourceConfig, told: MappingJson, *, is_new: bool = False
) -> list[str]:
    """Keep what a source takes; return the attributes that were made for it.

    Raises:
        Forbidden: some would be made, and the key opens not all spaces.
        InvalidMapping: a column, or a path, cannot be taken like this.
    """
    control = call.services.control
    if config.kind == API_KIND:
        map_api_source(store, control, config, _api_mapping(told))
        return []
    known = CsvMapping(_mapping(told), told.encoding, told.delimiter)
    there = {attribute.name for attribute in store.attributes()}
    if any(one.attribute not in there for one in told.columns):
        call.require_all_spaces("attributes")
    made = save_mapping(store, control, config, known, known.mapping.named, is_new=is_new)
    return [one.name for one in made]


async def change_source(call: Call) -> SourceJson:
    """Change how the files of a source are reached, or when it runs by itself."""
    told = call.told(SourceChange, _HINT)
    control = call.services.control

    def changed() -> SourceJson:
        config = _found(call)
        changes: dict[str, object] = {}
        if told.connection is not UNSET:
            changes["connection"] = kind_of(config).check(told.connection)
        if told.schedule is not UNSET:
            changes |= schedule_changes(config, told.schedule, now_us())
        return _json(
            source_configs.change_source(control, call.space, config.name, **changes) if changes else config
        )

    return await call.services.on_thread(changed)


async def renew_token(call: Call) -> SourceCreated:
    """Give a source that programs call another token; the one that it had ends."""
    control = call.services.control

    def renew(store: OwnedStore) -> SourceCreated:
        config = _found(call)
        return SourceCreated(
            _json(config), [], create_api_source(store, control, config, api_mapping(config).mapping)
        )

    return await call.change(renew)


async def remove_source(call: Call) -> SourceDeleted:
    """Forget how a source is set up."""
    control, name = call.services.control, call.values["source"]
    await call.services.on_thread(lambda: delete_source(control, call.space, name))
    return SourceDeleted(deleted=True)


async def show_columns(call: Call) -> ColumnsJson:
    """Return what a file has that was sent, or else the first that the source has not taken yet."""
    folder = call.services.store.folder

    def look() -> tuple[SourceConfig, Looked]:
        config = _found(call)
        wanted = _wanted(call, folder, config)
        with scratch_folder(folder) as scratch:
            path = bring_input(config, folder, wanted, scratch)
            return config, look_at(wanted.name, path, known_mapping(config))

    config, looked = await call.services.on_thread(look)
    attributes = await call.read(lambda reader: reader.attributes())
    columns = [
        ColumnJson(name, one.type, list(one.samples), one.note) for name, one in looked.columns.items()
    ]
    form, known = looked.head.form, known_mapping(config)
    try:
        mapping = known.mapping if known else propose(looked.columns, attributes)
    except InvalidMapping as error:
        problem = Flag("", error.message, error.hint or "")
        return ColumnsJson(input=looked.file.name, columns=columns, mapping=None, problems=[problem])
    return ColumnsJson(
        input=looked.file.name,
        columns=columns,
        mapping=_mapping_json(CsvMapping(mapping, form.encoding, form.delimiter)),
        problems=list(flags(mapping, config.name, form.columns, attributes)),
    )


def _wanted(call: Call, folder: Path, config: SourceConfig) -> SourceInput:
    if call.values["upload"] is None:
        return pending_inputs(call.services.control, folder, config, JobKind.PREVIEW)[0]
    sent = find_upload(call.services.control, call.space, call.values["upload"])
    return SourceInput(sent.name, upload=sent.id)


def _found(call: Call) -> SourceConfig:
    return find_source(call.services.control, call.space, call.values["source"])


def _mapping(told: MappingJson) -> SourceMapping:
    return SourceMapping(
        told.identifier, tuple(told.columns), told.is_anonymous, told.effective_at, told.blank
    )


def _api_mapping(told: MappingJson | None) -> SourceMapping:
    if told is None or told.effective_at is not None:
        raise InvalidMapping(
            "a source that programs call needs a mapping"
            if told is None
            else "what programs send holds from when they send it",
            hint="give identifier and columns, as paths into the objects that are sent",
            field="mapping",
        )
    return _mapping(told)


def _mapping_json(known: CsvMapping) -> MappingJson:
    mapping = known.mapping
    return MappingJson(
        identifier=mapping.identifier,
        columns=list(mapping.columns),
        is_anonymous=mapping.is_anonymous,
        effective_at=mapping.effective_at,
        blank=mapping.blank,
        encoding=known.encoding,
        delimiter=known.delimiter,
    )


def _json(config: SourceConfig) -> SourceJson:
    known = known_mapping(config)
    if config.kind == API_KIND:
        known = CsvMapping(api_mapping(config).mapping, "utf-8", ",")
    told: Mapping[str, Any] = {"name": config.name, "kind": config.kind, "schedule": config.schedule}
    return SourceJson(
        **told,
        connection=dict(config.connection),
        mapping=None if known is None else _mapping_json(known),
        next_run_at=iso_time_if_known(config.due_at),
        created_at=iso_time(config.created_at),
    )


_MAPPING = MappingJson(
    identifier="E-mail", columns=[ColumnMapping("Plan", "plan", AttributeType.STRING)], delimiter=";"
)
_SOURCE = SourceJson(
    name="crm",
    kind="inbox",
    connection={"pattern": "crm-*.csv"},
    mapping=_MAPPING,
    schedule=Schedule("30 3 * * *", "Europe/Oslo"),
    next_run_at="2026-03-02T02:30:00.000000Z",
    created_at="2026-03-01T10:00:00.000000Z",
)
ROUTES = (
    Route(
        "GET",
        "/api/v1/sources",
        show_sources,
        "List the sources of custom attributes",
        SourcesPage,
        SourcesPage([_SOURCE], ["manual", "api", "crm", "sdk"]),
        (SPACE,),
    ),
    Route(
        "POST",
        "/api/v1/sources",
        create_source,
        "Make a source: of files that are sent, of files in the inbox, or one that programs call",
        SourceCreated,
        SourceCreated(_SOURCE, ["plan"]),
        (SPACE,),
        (InvalidSource, InvalidMapping, LimitExceeded, Forbidden),
        body=NewSource,
        body_example={"name": "crm", "kind": "inbox", "connection": {"pattern": "crm-*.csv"}},
    ),
    Route(
        "GET",
        "/api/v1/sources/{source}",
        show_source,
        "Show a source",
        SourceJson,
        _SOURCE,
        (SOURCE, SPACE),
        (SourceNotFound,),
    ),
    Route(
        "PATCH",
        "/api/v1/sources/{source}",
        change_source,
        "Change how the files of a source are reached, or when it runs by itself",
        SourceJson,
        _SOURCE,
        (SOURCE, SPACE),
        (SourceNotFound, InvalidSource),
        body=SourceChange,
        body_example={"schedule": {"cron": "30 3 * * *", "time_zone": "Europe/Oslo"}},
    ),
    Route(
        "DELETE",
        "/api/v1/sources/{source}",
        remove_source,
        "Forget how a source is set up; what it said stays, until its runs are undone",
        SourceDeleted,
        SourceDeleted(deleted=True),
        (SOURCE, SPACE),
        (SourceNotFound,),
    ),
    Route(
        "GET",
        "/api/v1/sources/{source}/columns",
        show_columns,
        "Look at a file: its columns, what they seem to be, and what would be taken",
        ColumnsJson,
        ColumnsJson(
            input="crm.csv",
            columns=[
                ColumnJson("E-mail", AttributeType.STRING, ["adam@x.no", "eve@x.no"], ""),
                ColumnJson("Plan", AttributeType.STRING, ["vip", "free"], ""),
            ],
            mapping=_MAPPING,
            problems=[],
        ),
        (SOURCE, SPACE, SOME_UPLOAD),
        (SourceNotFound, InvalidSource, UploadNotFound, InputError),
    ),
    Route(
        "PUT",
        "/api/v1/sources/{source}/mapping",
        map_source,
        "Say what a source takes; attributes that are not there yet are made",
        SourceCreated,
        SourceCreated(_SOURCE, ["plan"]),
        (SOURCE, SPACE),
        (SourceNotFound, InvalidMapping, Forbidden),
        body=MappingJson,
        body_example={
            "identifier": "E-mail",
            "columns": [{"column": "Plan", "attribute": "plan", "type": "string"}],
            "delimiter": ";",
        },
    ),
    Route(
        "POST",
        "/api/v1/sources/{source}/token",
        renew_token,
        "Give a source that programs call another token",
        SourceCreated,
        SourceCreated(_SOURCE, [], "8Fq…"),
        (SOURCE, SPACE),
        (SourceNotFound, InvalidSource, InvalidMapping),
    ),
)
