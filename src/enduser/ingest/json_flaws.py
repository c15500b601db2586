"""What is wrong with JSON, in the words of who sent it."""

from __future__ import annotations

import re

import msgspec

BROKEN = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
"""What a decoder raises on bytes that are no good JSON; a `msgspec.ValidationError` is one of the first."""

_WRONG_TYPE = re.compile(r"Expected `(?P<wanted>[^`]+)`, got `(?P<got>[^`]+)`(?: - at `\$\.?(?P<field>.+)`)?")
_KINDS = {
    "str": "text",
    "int": "a whole number",
    "float": "a number",
    "bool": "true or false",
    "object": "an object",
    "array": "a list",
    "null": "null",
}


def flaw_of(error: Exception) -> str:
    """Return what is wrong with JSON: of a value only where it stands and of which kind it is."""
    if isinstance(error, RecursionError):
        return "it is nested too deep"
    if isinstance(error, UnicodeDecodeError):
        return "it is not UTF-8"
    if str(error) == "Input data was truncated":
        return "it ends too early, or text in it was cut in the middle of an emoji (such as \\ud83d alone)"
    if (told := _WRONG_TYPE.fullmatch(str(error))) is not None:
        return f"{told['field'] or 'it'} must be {_one_of(told['wanted'])}, and is {_kind(told['got'])}"
    return str(error)


def _one_of(wanted: str) -> str:
    """Return kinds of values as words; that a value may be absent goes without saying."""
    kinds = set(wanted.split(" | ")) - {"null"}
    if "float" in kinds:
        kinds -= {"int"}
    return " or ".join(sorted(map(_kind, kinds)))


def _kind(name: str) -> str:
    return _KINDS.get(name, name)
