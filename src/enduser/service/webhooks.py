"""Webhooks as people and programs keep them: checked when they are saved, and told as JSON."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from dataclasses import replace
from typing import Annotated, Any

import httpx
import msgspec
from msgspec import UNSET, Meta, UnsetType

from enduser import limits
from enduser.clock import elapsed_s, now_us
from enduser.core.addresses import Network, refusal_of
from enduser.core.feed import FEED_KINDS, FeedFilter
from enduser.errors import InvalidWebhook
from enduser.service.feed import END, Kind, cursor_of, number_of, require_named
from enduser.service.json_form import Time, iso_time, iso_time_if_known
from enduser.service.webhook_calls import Message, WebhookCaller
from enduser.stores.contract import Reader
from enduser.stores.control import ControlStore
from enduser.stores.webhooks import (
    DeadLetter,
    Webhook,
    change_webhook,
    create_webhook,
    find_webhook,
    new_webhook,
)

_SCHEMES = ("http", "https")
_PORTS = range(1, 65_536)
Name = Annotated[
    str,
    Meta(
        description="what people call it",
        extra_json_schema={"minLength": 1, "maxLength": limits.WEBHOOK_NAME_CHARACTERS_MAX},
    ),
]
Url = Annotated[
    str,
    Meta(
        description="where it is called: http or https, without a user and a password",
        extra_json_schema={"maxLength": limits.WEBHOOK_URL_CHARACTERS_MAX},
    ),
]
Kinds = Annotated[list[Kind], Meta(description="which kinds of rows it tells; empty: all")]
Segments = Annotated[
    list[str],
    Meta(description="ids of segments; if some are named, or attributes, it tells only of those"),
]
Attributes = Annotated[list[str], Meta(description="names of attributes, likewise")]


class WebhookJson(msgspec.Struct, frozen=True, kw_only=True):
    """A webhook, and how it is doing."""

    id: str
    name: Name
    url: Url
    kinds: Kinds
    segments: Segments
    attributes: Attributes
    enabled: bool
    disabled_because: Annotated[str | None, Meta(description="why the server disabled it, if it did")]
    cursor: Annotated[str, Meta(description="behind what was told, or given up")]
    attempts: Annotated[int, Meta(description="how often the call failed that is to be made next", ge=0)]
    next_try_at: Annotated[Time | None, Meta(description="when that is; null: as soon as there is something")]
    last_error: str | None
    last_success_at: Time | None
    created_at: Time
    secret: Annotated[str, Meta(description="shown once: when it is made")] | UnsetType = UNSET


class DeadLetterJson(msgspec.Struct, frozen=True, kw_only=True):
    """Rows that a webhook gave up, from a first to a last; with the cursor they can be told again."""

    first: int
    last: int
    error: str
    given_up_at: Time
    cursor: str


class TestedWebhook(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a call that tries a webhook."""

    delivered: bool
    status: Annotated[int | None, Meta(description="what the receiver answered; null: nothing")]
    problem: str | None
    duration_s: Annotated[float, Meta(ge=0)]


def webhook_json(webhook: Webhook, *, with_secret: bool = False) -> WebhookJson:
    """Return a webhook as it is told."""
    which = webhook.which
    return WebhookJson(
        id=webhook.id,
        name=webhook.name,
        url=webhook.url,
        kinds=msgspec.convert(which.kinds, list[Kind]),
        segments=list(which.segments),
        attributes=list(which.attributes),
        enabled=webhook.is_enabled,
        disabled_because=webhook.disabled_because,
        cursor=cursor_of(webhook.place),
        attempts=webhook.attempts,
        next_try_at=iso_time_if_known(webhook.next_try_at),
        last_error=webhook.last_error,
        last_success_at=iso_time_if_known(webhook.last_success_at),
        created_at=iso_time(webhook.created_at),
        secret=webhook.secret if with_secret else UNSET,
    )


def dead_letter_json(letter: DeadLetter) -> DeadLetterJson:
    """Return a dead letter as it is told."""
    return DeadLetterJson(
        first=letter.first,
        last=letter.last,
        error=letter.error,
        given_up_at=iso_time(letter.given_up_at),
        cursor=cursor_of(letter.first - 1),
    )


def filter_with(
    before: FeedFilter,
    kinds: Sequence[str] | None,
    segments: Sequence[str] | None,
    attributes: Sequence[str] | None,
) -> FeedFilter:
    """Return a filter with other kinds, segments or attributes; None: as before."""
    given = {"kinds": kinds, "segments": segments, "attributes": attributes}
    return replace(before, **{name: tuple(dict.fromkeys(v)) for name, v in given.items() if v is not None})


class Webhooks:
    """Keeps webhooks of a space."""

    def __init__(
        self, control: ControlStore, reader: Reader, space: str, allowed: Sequence[Network] = ()
    ) -> None:
        """Keep them in the control data; they tell of what `reader` reads, and call who may be called."""
        self._control = control
        self._reader = reader
        self._space = space
        self._allowed = allowed

    def find(self, webhook_id: str) -> Webhook:
        """Return a webhook.

        Raises:
            WebhookNotFound: there is none of this id.
        """
        return find_webhook(self._control, self._space, webhook_id)

    def create(self, name: str, url: str, which: FeedFilter, cursor: str | None = END) -> Webhook:
        """Make a webhook that tells what follows a cursor; None: all that is kept.

        Raises:
            InvalidWebhook: it cannot have this name or address, or what it names is not followed.
            SegmentNotFound, AttributeNotFound: there is none that it names.
            InvalidCursor, FeedExpired: it cannot begin there.
            LimitExceeded: there are as many as there may be.
        """
        _check_name(name)
        self._check_url(url)
        self._check_which(which)
        place = number_of(self._reader, self._space, cursor)
        made = new_webhook(self._space, name, url, which, place, now_us())
        return create_webhook(self._control, made)

    def change(self, webhook_id: str, which: FeedFilter | None = None, **changes: Any) -> Webhook:
        """Change a webhook; what is not named stays.

        Args:
            webhook_id: its id.
            which: what it tells of.
            changes: `name`, `url` or `is_enabled`.

        Raises:
            WebhookNotFound: there is none of this id.
            InvalidWebhook, SegmentNotFound, AttributeNotFound: as of `create`.
        """
        before = self.find(webhook_id)
        if "name" in changes:
            _check_name(changes["name"])
        if "url" in changes:
            self._check_url(changes["url"])
        if which == before.which:
            which = None
        if which is not None:
            self._check_which(which)
        return change_webhook(self._control, self._space, webhook_id, which=which, **changes)

    def replay(self, webhook_id: str, cursor: str | None) -> Webhook:
        """Let a webhook tell again what follows a cursor; None: all that is kept; `END`: only what is new.

        Raises:
            WebhookNotFound: there is none of this id.
            InvalidCursor, FeedExpired: it cannot go on from there.
        """
        self.find(webhook_id)
        place = number_of(self._reader, self._space, cursor)
        return change_webhook(self._control, self._space, webhook_id, place=place)

    def _check_url(self, url: str) -> None:
        """Check that an address can be called, as far as it says; the others are checked at each call."""
        if len(url) > limits.WEBHOOK_URL_CHARACTERS_MAX:
            raise InvalidWebhook(
                f"an address cannot have {len(url):,} characters",
                hint=f"the limit is {limits.WEBHOOK_URL_CHARACTERS_MAX:,} (WEBHOOK_URL_CHARACTERS_MAX)",
                field="url",
                limit=limits.WEBHOOK_URL_CHARACTERS_MAX,
            )
        try:
            told = httpx.URL(url)
        except httpx.InvalidURL:
            told = httpx.URL()
        is_port = told.port is None or told.port in _PORTS
        if told.scheme not in _SCHEMES or not (told.host and is_port) or told.userinfo or told.fragment:
            raise InvalidWebhook(
                "that address cannot be called",
                hint="write http:// or https://, a host, perhaps a port, and a path; no user and password: "
                "messages are signed",
                field="url",
            )
        if why := _refusal_of_host(told.host, self._allowed):
            raise InvalidWebhook(
                f"{told.host} is not called: {why}",
                hint="name another host, or allow it with --allow-webhooks-to, which the server needs, and a "
                "command beside it too",
                field="url",
            )

    def _check_which(self, which: FeedFilter) -> None:
        names, most = len(which.segments) + len(which.attributes), limits.WEBHOOK_NAMES_MAX
        if names > most:
            raise InvalidWebhook(
                f"a webhook cannot name {names:,} segments and attributes",
                hint=f"the limit is {most} (WEBHOOK_NAMES_MAX); without any it tells of all",
                field="segments",
                limit=most,
            )
        for kind in which.kinds:
            if kind not in FEED_KINDS:
                raise InvalidWebhook(
                    f"the feed has no kind {kind!r}",
                    hint=f"there are: {', '.join(FEED_KINDS)}",
                    field="kinds",
                )
        require_named(self._reader, self._space, which)
        for segment_id in which.segments:
            saved = self._reader.find_segment(self._space, segment_id)
            if not saved.segment.is_followed or saved.segment.is_archived:
                raise InvalidWebhook(
                    f"the segment {segment_id!r} is not followed, so the feed tells nothing of it",
                    hint=f"follow it first: enduser segments change {segment_id} --followed",
                    field="segments",
                )
        told = self._reader.settings(self._space).feed_attributes
        for name in which.attributes:
            if name not in told:
                raise InvalidWebhook(
                    f"the feed tells nothing of {name!r}",
                    hint=f"follow it first: enduser config set feed_attributes {','.join((*told, name))}",
                    field="attributes",
                )


async def try_webhook(caller: WebhookCaller, webhook: Webhook) -> TestedWebhook:
    """Call a webhook with a message without rows; nothing is kept of it."""
    message = Message(
        type="enduser.test",
        space=webhook.space,
        webhook=webhook.id,
        items=[],
        cursor=cursor_of(webhook.place),
    )
    began = elapsed_s()
    answer = await caller.call(webhook, f"{webhook.id}_test_{now_us()}", message)
    return TestedWebhook(
        delivered=answer.problem is None,
        status=answer.status,
        problem=answer.problem,
        duration_s=round(elapsed_s() - began, 3),
    )


def _check_name(name: str) -> None:
    most = limits.WEBHOOK_NAME_CHARACTERS_MAX
    if not 0 < len(name) <= most or not name.isprintable():
        raise InvalidWebhook(
            f"a webhook cannot have the name {name[:100]!r}",
            hint=f"write 1 to {most} characters (WEBHOOK_NAME_CHARACTERS_MAX)",
            field="name",
            limit=most,
        )


def _refusal_of_host(host: str, allowed: Sequence[Network]) -> str | None:
    """Return why a host is not called, as far as its name says; None: it may be."""
    if host == "localhost" or host.endswith(".localhost"):
        host = "127.0.0.1"
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return None
    return refusal_of(host, allowed)
