"""Spaces, their write keys, and what collectors must know of them."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Sequence

from enduser import limits
from enduser.core.settings import settings_from_text
from enduser.errors import InvalidSpaceName, LimitExceeded
from enduser.stores.answers import Door, WriteKey
from enduser.stores.embedded import database as files
from enduser.stores.embedded.engine import ANSWER, told
from enduser.stores.embedded.parts.part import Part
from enduser.stores.embedded.statements import run

_SPACE_NAME = re.compile(r"[a-z0-9][a-z0-9_-]*/[a-z0-9][a-z0-9_-]*")


class Spaces(Part):
    """See `enduser.stores.contract` for what each method means."""

    def create_space(self, space: str, now_us: int) -> None:
        """Create a space named `system/environment`."""
        longest = max(map(len, space.split("/")))
        if not _SPACE_NAME.fullmatch(space) or longest > limits.SPACE_NAME_CHARACTERS_MAX:
            raise InvalidSpaceName(
                f"{space!r} is no name of a space",
                hint="write system/environment in a-z, 0-9, _ and -, such as acme/production",
            )
        existing = self.spaces()
        if space in existing:
            raise InvalidSpaceName(
                f"the space {space} exists already",
                hint="choose another name; the spaces are listed by: enduser systems list",
            )
        if len(existing) >= limits.SPACES_MAX:
            raise LimitExceeded(
                f"there are {len(existing)} spaces",
                hint=f"the limit is {limits.SPACES_MAX:,} (SPACES_MAX); use another data folder for more",
                limit=limits.SPACES_MAX,
            )
        self._rules_changed(space)
        with self._database.changing("main"):
            files.create_space(self._database.connection, space, now_us)

    def write_keys(self) -> Sequence[WriteKey]:
        """Return all write keys, oldest first."""
        with told(ANSWER):
            return [WriteKey(*row) for row in run(self._database.connection, "spaces.write_keys")]

    def rotate_write_key(self, space: str, now_us: int, grace_us: int) -> str:
        """Give a space a new write key and return it; its other keys end after the grace."""
        with self._changing(space) as look:
            look.run("spaces.end_write_keys", space=space, ends_at=now_us + grace_us)
            return files.create_write_key(look.connection, space, now_us)

    def doors(self) -> Sequence[Door]:
        """Return what collectors must know, space by space: asked for after each call, so of all at once."""
        settings: dict[str, dict[str, str]] = defaultdict(dict)
        with told(ANSWER):
            for space, name, value in run(self._database.connection, "spaces.settings"):
                settings[space][name] = value
        keys: dict[str, list[WriteKey]] = defaultdict(list)
        for key in self.write_keys():
            keys[key.space].append(key)
        return [
            Door(files.space_number(schema), space, settings_from_text(settings[space]), keys[space])
            for space, schema in self._database.spaces()
        ]
