"""Reading rules that name segments: a segment is read as it is named, once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from enduser.core.rules.reading import Vocabulary, read_rule
from enduser.core.rules.tree import Rule
from enduser.errors import InvalidRule


class RuleBook:
    """The rules of a space."""

    def __init__(self, words: Vocabulary, find: Callable[[str], Any]) -> None:
        """Read by what words mean; `find` returns the rule of a segment as JSON, None if there is none."""
        self._words = replace(words, segment_of=self.segment)
        self._find = find
        self._read: dict[str, Rule | None] = {}

    def read(self, rule: Any) -> Rule:
        """Return a rule.

        Raises:
            InvalidRule, RuleTooLarge, UsersNotTracked: as `enduser.core.rules.reading.read_rule`.
        """
        return read_rule(rule, self._words)

    def segment(self, segment_id: str) -> Rule | None:
        """Return the rule of a segment, None if there is none.

        Raises:
            InvalidRule, RuleTooLarge, UsersNotTracked: it cannot be (any more), or leads back to itself.
        """
        if segment_id in self._read:
            rule = self._read[segment_id]
            if rule is None:
                raise InvalidRule(
                    f"the segment {segment_id!r} leads back to itself",
                    hint="take it out of the rule, or out of the segment that the rule names",
                )
            return rule
        found = self._find(segment_id)
        if found is None:
            return None
        self._read[segment_id] = None  # it is being read
        try:
            rule = self.read(found)
        except BaseException:
            del self._read[segment_id]
            raise
        self._read[segment_id] = rule
        return rule

    def require(self, segment_id: str) -> Rule:
        """Return the rule of a segment that is there; see `segment`."""
        found = self.segment(segment_id)
        assert found is not None
        return found
