"""Webhooks: whom the feed is told to, how far each was told, and what was given up. Part of the control data.

Secrets are kept as they are, because messages are signed with them; the file is for the server's user alone.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Container, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa

from enduser import limits
from enduser.core.feed import EVERY_ROW, FeedFilter
from enduser.core.signing import SECRET_BYTES, secret_of
from enduser.errors import LimitExceeded, WebhookNotFound
from enduser.stores.control import METADATA, ControlStore

_WEBHOOKS = sa.Table(
    "webhooks",
    METADATA,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("space", sa.Text, nullable=False),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("url", sa.Text, nullable=False),
    sa.Column("secret", sa.Text, nullable=False),
    sa.Column("old_secret", sa.Text),
    sa.Column("old_secret_ends_at", sa.BigInteger),
    sa.Column("kinds", sa.JSON, nullable=False),
    sa.Column("segments", sa.JSON, nullable=False),
    sa.Column("attributes", sa.JSON, nullable=False),
    sa.Column("is_enabled", sa.Boolean, nullable=False),
    sa.Column("disabled_because", sa.Text),
    sa.Column("generation", sa.Integer, nullable=False),
    sa.Column("place", sa.BigInteger, nullable=False),
    sa.Column("batch_ends", sa.BigInteger),
    sa.Column("attempts", sa.Integer, nullable=False),
    sa.Column("next_try_at", sa.BigInteger),
    sa.Column("last_error", sa.Text),
    sa.Column("last_success_at", sa.BigInteger),
    sa.Column("created_at", sa.BigInteger, nullable=False),
)
_DEAD_LETTERS = sa.Table(
    "webhook_dead_letters",
    METADATA,
    sa.Column("number", sa.Integer, primary_key=True),
    sa.Column("webhook", sa.Text, nullable=False),
    sa.Column("first", sa.BigInteger, nullable=False),
    sa.Column("last", sa.BigInteger, nullable=False),
    sa.Column("error", sa.Text, nullable=False),
    sa.Column("given_up_at", sa.BigInteger, nullable=False),
    sa.Index("webhook_dead_letters_of_webhook", "webhook", "number"),
    sqlite_autoincrement=True,
)
_ID_BYTES = 8
_NO_BATCH: Mapping[str, Any] = {"batch_ends": None, "attempts": 0, "next_try_at": None}


@dataclass(frozen=True, slots=True, kw_only=True)
class Webhook:
    """A receiver of the feed of a space. Times are µs."""

    id: str
    space: str
    name: str
    url: str
    secret: str = field(repr=False)
    old_secret: str | None = field(default=None, repr=False)
    """The one before, with which is signed too for a while."""
    old_secret_ends_at: int | None = None
    which: FeedFilter = EVERY_ROW
    is_enabled: bool = True
    disabled_because: str | None = None
    """Why the server disabled it; None: it did not."""
    generation: int = 1
    """Counts how often it was moved or its filter was changed: then calls have other ids."""
    place: int
    """The number of the row up to which all is done."""
    batch_ends: int | None = None
    """The place behind the call that failed last, which is made again as it was; None: it did not fail."""
    attempts: int = 0
    """How often that call was made."""
    next_try_at: int | None = None
    last_error: str | None = None
    last_success_at: int | None = None
    created_at: int

    def secrets_at(self, now_us: int) -> Sequence[str]:
        """Return what messages are signed with at a time."""
        if self.old_secret is None or now_us >= (self.old_secret_ends_at or 0):
            return [self.secret]
        return [self.secret, self.old_secret]


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadLetter:
    """A call that was given up, or rows that went before they were told. Numbers are those of the feed."""

    number: int
    """Of the dead letter; later is greater."""
    first: int
    last: int
    error: str
    given_up_at: int


def new_secret() -> str:
    """Return a secret at random."""
    return secret_of(secrets.token_bytes(SECRET_BYTES))


def new_webhook(space: str, name: str, url: str, which: FeedFilter, place: int, now_us: int) -> Webhook:
    """Return a webhook to be, with a secret, that tells what follows a place of the feed."""
    return Webhook(
        id=secrets.token_hex(_ID_BYTES),
        space=space,
        name=name,
        url=url,
        secret=new_secret(),
        which=which,
        place=place,
        created_at=now_us,
    )


def create_webhook(control: ControlStore, made: Webhook) -> Webhook:
    """Keep a webhook that is new, and return it.

    Raises:
        LimitExceeded: there are as many as there may be.
    """
    with control.changing() as connection:
        if connection.execute(sa.select(sa.func.count()).select_from(_WEBHOOKS)).scalar_one() >= (
            limits.WEBHOOKS_MAX
        ):
            raise LimitExceeded(
                f"there are {limits.WEBHOOKS_MAX} webhooks",
                hint=f"the limit is {limits.WEBHOOKS_MAX} (WEBHOOKS_MAX); delete one that nobody needs",
                limit=limits.WEBHOOKS_MAX,
            )
        connection.execute(
            _WEBHOOKS.insert().values(
                id=made.id,
                space=made.space,
                name=made.name,
                url=made.url,
                secret=made.secret,
                is_enabled=made.is_enabled,
                generation=made.generation,
                place=made.place,
                attempts=made.attempts,
                created_at=made.created_at,
                **_filter_values(made.which),
            )
        )
    return made


def list_webhooks(control: ControlStore, space: str) -> Sequence[Webhook]:
    """Return the webhooks of a space, the oldest first."""
    return _found(control, _WEBHOOKS.c.space == space)


def enabled_webhooks(control: ControlStore) -> Sequence[Webhook]:
    """Return the webhooks of all spaces that are to be told."""
    return _found(control, _WEBHOOKS.c.is_enabled)


def _found(control: ControlStore, which: sa.ColumnElement[bool]) -> Sequence[Webhook]:
    query = sa.select(_WEBHOOKS).where(which).order_by(_WEBHOOKS.c.created_at, _WEBHOOKS.c.id)
    with control.reading() as connection:
        return [_webhook(row) for row in connection.execute(query).all()]


def find_webhook(control: ControlStore, space: str, webhook_id: str) -> Webhook:
    """Return a webhook of a space.

    Raises:
        WebhookNotFound: there is none of this id.
    """
    found = _found(control, _of_space(space, webhook_id))
    if not found:
        raise _not_found(space, webhook_id)
    return found[0]


def change_webhook(
    control: ControlStore,
    space: str,
    webhook_id: str,
    *,
    which: FeedFilter | None = None,
    place: int | None = None,
    **changes: object,
) -> Webhook:
    """Change a webhook and return it as it is then; what is not named stays.

    Where it tells of something else, or goes on from another place, the call that failed is not made again
    as it was. One that is enabled by this is tried at once.

    Args:
        control: the control data.
        space: whose it is.
        webhook_id: its id.
        which: what it tells of.
        place: the number of the row behind which it goes on.
        changes: `name`, `url` or `is_enabled`.

    Raises:
        WebhookNotFound: there is none of this id.
    """
    values: dict[str, Any] = dict(changes)
    if which is not None:
        values |= _filter_values(which)
    if place is not None:
        values["place"] = place
    if which is not None or place is not None:
        values |= {**_NO_BATCH, "generation": _WEBHOOKS.c.generation + 1}
    if changes.get("is_enabled") or "url" in changes:
        values |= {"disabled_because": None, "attempts": 0, "next_try_at": None}
    if values:
        _change(control, _of_space(space, webhook_id), values)
    return find_webhook(control, space, webhook_id)


def rotate_secret(control: ControlStore, space: str, webhook_id: str, now_us: int) -> Webhook:
    """Give a webhook another secret, and return it; the one before is good for a while, older ones no more.

    Raises:
        WebhookNotFound: there is none of this id.
    """
    mine = _of_space(space, webhook_id)
    values = {
        "secret": new_secret(),
        "old_secret": _WEBHOOKS.c.secret,
        "old_secret_ends_at": now_us + limits.WEBHOOK_SECRET_HOURS * 3_600_000_000,
    }
    with control.changing() as connection:
        if not connection.execute(_WEBHOOKS.update().where(mine).values(**values)).rowcount:
            raise _not_found(space, webhook_id)
        return _webhook(connection.execute(sa.select(_WEBHOOKS).where(mine)).one())


def delete_webhook(control: ControlStore, space: str, webhook_id: str) -> None:
    """Take a webhook away, with what is remembered of it.

    Raises:
        WebhookNotFound: there is none of this id.
    """
    with control.changing() as connection:
        gone = connection.execute(_WEBHOOKS.delete().where(_of_space(space, webhook_id)))
        if not gone.rowcount:
            raise _not_found(space, webhook_id)
        connection.execute(_DEAD_LETTERS.delete().where(_DEAD_LETTERS.c.webhook == webhook_id))


# --- attributes that have other names


def name_both(control: ControlStore, name: str, new_name: str) -> None:
    """Let webhooks that tell of an attribute name it by its new name too."""
    _rename(control, lambda names: [*names, new_name] if name in names else names)


def rename_attribute(control: ControlStore, name: str, new_name: str) -> None:
    """Let webhooks that tell of an attribute name it by its new name alone."""
    _rename(control, lambda names: [new_name if one == name else one for one in names])


def keep_attributes(control: ControlStore, known: Container[str]) -> None:
    """Let webhooks that name several attributes name only those that are known, if there are any."""
    _rename(control, lambda names: [one for one in names if one in known] or names)


def _rename(control: ControlStore, renamed: Callable[[Sequence[str]], Sequence[str]]) -> None:
    """Let webhooks name other attributes; of those that do, no call that failed is made again as it was."""
    with control.changing() as connection:
        for row in connection.execute(sa.select(_WEBHOOKS.c.id, _WEBHOOKS.c.attributes)).all():
            names = list(dict.fromkeys(renamed(row.attributes)))
            if names != row.attributes:
                again = {**_NO_BATCH, "generation": _WEBHOOKS.c.generation + 1}
                change = _WEBHOOKS.update().where(_WEBHOOKS.c.id == row.id)
                connection.execute(change.values(attributes=names, **again))


# --- what becomes of calls; a webhook that was moved meanwhile, or is gone, stays as it is


def note_delivered(control: ControlStore, called: Webhook, place: int, now_us: int) -> None:
    """Note that a receiver has all up to a place."""
    values = {**_NO_BATCH, "place": place, "last_success_at": now_us, "last_error": None}
    _change(control, _as_it_was(called), values)


def note_passed(control: ControlStore, called: Webhook, place: int) -> None:
    """Note that up to a place there is nothing for a receiver."""
    _change(control, _as_it_was(called), {**_NO_BATCH, "place": place})


def note_failed(
    control: ControlStore, called: Webhook, batch_ends: int, error: str, next_try_at: int
) -> None:
    """Note that a call failed, and when it is made again as it was."""
    values = {
        "batch_ends": batch_ends,
        "attempts": called.attempts + 1,
        "next_try_at": next_try_at,
        "last_error": error,
    }
    _change(control, _as_it_was(called), values)


def note_given_up(
    control: ControlStore, called: Webhook, rows: tuple[int, int], place: int, error: str, now_us: int
) -> None:
    """Give up the rows from a first to a last, and go on behind a place; the oldest dead letters go."""
    number, mine = _DEAD_LETTERS.c.number, _DEAD_LETTERS.c.webhook == called.id
    with control.changing() as connection:
        values = {**_NO_BATCH, "place": place, "last_error": error}
        if not connection.execute(_WEBHOOKS.update().where(_as_it_was(called)).values(**values)).rowcount:
            return
        first, last = rows
        letter = {"webhook": called.id, "first": first, "last": last, "error": error, "given_up_at": now_us}
        connection.execute(_DEAD_LETTERS.insert().values(**letter))
        kept = sa.select(number).where(mine).order_by(number.desc()).limit(limits.WEBHOOK_DEAD_LETTERS_MAX)
        connection.execute(_DEAD_LETTERS.delete().where(mine, number.not_in(kept)))


def note_disabled(control: ControlStore, called: Webhook, because: str) -> None:
    """Disable a webhook; nothing is told any more until somebody enables it."""
    values = {**_NO_BATCH, "is_enabled": False, "disabled_because": because, "last_error": because}
    _change(control, _as_it_was(called), values)


def list_dead_letters(
    control: ControlStore, webhook_id: str, *, before: int | None = None, limit: int = limits.PAGE_ROWS_MAX
) -> Sequence[DeadLetter]:
    """Return the last dead letters of a webhook, the newest first; those before a number."""
    query = sa.select(_DEAD_LETTERS).where(_DEAD_LETTERS.c.webhook == webhook_id)
    if before is not None:
        query = query.where(_DEAD_LETTERS.c.number < before)
    with control.reading() as connection:
        rows = connection.execute(query.order_by(_DEAD_LETTERS.c.number.desc()).limit(limit)).all()
    return [
        DeadLetter(
            number=row.number, first=row.first, last=row.last, error=row.error, given_up_at=row.given_up_at
        )
        for row in rows
    ]


def _change(control: ControlStore, which: sa.ColumnElement[bool], values: Mapping[str, Any]) -> None:
    with control.changing() as connection:
        connection.execute(_WEBHOOKS.update().where(which).values(**values))


def _of_space(space: str, webhook_id: str) -> sa.ColumnElement[bool]:
    return sa.and_(_WEBHOOKS.c.space == space, _WEBHOOKS.c.id == webhook_id)


def _as_it_was(called: Webhook) -> sa.ColumnElement[bool]:
    return sa.and_(_WEBHOOKS.c.id == called.id, _WEBHOOKS.c.generation == called.generation)


def _filter_values(which: FeedFilter) -> dict[str, Any]:
    return {
        "kinds": list(which.kinds),
        "segments": list(which.segments),
        "attributes": list(which.attributes),
    }


def _not_found(space: str, webhook_id: str) -> WebhookNotFound:
    return WebhookNotFound(
        f"there is no webhook {webhook_id!r} in {space}",
        hint="the webhooks are listed by: enduser webhooks list, or GET /api/v1/webhooks",
        field="webhook_id",
    )


def _webhook(row: Any) -> Webhook:
    which = FeedFilter(kinds=tuple(row.kinds), segments=tuple(row.segments), attributes=tuple(row.attributes))
    return Webhook(
        id=row.id,
        space=row.space,
        name=row.name,
        url=row.url,
        secret=row.secret,
        old_secret=row.old_secret,
        old_secret_ends_at=row.old_secret_ends_at,
        which=which,
        is_enabled=row.is_enabled,
        disabled_because=row.disabled_because,
        generation=row.generation,
        place=row.place,
        batch_ends=row.batch_ends,
        attempts=row.attempts,
        next_try_at=row.next_try_at,
        last_error=row.last_error,
        last_success_at=row.last_success_at,
        created_at=row.created_at,
    )
