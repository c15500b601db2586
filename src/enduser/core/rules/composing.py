"""Rules made of others, as JSON; a root without rules, which means everyone, is no group within another."""

from __future__ import annotations

from enduser.core.rules.reading import with_root
from enduser.core.rules.rule_json import RuleJson


def both(one: RuleJson, other: RuleJson) -> RuleJson:
    """Return the rule that means those whom two rules mean; of one that cannot be, one that cannot."""
    if _is_empty(one):
        return one if one.get("not") else other
    if _is_empty(other):
        return other if other.get("not") else one
    return {"combinator": "and", "rules": [one, other]}


def contrary(rule: RuleJson) -> RuleJson:
    """Return the rule that means the users whom a rule does not mean."""
    root: RuleJson = with_root(rule)
    return {**root, "not": not root.get("not")}


def _is_empty(rule: RuleJson) -> bool:
    return "kind" not in rule and rule.get("rules") == []
