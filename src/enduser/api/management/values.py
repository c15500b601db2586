"""Values of custom attributes: written by programs and by hand, and where they come from."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from typing import Annotated, Any, Literal, TypeVar

import msgspec
from msgspec import Meta

from enduser import limits
from enduser.api.management.calls import Answer, Call
from enduser.clock import now_us
from enduser.core.attributes import API, RowProblem, ValueProblem
from enduser.core.links import IdKind
from enduser.errors import LimitExceeded, MalformedRequest, PreconditionFailed
from enduser.ingest.json_flaws import flaw_of
from enduser.service.json_form import EndUserJson, OriginJson, Time, end_user_json, iso_time, origin_json
from enduser.service.provenance import Said, find_said
from enduser.service.writing_values import WrittenRows, edit_by_hand, write_json_rows
from enduser.sources.json_rows import JsonRow
from enduser.stores.contract import Once, OwnedStore
from enduser.stores.paging import cursor_behind, values_behind

Item = TypeVar("Item")

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


class HeldJson(msgspec.Struct, frozen=True):
    """A value that holds, and who said it."""

    value: Any
    origin: OriginJson


class HeldValues(msgspec.Struct, frozen=True):
    """The values that hold, by attribute, of a user who may not have been seen yet."""

    attributes: dict[str, HeldJson]
    as_of: Time | None


class ChangeJson(msgspec.Struct, frozen=True, kw_only=True, rename={"before": "from", "after": "to"}):
    """An attribute became another: null is unknown."""

    attribute: str
    at: Time
    before: Any
    after: Any
    source: str
    run: int


class ChangesPage(msgspec.Struct, frozen=True):
    """The changes of a user's attributes, the newest first."""

    items: list[ChangeJson]
    next_cursor: str | None = None


class CandidateJson(msgspec.Struct, frozen=True, kw_only=True):
    """What was said of an attribute; `holds` says whether it is the value. null: it was cleared."""

    attribute: str
    value: Any
    holds: bool
    origin: OriginJson
    row: int
    user_id: str
    is_anonymous: bool


class CandidatesPage(msgspec.Struct, frozen=True):
    """All that was said of a user, by attribute, the newest first."""

    items: list[CandidateJson]
    next_cursor: str | None = None


# --- writing


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
    try:
        told = msgspec.convert(call.body, Edit)
    except msgspec.ValidationError as error:
        raise MalformedRequest(
            flaw_of(error), hint='send {"attributes": {"plan": "vip"}}; null takes a value away'
        ) from None
    values, space = call.values, call.space
    row = JsonRow(values["user_id"], told.attributes, values["id_kind"])

    def edit(store: OwnedStore) -> EndUserJson | None:
        if values["If-Match"] is not None:
            require_match(_shown(store, space, row), values["If-Match"])
        edit_by_hand(store, space, row, now_us())
        return _shown(store, space, row)

    user = await call.change(edit)
    return Answer(Edited(user), {} if user is None else {"ETag": etag_of(user)})


def _shown(store: OwnedStore, space: str, row: JsonRow) -> EndUserJson | None:
    found = store.find_user(space, row.user_id, row.id_kind)
    return None if found is None else end_user_json(found)


def etag_of(user: EndUserJson) -> str:
    """Return what names an End User Object exactly as it is."""
    return f'"{hashlib.sha256(msgspec.json.encode(user)).hexdigest()[:32]}"'


def require_match(user: EndUserJson | None, wanted: str) -> None:
    """Check that an object is as `If-Match` names it; `*` names any that there is.

    Raises:
        PreconditionFailed: it is not.
    """
    tags = [tag.strip() for tag in wanted.split(",")]
    if user is None or ("*" not in tags and etag_of(user) not in tags):
        raise PreconditionFailed(
            "the user is not any more as If-Match names him",
            hint="get the user again, and send the ETag of that answer",
            field="If-Match",
        )


# --- where values come from


async def show_values(call: Call) -> HeldValues:
    """Return the values of a user that hold, or held at a time, with who said them."""
    said, as_of = await _said(call), call.values["as_of"]
    held = {
        name: HeldJson(said.json_value(name, one.value), origin_json(one))
        for name, one in sorted(said.holding(as_of).items())
    }
    return HeldValues(held, None if as_of is None else iso_time(as_of))


async def list_changes(call: Call) -> ChangesPage:
    """Return a page of how the attributes of a user changed, the newest first."""
    said = await _said(call)
    changes = [((change.at, name), name, change) for name, change in said.changes()]
    shown, cursor = _page(call, changes, "-at", (int, str))
    items = [
        ChangeJson(
            attribute=name,
            at=iso_time(change.at),
            before=said.json_value(name, change.before),
            after=said.json_value(name, change.after),
            source=change.candidate.source,
            run=change.candidate.run,
        )
        for _, name, change in shown
    ]
    return ChangesPage(items, cursor)


async def list_candidates(call: Call) -> CandidatesPage:
    """Return a page of all that was said of the attributes of a user, the newest first."""
    said = await _said(call)
    holding = said.holding()
    candidates = [
        ((one.effective_at, one.run, one.row, name), name, one)
        for name, own in said.candidates.items()
        for one in own
    ]
    shown, cursor = _page(call, candidates, "-effective_at", (int, int, int, str))
    items = [
        CandidateJson(
            attribute=name,
            value=said.json_value(name, one.value),
            holds=holding.get(name) is one,
            origin=origin_json(one),
            row=one.row,
            user_id=one.user.id,
            is_anonymous=one.user.is_anonymous,
        )
        for _, name, one in shown
    ]
    return CandidatesPage(items, cursor)


Listed = tuple[tuple[Any, ...], str, Item]
"""The place of an item in a list, the name of its attribute, and the item."""


def _page(
    call: Call, listed: Iterable[Listed[Item]], sort: str, kinds: Sequence[type]
) -> tuple[Sequence[Listed[Item]], str | None]:
    """Return the items of a page, the greatest place first, and the cursor of those that follow."""
    limit, cursor = call.values["limit"], call.values["cursor"]
    place = None if cursor is None else tuple(values_behind(cursor, sort, kinds))
    rest = sorted(
        (item for item in listed if place is None or item[0] < place), key=lambda item: item[0], reverse=True
    )
    shown = rest[:limit]
    return shown, cursor_behind(shown[-1][0], sort) if len(rest) > limit else None


async def _said(call: Call) -> Said:
    values = call.values
    return await call.read(lambda reader: find_said(reader, call.space, values["user_id"], values["id_kind"]))
