"""What names a user, a segment or a content item as it is, so that a change can be made only to that."""

from __future__ import annotations

import hashlib

import msgspec

from enduser.errors import PreconditionFailed
from enduser.service.json_form import EndUserJson, end_user_json
from enduser.stores.contract import Reader


def find_user_json(reader: Reader, space: str, user_id: str, id_kind: str) -> EndUserJson | None:
    """Return the End User Object of an id as callers get it; None if there is none."""
    found = reader.find_user(space, user_id, id_kind)
    return None if found is None else end_user_json(found)


def etag_of(told: msgspec.Struct) -> str:
    """Return what names a thing exactly as callers get it."""
    return f'"{hashlib.sha256(msgspec.json.encode(told)).hexdigest()[:32]}"'


def require_match(found: msgspec.Struct | None, wanted: str | None, what: str = "user") -> None:
    """Check that a thing is as `If-Match` names it; `*` names any that there is, None is no condition.

    Args:
        found: the thing as callers get it; None if there is none.
        wanted: the value of the header.
        what: the word for such a thing.

    Raises:
        PreconditionFailed: it is not.
    """
    if wanted is None:
        return
    tags = [tag.strip() for tag in wanted.split(",")]
    if found is None or not ("*" in tags or etag_of(found) in tags):
        raise PreconditionFailed(
            f"the {what} is not any more as If-Match names it",
            hint=f"get the {what} again, and send the ETag of that answer",
            field="If-Match",
        )
