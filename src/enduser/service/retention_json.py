"""Receipts of deleting by age as programs get them."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

from enduser.service.json_form import Count, Time, iso_time, iso_time_if_known
from enduser.stores.answers import RetentionAmount, RetentionRun


class AmountJson(msgspec.Struct, frozen=True, kw_only=True):
    """How much goes by age, or went."""

    users: Annotated[Count, Meta(description="persons, with all that was known of them")]
    ids: Count
    lives: Annotated[Count, Meta(description="persons who stay, but whose earlier lives go")]
    events: Count
    sessions: Count
    values: Annotated[Count, Meta(description="all that was ever said of custom attributes")]
    contents: Annotated[Count, Meta(description="events that stay, but whose content goes")]


class RetentionRunJson(msgspec.Struct, frozen=True, kw_only=True):
    """The receipt of a run of deleting by age."""

    run: int
    as_of: Annotated[Time, Meta(description="by this time users were judged")]
    began_at: Time
    ended_at: Annotated[Time | None, Meta(description="null: it goes on")]
    amount: AmountJson
    gone_at: Annotated[Time | None, Meta(description="when no file had a byte of it any more")]


def amount_json(amount: RetentionAmount) -> AmountJson:
    """Return how much goes, or went, as programs get it."""
    return msgspec.convert(amount, AmountJson, from_attributes=True)


def run_json(run: RetentionRun) -> RetentionRunJson:
    """Return a receipt as programs get it."""
    return RetentionRunJson(
        run=run.number,
        as_of=iso_time(run.as_of),
        began_at=iso_time(run.began_at),
        ended_at=iso_time_if_known(run.ended_at),
        amount=amount_json(run.amount),
        gone_at=iso_time_if_known(run.gone_at),
    )
