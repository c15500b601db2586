"""What the feed of a space follows: segments by what their rules mean, and attributes."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from enduser.core.rules.programs import Program
from enduser.core.rules.tree import Rule
from enduser.errors import InvalidRule, RuleTooLarge
from enduser.stores.embedded.asking import rules_of
from enduser.stores.embedded.reading import Look
from enduser.stores.embedded.segments import every_segment


@dataclass(frozen=True, slots=True)
class Followed:
    """What a space follows now."""

    rules: Mapping[str, Rule]
    """Of each segment."""
    program: Program
    """All of them, in this order."""
    attributes: Sequence[str]
    keys: Mapping[str, str]
    """What names each rule."""


@dataclass(frozen=True, slots=True)
class Names:
    """What was followed: segments with what names their rules, and attributes."""

    segments: Mapping[str, str]
    attributes: Sequence[str]


NOTHING = Names({}, [])


@dataclass(frozen=True, slots=True)
class Change:
    """What was followed before a step, and what is now."""

    before: Names
    after: Names

    @property
    def kept(self) -> Sequence[str]:
        """The segments whose rules are as they were."""
        return [name for name, key in self.after.segments.items() if self.before.segments.get(name) == key]

    @property
    def told_segments(self) -> Sequence[str]:
        """The segments of which is told what becomes of them: it is known what was."""
        return [name for name in self.after.segments if name in self.before.segments]

    @property
    def told_attributes(self) -> Sequence[str]:
        """The same of attributes."""
        return [name for name in self.after.attributes if name in self.before.attributes]

    @property
    def unfollowed(self) -> Sequence[str]:
        """The segments that are not followed any more."""
        return [name for name in self.before.segments if name not in self.after.segments]


def followed_now(look: Look) -> Followed:
    """Return what is followed. A segment whose rule cannot be any more is not."""
    settings = look.settings()
    rules: dict[str, Rule] = {}
    if settings.unique_user != "none":
        reader = rules_of(look)
        for one in every_segment(look.connection):
            if one.segment.is_followed and not one.segment.is_archived:
                try:
                    rules[one.segment.id] = reader.require(one.segment.id)
                except (InvalidRule, RuleTooLarge):
                    continue
    keys = {name: key_of(repr(rule), "") for name, rule in rules.items()}
    return Followed(rules, Program(list(rules.values())), list(settings.feed_attributes), keys)


def key_of(rule: str, zone: str) -> str:
    """Return what names what a rule means: it means something else where days begin at other times."""
    return hashlib.sha256(repr((rule, zone)).encode()).hexdigest()[:32]
