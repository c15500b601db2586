"""An explained rule as lines for people: a tree with a verdict at each node."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from enduser.cli.output import printable

_GROUPS = {
    ("and", False): "all of",
    ("or", False): "one of",
    ("and", True): "not all of",
    ("or", True): "none of",
}
_COUNTED = {"session": "sessions", "event": "events", "changed": "changes"}

Node = Mapping[str, Any]


def tree(segment: Node) -> Iterator[str]:
    """Yield the lines of a segment that is explained as `enduser.service.explained` says it."""
    name = printable(f"{segment['id']} ({segment['name']})")
    yield f"{_mark(segment)} {name}{_turns(segment)}"
    yield from _lines(segment["explanation"], "  ")


def _lines(node: Node, indent: str) -> Iterator[str]:
    yield f"{indent}{_mark(node)} {printable(_said(node))}{_found(node)}{_turns(node)}"
    if "kind" not in node:
        for part in node.get("rules", ()):
            yield from _lines(part, f"{indent}  ")


def _mark(node: Node) -> str:
    return "✓" if node["holds"] else "✗"


def _turns(node: Node) -> str:
    return f"; turns at {_time(node['turns_at'])}" if node["turns_at"] else ""


def _time(iso: str) -> str:
    return f"{iso[:19].replace('T', ' ')} UTC"


def _said(node: Node) -> str:
    """Return what a node says, without those below it."""
    kind = node.get("kind")
    if kind in ("segment", "list"):
        return f"in the {kind} {node['id']}"
    if kind is not None:
        return _counted(node)
    if "field" not in node:
        is_not = node.get("not", False)
        if not node["rules"]:
            return "nobody" if is_not else "everyone"
        return _GROUPS[node.get("combinator", "and"), is_not]
    value = "" if node.get("value") in (None, "") else f" {_value(node['value'])}"
    return f"{node['field']} {node['operator']}{value}{' in any case' if node.get('ignore_case') else ''}"


def _counted(node: Node) -> str:
    what = _COUNTED[node["kind"]]
    parts = [f"{what} of {node['field']}" if "field" in node else what]
    parts += [f"named {node['name']}"] if node.get("name") else []
    parts += [f"{word} {_json(node[word])}" for word in ("from", "to") if word in node]
    if node.get("rules"):
        group = {name: node[name] for name in ("combinator", "not", "rules") if name in node}
        parts.append(f"with {_json(group)}")
    if (count := node.get("count")) is not None:
        parts.append(f"{count['operator']} {_json(count['value'])}")
    window = node.get("window") or {}
    ends = [f"{word} {_value(window[word])}" for word in ("from", "to") if word in window]
    return " ".join([*parts, *([f"({' '.join(ends)} ago)"] if ends else [])])


def _value(value: object) -> str:
    """Return a value of a condition; of a span how long it is."""
    return f"{value['n']} {value['unit']}" if isinstance(value, Mapping) else _json(value)


def _found(node: Node) -> str:
    """Return what a condition looks at, and who says so."""
    if "found" not in node:
        return ""
    found = "unknown" if node["found"] is None else printable(_json(node["found"]))
    if node.get("last_at"):
        return f": {found}, the last at {_time(node['last_at'])}"
    if "source" in node:
        return f": {found} ({printable(node['source'])}, since {_time(node['effective_at'])})"
    return f": {found}"


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)
