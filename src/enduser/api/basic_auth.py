"""Basic authentication (RFC 7617): how a call's header has a user name and a password."""

from __future__ import annotations

import base64


def user_and_password(authorization: bytes) -> tuple[str, str | None] | None:
    """Return what the header `Authorization` has by Basic authentication; None: it is none, or no text.

    Without a colon all of it is the user name: who has a key alone may leave the colon out.
    """
    scheme, _, told = authorization.partition(b" ")
    if scheme.lower() != b"basic":
        return None
    try:
        user, colon, password = base64.b64decode(told.strip(), validate=True).decode().partition(":")
    except ValueError:  # no base64, or no UTF-8
        return None
    return user, password if colon else None
