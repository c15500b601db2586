"""The update API in the wire form of the reference product: what a call brings, as rows of a source."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import msgspec

from enduser import limits
from enduser.core.attributes import RowProblem
from enduser.errors import InvalidMapping, InvalidSource
from enduser.service.writing_values import WrittenRows, write_json_rows
from enduser.sources.json_rows import JsonRow
from enduser.sources.mapping import SourceMapping, flags, require_no_flags
from enduser.stores.contract import Store
from enduser.stores.control import ControlStore
from enduser.stores.source_configs import (
    SourceConfig,
    change_source,
    create_source,
    every_source,
    list_sources,
)

API_KIND = "api"
"""The kind of a source that programs call in the wire form of the reference product."""


class ApiMapping(msgspec.Struct, frozen=True):
    """What an `api` source takes, by dotted paths into the objects that it is sent; kept as JSON."""

    mapping: SourceMapping
    token_sha256: str


@dataclass(frozen=True, slots=True)
class ApiSource:
    """A source that programs call."""

    space: str
    name: str
    mapping: SourceMapping


def create_api_source(
    store: Store,
    control: ControlStore,
    config: SourceConfig,
    mapping: SourceMapping,
    *,
    is_new: bool = False,
) -> str:
    """Make a source that programs call, or change one, unless it must be new; return its token.

    The token cannot be had again; another one that it had ends.

    Raises:
        InvalidMapping: a path cannot be taken like this, or names no attribute that is there.
        InvalidSource: the source cannot have this name, is there although it must be new, or takes files.
    """
    _check(store, config.name, mapping)
    token = secrets.token_urlsafe(32)
    known = ApiMapping(mapping, hashlib.sha256(token.encode()).hexdigest())
    there = {one.name: one for one in list_sources(control, config.space)}
    if is_new or config.name not in there:
        create_source(control, replace(config, kind=API_KIND, mapping=msgspec.to_builtins(known)))
    else:
        _require_called(there[config.name])
        change_source(control, config.space, config.name, mapping=known)
    return token


def map_api_source(store: Store, control: ControlStore, config: SourceConfig, mapping: SourceMapping) -> None:
    """Keep what a source takes from now on; it keeps its token.

    Raises:
        InvalidMapping: a path cannot be taken like this, or names no attribute that is there.
    """
    _check(store, config.name, mapping)
    known = ApiMapping(mapping, api_mapping(config).token_sha256)
    change_source(control, config.space, config.name, mapping=known)


def api_mapping(config: SourceConfig) -> ApiMapping:
    """Return what a source takes that programs call.

    Raises:
        InvalidSource: programs do not call it.
    """
    _require_called(config)
    return msgspec.convert(config.mapping, ApiMapping)


def _require_called(config: SourceConfig) -> None:
    if config.kind != API_KIND:
        raise InvalidSource(
            f"programs do not call the source {config.name!r}",
            hint="make one that they call: enduser sources create-api",
            field="source",
        )


def _check(store: Store, name: str, mapping: SourceMapping) -> None:
    paths = [mapping.identifier, *(one.column for one in mapping.columns)]
    there = {attribute.name for attribute in store.attributes()}
    require_no_flags(list(flags(mapping, name, paths, store.attributes())))
    for one in mapping.columns:
        if one.attribute not in there:
            raise InvalidMapping(
                f"there is no custom attribute {one.attribute!r}",
                hint="create it first: enduser attributes create",
                field=one.column,
            )


def source_of_token(control: ControlStore, token: str) -> ApiSource | None:
    """Return the source of an integration's token; None: there is none."""
    digest = hashlib.sha256(token.encode(errors="surrogatepass")).hexdigest()
    for config in every_source(control):
        if config.kind == API_KIND and config.mapping is not None:
            known = msgspec.convert(config.mapping, ApiMapping)
            if hmac.compare_digest(known.token_sha256, digest):
                return ApiSource(config.space, config.name, known.mapping)
    return None


def write_objects(store: Store, source: ApiSource, objects: Sequence[Any], now_us: int) -> WrittenRows:
    """Write what objects say of users; fields that the source does not take are passed over."""
    rows = [_row(source.mapping, one) for one in objects]
    return write_json_rows(store, source.space, source.name, rows, now_us)


def _row(mapping: SourceMapping, given: Any) -> JsonRow | RowProblem:
    """Return what an object says; its identifier may be a text or a number."""
    if not isinstance(given, dict):
        return RowProblem.MALFORMED_ROW
    fields = dict(_flat(given, "", 0))
    user_id = fields.get(mapping.identifier)
    if isinstance(user_id, int | float) and not isinstance(user_id, bool):
        user_id = msgspec.json.encode(user_id).decode().removesuffix(".0")
    if not isinstance(user_id, str):
        return RowProblem.JUNK_USER_ID
    values = {one.attribute: fields[one.column] for one in mapping.columns if one.column in fields}
    return JsonRow(user_id, values, "anonymous" if mapping.is_anonymous else "plain")


def _flat(given: Mapping[str, Any], before: str, depth: int) -> Iterator[tuple[str, Any]]:
    """Yield the fields of an object by path: that of `{"a": {"b": 1}}` and of `{"a.b": 1}` is `a.b`."""
    for name, value in given.items():
        path = f"{before}{name}"
        yield path, value
        if isinstance(value, dict) and depth < limits.JSON_DEPTH_MAX:
            yield from _flat(value, f"{path}.", depth + 1)
