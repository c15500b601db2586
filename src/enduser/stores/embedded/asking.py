"""Whom a rule means: how many, which, and how they are parted by an attribute."""

from __future__ import annotations

from typing import Any
from zoneinfo import ZoneInfo

from enduser.core.rules.tree import Rule
from enduser.stores.embedded.conditions import Conditions
from enduser.stores.embedded.reading import Look


def conditions(look: Look) -> Conditions:
    """Return what writes rules as conditions, for the moment of a look."""
    settings = look.settings()
    clock, sources = look.run("asking.moment")[0]
    return Conditions(
        columns={column.attribute.name: column for column in look.columns()},
        sources=sources,
        now=clock or 0,
        zone=ZoneInfo(settings.time_zone),
        months=settings.retention_months,
    )


def count(look: Look, rule: Rule) -> tuple[Any, Any]:
    """Return how many users a rule means, and how many ids that were not seen yet."""
    writer = conditions(look)
    condition = writer.of(rule)
    query = f"SELECT count(*) AS users FROM users WHERE total_sessions > 0 AND {condition}"
    seen = look.rows(query, writer.parameters)[0]["users"]
    if not rule.is_of_lists:
        return seen, 0
    ids = f"({writer.persons_of_lists(rule)}) AS users"
    query = f"SELECT count(DISTINCT person_key) AS ids FROM {ids} WHERE {condition} AND {_UNSEEN}"
    return seen, look.rows(query, writer.parameters)[0]["ids"]


_UNSEEN = "person_key NOT IN (SELECT known.person_key FROM users AS known WHERE known.total_sessions > 0)"
