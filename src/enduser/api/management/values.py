"""Values of custom attributes: written by programs and by hand."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from enduser import limits
from enduser.api.management.calls import Answer, Call, Route
from enduser.api.management.etags import etag_of, find_user_json, require_match
from enduser.api.management.parameters import ID_KIND, IDEMPOTENCY_KEY, IF_MATCH, SPACE, USER_ID
from enduser.api.management.users import USER_EXAMPLE
from enduser.clock import now_us
from enduser.core.attributes import API, RowProblem, ValueProblem
from enduser.core.links import IdKind
from enduser.errors import (
    InvalidValue,
    KeyReused,
    LimitExceeded,
    MalformedRequest,
    PreconditionFailed,
    UserSuppressed,
)
from enduser.service.json_form import EndUserJson, Time
from enduser.service.writing_values import WrittenRows, edit_by_hand, write_json_rows
from enduser.sources.json_rows import JsonRow
from enduser.stores.contract import OwnedStore
from enduser.stores.records import Once

Values = Annotated[
    dict[str, Any],
    Meta(description="values by attribute; null clears, an empty text and what is not named say nothing"),
]


class RowJson(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is said of one user; the time from which on it holds is that of the call if none is given."""

    user_id: str
    attributes: Values
    id_kind: IdKind = "plain"
    effective_at: Time | None = None


class RowsWrite(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Rows of values; each is taken by itself."""

    rows: Annotated[list[RowJson], Meta(max_length=limits.ROWS_PER_WRITE_MAX)]


class FlawJson(msgspec.Struct, frozen=True):
    """Why something of a row was not taken; without an attribute nothing of it was."""

    attribute: str | None
    code: Annotated[str, Meta(extra_json_schema={"enum": [*RowProblem, *ValueProblem]})]
    message: str


class RowResult(msgspec.Struct, frozen=True):
    """What became of a row: all, some or none of its values were taken."""

    index: int
    status: Literal["applied", "partly_applied", "rejected"]
    errors: list[FlawJson]


class RowResults(msgspec.Struct, frozen=True):
    """What became of each row, in their order."""

    results: list[RowResult]


class Edit(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a person says of one user; it holds from now on."""

    attributes: Values


class Edited(msgspec.Struct, frozen=True):
    """The user as he is now; null while he was not seen: then the values wait for his first session."""

    user: EndUserJson | None


async def write_users(call: Call) -> RowResults:
    """Write what rows say of users; a row or a value that cannot be taken does not hinder the others."""
    rows = _rows(call.body)
    once = _once(call)
    found = await call.change(lambda store: write_json_rows(store, call.space, API, rows, now_us(), once))
    return RowResults([_result(found, number, row) for number, row in enumerate(rows, 1)])


def _rows(body: Mapping[str, Any]) -> list[JsonRow | RowProblem]:
    """Return the rows of a body, in place of one that cannot be read why not.

    Raises:
        MalformedRequest: there is no list of rows.
        LimitExceeded: there are too many.
    """
    rows = body.get("rows")
    if not isinstance(rows, list) or set(body) != {"rows"}:
        raise MalformedRequest(
            "the body has no list of rows, or more than that",
            hint='send {"rows": [{"user_id": "u1", "attributes": {"plan": "vip"}}]}',
        )
    if len(rows) > limits.ROWS_PER_WRITE_MAX:
        raise LimitExceeded(
            f"{len(rows):,} rows are too many for one call",
            hint=f"the limit is {limits.ROWS_PER_WRITE_MAX:,} (ROWS_PER_WRITE_MAX); send several calls",
            field="rows",
            limit=limits.ROWS_PER_WRITE_MAX,
        )
    return [_row(row) for row in rows]


def _row(row: Any) -> JsonRow | RowProblem:
    try:
        told = msgspec.convert(row, RowJson)
    except msgspec.ValidationError:
        return RowProblem.MALFORMED_ROW
    return JsonRow(told.user_id, told.attributes, told.id_kind, told.effective_at)


def _once(call: Call) -> Once | None:
    key = call.values["Idempotency-Key"]
    if key is None:
        return None
    digest = hashlib.sha256(msgspec.json.encode(call.body, order="sorted")).hexdigest()
    return Once(key, digest)


def _result(found: WrittenRows, number: int, row: JsonRow | RowProblem) -> RowResult:
    flaws = found.flaws.get(number, ())
    told = len(row.values) if isinstance(row, JsonRow) else 0
    is_rejected = any(flaw.attribute is None for flaw in flaws) or 0 < told == len(flaws)
    status: Literal["applied", "partly_applied", "rejected"] = "partly_applied" if flaws else "applied"
    errors = [FlawJson(flaw.attribute, flaw.code, flaw.message) for flaw in flaws]
    return RowResult(number - 1, "rejected" if is_rejected else status, errors)


async def edit_user(call: Call) -> Answer:
    """Write what a person says of one user, all or nothing; with `If-Match` only if he is as he was seen."""
    told = call.told(Edit, 'send {"attributes": {"plan": "vip"}}; null takes a value away')
    values, space = call.values, call.space
    row = JsonRow(values["user_id"], told.attributes, values["id_kind"])

    def edit(store: OwnedStore) -> EndUserJson | None:
        if values["If-Match"] is not None:
            require_match(find_user_json(store, space, row.user_id, row.id_kind), values["If-Match"])
        edit_by_hand(store, space, row, now_us())
        return find_user_json(store, space, row.user_id, row.id_kind)

    user = await call.change(edit)
    return Answer(Edited(user), {} if user is None else {"ETag": etag_of(user)})


ROUTES = (
    Route(
        "POST",
        "/api/v1/users",
        write_users,
        "Write custom attributes of many users, with an answer for each row",
        RowResults,
        RowResults(
            [
                RowResult(0, "applied", []),
                RowResult(
                    1, "rejected", [FlawJson("seats", ValueProblem.WRONG_TYPE, "seats takes a number")]
                ),
            ]
        ),
        (SPACE, IDEMPOTENCY_KEY),
        (LimitExceeded, KeyReused),
        body=RowsWrite,
        body_example={
            "rows": [
                {"user_id": "adam.br", "attributes": {"plan": "vip"}},
                {"user_id": "eve", "attributes": {"seats": "many"}, "effective_at": "2026-03-01T10:00:00Z"},
            ]
        },
        body_limit="ROWS_BODY_BYTES_MAX",
    ),
    Route(
        "PATCH",
        "/api/v1/users/{user_id}",
        edit_user,
        "Write custom attributes of one user by hand, all or nothing",
        Edited,
        Edited(USER_EXAMPLE),
        (USER_ID, SPACE, ID_KIND, IF_MATCH),
        (InvalidValue, PreconditionFailed, UserSuppressed),
        body=Edit,
        body_example={"attributes": {"plan": "vip", "seats": None}},
    ),
)
