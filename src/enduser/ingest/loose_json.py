"""JSON that a strict decoder gives up as a whole: taken apart, so that one bad message costs itself only."""

from __future__ import annotations

import re

_STRING = rb'"(?:[^"\\]++|\\.)*+"'
_NEXT_BRACKET = re.compile(rb'(?:[^"\[\]{}]++|' + _STRING + rb")*+([\[\]{}])", re.DOTALL)
_NEXT_SIGN = re.compile(rb'(?:[^"\[\]{},]++|' + _STRING + rb")*+([\[\]{},])", re.DOTALL)
_BATCH = re.compile(rb'"batch"\s*+:\s*+\Z')
_KEY_BYTES = 64
"""How far before its value the key `batch` is looked for; more blanks than that nobody writes."""

_SIGNS_MAX = 50_000
"""How many brackets and commas are looked at (50 ms); the largest body of real messages has a tenth."""

_INSIDE = 2
"""How deep the elements of the batch lie: in a list in an object."""

_BRACKETS = re.compile(rb"[\[{]+|[\]}]+")
_STRINGS = re.compile(_STRING, re.DOTALL)


def split_batch(body: bytes, elements_max: int) -> tuple[bytes, list[bytes]] | None:
    """Return an object without the elements of its list `batch`, and these elements, each unchecked.

    None where there is no such list, it does not end, or all is brackets. After one element more than
    `elements_max` the rest is not looked at.
    """
    depth = first = start = at = 0
    elements: list[bytes] = []
    for _ in range(_SIGNS_MAX):
        found = (_NEXT_SIGN if depth == _INSIDE else _NEXT_BRACKET).match(body, at)
        if found is None:
            break
        sign, at = found.group(1), found.end()
        depth += (sign in b"[{") - (sign in b"]}")
        if not first:
            is_list = depth == _INSIDE and sign == b"[" and _is_batch(body, at - 1)
            first = start = at if is_list else 0
        elif depth < _INSIDE or (depth == _INSIDE and sign == b","):
            elements.append(body[start : at - 1].strip())
            start = at
            if depth < _INSIDE:
                return body[:first] + body[at - 1 :], elements if any(elements) else []
            if len(elements) > elements_max:
                return body[:first] + b"]}", elements
    return None


def _is_batch(body: bytes, at: int) -> bool:
    """Return whether the value that begins at `at` is that of the key `batch`."""
    return _BATCH.search(body, max(0, at - _KEY_BYTES), at) is not None


def is_deeper(value: bytes, depth_max: int) -> bool:
    """Return whether valid JSON has objects and lists within each other more than `depth_max` deep."""
    if value.count(b"{") + value.count(b"[") <= depth_max:
        return False
    depth = 0
    for run in _BRACKETS.findall(_STRINGS.sub(b"", value)):
        depth += len(run) if run[0] in b"[{" else -len(run)
        if depth > depth_max:
            return True
    return False
