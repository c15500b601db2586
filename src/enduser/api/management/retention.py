"""Deleting by age: who would go, a run that begins, and the receipts of those that were."""

from __future__ import annotations

from functools import partial
from typing import Annotated

import msgspec
from msgspec import Meta

from enduser.api.management.calls import Call, Route
from enduser.api.management.parameters import CONFIRMED, CURSOR, JUDGED_AS_OF, LIMIT, SPACE
from enduser.clock import now_us
from enduser.errors import InvalidCursor, RetentionRefused, Unconfirmed
from enduser.service.json_form import Time, iso_time, iso_time_if_known
from enduser.service.retention import begin_retention
from enduser.service.retention_json import AmountJson, RetentionRunJson, amount_json, run_json
from enduser.stores.answers import IdleUser, RetentionAmount, RetentionPreview, RetentionRun
from enduser.stores.paging import page_before

_NEWEST = "-run"


class IdleUserJson(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody who would go."""

    user_id: str
    is_anonymous: bool
    last_at: Annotated[Time, Meta(description="his last visit event, else his last event or write")]


class RetentionJson(msgspec.Struct, frozen=True, kw_only=True):
    """Who and what would go by age, at least: what goes can make more go."""

    as_of: Time
    amount: AmountJson
    deletes_from: Annotated[
        Time | None, Meta(description="from when on users are deleted by age; null: on demand only")
    ]
    examples: Annotated[list[IdleUserJson], Meta(description="those whose last sign is the oldest")]


class RetentionRunsPage(msgspec.Struct, frozen=True):
    """Some runs, the newest first; `next_cursor` is null on the last page."""

    items: list[RetentionRunJson]
    next_cursor: str | None


async def preview_retention(call: Call) -> RetentionJson:
    """Return who and what would go."""
    return _preview_json(await _previewed(call))


async def _previewed(call: Call) -> RetentionPreview:
    as_of = call.values["as_of"]
    return await call.read(lambda reader: reader.preview_retention(call.space, as_of))


async def begin_retention_run(call: Call) -> RetentionRunJson:
    """Begin a run, which the server does portion by portion; return its receipt so far."""
    if not call.values["confirmed"]:
        amount = (await _previewed(call)).amount
        raise Unconfirmed(
            f"that deletes, for good: users {amount.users:,}, ids {amount.ids:,}, events {amount.events:,}, "
            f"sessions {amount.sessions:,}, values {amount.values:,}, earlier lives of {amount.lives:,}, "
            f"content of events {amount.contents:,}",
            hint="send it again with ?confirmed=true to do this",
            field="confirmed",
        )
    as_of = call.values["as_of"]
    return run_json(await call.change(lambda store: begin_retention(store, call.space, as_of, now_us())))


async def list_retention_runs(call: Call) -> RetentionRunsPage:
    """Return a page of receipts, the newest first."""
    limit, cursor = call.values["limit"], call.values["cursor"]
    found, next_cursor = await call.read(
        lambda reader: page_before(
            partial(reader.retention_runs, call.space), lambda run: run.number, limit, cursor, _NEWEST
        )
    )
    return RetentionRunsPage([run_json(run) for run in found], next_cursor)


def _preview_json(found: RetentionPreview) -> RetentionJson:
    return RetentionJson(
        as_of=iso_time(found.as_of),
        amount=amount_json(found.amount),
        deletes_from=iso_time_if_known(found.deletes_from),
        examples=[_idle_json(one) for one in found.examples],
    )


def _idle_json(one: IdleUser) -> IdleUserJson:
    return IdleUserJson(user_id=one.user_id, is_anonymous=one.is_anonymous, last_at=iso_time(one.last_at))


_AMOUNT = RetentionAmount(users=1_204, ids=1_310, lives=33, events=18_034, sessions=3_400, values=5_000)
_PREVIEW = RetentionPreview(
    1_772_359_200_000_000, _AMOUNT, None, [IdleUser("adam.br", False, 1_756_000_000_000_000)]
)
_RUN = run_json(
    RetentionRun(
        *(7, "", 1_772_359_200_000_000, 1_772_359_200_000_000, 1_772_359_202_000_000),
        RetentionAmount(users=1_204, ids=1_310),
    )
)

ROUTES = (
    Route(
        "GET",
        "/api/v1/retention",
        preview_retention,
        "Show who and what would be deleted by age",
        RetentionJson,
        _preview_json(_PREVIEW),
        (SPACE, JUDGED_AS_OF),
    ),
    Route(
        "POST",
        "/api/v1/retention/runs",
        begin_retention_run,
        "Begin to delete users by age, for good",
        RetentionRunJson,
        _RUN,
        (SPACE, JUDGED_AS_OF, CONFIRMED),
        (Unconfirmed, RetentionRefused),
    ),
    Route(
        "GET",
        "/api/v1/retention/runs",
        list_retention_runs,
        "List the receipts of deleting by age, the newest first",
        RetentionRunsPage,
        RetentionRunsPage([_RUN], None),
        (SPACE, LIMIT, CURSOR),
        (InvalidCursor,),
    ),
)
