"""A rule as JSON has it: what people and programs write, before `reading` makes it a tree."""

from __future__ import annotations

from typing import Any

RuleJson = dict[str, Any]
"""A rule as JSON has it; `enduser.core.rules.reading` reads it."""

EVERYONE: RuleJson = {"combinator": "and", "rules": []}
