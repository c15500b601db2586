"""What a call of the tracking protocol can be refused with, as the docs say and a server may answer."""

from __future__ import annotations

from enduser.errors import (
    BodyTooLarge,
    InternalError,
    LimitExceeded,
    MalformedRequest,
    MethodNotAllowed,
    SpoolError,
    SpoolFull,
    StoreError,
    TooBusy,
    Unauthorized,
    UnsupportedMediaType,
)

REFUSALS = (
    MalformedRequest,
    LimitExceeded,
    Unauthorized,
    MethodNotAllowed,
    BodyTooLarge,
    UnsupportedMediaType,
    TooBusy,
    SpoolFull,
    InternalError,
    SpoolError,
    StoreError,
)
"""All that a call of the tracking protocol can be refused with as a whole."""
