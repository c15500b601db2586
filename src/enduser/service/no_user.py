"""Nobody under an id: how calls and commands say so, and what to do."""

from __future__ import annotations

from enduser.core.links import OTHER_ID
from enduser.errors import UserNotFound

NOT_THEN = f"no session was closed by then; ask for a later time, or {OTHER_ID}"
"""What to do where there was no End User Object at a time."""


def no_user(space: str, user_id: str, id_kind: str, hint: str = OTHER_ID) -> UserNotFound:
    """Return the error that says that nobody is known under an id."""
    return UserNotFound(f"there is no user {user_id!r} ({id_kind}) in {space}", hint=hint)
