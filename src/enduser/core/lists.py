"""Static lists: named sets of ids that people and programs keep (docs/lists.md)."""

from __future__ import annotations

import re
from enum import StrEnum

from enduser import limits
from enduser.errors import InvalidList

_CONTROLS = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
"""Characters that neither an id nor a name of a list has: nobody could see them, or they are no UTF-8."""


class ListAction(StrEnum):
    """What becomes of the ids that a call names."""

    CREATE = "create"
    """They are the members of a new list."""
    ADD = "add"
    REMOVE = "remove"
    OVERRIDE = "override"
    """They are its members, and no others."""


def check_list_id(text: str) -> None:
    """Check that a list can have this id: any text that people can read, compared byte for byte.

    Raises:
        InvalidList: it is empty or too long, has blanks around it, or control characters in it.
    """
    is_short = 0 < len(text) <= limits.LIST_ID_CHARACTERS_MAX
    if not is_short or text != text.strip() or _CONTROLS.search(text):
        raise InvalidList(
            f"no list can have the id {text[: limits.LIST_ID_CHARACTERS_MAX]!r}",
            hint=f"write 1 to {limits.LIST_ID_CHARACTERS_MAX} characters (LIST_ID_CHARACTERS_MAX), "
            "without blanks around them and without control characters",
            field="id",
        )


def check_list_name(text: str) -> None:
    """Check that a list can have this name; several may have one.

    Raises:
        InvalidList: it is too long, or has control characters.
    """
    if len(text) > limits.LIST_NAME_CHARACTERS_MAX or _CONTROLS.search(text):
        raise InvalidList(
            f"no list can have the name {text[: limits.LIST_NAME_CHARACTERS_MAX]!r}",
            hint=f"write at most {limits.LIST_NAME_CHARACTERS_MAX} characters (LIST_NAME_CHARACTERS_MAX), "
            "without control characters",
            field="name",
        )
