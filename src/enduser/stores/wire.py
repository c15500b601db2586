"""How calls of a store's methods are written between two processes.

A call is a POST of its arguments as JSON to `/store/<method>`. What it returns comes back as JSON, rows come
as JSON lines. The signatures of the contract say of which types arguments and answers are.
"""

from __future__ import annotations

import inspect
from collections import Counter
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any, get_args, get_origin, get_type_hints

import msgspec

from enduser.stores import records
from enduser.stores.contract import Store

OTHER_VERSION = "use one version of enduser at both ends"
METHODS = tuple(
    name
    for name, _ in inspect.getmembers(Store, inspect.isfunction)
    if not name.startswith("_") and name != "close"
)
"""The calls that can be made from afar: all of the contract's but `close`, which is the caller's own."""

_RECORDS = {kind.__name__: kind for kind in get_args(records.Record)}
_RECORD = "record"
"""The argument that is a record: it is sent by the name of its type."""


@cache
def _types(method: str) -> dict[str, Any]:
    return get_type_hints(getattr(Store, method))


def answers_rows(method: str) -> bool:
    """Return whether a method answers rows, which are sent one by one."""
    return get_origin(_types(method)["return"]) is Iterator


def encoded_arguments(arguments: Mapping[str, object]) -> bytes:
    """Return the body of a call."""
    record = arguments.get(_RECORD)
    named = {} if record is None else {_RECORD: {type(record).__name__: record}}
    return encoded({**arguments, **named})


def decoded_arguments(method: str, body: bytes) -> dict[str, Any]:
    """Return the arguments of a call.

    Raises:
        MsgspecError, KeyError, AttributeError: the method takes no such arguments.
    """
    types = _types(method)
    arguments = {}
    for name, raw in msgspec.json.decode(body, type=dict[str, msgspec.Raw]).items():
        if name == _RECORD:
            ((kind, record),) = msgspec.json.decode(raw, type=dict[str, msgspec.Raw]).items()
            arguments[name] = decoded(record, _RECORDS[kind])
        else:
            arguments[name] = decoded(raw, types[name])
    return arguments


def decoded_answer(method: str, content: bytes) -> Any:
    """Return what a method has returned.

    Raises:
        MsgspecError: it returns nothing like that.
    """
    return decoded(content, _types(method)["return"])


def encoded(value: object) -> bytes:
    """Return a value of the contract as JSON; paths are made absolute, for the other end stands elsewhere."""
    return msgspec.json.encode(value, enc_hook=_plain)


def _plain(value: object) -> object:
    if isinstance(value, Path):
        return str(value.absolute())
    raise NotImplementedError(type(value))


def decoded(content: bytes | msgspec.Raw, kind: Any) -> Any:
    """Return the value of a type of the contract from its JSON."""
    return msgspec.json.decode(content, type=kind, dec_hook=_typed)


def _typed(kind: Any, value: Any) -> object:
    if kind is object:  # a value of a row
        return value
    if kind is Path:
        return Path(value)
    if getattr(kind, "__origin__", kind) is Counter:
        return Counter(value)
    raise NotImplementedError(kind)
