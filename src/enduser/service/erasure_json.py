"""Receipts of erasures as programs get them."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import msgspec
from msgspec import Meta

from enduser.service.json_form import Count, Time, iso_time, iso_time_if_known
from enduser.stores.answers import Erasure


class ErasedJson(msgspec.Struct, frozen=True, kw_only=True):
    """How much of a person went; values are all that were ever said of custom attributes."""

    ids: Count
    events: Count
    sessions: Count
    values: Count


class ErasureJson(msgspec.Struct, frozen=True, kw_only=True):
    """The receipt of an erasure. Who was erased is told by a keyed hash only."""

    erasure: Annotated[int, Meta(description="its number, over all spaces")]
    erased_at: Time
    id_hash: Annotated[str, Meta(description="keyed hash of the id by which it was asked for")]
    erased: ErasedJson
    suppressed: Annotated[bool, Meta(description="whether the person stays out")]
    gone_at: Annotated[Time | None, Meta(description="when no file had a byte of him any more")]


def erasure_json(receipt: Erasure) -> ErasureJson:
    """Return a receipt as programs get it."""
    return ErasureJson(
        erasure=receipt.number,
        erased_at=iso_time(receipt.erased_at),
        id_hash=receipt.id_hash,
        erased=ErasedJson(**asdict(receipt.amount)),
        suppressed=receipt.is_suppressed,
        gone_at=iso_time_if_known(receipt.gone_at),
    )
