"""What names an object or a segment exactly as it is, so that a change can be made only to that."""

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


def etag_of(user: EndUserJson) -> str:
    """Return what names an End User Object exactly as it is."""
    return f'"{hashlib.sha256(msgspec.json.encode(user)).hexdigest()[:32]}"'


def require_match(user: EndUserJson | None, wanted: str) -> None:
    """Check that an object is as `If-Match` names it; `*` names any that there is.

    Raises:
        PreconditionFailed: it is not.
    """
    if user is None or not _matches(etag_of(user), wanted):
        raise PreconditionFailed(
            "the user is not any more as If-Match names him",
            hint="get the user again, and send the ETag of that answer",
            field="If-Match",
        )


def etag_of_version(version: int) -> str:
    """Return what names a version of a segment."""
    return f'"{version}"'


def require_version(segment_id: str, version: int, wanted: str) -> None:
    """Check that a segment is of a version that `If-Match` names; `*` names any.

    Raises:
        PreconditionFailed: it is not.
    """
    if not _matches(etag_of_version(version), wanted):
        raise PreconditionFailed(
            f"the segment {segment_id!r} is of version {version} now, which If-Match does not name",
            hint="get the segment again, and send the ETag of that answer",
            field="If-Match",
        )


def _matches(etag: str, wanted: str) -> bool:
    tags = [tag.strip() for tag in wanted.split(",")]
    return "*" in tags or etag in tags
