"""Where the custom attributes of a user come from: what holds, how it changed, all that was said."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, TypeVar

import msgspec

from enduser.api.management.calls import Call, Route
from enduser.api.management.parameters import AS_OF, CURSOR, ID_KIND, LIMIT, SPACE, USER_ID
from enduser.errors import InvalidCursor
from enduser.service.json_form import OriginJson, Time, iso_time, iso_time_if_known, origin_json
from enduser.service.provenance import Said, find_said
from enduser.stores.paging import cursor_behind, values_behind

Item = TypeVar("Item")


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


async def show_values(call: Call) -> HeldValues:
    """Return the values of a user that hold, or held at a time, with who said them."""
    said, as_of = await _said(call), call.values["as_of"]
    held = {
        name: HeldJson(said.json_value(name, one.value), origin_json(one))
        for name, one in sorted(said.holding(as_of).items())
    }
    return HeldValues(held, iso_time_if_known(as_of))


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


_ORIGIN = OriginJson(
    source="api", run=7, effective_at="2026-03-01T10:00:00.000000Z", written_at="2026-03-01T10:00:00.000000Z"
)
ROUTES = (
    Route(
        "GET",
        "/api/v1/users/{user_id}/attributes",
        show_values,
        "Show the custom attributes of a user, seen or not, now or as of a time, with who said them",
        HeldValues,
        HeldValues({"plan": HeldJson("vip", _ORIGIN)}, None),
        (USER_ID, SPACE, ID_KIND, AS_OF),
    ),
    Route(
        "GET",
        "/api/v1/users/{user_id}/attribute-changes",
        list_changes,
        "List how the custom attributes of a user changed, the newest first",
        ChangesPage,
        ChangesPage(
            [
                ChangeJson(
                    attribute="plan",
                    at="2026-03-01T10:00:00.000000Z",
                    before="free",
                    after="vip",
                    source="api",
                    run=7,
                )
            ]
        ),
        (USER_ID, SPACE, ID_KIND, LIMIT, CURSOR),
        (InvalidCursor,),
    ),
    Route(
        "GET",
        "/api/v1/users/{user_id}/candidates",
        list_candidates,
        "List all that sources said of the custom attributes of a user, the newest first",
        CandidatesPage,
        CandidatesPage(
            [
                CandidateJson(
                    attribute="plan",
                    value="vip",
                    holds=True,
                    origin=_ORIGIN,
                    row=1,
                    user_id="adam.br",
                    is_anonymous=False,
                )
            ]
        ),
        (USER_ID, SPACE, ID_KIND, LIMIT, CURSOR),
        (InvalidCursor,),
    ),
)
