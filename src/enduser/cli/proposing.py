"""Commands that commands propose."""

from __future__ import annotations

from enduser.stores.data_folder import DEFAULT_SPACE


def in_space(command: str, space: str) -> str:
    """Return a command that is proposed, with the space that it is about, where it would take another."""
    return command if space == DEFAULT_SPACE else f"{command} --space {space}"
