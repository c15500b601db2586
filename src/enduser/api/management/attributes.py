"""The registry of custom attributes, which is the same in all spaces."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Annotated, Any

import msgspec
from msgspec import UNSET, Meta, UnsetType

from enduser import limits
from enduser.api.management.calls import Call, Route
from enduser.api.management.parameters import ATTRIBUTE, CONFIRMED
from enduser.clock import now_us
from enduser.core.attributes import Attribute, AttributeType, ConflictRule
from enduser.core.uses import require_unbroken, told_broken
from enduser.errors import (
    AttributeNotFound,
    Forbidden,
    InUse,
    InvalidAttribute,
    LimitExceeded,
    Unconfirmed,
)
from enduser.service import changing_attributes
from enduser.stores.contract import OwnedStore, Reader

_HINT = "docs/attributes.md says what an attribute has"
Name = Annotated[
    str,
    Meta(
        description="letters, digits, _ and .; case-sensitive",
        pattern=r"^[A-Za-z_][A-Za-z0-9_.]*$",
        max_length=limits.ATTRIBUTE_NAME_CHARACTERS_MAX,
    ),
]
DisplayName = Annotated[
    str,
    Meta(description="what people read; empty: the name", max_length=limits.DISPLAY_NAME_CHARACTERS_MAX),
]
Description = Annotated[str, Meta(max_length=limits.DESCRIPTION_CHARACTERS_MAX)]
IsPii = Annotated[bool, Meta(description="whether its values say who somebody is")]
Sources = Annotated[
    list[str] | None, Meta(description="the sources that may write it; null: all but unsigned SDKs")
]


class AttributeJson(msgspec.Struct, frozen=True, kw_only=True):
    """A custom attribute."""

    name: str
    type: AttributeType
    display_name: str
    description: str
    is_pii: IsPii
    sources: Sources
    conflict_rule: ConflictRule


class AttributesPage(msgspec.Struct, frozen=True):
    """All custom attributes, the oldest first, and how many there may be."""

    items: list[AttributeJson]
    limit: int
    next_cursor: str | None = None


class NewAttribute(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A custom attribute to be."""

    name: str
    type: AttributeType
    display_name: str = ""
    description: str = ""
    is_pii: IsPii = False
    sources: Sources = None
    conflict_rule: ConflictRule = ConflictRule.LATEST


class AttributeChange(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is to be another of an attribute; what is not named stays."""

    name: str | UnsetType = UNSET
    type: AttributeType | UnsetType = UNSET
    display_name: str | UnsetType = UNSET
    description: str | UnsetType = UNSET
    is_pii: IsPii | UnsetType = UNSET
    sources: Sources | UnsetType = UNSET
    conflict_rule: ConflictRule | UnsetType = UNSET


class AttributeDeleted(msgspec.Struct, frozen=True):
    """An attribute is gone, with all its values and their history."""

    deleted: bool


async def list_attributes(call: Call) -> AttributesPage:
    """Return all custom attributes."""
    found = await call.read(lambda reader: reader.attributes())
    return AttributesPage([_json(attribute) for attribute in found], limits.ATTRIBUTES_MAX)


async def show_attribute(call: Call) -> AttributeJson:
    """Return one custom attribute."""
    name = call.values["name"]
    return _json(await call.read(lambda reader: _find(reader, name)))


async def create_attribute(call: Call) -> AttributeJson:
    """Add a custom attribute."""
    call.require_all_spaces("attributes")
    told = call.told(NewAttribute, _HINT)
    attribute = Attribute(**_fields(told))
    await call.change(lambda store: store.create_attribute(attribute))
    return _json(attribute)


async def change_attribute(call: Call) -> AttributeJson:
    """Change a custom attribute; under another name it keeps its values."""
    call.require_all_spaces("attributes")
    name = call.values["name"]
    changes = _fields(call.told(AttributeChange, _HINT))
    control, confirmed = call.services.control, call.values["confirmed"]

    def change(store: OwnedStore) -> Attribute:
        known = _find(store, name)
        changed = replace(known, **changes)
        if changed.type is not known.type:
            _require_retypable(store, name, changed.type, confirmed=confirmed)
        changing_attributes.change_attribute(store, control, name, changed, now_us())
        return changed

    return _json(await call.change(change))


async def delete_attribute(call: Call) -> AttributeDeleted:
    """Take a custom attribute away, with all its values and their history."""
    call.require_all_spaces("attributes")
    name = call.values["name"]
    await call.read(lambda reader: _find(reader, name))
    if not call.values["confirmed"]:
        raise Unconfirmed(
            f"deleting {name!r} takes all its values and their history away, in all spaces, for good",
            hint="send it again with ?confirmed=true to do this",
            field="confirmed",
        )
    await call.change(lambda store: store.delete_attribute(name))
    return AttributeDeleted(deleted=True)


def _require_retypable(store: OwnedStore, name: str, kind: AttributeType, *, confirmed: bool) -> None:
    """Check that an attribute can have another type, and that this is confirmed.

    Raises:
        Unconfirmed: it is not; the message says what would become of values and segments.
        InUse: rules of segments could not be any more.
    """
    found = store.preview_retype(name, kind)
    if confirmed:
        require_unbroken(found.broken, f"{name!r} cannot be a {kind}")
        return
    refused = f"; it will be refused, because {told_broken(found.broken)}" if found.broken else ""
    raise Unconfirmed(
        f"of {found.values:,} values of {name!r}, {found.lost:,} cannot be read as {kind} and would be lost"
        f"{refused}",
        hint="change or archive those first"
        if found.broken
        else "send it again with ?confirmed=true to do this",
        field="type",
    )


def _find(reader: Reader, name: str) -> Attribute:
    for attribute in reader.attributes():
        if attribute.name == name:
            return attribute
    raise AttributeNotFound(
        f"there is no custom attribute {name!r}",
        hint="GET /api/v1/attributes lists them; names are case-sensitive",
        field="name",
    )


def _fields(told: Any) -> dict[str, Any]:
    """Return what was told, by the names of the fields of an attribute."""
    values = {name: getattr(told, name, UNSET) for name in (field.name for field in fields(Attribute))}
    given = {name: value for name, value in values.items() if value is not UNSET}
    if given.get("sources") is not None:
        given["sources"] = tuple(given["sources"])
    return given


def _json(attribute: Attribute) -> AttributeJson:
    values = {field.name: getattr(attribute, field.name) for field in fields(attribute)}
    sources = None if attribute.sources is None else list(attribute.sources)
    return AttributeJson(**{**values, "sources": sources})


_ATTRIBUTE = AttributeJson(
    name="plan",
    type=AttributeType.STRING,
    display_name="Plan",
    description="What the customer pays for.",
    is_pii=False,
    sources=None,
    conflict_rule=ConflictRule.LATEST,
)

ROUTES = (
    Route(
        "GET",
        "/api/v1/attributes",
        list_attributes,
        "List the custom attributes",
        AttributesPage,
        AttributesPage([_ATTRIBUTE], 100),
    ),
    Route(
        "POST",
        "/api/v1/attributes",
        create_attribute,
        "Add a custom attribute",
        AttributeJson,
        _ATTRIBUTE,
        (),
        (Forbidden, InvalidAttribute, LimitExceeded),
        body=NewAttribute,
        body_example={"name": "plan", "type": "string"},
    ),
    Route(
        "GET",
        "/api/v1/attributes/{name}",
        show_attribute,
        "Show a custom attribute",
        AttributeJson,
        _ATTRIBUTE,
        (ATTRIBUTE,),
        (AttributeNotFound,),
    ),
    Route(
        "PATCH",
        "/api/v1/attributes/{name}",
        change_attribute,
        "Change a custom attribute; under another name it keeps its values, of another type what can be read",
        AttributeJson,
        _ATTRIBUTE,
        (ATTRIBUTE, CONFIRMED),
        (Forbidden, AttributeNotFound, InvalidAttribute, LimitExceeded, Unconfirmed, InUse),
        body=AttributeChange,
        body_example={"display_name": "Tariff"},
    ),
    Route(
        "DELETE",
        "/api/v1/attributes/{name}",
        delete_attribute,
        "Delete a custom attribute with all its values and their history, for good",
        AttributeDeleted,
        AttributeDeleted(deleted=True),
        (ATTRIBUTE, CONFIRMED),
        (Forbidden, AttributeNotFound, Unconfirmed, InUse),
    ),
)
