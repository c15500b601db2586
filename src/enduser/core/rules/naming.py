"""What rules name: attributes, segments and lists; and attributes under another name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from enduser.core.rules.tree import Changes, Condition, Counted, Group, InList, InSegment, Node, Rule


@dataclass(frozen=True, slots=True)
class Names:
    """What a rule names itself, not by the segments within it; each once, in order."""

    attributes: tuple[str, ...]
    segments: tuple[str, ...]
    lists: tuple[str, ...]


def names_of(rule: Rule) -> Names:
    """Return what a rule names; sessions and events have fields of their own."""
    attributes, segments, lists = set[str](), set[str](), set[str]()

    def look(node: Node) -> None:
        match node:
            case Group(parts=parts):
                for part in parts:
                    look(part)
            case Condition(field=field):
                attributes.add(field.name)
            case Counted(what=Changes(field=field)):
                attributes.add(field.name)
            case InSegment(id=name):
                segments.add(name)
            case InList(id=name):
                lists.add(name)

    look(rule.root)
    return Names(tuple(sorted(attributes)), tuple(sorted(segments)), tuple(sorted(lists)))


def renamed(node: Any, name: str, new_name: str) -> Any:
    """Return a rule as JSON in which an attribute has another name."""
    if node.get("kind") in ("session", "event"):
        return node
    changed = dict(node)
    if node.get("field") == name:
        changed["field"] = new_name
    if "rules" in node:
        changed["rules"] = [renamed(part, name, new_name) for part in node["rules"]]
    return changed


def segments_named(node: object) -> set[str]:
    """Return the ids of the segments that JSON names itself, which may be no rule."""
    if not isinstance(node, Mapping):
        return set()
    if node.get("kind") == "segment":
        return {str(node.get("id"))}
    parts = node.get("rules")
    return {found for part in parts for found in segments_named(part)} if isinstance(parts, list) else set()
