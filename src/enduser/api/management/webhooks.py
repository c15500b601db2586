"""Webhooks: receivers that the feed is told to."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Annotated, Any, TypeVar

import msgspec
from msgspec import UNSET, Meta, UnsetType

from enduser import limits
from enduser.api.management.calls import Call, Route
from enduser.api.management.parameters import CURSOR, LIMIT, SPACE, WEBHOOK_ID
from enduser.clock import now_us
from enduser.core.feed import EVERY_ROW
from enduser.errors import (
    AttributeNotFound,
    FeedExpired,
    InvalidCursor,
    InvalidWebhook,
    LimitExceeded,
    SegmentNotFound,
    WebhookNotFound,
)
from enduser.service.feed import END
from enduser.service.webhooks import (
    Attributes,
    DeadLetterJson,
    Kinds,
    Name,
    Segments,
    TestedWebhook,
    Url,
    WebhookJson,
    Webhooks,
    dead_letter_json,
    filter_with,
    try_webhook,
    webhook_json,
)
from enduser.stores.paging import page_before
from enduser.stores.webhooks import (
    delete_webhook,
    find_webhook,
    list_dead_letters,
    list_webhooks,
    rotate_secret,
)

_HINT = "docs/feed.md says what a webhook has"
_NEWEST = "-dead_letter"
Result = TypeVar("Result")
Begin = Annotated[
    str | None,
    Meta(description="`next_cursor` of the feed, behind which it begins; `end`: with what comes; null: all"),
]


class WebhooksPage(msgspec.Struct, frozen=True):
    """The webhooks of a space, the oldest first, and how many there may be in all spaces."""

    items: list[WebhookJson]
    limit: int
    next_cursor: str | None = None


class NewWebhook(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A webhook to be."""

    name: Name
    url: Url
    kinds: Kinds = []
    segments: Segments = []
    attributes: Attributes = []
    cursor: Begin = END


class WebhookChange(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is to be another of a webhook; what is not named stays."""

    name: Name | UnsetType = UNSET
    url: Url | UnsetType = UNSET
    kinds: Kinds | UnsetType = UNSET
    segments: Segments | UnsetType = UNSET
    attributes: Attributes | UnsetType = UNSET
    enabled: bool | UnsetType = UNSET


class Replay(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """From where a webhook tells again."""

    cursor: Begin


class WebhookDeleted(msgspec.Struct, frozen=True):
    """A webhook is there no more."""

    deleted: bool


class DeadLettersPage(msgspec.Struct, frozen=True):
    """What a webhook gave up, the newest first; `next_cursor` is null on the last page."""

    items: list[DeadLetterJson]
    next_cursor: str | None


async def show_webhooks(call: Call) -> WebhooksPage:
    """Return the webhooks of a space."""
    control, space = call.services.control, call.space
    await call.read(lambda reader: reader.settings(space))  # there must be such a space
    found = await call.services.on_thread(lambda: list_webhooks(control, space))
    return WebhooksPage([webhook_json(webhook) for webhook in found], limits.WEBHOOKS_MAX)


async def create_webhook(call: Call) -> WebhookJson:
    """Make a webhook, and show its secret once."""
    told = call.told(NewWebhook, _HINT)
    which = filter_with(EVERY_ROW, told.kinds, told.segments, told.attributes)
    made = await _keep(call, lambda webhooks: webhooks.create(told.name, told.url, which, told.cursor))
    return webhook_json(made, with_secret=True)


async def show_webhook(call: Call) -> WebhookJson:
    """Return a webhook."""
    control, webhook_id = call.services.control, call.values["webhook_id"]
    return webhook_json(await call.services.on_thread(lambda: find_webhook(control, call.space, webhook_id)))


async def change_webhook(call: Call) -> WebhookJson:
    """Change a webhook."""
    told = call.told(WebhookChange, _HINT)
    control, webhook_id = call.services.control, call.values["webhook_id"]
    names = {"name": "name", "url": "url", "enabled": "is_enabled"}
    given = msgspec.structs.asdict(told)
    changes: dict[str, Any] = {names[n]: v for n, v in given.items() if n in names and v is not UNSET}
    filters = [None if given[n] is UNSET else given[n] for n in ("kinds", "segments", "attributes")]

    def change(webhooks: Webhooks) -> WebhookJson:
        before = find_webhook(control, call.space, webhook_id)
        which = filter_with(before.which, *filters)
        return webhook_json(webhooks.change(webhook_id, which, **changes))

    return await _keep(call, change)


async def remove_webhook(call: Call) -> WebhookDeleted:
    """Delete a webhook, with what is remembered of it."""
    control, webhook_id = call.services.control, call.values["webhook_id"]
    await call.services.on_thread(lambda: delete_webhook(control, call.space, webhook_id))
    return WebhookDeleted(deleted=True)


async def replay_webhook(call: Call) -> WebhookJson:
    """Let a webhook tell again what follows a cursor."""
    told = call.told(Replay, 'send {"cursor": …}: of a page of the feed, of a dead letter, "end" or null')
    webhook_id = call.values["webhook_id"]
    return webhook_json(await _keep(call, lambda webhooks: webhooks.replay(webhook_id, told.cursor)))


async def test_webhook(call: Call) -> TestedWebhook:
    """Call a webhook with a message that has no rows."""
    services, webhook_id = call.services, call.values["webhook_id"]
    webhook = await services.on_thread(lambda: find_webhook(services.control, call.space, webhook_id))
    return await try_webhook(services.caller, webhook)


async def rotate_webhook_secret(call: Call) -> WebhookJson:
    """Give a webhook another secret, and show it once."""
    control, webhook_id = call.services.control, call.values["webhook_id"]
    rotated = await call.services.on_thread(lambda: rotate_secret(control, call.space, webhook_id, now_us()))
    return webhook_json(rotated, with_secret=True)


async def show_dead_letters(call: Call) -> DeadLettersPage:
    """Return what a webhook gave up, the newest first."""
    control, values, webhook_id = call.services.control, call.values, call.values["webhook_id"]
    find = partial(list_dead_letters, control, webhook_id)
    await call.services.on_thread(lambda: find_webhook(control, call.space, webhook_id))
    found, next_cursor = await call.services.on_thread(
        lambda: page_before(find, lambda one: one.number, values["limit"], values["cursor"], _NEWEST)
    )
    return DeadLettersPage([dead_letter_json(letter) for letter in found], next_cursor)


async def _keep(call: Call, function: Callable[[Webhooks], Result]) -> Result:
    webhooks = _webhooks(call)
    return await call.services.on_thread(lambda: function(webhooks))


def _webhooks(call: Call) -> Webhooks:
    services = call.services
    return Webhooks(services.control, services.store.reader, call.space, services.caller.allowed)


_EXAMPLE: dict[str, Any] = {
    "id": "9f3c1b7a2d4e5f60",
    "name": "CRM",
    "url": "https://crm.acme.com/hooks/enduser",
    "kinds": ["entered", "left"],
    "segments": ["vips"],
    "attributes": [],
    "enabled": True,
    "disabled_because": None,
    "cursor": "WyJmZWVkIixbMTIzXV0",
    "attempts": 0,
    "next_try_at": None,
    "last_error": None,
    "last_success_at": "2026-03-01T10:00:00.000000Z",
    "created_at": "2026-02-01T10:00:00.000000Z",
}
_WEBHOOK = WebhookJson(**_EXAMPLE)
_MADE = WebhookJson(**{**_EXAMPLE, "last_success_at": None}, secret="whsec_…")  # noqa: S106 - it is none
_LETTER = DeadLetterJson(
    first=101,
    last=123,
    error="it answered 500",
    given_up_at="2026-03-01T22:12:35.000000Z",
    cursor="WyJmZWVkIixbMTAwXV0",
)
_PATH = "/api/v1/webhooks/{webhook_id}"
_NAMED = (InvalidWebhook, SegmentNotFound, AttributeNotFound)
_PLACED = (InvalidCursor, FeedExpired)

ROUTES = (
    Route(
        "GET",
        "/api/v1/webhooks",
        show_webhooks,
        "List the webhooks, the oldest first",
        WebhooksPage,
        WebhooksPage([_WEBHOOK], limits.WEBHOOKS_MAX),
        (SPACE,),
    ),
    Route(
        "POST",
        "/api/v1/webhooks",
        create_webhook,
        "Make a webhook, and tell its secret once",
        WebhookJson,
        _MADE,
        (SPACE,),
        (*_NAMED, *_PLACED, LimitExceeded),
        body=NewWebhook,
        body_example={
            "name": "CRM",
            "url": "https://crm.acme.com/hooks/enduser",
            "kinds": ["entered", "left"],
            "segments": ["vips"],
        },
    ),
    Route(
        "GET",
        _PATH,
        show_webhook,
        "Show a webhook, and how it is doing",
        WebhookJson,
        _WEBHOOK,
        (WEBHOOK_ID, SPACE),
        (WebhookNotFound,),
    ),
    Route(
        "PATCH",
        _PATH,
        change_webhook,
        "Change a webhook, disable or enable it",
        WebhookJson,
        _WEBHOOK,
        (WEBHOOK_ID, SPACE),
        (WebhookNotFound, *_NAMED),
        body=WebhookChange,
        body_example={"enabled": False},
    ),
    Route(
        "DELETE",
        _PATH,
        remove_webhook,
        "Delete a webhook, with what is remembered of it",
        WebhookDeleted,
        WebhookDeleted(deleted=True),
        (WEBHOOK_ID, SPACE),
        (WebhookNotFound,),
    ),
    Route(
        "POST",
        f"{_PATH}/replay",
        replay_webhook,
        "Let a webhook tell again what follows a cursor",
        WebhookJson,
        _WEBHOOK,
        (WEBHOOK_ID, SPACE),
        (WebhookNotFound, *_PLACED),
        body=Replay,
        body_example={"cursor": "WyJmZWVkIixbMTAwXV0"},
    ),
    Route(
        "POST",
        f"{_PATH}/test",
        test_webhook,
        "Call a webhook with a message that has no rows, and tell what it answered",
        TestedWebhook,
        TestedWebhook(delivered=True, status=204, problem=None, duration_s=0.041),
        (WEBHOOK_ID, SPACE),
        (WebhookNotFound,),
    ),
    Route(
        "POST",
        f"{_PATH}/rotate-secret",
        rotate_webhook_secret,
        "Give a webhook another secret, and tell it once; the one before is good for a day, no older one",
        WebhookJson,
        _MADE,
        (WEBHOOK_ID, SPACE),
        (WebhookNotFound,),
    ),
    Route(
        "GET",
        f"{_PATH}/dead-letters",
        show_dead_letters,
        "List what a webhook gave up, the newest first",
        DeadLettersPage,
        DeadLettersPage([_LETTER], None),
        (WEBHOOK_ID, SPACE, LIMIT, CURSOR),
        (WebhookNotFound, InvalidCursor),
    ),
)
