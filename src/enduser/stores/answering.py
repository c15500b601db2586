"""Answering what other processes ask of a store; how that is written: `enduser.stores.wire`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

import msgspec

from enduser.errors import UsageError
from enduser.stores.contract import Reader
from enduser.stores.wire import METHODS, OTHER_VERSION, answers_rows, decoded_arguments, encoded

BESIDE = frozenset(("preview_values", "export", "preview_retention", "write_person"))
"""Those that take long and change nothing: a reader answers them beside the thread that changes the store."""


def answer(store: Reader, method: str, body: bytes) -> bytes | Iterator[bytes]:
    """Do what a call asks, on the thread that the store is used from; return the result as it is sent.

    Of a store all methods can be asked for, of a reader those that are its own.

    Raises:
        EnduserError: as the method does.
        UsageError: there is no such method, or it does not take such arguments.
    """
    if method not in METHODS:
        raise UsageError(f"a store has no method {method!r}", hint=OTHER_VERSION)
    try:
        arguments = decoded_arguments(method, body)
    except (msgspec.MsgspecError, KeyError, AttributeError) as error:
        raise UsageError(
            f"{method} was called with other arguments: {error}",
            hint=OTHER_VERSION,
        ) from None
    result = getattr(store, method)(**arguments)
    return _lines(result) if answers_rows(method) else encoded(result)


def _lines(rows: Iterable[Mapping[str, object]]) -> Iterator[bytes]:
    for row in rows:
        yield msgspec.json.encode(row) + b"\n"
